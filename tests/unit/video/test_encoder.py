import io
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction

import av
import pytest
from media.pattern import picture

from vidgan.errors import MachineError, SinkError
from vidgan.frame import Colour, Frame, VideoInfo
from vidgan.video.encoder import Encoder, EncoderOptions
from vidgan.video.encoder_plan import default_encoder

INFO = VideoInfo(
    width=128, height=96, average_rate=Fraction(25), time_base=Fraction(1, 25), pixel_format="yuv420p",
    colour=Colour(matrix=6, full_range=False),
)  # fmt: skip


@contextmanager
def encoder(format_name="matroska", info=INFO, **options):
    """Open an encoder in a container that lives as long as the block."""
    with av.open(io.BytesIO(), "w", format=format_name) as container:
        yield Encoder(container, info, EncoderOptions(**options))


@pytest.mark.parametrize(("format_name", "name"), [
    ("mp4", "libx264"), ("mov", "libx264"), ("matroska", "libx264"), ("webm", "libvpx-vp9"), ("avi", "mpeg4"),
    ("gif", "gif"),
])  # fmt: skip
def test_every_container_has_an_encoder(format_name, name):
    with av.open(io.BytesIO(), "w", format=format_name) as container:
        assert default_encoder(container) == name


@pytest.mark.parametrize(("source_format", "codec", "expected"), [
    ("yuv420p", "libx264", "yuv420p"), ("yuv422p", "libx264", "yuv422p"), ("yuv444p", "libx264", "yuv444p"),
    ("yuv420p10le", "libx264", "yuv420p"), ("nv12", "libx264", "yuv420p"), ("yuvj420p", "libx264", "yuv420p"),
    ("yuv410p", "libx264", "yuv420p"), ("yuv440p", "libx264", "yuv444p"), ("rgb24", "libx264", "yuv420p"),
    ("rgb24", "libx264rgb", "rgb24"), ("rgba", "ffv1", "bgr0"), ("pal8", "ffv1", "bgr0"), ("gray", "ffv1", "yuv420p"),
    ("yuv422p", "mpeg4", "yuv420p"), ("yuv420p", "mjpeg", "yuvj420p"), ("yuv420p", "prores_ks", "yuv422p10le"),
    ("yuv444p", "libsvtav1", "yuv420p"),
])  # fmt: skip
def test_chroma_is_the_sources_or_the_nearest(source_format, codec, expected):
    with encoder(info=replace(INFO, pixel_format=source_format), codec=codec) as made:
        assert made.pixel_format == expected


def test_a_loss_of_chroma_is_said():
    with encoder(info=replace(INFO, pixel_format="rgb24")) as made:
        assert any("4:2:0" in notice for notice in made.notices)
    with encoder(info=replace(INFO, pixel_format="rgb24"), codec="ffv1") as made:
        assert made.notices == []


@pytest.mark.parametrize(("size", "options", "expected"), [
    ((127, 95), {}, (128, 96)), ((127, 96), {}, (128, 96)), ((128, 95), {}, (128, 96)), ((128, 96), {}, (128, 96)),
    ((127, 95), {"pixel_format": "yuv444p"}, (127, 95)), ((127, 95), {"pixel_format": "yuv422p"}, (128, 95)),
    ((127, 95), {"codec": "ffv1"}, (127, 95)), ((127, 95), {"codec": "libx265"}, (128, 96)),
    ((127, 95), {"codec": "libvpx-vp9"}, (127, 95)), ((127, 95), {"codec": "libsvtav1"}, (128, 96)),
])  # fmt: skip
def test_odd_sizes(size, options, expected):
    with encoder(info=replace(INFO, width=size[0], height=size[1]), **options) as made:
        assert (made.stream.width, made.stream.height) == expected
        assert any("repeated" in notice for notice in made.notices) == (size != expected)
        made.encode(Frame(image=picture(0, *size), pts=0, time_base=Fraction(1, 25), duration=1))


@pytest.mark.parametrize(("options", "written"), [
    ({}, b" crf=18.0 "), ({"crf": 23.5}, b" crf=23.5 "), ({"crf": 20}, b" crf=20.0 "),
    ({"preset": "ultrafast"}, b" subme=0 "), ({"preset": "slow"}, b" subme=8 "), ({"codec": "libx265"}, b" crf=20.0 "),
    ({"codec": "libx265", "crf": 31}, b" crf=31.0 "),
])  # fmt: skip
def test_settings_reach_the_encoder(options, written):
    """x264 and x265 write theirs into the stream."""
    with encoder(**options) as made:
        packets = made.encode(Frame(image=picture(0), pts=0, time_base=Fraction(1, 25), duration=1)) + made.flush()
        assert written in b"".join(bytes(packet) for packet in packets) + (made.stream.codec_context.extradata or b"")


@pytest.mark.parametrize(("options", "format_name", "words"), [
    ({"codec": "nope"}, "mp4", "--codec nope"), ({"codec": "libopus"}, "mp4", "not a video encoder"),
    ({"codec": "prores_ks"}, "mp4", "can't hold"), ({"codec": "libvpx-vp9"}, "mpegts", "can't hold"),
    ({"pixel_format": "nope"}, "mp4", "--pix-fmt nope: libx264 takes yuv420p"),
    ({"codec": "ffv1", "crf": 3}, "matroska", "--crf: the encoder ffv1"), ({"preset": "nope"}, "mp4", "--preset nope"),
    ({"codec": "libsvtav1", "preset": "nope"}, "mp4", "libsvtav1 refuses to start"),
])  # fmt: skip
def test_what_cannot_be_done_is_said(options, format_name, words):
    with pytest.raises(SinkError) as raised, encoder(format_name, **options):
        pass
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_missing_hardware_is_no_mistake_of_the_user():
    with pytest.raises(MachineError, match="hevc_qsv"), encoder(codec="hevc_qsv"):
        pass


@pytest.mark.parametrize(("format_name", "codec", "is_kept"), [
    ("mp4", "libx264", True), ("matroska", "libx264", True), ("matroska", "libx265", True), ("mp4", "libsvtav1", True),
    ("webm", "libvpx-vp9", False), ("matroska", "ffv1", False), ("avi", "mpeg4", True),
])  # fmt: skip
def test_a_lost_shape_of_pixels_is_said(format_name, codec, is_kept):
    with encoder(format_name, replace(INFO, sample_aspect_ratio=Fraction(16, 15)), codec=codec) as made:
        assert any("--scale 137x96" in notice for notice in made.notices) != is_kept


@pytest.mark.parametrize("num_frames", [1, 2, 3, 4])
@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "libvpx-vp9", "mpeg4", "ffv1"])
def test_decoding_times_rise_and_precede_showing(codec, num_frames):
    """x265 makes up times where there are fewer frames than it holds back."""
    with encoder("mp4", codec=codec) as made:
        packets = [
            packet
            for number in range(num_frames)
            for packet in made.encode(Frame(image=picture(number), pts=number, time_base=Fraction(1, 25), duration=1))
        ]
        packets += made.flush()
        times = [(packet.pts, packet.dts, packet.duration) for packet in packets]
    assert sorted(pts for pts, _, _ in times) == list(range(num_frames))
    decoding = [dts for _, dts, _ in times]
    assert decoding == sorted(set(decoding))
    assert all(-num_frames <= dts <= pts for pts, dts, _ in times)
    assert {duration for _, _, duration in times} == {1}
