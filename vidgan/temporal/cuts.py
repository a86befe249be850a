"""Does a new shot start here? What two lumas of neighbouring frames say, after the motion between them is undone.

A cut changes what is where. A flash, a fade and noise change how bright it is, a pan moves it. So the question is put
to structure: correlation of local contrast on small copies, which brightness doesn't touch and noise hardly.

The constants were set on pairs from five clips. Neighbours and every fourth frame, also with flashes (gain 0.3 to 3,
clipped), noise (sigma up to 40) and pans (3 to 25 % of the width) added, scored 0.54 to 1.00. 110 pairs from different
clips, or mirrored, or mirrored and darkened, scored 0.14 to 0.51.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

THUMBNAIL_SIDE = 90
"""Pixels on the short side of the small copies. Larger ones let noise through, smaller ones can be kneaded by a flow of
their own coarseness into whatever one likes."""
LOCAL_SIZE = 17
"""Contrast is local to so many pixels of the small copies: shots often share the layout of bright sky, dark ground."""
SIMILAR = 0.53
"""Correlation from which two pictures show the same shot. In the gap described above, near its upper end: what scores
less by the first look gets a second one, and a missed cut is a ghost while a false one is a single unsmoothed frame."""
LEAST_CHANGE = 2.0
"""Mean difference of the small copies, in levels of 0..255, below which nothing worth a cut has changed."""
NOISE_CHANGE = 1.4
"""The same per unit of noise sigma in the small copies: two frames differ by 1.13 sigma on average."""
FLAT_VARIANCE = 1.0
"""Variance in levels² that rounding alone makes: pictures with less have no structure to compare."""
FLAT_CHANGE = 25.0
"""Mean difference needed where one of the two is flat: a fade out of black begins with less."""
_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def same_shot(luma_HW: NDArray[np.uint8], warped_HW: NDArray[np.uint8]) -> bool:
    """Say whether a luma still shows what the previous one, motion undone, shows. 0.2 ms for 640x360.

    Args:
        luma_HW: this frame, `(H, W)` uint8.
        warped_HW: the previous frame warped onto it, same shape.

    Returns:
        True where structure agrees, or where too little has changed to speak of a cut.
    """
    small, small_warped = _thumbnail(luma_HW), _thumbnail(warped_HW)
    similarity, variance = _compare_structure(small, small_warped)
    if similarity >= SIMILAR:
        return True
    change = float(cv2.norm(small, small_warped, cv2.NORM_L1)) / small.size
    least = FLAT_CHANGE if variance < FLAT_VARIANCE else LEAST_CHANGE
    # Averaging over areas has already divided the noise by the factor between the sizes.
    sigma = noise_sigma(luma_HW) * math.sqrt(small.size / luma_HW.size)
    return change < least + NOISE_CHANGE * sigma


def noise_sigma(luma_HW: NDArray[np.uint8]) -> float:
    """Estimate the noise of one picture; fine texture counts as noise too (Immerkær 1996).

    Args:
        luma_HW: `(H, W)` uint8.

    Returns:
        Standard deviation of the noise in levels of 0..255; 0 for pictures of less than 3x3 pixels.
    """
    height, width = luma_HW.shape
    if height < 3 or width < 3:
        return 0.0
    response = cv2.filter2D(luma_HW, cv2.CV_32F, _IMMERKAER)[1:-1, 1:-1]
    return float(np.sqrt(np.pi / 2) / 6 * cv2.norm(np.ascontiguousarray(response), cv2.NORM_L1) / response.size)


def match_tones(source_HW: NDArray[np.uint8], target_HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give one picture the histogram of another; clipping is undone as far as it can be.

    Args:
        source_HW: the picture to change, uint8.
        target_HW: the picture with the wanted histogram, uint8, any size.

    Returns:
        A new array of the shape of `source_HW`.
    """
    have = np.cumsum(cv2.calcHist([source_HW], [0], None, [256], [0, 256])) / source_HW.size
    want = np.cumsum(cv2.calcHist([target_HW], [0], None, [256], [0, 256])) / target_HW.size
    table = np.searchsorted(want, have - 1e-6).clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(source_HW, table), np.uint8)


def global_shift(luma_HW: NDArray[np.uint8], previous_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Find how far the whole picture moved (phase correlation, Kuglin and Hines 1975). 0.3 ms for 640x360.

    Args:
        luma_HW: this frame, `(H, W)` uint8.
        previous_HW: the previous frame, same shape.

    Returns:
        Backward flow `(u, v)` in pixels of the lumas, shared by all pixels, to a whole pixel.
    """
    height, width = luma_HW.shape
    # Half the size is plenty for a start that dense flow then refines, and the transform is most of the cost.
    size = (max(2, width // 2), max(2, height // 2))
    window = cv2.createHanningWindow(size, cv2.CV_32F)
    now, before = (cv2.resize(x, size, interpolation=cv2.INTER_AREA).astype(np.float32) for x in (luma_HW, previous_HW))
    (dx, dy), _ = cv2.phaseCorrelate(now, before, window)
    return np.rint([dx * width / size[0], dy * height / size[1]]).astype(np.float32)


def _thumbnail(luma_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
    height, width = luma_HW.shape
    scale = min(1.0, THUMBNAIL_SIDE / min(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(luma_HW, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def _compare_structure(a_HW: NDArray[np.float32], b_HW: NDArray[np.float32]) -> tuple[float, float]:
    """Correlate local contrast: the structure term of SSIM (Wang et al. 2004), over the whole picture at once.

    Returns the correlation and the smaller variance of the two. Two flat pictures correlate fully, a flat one and a
    structured one hardly.
    """
    size = (LOCAL_SIZE, LOCAL_SIZE)
    a, b = (x - cv2.blur(x, size, borderType=cv2.BORDER_REPLICATE) for x in (a_HW, b_HW))
    covariance, variance_a, variance_b = (float(np.mean(x)) for x in (a * b, a * a, b * b))
    scale = math.sqrt((variance_a + FLAT_VARIANCE) * (variance_b + FLAT_VARIANCE))
    return (covariance + FLAT_VARIANCE) / scale, min(variance_a, variance_b)
