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
