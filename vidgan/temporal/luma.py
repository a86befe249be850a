"""The small luma of a frame: all that motion, cuts and stillness are judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from vidgan.picture import Picture

if TYPE_CHECKING:
    from torch import Tensor

SHORT_SIDE = 360
"""Motion is estimated with at most so many pixels on the short side: errors of 0.1 px here are 0.2 px at 720p, less
than a styled brush stroke shows."""


def reduced_luma(image_HWC: Picture) -> NDArray[np.uint8]:
    """Return the luma of a frame, reduced so that its short side is at most `SHORT_SIDE` pixels; never enlarged.

    Args:
        image_HWC: `(H, W, 3)` RGB uint8, an array or a tensor. A tensor is reduced on its device, and only the small
            luma is fetched from there; it lies at most 1 level from an array's.

    Returns:
        A new array `(h, w)` uint8, BT.601 luma, averaged over areas.

    Raises:
        TypeError: not uint8.
        ValueError: not `(H, W, 3)` or empty.
    """
    check_rgb(image_HWC)
    height, width = image_HWC.shape[:2]
    scale = min(1.0, SHORT_SIDE / min(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if not isinstance(image_HWC, np.ndarray):
        return _fetch_reduced_luma(image_HWC, size)
    luma = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY)
    if scale < 1:
        luma = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
    return luma.astype(np.uint8, copy=False)


def check_rgb(image_HWC: Picture) -> None:
    """Refuse what isn't an RGB frame.

    Args:
        image_HWC: a frame, hopefully `(H, W, 3)` uint8, as an array or a tensor.

    Raises:
        TypeError: not uint8.
        ValueError: not `(H, W, 3)` or empty.
    """
    # By name: torch isn't loaded to find out.
    if str(image_HWC.dtype).removeprefix("torch.") != "uint8":
        raise TypeError(f"frame is {image_HWC.dtype}: expected uint8")
    shape = tuple(image_HWC.shape)
    if len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise ValueError(f"frame {shape}: expected (H, W, 3) with at least one pixel")


def _fetch_reduced_luma(image_HWC: Tensor, size: tuple[int, int]) -> NDArray[np.uint8]:
    from vidgan.picture_tensor import luma_tensor, resized_tensor

    luma_HW: NDArray[np.uint8] = resized_tensor(luma_tensor(image_HWC)[..., None], *size)[..., 0].cpu().numpy()
    return luma_HW
