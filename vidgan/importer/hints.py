"""What a user says about a network that can't be seen from outside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Range = tuple[float, float]
"""What black and white are."""
Layout = Literal["nchw", "nhwc"]

FORMS = {
    "layout": "nchw or nhwc",
    "channels": "rgb or bgr",
    "range": "0..1, 0..255 or -1..1",
    "output_range": "0..1, 0..255 or -1..1",
    "multiple": "a number of pixels",
    "part": "the name of a network in the file",
    "statistics": "running or picture",
    "align_corners": "yes or no",
}
"""The hints, and what may be said."""

_ONNX_ONLY = ("layout", "output_range", "multiple")
_WEIGHTS_ONLY = ("part", "statistics", "align_corners")
_CHOICES = {
    "layout": ("nchw", "nhwc"),
    "channels": ("rgb", "bgr"),
    "statistics": ("running", "picture"),
    "align_corners": ("yes", "no"),
}
_RANGE = re.compile(r"(-?\d+(?:\.\d+)?)\.\.(-?\d+(?:\.\d+)?)")


@dataclass(frozen=True, kw_only=True)
class Hints:
    """Everything is found or assumed where it is None."""

    layout: Layout | None = None
    """The order of an ONNX network's axes."""
    channels: Literal["rgb", "bgr"] | None = None
    """The order of colours, in and out."""
    range: Range | None = None
    """What black and white are in the pictures that go in, and come out."""
    output_range: Range | None = None
    """Of those that come out, where that is another."""
    multiple: int | None = None
    """Width and height in pixels must be multiples of this."""
    part: str | None = None
    """Which network of a file with several."""
    statistics: Literal["running", "picture"] | None = None
    """Batch norms take what they saw in training, or each picture's own: as pix2pix was published."""
    align_corners: Literal["yes", "no"] | None = None
    """How AnimeGANv2 enlarges."""

    def refuse_for(self, kind: Literal["onnx", "weights"]) -> None:
        """Refuse hints that mean nothing for this kind of file.

        Raises:
            ValueError: there is one.
        """
        unfit = _WEIGHTS_ONLY if kind == "onnx" else _ONNX_ONLY
        for name in unfit:
            if getattr(self, name) is not None:
                what = "an ONNX network; it is for weights" if kind == "onnx" else "weights; it is for ONNX networks"
                raise ValueError(f"--hint {name}={getattr(self, name)} means nothing for {what}")


def parse_hints(texts: Sequence[str]) -> Hints:
    """Read `layout=nchw,range=-1..1`, in one text or several.

    Raises:
        ValueError: an unknown hint, one given twice, or a value that it can't have.
    """
    found: dict[str, object] = {}
    for item in (item.strip() for text in texts for item in text.split(",")):
        name, equals, value = (part.strip() for part in item.partition("="))
        if name not in FORMS or not equals:
            raise ValueError(f"--hint {item}: give {', '.join(f'{known}=...' for known in FORMS)}")
        if name in found:
            raise ValueError(f"--hint {item}: {name} is given twice")
        found[name] = _read(name, value, item)
    return Hints(**found)  # type: ignore[arg-type]


def _read(name: str, value: str, item: str) -> object:
    form = f"--hint {item}: {name} is {FORMS[name]}"
    if name in _CHOICES:
        if value.lower() not in _CHOICES[name]:
            raise ValueError(form)
        return value.lower()
    if name in ("range", "output_range"):
        match = _RANGE.fullmatch(value)
        if not match or float(match[1]) >= float(match[2]):
            raise ValueError(form)
        return float(match[1]), float(match[2])
    if name == "multiple":
        if not value.isdecimal() or not int(value):
            raise ValueError(form)
        return int(value)
    if not value:
        raise ValueError(form)
    return value


def range_text(limits: Range) -> str:
    """Return a range as users write it."""
    return f"{limits[0]:g}..{limits[1]:g}"
