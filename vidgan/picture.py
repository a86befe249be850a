"""What every room does with pictures in the same way. Imports nothing of ours."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

OPENCV_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"})
"""Extensions of the picture files that OpenCV reads and writes everywhere."""


def resized(image_HWC: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Bring a uint8 picture to a size: averaged over areas where it shrinks, bicubic where it grows.

    Returns:
        A new array, or `image_HWC` itself where it has that size already.
    """
    if image_HWC.shape[:2] == (height, width):
        return image_HWC
    shrinks = width * height < image_HWC.shape[0] * image_HWC.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(image_HWC, (width, height), interpolation=method).astype(np.uint8, copy=False)


def with_colour_of(source_HWC: NDArray[np.uint8], styled_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luma of `styled_HWC` with the chroma of `source_HWC`, as a new uint8 RGB array.

    Both are taken in full-range YCrCb with the luma weights of BT.601 (ITU-T T.871, as in JPEG).
    """
    combined = cv2.cvtColor(source_HWC, cv2.COLOR_RGB2YCrCb)
    combined[..., 0] = cv2.cvtColor(styled_HWC, cv2.COLOR_RGB2YCrCb)[..., 0]
    return cv2.cvtColor(combined, cv2.COLOR_YCrCb2RGB).astype(np.uint8, copy=False)
