"""What a graphics card does with video here: NVIDIA's decoders (NVDEC) and encoders (NVENC), through FFmpeg."""

from __future__ import annotations

import ctypes
import importlib.util
import io
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import av
from av.codec.hwaccel import HWAccel, hwdevices_available

from vidgan.errors import RuntimeUnavailableError

log = logging.getLogger(__name__)

NVENC = ("h264_nvenc", "hevc_nvenc", "av1_nvenc")
"""Encoders of NVIDIA's cards."""
_DECODED = {"h264": "libx264", "hevc": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1", "mpeg2video": "mpeg2video"}
"""Codecs that are asked about, and who makes a clip of them to try."""
_DEVICE = re.compile(r"cpu|cuda(?::(\d+))?")
# What a card's surfaces hold, as a decoder in software would give it.
_PLANAR = {"nv12": "yuv420p", "p010le": "yuv420p10le", "p016le": "yuv420p12le"}
_TRIED_SIZE = 256


def is_cuda(device: str | None) -> bool:
    """Say whether pictures lie on a graphics card."""
    return device is not None and device.startswith("cuda")


def check_device(device: str) -> None:
    """Make sure that pictures can lie on a torch device.

    Args:
        device: cpu, cuda or cuda:N.

    Raises:
        ValueError: another device.
        RuntimeUnavailableError: it isn't there, or what it needs is missing.
    """
    match = _DEVICE.fullmatch(device)
    if match is None:
        raise ValueError(f"pictures_on {device!r}: must be cpu, cuda or cuda:N")
    if importlib.util.find_spec("torch") is None:
        raise RuntimeUnavailableError(f"{device}: PyTorch isn't installed: pip install 'vidgan[tensorrt]'")
    if device == "cpu":
        return
    import torch

    if not torch.cuda.is_available():
        raise RuntimeUnavailableError(f"{device}: no graphics card can be used here: {_what_is_missing()}")
    count = torch.cuda.device_count()
    if int(match[1] or 0) >= count:
        raise RuntimeUnavailableError(f"{device}: this machine has {count} such device(s), counted from cuda:0")


@contextmanager
def decoding_on(device: str | None) -> Iterator[HWAccel | None]:
    """Within the block, let files be opened with what is yielded, so that their videos are decoded on a device.

    Args:
        device: as `check_device` allows; None and cpu have no decoder of their own.

    Yields:
        None where there is nothing that decodes.
    """
    if device is None or not is_cuda(device):
        yield None
        return
    import torch

    index = torch.device(device).index or 0
    with torch.cuda.device(index):
        # FFmpeg is to share torch's context: the device's primary one. It refuses to take the primary context by that
        # name once torch has made it (its flags differ), so it takes the current one, which work by torch makes it be.
        torch.zeros(1, device=f"cuda:{index}")
        accelerator = HWAccel(
            "cuda",
            device=index,
            allow_software_fallback=True,
            options={"primary_ctx": "0", "current_ctx": "1"},
            is_hw_owned=True,
        )
        try:
            accelerator.create(av.Codec("h264", "r"))
        except (av.FFmpegError, NotImplementedError) as error:
            log.warning("%s doesn't decode for FFmpeg: %s", device, error)
            yield None
        else:
            yield accelerator


def is_on_card(frame: av.VideoFrame) -> bool:
    """Say whether a decoded frame lies in a graphics card's memory."""
    return frame.format.name == "cuda"


def source_format(frame: av.VideoFrame) -> av.VideoFormat:
    """Return the pixel format of a decoded frame: for one on a card, what its codec has rather than how it lies."""
    held = frame.sw_format
    if held is None:
        return frame.format
    return av.VideoFormat(_PLANAR.get(held.name, held.name), frame.width, frame.height)


def downloaded(frame: av.VideoFrame) -> av.VideoFrame:
    """Return a frame in main memory: itself, or a copy with planes apart."""
    return frame.reformat(format=source_format(frame).name) if is_on_card(frame) else frame


def card_video(device: str = "cuda:0") -> dict[str, str]:
    """Say what a card does with video, each thing tried on a small clip.

    Args:
        device: as `check_device` allows.

    Returns:
        Names such as "decodes h264" and "encodes h264_nvenc"; "yes", or why not. One entry "device" alone where there
        is no such device.
    """
    try:
        check_device(device)
    except RuntimeUnavailableError as error:
        return {"device": str(error)}
    from vidgan.video.nvenc import why_not

    facts = {f"decodes {codec}": why_not_decoded(codec, device) or "yes" for codec in _DECODED}
    size = {"width": _TRIED_SIZE, "height": _TRIED_SIZE}
    for name in NVENC:
        facts[f"encodes {name}"] = why_not(name, **size, pixel_format="nv12", settings={}, device=device) or "yes"
    return facts


def why_not_decoded(codec: str, device: str) -> str:
    """Return why a device doesn't decode a codec, in one line; empty where a small clip of it was decoded there."""
    clip = io.BytesIO(_clip(_DECODED[codec]))
    try:
        with decoding_on(device) as accelerator:
            if accelerator is None:
                return f"FFmpeg finds no decoder on {device}"
            with av.open(clip, "r", hwaccel=accelerator) as container:
                stream = container.streams.video[0]
                frame = next(container.decode(stream))
                if is_on_card(frame):
                    return ""
                return f"FFmpeg decodes it with {stream.codec_context.codec.name} on the CPU"
    except (av.FFmpegError, StopIteration) as error:
        return f"decoding failed ({error})"


def _clip(encoder: str) -> bytes:
    """Return a grey clip of a few frames as a Matroska file."""
    from vidgan.video.encoder_plan import encoder_settings

    os.environ.setdefault("SVT_LOG", "1")  # libsvtav1 otherwise prints its settings; 1 leaves errors
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream(encoder, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = _TRIED_SIZE
        stream.pix_fmt = "yuv420p"
        stream.options = dict[str, object](encoder_settings(encoder, crf=None, preset=None))
        for number in range(4):
            frame = av.VideoFrame(_TRIED_SIZE, _TRIED_SIZE, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([128]) * plane.buffer_size)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def _what_is_missing() -> str:
    import torch

    missing = []
    if "cuda" not in hwdevices_available():
        missing.append("this FFmpeg is built without CUDA")
    if torch.version.cuda is None:
        missing.append(f"PyTorch {torch.__version__} is built without CUDA")
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        missing.append("there is no NVIDIA driver (libcuda.so.1)")
    return ", and ".join(missing) or "the driver finds no card, or doesn't suit this PyTorch"
