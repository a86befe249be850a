"""What every room does with pictures in the same way. Imports nothing of ours but `picture_tensor`, for tensors."""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Picture: TypeAlias = Any
"""uint8 RGB `(H, W, 3)`, 0..255: a NumPy array, or a torch tensor where frames stay on a graphics card."""

OPENCV_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"})
"""Extensions of the picture files that OpenCV reads and writes everywhere."""


def as_array(picture_HWC: Picture) -> NDArray[np.uint8]:
    """Return a picture as an array: itself, or a tensor's values, fetched from its device."""
    array_HWC: NDArray[np.uint8] = picture_HWC if isinstance(picture_HWC, np.ndarray) else picture_HWC.cpu().numpy()
    return array_HWC


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


def resized_picture(picture_HWC: Picture, width: int, height: int) -> Picture:
    """Do what `resized` does to an array or to a tensor; what comes back is of the same kind."""
    if isinstance(picture_HWC, np.ndarray):
        return resized(picture_HWC, width, height)
    from vidgan.picture_tensor import resized_tensor

    return resized_tensor(picture_HWC, width, height)


def with_colour_of(source_HWC: NDArray[np.uint8], styled_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luma of `styled_HWC` with the chroma of `source_HWC`, as a new uint8 RGB array.

    Both are taken in full-range YCrCb with the luma weights of BT.601 (ITU-T T.871, as in JPEG).
    """
    combined = cv2.cvtColor(source_HWC, cv2.COLOR_RGB2YCrCb)
    combined[..., 0] = cv2.cvtColor(styled_HWC, cv2.COLOR_RGB2YCrCb)[..., 0]
    return cv2.cvtColor(combined, cv2.COLOR_YCrCb2RGB).astype(np.uint8, copy=False)
