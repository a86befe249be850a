"""How steady, and how sharp: the measures, as pure functions, and a meter that samples them while a video passes.

A constant picture is perfectly steady, so steadiness is never reported without sharpness beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vidgan.temporal.cuts import same_shot
from vidgan.temporal.flow import DisFlow, check_rgb, motion_boundaries, reduced_luma, squared_length
from vidgan.temporal.warp import warp

OCCLUSION_RELATIVE, OCCLUSION_ABSOLUTE = 0.01, 0.5
"""Constants of `occluded`: Sundaram et al. 2010; used by Ruder et al. 2016 and Lai et al. 2018."""
LEAST_VISIBLE = 0.05
"""Pairs with a smaller visible part are skipped: an average over a few leftover pixels says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steadiness:
    """Means over the measured pairs. Warping errors are mean squares of colours 0..1: lower is steadier."""

    pairs: int
    """How many pairs were measured, at least 1."""
    skipped: int
    """How many were left out: cuts, flashes, and pairs of which next to nothing is visible in both."""
    source_error: float
    """Warping error of the source itself: what the measure can't get below."""
    per_frame_error: float
    """Warping error of the styled frames before smoothing."""
    result_error: float
    """Warping error of the result."""
    sharpness: float | None
    """Sharpness of the result as a ratio to the frame before smoothing; None where that was flat."""


class SteadinessMeter:
    """Measures every k-th pair of frames as they pass; keeps references to three frames at most and copies none.

    Its flow is DIS MEDIUM, forward and backward, not the smoother's own: whoever smooths along a wrong flow must not be
    judged by the same one. All errors are taken at the reduced size of `reduced_luma`, sharpness at full size. A
    measured pair costs about 45 ms at 1280x720 on one core.
    """

    def __init__(self, every: int = 8) -> None:
        """Make a meter.

        Args:
            every: measure the first pair and then every so many frames; 1 measures all.

        Raises:
            ValueError: `every` is less than 1.
        """
        if every < 1:
            raise ValueError(f"every is {every}: expected 1 (every pair) or more")
        self.every = every
        self._flow = DisFlow(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._num_frames = 0
        self._skipped = 0
        self._previous: tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]] | None = None
        self._errors: list[tuple[float, float, float]] = []
        self._sharpness: list[float] = []

    def __call__(
        self, source_HWC: NDArray[np.uint8], per_frame_HWC: NDArray[np.uint8], result_HWC: NDArray[np.uint8]
    ) -> None:
        """Take note of the next frame. Nobody may write into the arrays before the following call.

        Args:
            source_HWC: the frame as decoded, `(H, W, 3)` RGB uint8.
            per_frame_HWC: styled, before smoothing, `(H', W', 3)` RGB uint8.
            result_HWC: styled and smoothed, same shape as `per_frame_HWC`.

        Raises:
            TypeError: a frame isn't uint8.
            ValueError: a frame isn't `(H, W, 3)`, or sizes differ between the two results or from the previous frame.
        """
        if per_frame_HWC.shape != result_HWC.shape:
            raise ValueError(f"frames {per_frame_HWC.shape} and {result_HWC.shape} after smoothing: expected one size")
        frames = (source_HWC, per_frame_HWC, result_HWC)
        for frame in frames:
            check_rgb(frame)
        starts_pair = self._num_frames % self.every == 0
        self._num_frames += 1
        previous, self._previous = self._previous, frames if starts_pair else None
        if previous is not None:
            if [x.shape for x in previous] != [x.shape for x in frames]:
                raise ValueError(
                    f"frame {source_HWC.shape} differs in size from the previous one: use one meter per size"
                )
            self._measure(previous, frames)

    def report(self) -> Steadiness | None:
        """Return the means so far; None while no pair could be measured."""
        if not self._errors:
            return None
        source, per_frame, result = (float(x) for x in np.mean(self._errors, axis=0))
        return Steadiness(
            pairs=len(self._errors),
            skipped=self._skipped,
            source_error=source,
            per_frame_error=per_frame,
            result_error=result,
            sharpness=float(np.mean(self._sharpness)) if self._sharpness else None,
        )

    def _measure(self, previous: tuple[NDArray[np.uint8], ...], current: tuple[NDArray[np.uint8], ...]) -> None:
        luma, luma_before = reduced_luma(current[0]), reduced_luma(previous[0])
        backward = self._flow(luma, luma_before)
        mask = visible_mask(self._flow(luma_before, luma), backward)
        if mask.mean() < LEAST_VISIBLE or not same_shot(luma, warp(luma_before, backward)):
            self._skipped += 1
            return
        size = luma.shape
        source, per_frame, result = (
            warping_error(_reduce(now, size), warp(_reduce(before, size), backward), mask)
            for before, now in zip(previous, current, strict=True)
        )
        self._errors.append((source, per_frame, result))
        ratio = sharpness_ratio(current[2], current[1])
        if math.isfinite(ratio):
            self._sharpness.append(ratio)


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

    Args:
        forward_HW2: as in `occluded`.
        backward_HW2: as in `occluded`.

    Returns:
        A new array `(H, W)`, True where both frames show the same point.

    Raises:
        ValueError: the sizes differ.
    """
    return ~(occluded(forward_HW2, backward_HW2) | motion_boundaries(backward_HW2))


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
    if image.shape != reference.shape:
        raise ValueError(f"pictures {image.shape} and {reference.shape}: expected one size")
    squared = float(cv2.norm(image, reference, cv2.NORM_L2SQR)) / image.size
    return 10 * math.log10(255**2 / squared) if squared else math.inf


def _laplacian_variance(image_HWC: NDArray[np.uint8]) -> float:
    # 16 bits hold the Laplacian of uint8 (-1020..1020) and are twice as fast as floats.
    laplacian = cv2.Laplacian(cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY), cv2.CV_16S)
    return float(cv2.meanStdDev(laplacian)[1].item()) ** 2


def _reduce(image_HWC: NDArray[np.uint8], size: tuple[int, ...]) -> NDArray[np.uint8]:
    if image_HWC.shape[:2] == size:
        return image_HWC
    return cv2.resize(image_HWC, (size[1], size[0]), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
