"""Video out: encoders, pixel formats, pictures, names; and that nothing half-done ever stands under the final name."""

import os
from fractions import Fraction

import cv2
import numpy as np
import pytest
from media.clips import FRAME_RATE, Sound, Video, write_clip
from media.look import first_picture, look
from media.pattern import picture, psnr, read_number
from media.rare import write_pictures
from media.run import copy, leftovers, read

from vidgan import EncoderOptions, SinkOptions, VideoInfo, open_sink
from vidgan.errors import MachineError, SinkError
from vidgan.frame import Frame

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", Video(), Sound())


@pytest.mark.parametrize(("codec", "container", "seen", "pixel_format"), [
    (None, "mp4", "h264", "yuv420p"), (None, "mov", "h264", "yuv420p"), (None, "mkv", "h264", "yuv420p"),
    (None, "webm", "vp9", "yuv420p"), (None, "avi", "mpeg4", "yuv420p"), (None, "gif", "gif", "bgra"),
    (None, "m4v", "h264", "yuv420p"), (None, "ts", "h264", "yuv420p"), (None, "MP4", "h264", "yuv420p"),
    ("libx265", "mp4", "hevc", "yuv420p"), ("libsvtav1", "mkv", "av1", "yuv420p"), ("ffv1", "mkv", "ffv1", "yuv420p"),
    ("prores_ks", "mov", "prores", "yuv422p10le"), ("mpeg2video", "ts", "mpeg2video", "yuv420p"),
    ("mjpeg", "avi", "mjpeg", "yuvj420p"), ("libvpx", "webm", "vp8", "yuv420p"),
])  # fmt: skip
def test_encoders(clip, codec, container, seen, pixel_format, tmp_path):
    report = copy(clip, tmp_path / f"out.{container}", encoder=EncoderOptions(codec=codec))
    after = look(tmp_path / f"out.{container}")
    assert after.of_kind("video")[0].codec == seen
    assert after.pixel_format == pixel_format
    assert after.numbers == list(range(12))
    assert [time - after.times[0] for time in after.times] == [Fraction(n, 25) for n in range(12)]
    assert report.path == tmp_path / f"out.{container}"
    assert leftovers(tmp_path) == [f"out.{container}"]


@pytest.mark.parametrize("time_base", [Fraction(1, 90000), Fraction(1, 1000)])
@pytest.mark.parametrize(("codec", "container"), [("mpeg4", "mp4"), ("mpeg2video", "mkv"), ("libx264", "mkv")])
def test_encoders_whose_clocks_are_coarse(time_base, codec, container, tmp_path):
    tick = 3600 if time_base.denominator == 90000 else 40
    source = write_clip(
        tmp_path / "in.mp4", Video(time_base=time_base, pts=range(0, 12 * tick, tick), durations=[tick] * 12)
    )
    copy(source, tmp_path / f"out.{container}", encoder=EncoderOptions(codec=codec))
    assert look(tmp_path / f"out.{container}").times == [Fraction(n, 25) for n in range(12)]


@pytest.mark.parametrize(("source_format", "codec", "expected"), [
    ("yuv422p", "libx264", "yuv422p"), ("yuv444p", "libx264", "yuv444p"), ("yuv420p", "libx264", "yuv420p"),
    ("yuv422p", "ffv1", "yuv422p"), ("yuv444p", "libsvtav1", "yuv420p"), ("yuv422p", "libvpx-vp9", "yuv422p"),
    ("yuv444p", "prores_ks", "yuv444p12le"), ("yuv420p", "prores_ks", "yuv422p10le"), ("gray", "libx264", "yuvj420p"),
    ("bgr0", "ffv1", "bgr0"), ("yuv444p", "mpeg4", "yuv420p"),
])  # fmt: skip
def test_the_sources_chroma_or_the_nearest(source_format, codec, expected, tmp_path):
    source = write_clip(tmp_path / "in.mkv", Video(codec="ffv1", pixel_format=source_format, options={}))
    copy(source, tmp_path / "out.mkv", encoder=EncoderOptions(codec=codec))
    after = look(tmp_path / "out.mkv")
    assert after.pixel_format == expected
    assert after.numbers == list(range(12))


def test_settings_reach_the_encoder(clip, tmp_path):
    sizes = {}
    for crf in (1, 45):
        copy(clip, tmp_path / f"{crf}.mp4", encoder=EncoderOptions(crf=crf, preset="ultrafast"))
        sizes[crf] = (tmp_path / f"{crf}.mp4").stat().st_size
    assert sizes[1] > 1.5 * sizes[45]
    copy(clip, tmp_path / "444.mp4", encoder=EncoderOptions(pixel_format="yuv444p"))
    assert look(tmp_path / "444.mp4").pixel_format == "yuv444p"


def test_avi_repeats_and_leaves_out_to_keep_its_rate(tmp_path):
    video = Video(time_base=Fraction(1, 1000), pts=(0, 40, 45, 120, 160), durations=(40, 5, 75, 40, 40))
    report = copy(write_clip(tmp_path / "in.mkv", video), tmp_path / "out.avi")
    after = look(tmp_path / "out.avi")
    assert after.numbers == [0, 1, 1, 3, 4]
    assert after.times == [Fraction(n, 25) for n in range(5)]
    assert sorted(report.notices) == [
        "a frame was left out to keep a constant rate", "a frame was repeated to keep a constant rate",
    ]  # fmt: skip


@pytest.mark.parametrize("container", ["gif", "mkv"])
def test_frames_that_a_container_cannot_tell_apart_are_left_out_and_counted(container, tmp_path):
    unit = 100 if container == "gif" else 10
    video = Video(time_base=Fraction(1, 100 * unit), rate=Fraction(100), pts=[n * unit // 2 for n in range(8)])
    report = copy(write_clip(tmp_path / "in.mp4", video), tmp_path / f"out.{container}")
    after = look(tmp_path / f"out.{container}")
    if container == "mkv":
        assert after.numbers == list(range(8))
        return
    assert after.numbers == [0, 1, 3, 5, 7]
    assert any("left out: times there are multiples of 1/100 s (3 times)" in notice for notice in report.notices)


@pytest.mark.parametrize("name", ["out.png", "out.jpg", "out.tiff", "out.webp", "out.bmp"])
def test_one_picture_of_a_film(clip, name, tmp_path):
    report = copy(clip, tmp_path / name)
    assert report.frames == 1
    assert psnr(first_picture(tmp_path / name), picture(0)) > 20
    assert any("only the first frame" in notice for notice in report.notices)
    assert leftovers(tmp_path) == [name]


def test_a_still_becomes_a_still_without_a_word(tmp_path):
    folder = write_pictures(tmp_path / "in", [5])
    report = copy(folder / "shot_00005.png", tmp_path / "out.png")
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "out.png"))[..., ::-1], picture(5))
    assert report.notices == []


@pytest.mark.parametrize(("target", "names"), [
    ("frames", ["00001.png", "00002.png", "00003.png"]), ("frames/", ["00001.png", "00002.png", "00003.png"]),
    ("frames/a_%03d.jpg", ["a_001.jpg", "a_002.jpg", "a_003.jpg"]), ("frames/%d.bmp", ["1.bmp", "2.bmp", "3.bmp"]),
])  # fmt: skip
def test_a_folder_of_pictures(target, names, tmp_path):
    source = write_clip(tmp_path / "in.mkv", Video(codec="ffv1", pixel_format="bgr0", options={}, pts=range(3)))
    copy(source, f"{tmp_path}/{target}")
    assert leftovers(tmp_path) == ["frames", "in.mkv"]
    assert leftovers(tmp_path / "frames") == names
    assert [read_number(cv2.imread(str(tmp_path / "frames" / name))) for name in names] == [0, 1, 2]


def test_a_folder_of_pictures_goes_through_as_such(tmp_path):
    write_pictures(tmp_path / "in", [1001, 1002, 1004])
    copy(tmp_path / "in", tmp_path / "out")
    _, frames, _ = read(tmp_path / "out")
    assert [read_number(frame.image) for frame in frames] == [n % 256 for n in (1001, 1002, 1004)]
    copy(tmp_path / "in", tmp_path / "out.mp4")
    assert look(tmp_path / "out.mp4").times == [0, Fraction(1, 25), Fraction(2, 25)]
    assert look(tmp_path / "out.mp4").rate == FRAME_RATE


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    write_pictures(tmp_path / "out", [1, 2, 3, 4], name="{:05d}.png")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    source = write_pictures(tmp_path / "in", [9])
    with pytest.raises(SinkError, match="--overwrite"):
        copy(source, tmp_path / "out")
    assert len(leftovers(tmp_path / "out")) == 5
    copy(source, tmp_path / "out", overwrite=True)
    assert leftovers(tmp_path / "out") == ["00001.png", "notes.txt"]
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["out.mp4", "out.png"])
def test_an_existing_result_needs_overwrite(clip, name, tmp_path):
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(SinkError, match="--overwrite"):
        copy(clip, tmp_path / name)
    assert (tmp_path / name).read_bytes() == b"precious"
    copy(clip, tmp_path / name, overwrite=True)
    assert (tmp_path / name).stat().st_size > 100
    assert leftovers(tmp_path) == [name]


@pytest.mark.parametrize("make_link", [None, os.symlink, os.link])
def test_source_and_result_may_not_be_the_same_file(make_link, tmp_path):
    source = target = write_clip(tmp_path / "in.mp4", Video())
    if make_link:
        target = tmp_path / "other.mp4"
        make_link(source, target)
    before = source.read_bytes()
    with pytest.raises(SinkError, match="same file"):
        copy(source, target, overwrite=True)
    assert source.read_bytes() == before


@pytest.mark.parametrize(("target", "words"), [
    ("absent/out.mp4", "no folder"), ("file.txt/out.mp4", "no folder"), ("out.xyz", "unknown kind"),
    ("out.mp3", ""), ("/proc/out.mp4", ""), ("out.exr", "pictures are written as"), ("file.txt/", ""),
    ("file.txt/%d.png", "is a file"),
])  # fmt: skip
def test_where_nothing_can_be_written(clip, target, words, tmp_path):
    (tmp_path / "file.txt").write_text("a file, not a folder")
    with pytest.raises(SinkError) as raised:
        copy(clip, target if target.startswith("/") else f"{tmp_path}/{target}")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert leftovers(tmp_path) == ["file.txt"]


@pytest.mark.skipif(IS_ROOT, reason="root may write anywhere; /proc stands for a read-only folder above")
def test_a_read_only_folder(clip, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(SinkError, match="no permission"):
            copy(clip, tmp_path / "out.mp4")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize(("encoder", "words"), [
    ({"codec": "nope"}, "no such encoder"), ({"codec": "aac"}, "not a video encoder"),
    ({"codec": "libvpx"}, "can't hold"), ({"pixel_format": "nope"}, "--pix-fmt nope"),
    ({"pixel_format": "rgb24"}, "--pix-fmt rgb24"), ({"preset": "nope"}, ""),
    ({"codec": "prores_ks", "crf": 3}, "can't hold"), ({"codec": "mpeg4", "preset": "fast"}, "no such setting"),
])  # fmt: skip
def test_settings_that_no_encoder_takes(clip, encoder, words, tmp_path):
    with pytest.raises(SinkError) as raised:
        copy(clip, tmp_path / "out.mp4", encoder=EncoderOptions(**encoder))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert leftovers(tmp_path) == []


def test_missing_hardware_is_the_machines_fault(clip, tmp_path):
    with pytest.raises(MachineError, match="hevc_qsv"):
        copy(clip, tmp_path / "out.mkv", encoder=EncoderOptions(codec="hevc_qsv"))
    assert leftovers(tmp_path) == []


def test_an_error_between_frames_leaves_nothing_behind(tmp_path):
    info = VideoInfo(width=128, height=96, average_rate=FRAME_RATE, time_base=Fraction(1, 25))
    frame = Frame(image=picture(0), pts=0, time_base=Fraction(1, 25), duration=1)

    def fail(sink):
        with sink:
            sink.write(frame)
            raise ZeroDivisionError

    for name in ("out.mp4", "out.png", "frames"):
        sink = open_sink(tmp_path / name, info, SinkOptions())
        with pytest.raises(ZeroDivisionError):
            fail(sink)
        assert sink.path is None
    assert leftovers(tmp_path) == []


def test_nothing_stands_under_the_final_name_before_the_end(tmp_path):
    info = VideoInfo(width=128, height=96, average_rate=FRAME_RATE, time_base=Fraction(1, 25))
    with open_sink(tmp_path / "out.mkv", info) as sink:
        for number in range(60):
            sink.write(Frame(image=picture(number), pts=number, time_base=Fraction(1, 25), duration=1))
        assert not (tmp_path / "out.mkv").exists()
        assert sink.path is None
    assert sink.path == tmp_path / "out.mkv"
    assert look(tmp_path / "out.mkv").numbers == list(range(60))
