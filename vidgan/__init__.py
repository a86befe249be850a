"""Restyle video with GANs: steady from frame to frame, in sync, right in colour.

Names are loaded when first used, so that `import vidgan` costs nothing and needs no runtime that isn't used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidgan.errors import VidganError
    from vidgan.frame import Colour, Frame, VideoInfo
    from vidgan.job import StylizeOptions, StylizeReport, stylize_video
    from vidgan.judge import measure_video
    from vidgan.pipeline import stylize
    from vidgan.styles import Style, find_style, list_styles
    from vidgan.stylizer import Stylizer
    from vidgan.temporal.smoother import Smoother
    from vidgan.temporal.still import StillDetector
    from vidgan.video.encoder import EncoderOptions
    from vidgan.video.sink import SinkOptions, open_sink
    from vidgan.video.source import SourceOptions, open_source

__version__ = "0.1.0"

_HOMES = {
    "vidgan.errors": ("VidganError",),
    "vidgan.frame": ("Colour", "Frame", "VideoInfo"),
    "vidgan.job": ("StylizeOptions", "StylizeReport", "stylize_video"),
    "vidgan.judge": ("measure_video",),
    "vidgan.pipeline": ("stylize",),
    "vidgan.styles": ("Style", "find_style", "list_styles"),
    "vidgan.stylizer": ("Stylizer",),
    "vidgan.temporal.smoother": ("Smoother",),
    "vidgan.temporal.still": ("StillDetector",),
    "vidgan.video.encoder": ("EncoderOptions",),
    "vidgan.video.sink": ("SinkOptions", "open_sink"),
    "vidgan.video.source": ("SourceOptions", "open_source"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Colour",
    "EncoderOptions",
    "Frame",
    "SinkOptions",
    "Smoother",
    "SourceOptions",
    "StillDetector",
    "Style",
    "StylizeOptions",
    "StylizeReport",
    "Stylizer",
    "VideoInfo",
    "VidganError",
    "find_style",
    "list_styles",
    "measure_video",
    "open_sink",
    "open_source",
    "stylize",
    "stylize_video",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attributes are of any type
    if name not in _HOME_OF:
        raise AttributeError(f"module 'vidgan' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *globals()})
