"""What can be said of a graphics card without one: what is missing, and everything that runs on the CPU alike."""

import io

import av
import numpy as np
import pytest
import torch
from media.clips import Video, write_clip

from vidgan import EncoderOptions, SinkOptions, SourceOptions, open_sink, open_source
from vidgan.errors import MachineError, RuntimeUnavailableError
from vidgan.frame import Colour, VideoInfo
from vidgan.video.encoder_plan import plan_encoder
from vidgan.video.hardware import (
    _DECODED,
    NVENC,
    _clip,
    card_video,
    check_device,
    decoding_on,
    downloaded,
    is_cuda,
    is_on_card,
    source_format,
    why_not_decoded,
)
from vidgan.video.nvenc import CardFrames, why_not

ABSENT = "cuda:99"
"""No machine has so many."""
NO_CARD = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a graphics card")


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:-1", "cpu:0", "mps", ""])
def test_other_devices_are_refused(device):
    with pytest.raises(ValueError, match="must be cpu, cuda or cuda:N"):
        check_device(device)


def test_the_processor_is_always_there():
    check_device("cpu")
    with decoding_on("cpu") as accelerator:
        assert accelerator is None
    with decoding_on(None) as accelerator:
        assert accelerator is None


@NO_CARD
@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_what_is_missing_is_named(device, one_line):
    with pytest.raises(RuntimeUnavailableError) as raised:
        check_device(device)
    one_line(raised.value, f"{device}: ", "no graphics card")
    if torch.version.cuda is None:
        one_line(raised.value, torch.__version__, "built without CUDA")


def test_a_missing_torch_says_what_to_install(monkeypatch, one_line):
    monkeypatch.setattr("vidgan.video.hardware.importlib.util.find_spec", lambda name: None)
    with pytest.raises(RuntimeUnavailableError) as raised:
        check_device("cpu")
    one_line(raised.value, "pip install 'vidgan[tensorrt]'")


def test_an_absent_card_fails_before_anything_is_written(tmp_path, one_line):
    path = write_clip(tmp_path / "in.mkv", Video(pts=range(2)))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(RuntimeUnavailableError) as raised:
        open_source(path, SourceOptions(pictures_on=ABSENT))
    one_line(raised.value, ABSENT)
    options = SinkOptions(encoder=EncoderOptions(pictures_on=ABSENT))
    for name in ("out.mp4", "out.png", "folder/"):
        with pytest.raises(MachineError, match=ABSENT):
            open_sink(f"{tmp_path}/{name}", VideoInfo(width=64, height=48), options)
    assert sorted(tmp_path.iterdir()) == before


def test_doctors_facts_without_a_card():
    facts = card_video(ABSENT)
    assert list(facts) == ["device"]
    assert ABSENT in facts["device"]


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "av1", "mpeg2video"])
def test_a_clip_of_every_codec_can_be_made_to_try_it(codec, capfd):
    assert why_not_decoded(codec, "cpu") == "FFmpeg finds no decoder on cpu"
    assert capfd.readouterr() == ("", "")


def test_the_clip_is_what_it_should_be():
    """The decoder that FFmpeg chooses for it has CUDA's road, but for AV1, which libdav1d decodes."""
    for codec, encoder in _DECODED.items():
        with av.open(io.BytesIO(_clip(encoder))) as container:
            assert len(list(container.decode(video=0))) == 4
            context = container.streams.video[0].codec_context
            assert context.codec.canonical_name == codec
            assert any(config.is_supported for config in context.codec.hardware_configs) == (codec != "av1")


def test_frames_in_main_memory_are_as_they_are():
    frame = av.VideoFrame(16, 16, "nv12")
    assert not is_on_card(frame)
    assert downloaded(frame) is frame
    assert source_format(frame).name == "nv12"
    assert [is_cuda(device) for device in (None, "cpu", "cuda", "cuda:1")] == [False, False, True, True]


def test_ffmpeg_here_has_what_a_card_needs():
    """Decoders that name CUDA and encoders that read NV12 and P010 from it: what the wheel of PyAV must bring."""
    for name in ("h264", "hevc", "vp9"):
        assert any(
            config.is_supported and config.format.name == "cuda" for config in av.Codec(name, "r").hardware_configs
        )
    for name in NVENC:
        assert {"nv12", "p010le", "cuda"} <= {made.name for made in av.Codec(name, "w").video_formats}


def test_an_encoder_is_tried_with_a_picture():
    size = {"width": 160, "height": 96}
    assert why_not("libx264", **size, pixel_format="nv12", settings={"preset": "ultrafast"}, device="cpu") == ""
    assert why_not("libx264", **size, pixel_format="p010le", settings={}, device="cpu") != ""
    reason = why_not("libx264", **size, pixel_format="nv12", settings={"preset": "nonsense"}, device="cpu")
    assert reason
    assert "\n" not in reason
    assert "no_such_encoder" in why_not("no_such_encoder", **size, pixel_format="nv12", settings={}, device="cpu")


@NO_CARD
@pytest.mark.parametrize("name", NVENC)
def test_nvenc_without_a_card_says_why(name):
    assert why_not(name, width=256, height=256, pixel_format="nv12", settings={}, device="cpu")


@NO_CARD
@pytest.mark.parametrize(("container", "info", "options", "name", "notice"), [
    ("mp4", {}, {}, "libx264", "h264_nvenc can't read"),
    ("matroska", {"pixel_format": "rgb24"}, {}, "libx264", "h264_nvenc can't read"),
    ("mp4", {}, {"codec": "hevc_nvenc"}, "hevc_nvenc", "hevc_nvenc can't read"),
    ("mp4", {}, {"codec": "libx265"}, "libx265", None),
    ("webm", {}, {}, "libvpx-vp9", None),
    ("mp4", {"pixel_format": "yuv444p"}, {}, "libx264", "no other chroma than 4:2:0"),
    ("mp4", {}, {"codec": "h264_nvenc", "pixel_format": "yuv444p"}, "h264_nvenc", "no other chroma than 4:2:0"),
])  # fmt: skip
def test_the_encoder_is_the_present_default_where_the_cards_own_fails(
    container, info, options, name, notice, tmp_path, monkeypatch
):
    """Pictures would lie on a card that isn't there: the trial fails, and that is said."""
    monkeypatch.setattr(torch, "zeros", _no_cuda)
    with av.open(str(tmp_path / "out"), "w", format=container) as opened:
        plan = plan_encoder(
            opened, VideoInfo(width=256, height=256, **{"pixel_format": "yuv420p"} | info),
            EncoderOptions(pictures_on="cuda:0", **options),
        )  # fmt: skip
    assert (plan.name, plan.card_format) == (name, None)
    assert [notice in text for text in plan.notices] == ([True] if notice else [])


def _no_cuda(*_, **__):
    raise RuntimeError("no CUDA")


def frames_on_cpu():
    return CardFrames("nv12", Colour(matrix=1, primaries=1, transfer=13, full_range=False), "cpu")


def address(frame):
    return torch.utils.dlpack.from_dlpack(frame.planes[0]).data_ptr()


def test_card_frames_are_tagged_and_hold_the_picture(noise):
    frame = frames_on_cpu()(torch.from_numpy(noise(64, 48)))
    assert (frame.format.name, frame.width, frame.height) == ("nv12", 64, 48)
    assert (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range) == (1, 1, 13, 1)
    assert len({plane.line_size for plane in frame.planes}) == 1
    assert frame.planes[0].line_size % 256 == 0


def test_memory_is_used_again_well_after_the_encoder_has_let_go_of_it(noise):
    frames, image = frames_on_cpu(), torch.from_numpy(noise(64, 48))
    held = [address(frames(image)) for _ in range(12)]
    assert len(set(held)) == 12, "nothing was given back"
    frames.give_back(5)
    assert address(frames(image)) == held[0]
    assert address(frames(image)) not in held, "the next four are still too fresh"
    frames.give_back(2)
    assert address(frames(image)) == held[1]


def test_a_frame_keeps_its_picture_while_memory_is_used_in_turns(noise):
    """As many in flight as an encoder holds, and the pictures of all are right when it reads them."""
    frames = frames_on_cpu()
    pictures = [np.full((48, 64, 3), 10 * number, np.uint8) for number in range(20)]
    held = []
    for number, picture in enumerate(pictures):
        held.append((number, frames(torch.from_numpy(picture))))
        if len(held) > 6:
            number, frame = held.pop(0)
            luma = torch.utils.dlpack.from_dlpack(frame.planes[0])
            assert luma.float().mean() == pytest.approx(16 + 10 * number * 219 / 255, abs=0.51)
            frames.give_back(1)
