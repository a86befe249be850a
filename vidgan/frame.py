"""The values that travel between the rooms."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidgan.picture import Picture


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One picture of a video, upright, with its own time."""

    image: Picture
    """RGB, `(H, W, 3)`, 0..255, contiguous: an array, or a tensor on a graphics card. Nobody writes into it."""
    pts: int
    """Presentation time in units of `time_base`, exactly as decoded."""
    time_base: Fraction
    """Seconds per unit of `pts`."""
    duration: int | None = None
    """How long it is shown, in units of `time_base`; None where the file doesn't say."""

    @property
    def pts_seconds(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)


@dataclass(frozen=True, slots=True, kw_only=True)
class Colour:
    """How numbers become light, in the code points of ITU-T H.273 (which FFmpeg uses too). 2 is "not said"."""

    matrix: int = 2
    """0 RGB, 1 BT.709, 5 and 6 BT.601, 7 SMPTE 240M, 9 BT.2020."""
    primaries: int = 2
    """1 BT.709, 5 and 6 BT.601, 9 BT.2020."""
    transfer: int = 2
    """1 BT.709, 13 sRGB, 16 PQ, 18 HLG."""
    full_range: bool | None = None
    """True: 0..255. False: 16..235. None: not said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """What is known of a video before its first frame is decoded. Sizes are those of the upright frames."""

    width: int
    """Pixels across."""
    height: int
    """Pixels down."""
    sample_aspect_ratio: Fraction = Fraction(1)
    """Width of a pixel divided by its height."""
    average_rate: Fraction | None = None
    """Frames per second on average, exactly as the file says; None where it doesn't."""
    time_base: Fraction = Fraction(1, 1000)
    """Seconds per unit of the frames' `pts`."""
    colour: Colour = Colour()
    """Colour as tagged in the file."""
    pixel_format: str = "rgb24"
    """FFmpeg's name of the source's pixel format."""
    duration_seconds: float | None = None
    """Length; None where unknown (live streams, pipes)."""
    num_frames: int | None = None
    """How many frames to expect; an estimate, None where unknown."""
    is_still: bool = False
    """One picture rather than a video."""
