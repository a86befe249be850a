"""Display matrices: how a player turns and mirrors a stream, applied to the picture itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type

from vidgan.picture import Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """One of the eight ways to turn and mirror a picture by right angles."""

    transpose: bool = False
    """Swap rows and columns first."""
    flip_down: bool = False
    """Then reverse the rows."""
    flip_across: bool = False
    """Then reverse the columns."""

    def apply(self, image_HWC: Picture) -> Picture:
        """Return the upright picture, contiguous; the same array or tensor where nothing is to be done."""
        if self == Orientation():
            return image_HWC
        if not isinstance(image_HWC, np.ndarray):
            turned_HWC = image_HWC.transpose(0, 1) if self.transpose else image_HWC
            axes = [axis for axis, is_reversed in enumerate((self.flip_down, self.flip_across)) if is_reversed]
            return turned_HWC.flip(axes).contiguous()
        if self.transpose:
            image_HWC = image_HWC.transpose(1, 0, 2)
        return np.ascontiguousarray(image_HWC[:: -1 if self.flip_down else 1, :: -1 if self.flip_across else 1])


_TURNS = {
    0: Orientation(),
    90: Orientation(transpose=True, flip_down=True),
    180: Orientation(flip_down=True, flip_across=True),
    270: Orientation(transpose=True, flip_across=True),
}
"""By FFmpeg's angle, which counts counter-clockwise."""


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """Read the display matrix of a decoded frame. None, or one that isn't a right angle, means upright.

    FFmpeg stores `[a b u; c d v; x y w]` and shows the pixel (x, y) at (a x + c y, b x + d y).
    """
    try:
        side_data: Any = frame.side_data
    except ValueError:
        # PyAV 18 stumbles over kinds of side data that it doesn't know, such as a photograph's EXIF block. It still
        # tells the angle; of the eight EXIF orientations the four mirrored ones, which no camera writes, are lost.
        return _TURNS.get(frame.rotation % 360, Orientation())
    if Type.DISPLAYMATRIX not in side_data:
        return Orientation()
    matrix = np.frombuffer(bytes(side_data[Type.DISPLAYMATRIX]), np.int32).reshape(3, 3)[:2, :2]
    (a, b), (c, d) = np.rint(matrix / max(1, np.abs(matrix).max())).astype(int)
    if a and d and not b and not c:
        return Orientation(flip_down=bool(d < 0), flip_across=bool(a < 0))
    if b and c and not a and not d:
        return Orientation(transpose=True, flip_down=bool(b < 0), flip_across=bool(c < 0))
    return Orientation()
