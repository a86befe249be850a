"""How steady, how sharp, how faithful: the measures, as pure functions.

A constant picture is perfectly steady, so steadiness is never reported without sharpness beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vidgan.temporal.flow import motion_boundaries, points_inside, squared_length
from vidgan.temporal.luma import check_rgb
from vidgan.temporal.warp import warp

OCCLUSION_RELATIVE, OCCLUSION_ABSOLUTE = 0.01, 0.5
"""Constants of `occluded`: Sundaram et al. 2010; used by Ruder et al. 2016 and Lai et al. 2018."""
SSIM_WINDOW, SSIM_SIGMA = 11, 1.5
"""Side and standard deviation in pixels of the Gaussian window of `ssim` (Wang et al. 2004)."""
SSIM_K1, SSIM_K2 = 0.01, 0.03
"""Their K1 and K2: what keeps `ssim` stable where pictures are dark or flat."""


def warping_error(current_HWC: NDArray[np.uint8], warped_HWC: NDArray[np.uint8], mask_HW: NDArray[np.bool_]) -> float:
    """Mean squared difference between a frame and its warped predecessor where both show the same (Lai et al. 2018).

    `E = sum(M (O_t - W(O_t-1))²) / sum(M)`, colours 0..1, the mean taken over channels too, as their
    `evaluate_WarpError.py` does. They then average over the pairs of a video, and over videos.

    Args:
        current_HWC: `(H, W, C)` uint8.
        warped_HWC: the frame before, warped by `warp` with the *source's* backward flow; same shape.
        mask_HW: `(H, W)`, True where visible: see `visible_mask`.

    Returns:
        0 (perfectly steady) to 1; nan where nothing is visible.

    Raises:
        ValueError: the sizes differ.
    """
    if current_HWC.shape != warped_HWC.shape or current_HWC.shape[:2] != mask_HW.shape:
        raise ValueError(f"sizes {current_HWC.shape}, {warped_HWC.shape} and mask {mask_HW.shape}: expected one size")
    if not mask_HW.any():
        return math.nan
    difference = cv2.absdiff(current_HWC, warped_HWC)[mask_HW].astype(np.float32)
    return float(np.mean(np.square(difference, out=difference), dtype=np.float64)) / 255**2


def error_map(
    current_HWC: NDArray[np.uint8], warped_HWC: NDArray[np.uint8], mask_HW: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Show where a `warping_error` comes from: the root of the squared difference, averaged over channels.

    Args:
        current_HWC: as in `warping_error`.
        warped_HWC: as in `warping_error`.
        mask_HW: as in `warping_error`.

    Returns:
        A new array `(H, W)`, 0..1, nan where not counted. The mean of its squares is the warping error.
    """
    difference = cv2.absdiff(current_HWC, warped_HWC).astype(np.float32) / np.float32(255)
    root = np.sqrt(np.mean(difference * difference, axis=2))
    return np.where(mask_HW, root, np.float32(np.nan))


def occluded(forward_HW2: NDArray[np.float32], backward_HW2: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Mark what can't be seen in the previous frame: there and back doesn't lead home.

    `|w~ + w^|² > 0.01 (|w~|² + |w^|²) + 0.5`, w^ the backward flow and w~ the forward flow fetched along it
    (Sundaram et al. 2010; Ruder et al. 2016; Lai et al. 2018, `utils.detect_occlusion` in their code).

    Args:
        forward_HW2: flow from the previous frame to this one, on the previous frame's grid, `(H, W, 2)` float32 pixels.
        backward_HW2: flow from this frame to the previous one, on this frame's grid, same shape.

    Returns:
        A new array `(H, W)`, True where occluded.

    Raises:
        ValueError: the sizes differ.
    """
    there = warp(forward_HW2, backward_HW2)
    limit = OCCLUSION_RELATIVE * (squared_length(there) + squared_length(backward_HW2)) + OCCLUSION_ABSOLUTE
    return np.asarray(squared_length(there + backward_HW2) > limit)


def visible_mask(forward_HW2: NDArray[np.float32], backward_HW2: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return Lai et al.'s mask: neither `occluded` nor on a motion boundary of the backward flow.

    Nor from beyond the border, which their code leaves to the other two: a pan brings in a column that nobody saw.

    Args:
        forward_HW2: as in `occluded`.
        backward_HW2: as in `occluded`.

    Returns:
        A new array `(H, W)`, True where both frames show the same point.

    Raises:
        ValueError: the sizes differ.
    """
    hidden = occluded(forward_HW2, backward_HW2) | motion_boundaries(backward_HW2)
    return np.asarray(points_inside(backward_HW2) & ~hidden)


def sharpness_ratio(image_HWC: NDArray[np.uint8], reference_HWC: NDArray[np.uint8]) -> float:
    """Compare detail by the variance of the Laplacian of luma (Pech-Pacheco et al. 2000).

    Args:
        image_HWC: `(H, W, 3)` RGB uint8.
        reference_HWC: the picture to compare with, `(H', W', 3)` RGB uint8.

    Returns:
        1 where both are equally sharp, less where `image_HWC` is blurred; nan where the reference is flat.
    """
    reference = _laplacian_variance(reference_HWC)
    return _laplacian_variance(image_HWC) / reference if reference > 0 else math.nan


def psnr(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio, `10 log10(255² / mean squared difference)`.

    Args:
        image: uint8 of any shape.
        reference: uint8, same shape.

    Returns:
        Decibels; infinity where both are equal.

    Raises:
        ValueError: the sizes differ.
    """
    return decibels(mean_squared_difference(image, reference))


def mean_squared_difference(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """Average the squared difference over everything.

    Args:
        image: uint8 of any shape.
        reference: uint8, same shape.

    Returns:
        0 to 255², in squared levels.

    Raises:
        ValueError: the sizes differ.
    """
    if image.shape != reference.shape:
        raise ValueError(f"pictures {image.shape} and {reference.shape}: expected one size")
    return float(cv2.norm(image, reference, cv2.NORM_L2SQR)) / image.size


def decibels(squared_levels: float) -> float:
    """Return the PSNR that belongs to a mean squared difference of 8-bit pictures; infinity for 0."""
    return 10 * math.log10(255**2 / squared_levels) if squared_levels else math.inf


def ssim(image_HWC: NDArray[np.uint8], reference_HWC: NDArray[np.uint8]) -> float:
    """Structural similarity of luma (Wang, Bovik, Sheikh and Simoncelli 2004), at the pictures' own size.

    The mean over all windows that lie wholly inside, 11x11 Gaussian of sigma 1.5, of
    `(2 m n + C1)(2 c + C2) / ((m² + n² + C1)(s² + t² + C2))` with means m, n, variances s², t², covariance c,
    `C1 = (0.01 · 255)²` and `C2 = (0.03 · 255)²`.

    Args:
        image_HWC: `(H, W, 3)` RGB uint8.
        reference_HWC: same shape; which of the two is which doesn't matter.

    Returns:
        1 where both are equal, about 0 where nothing is alike, at worst -1; nan for pictures smaller than the window.

    Raises:
        TypeError: a picture isn't uint8.
        ValueError: the sizes differ, or aren't `(H, W, 3)`.
    """
    if image_HWC.shape != reference_HWC.shape:
        raise ValueError(f"pictures {image_HWC.shape} and {reference_HWC.shape}: expected one size")
    check_rgb(image_HWC)
    check_rgb(reference_HWC)
    if min(image_HWC.shape[:2]) < SSIM_WINDOW:
        return math.nan
    x, y = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in (image_HWC, reference_HWC))
    # Variances don't care where 0 is; from mid-grey the squares are small, and float32 loses 0.001 levels² of C2 = 58.
    x, y = x - np.float32(128), y - np.float32(128)
    mean_x, mean_y = _windowed(x), _windowed(y)
    variances = _windowed(x * x) - mean_x**2 + _windowed(y * y) - mean_y**2
    covariance = _windowed(x * y) - mean_x * mean_y
    mean_x, mean_y = mean_x + np.float32(128), mean_y + np.float32(128)
    c1, c2 = (SSIM_K1 * 255) ** 2, (SSIM_K2 * 255) ** 2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity /= (mean_x**2 + mean_y**2 + c1) * (variances + c2)
    return float(np.mean(similarity, dtype=np.float64))


def mean_luma(image_HWC: NDArray[np.uint8]) -> float:
    """Return the mean BT.601 luma of an `(H, W, 3)` RGB uint8 picture in levels of 0..255, without rounding."""
    red, green, blue = cv2.mean(image_HWC)[:3]
    return 0.299 * red + 0.587 * green + 0.114 * blue


def pumping(shots: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float:
    """Standard deviation of the changes in overall brightness that the source doesn't have.

    With s and r the mean lumas of source and result, and ds, dr their steps from frame to frame within a shot, the gain
    `a = sum(ds dr) / sum(ds²)` is what follows the source by least squares, and
    `pumping² = sum((dr - a ds)²) / sum(n - 1)`: the sums run over all steps and all shots, n is the number of a
    shot's steps, and 1 of them was used up by its gain (none where the source's brightness never changes).

    A style that brightens (an offset), or strengthens contrast (a gain), doesn't pump; one that flickers does. A curved
    tone response counts a little in fades. The measure is our own.

    Args:
        shots: for each shot, the mean lumas of the source and of the result, as many, in levels of 0..255.

    Returns:
        Levels of 0..255 per frame, 0 at best; nan where no shot has at least three frames.

    Raises:
        ValueError: a shot has more frames in one than in the other.
    """
    squares = freedom = 0.0
    for source, result in shots:
        source_steps, result_steps = np.diff(source), np.diff(result)
        if source_steps.shape != result_steps.shape:
            raise ValueError(f"a shot of {len(source)} and {len(result)} frames: expected as many")
        if len(source_steps) < 2:
            continue
        power = float(source_steps @ source_steps)
        gain = float(source_steps @ result_steps) / power if power else 0.0
        rest = result_steps - gain * source_steps
        squares += float(rest @ rest)
        freedom += len(rest) - (1 if power else 0)
    return math.sqrt(squares / freedom) if freedom else math.nan


def _windowed(x_HW: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average over the Gaussian window, where it lies wholly inside."""
    margin = SSIM_WINDOW // 2
    smooth = cv2.GaussianBlur(x_HW, (SSIM_WINDOW, SSIM_WINDOW), SSIM_SIGMA)
    return np.asarray(smooth[margin:-margin, margin:-margin], np.float32)


def _laplacian_variance(image_HWC: NDArray[np.uint8]) -> float:
    # 16 bits hold the Laplacian of uint8 (-1020..1020) and are twice as fast as floats.
    laplacian = cv2.Laplacian(cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY), cv2.CV_16S)
    return float(cv2.meanStdDev(laplacian)[1].item()) ** 2
