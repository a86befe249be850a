"""What can be painted at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidgan.errors import InputError
from vidgan.paint.options import LEAST_SIDE

Image = NDArray[np.uint8]
"""RGB, `(H, W, 3)`, 0..255."""


def check_picture(image_HWC: Image, what: str) -> None:
    """Refuse what can't be painted.

    Raises:
        TypeError: not uint8.
        ValueError: not `(H, W, 3)`.
        InputError: too small.
    """
    if image_HWC.dtype != np.uint8:
        raise TypeError(f"{what} is {image_HWC.dtype}: expected uint8")
    if image_HWC.ndim != 3 or image_HWC.shape[2] != 3:
        raise ValueError(f"{what} {image_HWC.shape}: expected (H, W, 3)")
    check_size(image_HWC.shape[1], image_HWC.shape[0], what)


def check_size(width: int, height: int, what: str) -> None:
    """Refuse pictures that are too small.

    Raises:
        InputError: a side is too short.
    """
    if min(height, width) < LEAST_SIDE:
        raise InputError(f"{what} of {width}x{height} pixels: each side must have at least {LEAST_SIDE}; enlarge it")
