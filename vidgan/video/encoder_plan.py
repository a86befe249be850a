"""Which encoder, and its settings: what it gets by default, and what it calls what the user asks for."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import av
from av.container import OutputContainer

from vidgan.errors import SinkError
from vidgan.frame import VideoInfo
from vidgan.video.colour import is_grey, is_rgb
from vidgan.video.hardware import NVENC, is_cuda

if TYPE_CHECKING:
    from vidgan.video.encoder import EncoderOptions

log = logging.getLogger(__name__)

_DEFAULT_ENCODERS = {
    "mp4": "libx264",
    "mov": "libx264",
    "ipod": "libx264",
    "matroska": "libx264",
    "mpegts": "libx264",
    "flv": "libx264",
    "webm": "libvpx-vp9",
    "avi": "mpeg4",
    "yuv4mpegpipe": "wrapped_avframe",
}
# Near-transparent quality at a speed that leaves the processor to the network.
_DEFAULT_OPTIONS = {
    "libx264": {"crf": "18", "preset": "veryfast"},
    "libx264rgb": {"crf": "18", "preset": "veryfast"},
    "libx265": {"crf": "20", "preset": "fast", "x265-params": "log-level=error"},
    "libvpx-vp9": {"crf": "30", "b": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1"},
    "libvpx": {"crf": "10", "b": "4M", "deadline": "good", "cpu-used": "5"},
    "libsvtav1": {"crf": "30", "preset": "8"},
    "mpeg4": {"flags": "+qscale", "global_quality": str(3 * 118)},  # quantiser 3, in FFmpeg's units of 1/118
    "mjpeg": {"flags": "+qscale", "global_quality": str(2 * 118)},
}
# Constant quality instead of NVENC's own 2 Mbit/s, meant to be near the values above; no such card has judged them yet.
_CARD_OPTIONS = {
    "h264_nvenc": {"rc": "vbr", "cq": "19", "b": "0", "preset": "p4"},
    "hevc_nvenc": {"rc": "vbr", "cq": "21", "b": "0", "preset": "p4"},
    "av1_nvenc": {"rc": "vbr", "cq": "28", "b": "0", "preset": "p4"},
}
# What an encoder calls constant quality, and speed, where it isn't `crf` and `preset`.
_QUALITY_OPTION = dict.fromkeys(NVENC, "cq")
_SPEED_OPTION = {"libvpx-vp9": "cpu-used", "libvpx": "cpu-used"}
_X26X_PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
)  # fmt: skip
# What an encoder on a card reads there, by the pixel format that is asked for.
_CARD_FORMATS = {"nv12": "nv12", "yuv420p": "nv12", "p010le": "p010le", "yuv420p10le": "p010le"}


@dataclass(frozen=True, kw_only=True)
class EncoderPlan:
    """Which encoder it is."""

    name: str
    """FFmpeg's."""
    card_format: str | None = None
    """Pixel format in which it reads pictures on a graphics card; None: it reads them in main memory."""
    notices: tuple[str, ...] = ()
    """What the user should know about the choice."""


def default_encoder(container: OutputContainer) -> str:
    """Return the encoder for a container where the user names none."""
    return _DEFAULT_ENCODERS.get(container.format.name) or container.default_video_codec


def plan_encoder(container: OutputContainer, info: VideoInfo, options: EncoderOptions) -> EncoderPlan:
    """Choose the encoder. Where pictures lie on a graphics card, its own is tried on one picture.

    Args:
        container: what it is for.
        info: of the pictures.
        options: what the user says.
    """
    device = options.pictures_on
    default = options.codec or default_encoder(container)
    if not is_cuda(device):
        return EncoderPlan(name=default)
    name = "h264_nvenc" if options.codec is None and default == "libx264" else default
    if name not in NVENC or name not in av.codecs_available:
        log.info("%s encodes pictures of %s from main memory", default, device)
        return EncoderPlan(name=default)
    has_more_chroma = options.pixel_format is None and chroma_family(info.pixel_format) in ("422", "444")
    card_format = None if has_more_chroma else _CARD_FORMATS.get(options.pixel_format or "nv12")
    if card_format is None:
        notice = f"{default} encodes from main memory: of pictures on {device}, {name} takes no other chroma than 4:2:0"
        log.info("%s", notice)
        return EncoderPlan(name=default, notices=(notice,))
    from vidgan.video.nvenc import why_not

    settings = encoder_settings(name, crf=options.crf, preset=options.preset, on_card=True)
    width, height = info.width + info.width % 2, info.height + info.height % 2
    reason = why_not(name, width=width, height=height, pixel_format=card_format, settings=settings, device=device or "")
    if not reason:
        log.info("%s reads pictures on %s", name, device)
        return EncoderPlan(name=name, card_format=card_format)
    notice = f"{name} can't read pictures on {device} ({reason}): {default} encodes them from main memory"
    log.warning("%s", notice)
    return EncoderPlan(name=default, notices=(notice,))


def encoder_settings(name: str, *, crf: float | None, preset: str | None, on_card: bool = False) -> dict[str, str]:
    """Return an encoder's settings.

    Args:
        name: FFmpeg's.
        crf: constant quality on the encoder's own scale; None is our default.
        preset: speed on the encoder's own scale; None is our default.
        on_card: pictures lie on a graphics card, where its encoders have defaults too.

    Raises:
        SinkError: the encoder has no such setting, or not this preset.
    """
    if preset and name.startswith(("libx264", "libx265")) and preset not in _X26X_PRESETS:
        raise SinkError(f"--preset {preset}: {name} has {', '.join(_X26X_PRESETS)}")
    settings = dict((_CARD_OPTIONS if on_card and name in _CARD_OPTIONS else _DEFAULT_OPTIONS).get(name, {}))
    supported = av.CodecContext.create(name, "w").supported_options
    known = {option.name for option in (*supported.generic, *supported.private)}
    for flag, key, value in (
        ("--crf", _QUALITY_OPTION.get(name, "crf"), crf),
        ("--preset", _SPEED_OPTION.get(name, "preset"), preset),
    ):
        if value is None:
            continue
        if key not in known:
            raise SinkError(f"{flag}: the encoder {name} has no such setting")
        settings[key] = f"{value:g}" if isinstance(value, float) else str(value)
    return settings


def chroma_family(pixel_format: str) -> str:
    """Return how much colour a pixel format holds: rgb, 444, 422 or 420; grey counts as 420."""
    if is_rgb(pixel_format):
        return "rgb"
    if is_grey(pixel_format):
        return "420"
    chroma = av.VideoFormat(pixel_format)
    if chroma.chroma_width(4) == 4:
        return "444"
    return "422" if chroma.chroma_height(4) == 4 else "420"
