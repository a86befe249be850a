"""Meters: how steady one pair of frames is, and a sample of pairs taken while a video passes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vidgan.picture import Picture, as_array, resized
from vidgan.temporal.cuts import same_shot
from vidgan.temporal.flow import DisFlow, MotionEstimator
from vidgan.temporal.luma import check_rgb
from vidgan.temporal.metrics import sharpness_ratio, visible_mask, warping_error
from vidgan.temporal.warp import warp

Image = NDArray[np.uint8]

MEASURED_SHORT_SIDE = 360
"""Errors are taken with at most so many pixels on the short side. The smoother's size is set elsewhere: a change of the
smoother mustn't change the measure."""
LEAST_VISIBLE = 0.05
"""Pairs with a smaller visible part are skipped: an average over a few leftover pixels says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """One frame and its styled versions as the measure sees them: small, and all of one size."""

    pictures: tuple[Image, ...]
    """The source first; `(h, w, 3)` RGB uint8. Those that were small enough already aren't copies."""
    luma: Image
    """Of the source, `(h, w)`."""
    shapes: tuple[tuple[int, ...], ...]
    """The frames' own shapes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pair:
    """What was measured between two views."""

    errors: tuple[float, ...] | None
    """Warping error of each picture; None at cuts and flashes, and where next to nothing is visible in both frames."""
    is_cut: bool
    """A new shot starts with the later frame."""
    flow: NDArray[np.float32]
    """Backward flow of the source, `(h, w, 2)` pixels."""
    mask: NDArray[np.bool_]
    """Where the errors are taken, `(h, w)`."""


def view(source_HWC: Image, *styled_HWC: Image) -> View:
    """Reduce a frame and its styled versions to what is measured.

    Args:
        source_HWC: the frame as decoded, `(H, W, 3)` RGB uint8.
        styled_HWC: any number of restyled versions, `(H', W', 3)` RGB uint8: the same picture at any size.

    Raises:
        TypeError: a frame isn't uint8.
        ValueError: a frame isn't `(H, W, 3)` or is empty.
    """
    frames = (source_HWC, *styled_HWC)
    for frame in frames:
        check_rgb(frame)
    height, width = source_HWC.shape[:2]
    scale = min(1.0, MEASURED_SHORT_SIDE / min(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    pictures = tuple(resized(frame, *size) for frame in frames)
    luma = cv2.cvtColor(pictures[0], cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    return View(pictures=pictures, luma=luma, shapes=tuple(frame.shape for frame in frames))


class PairMeter:
    """Measures one step from a frame to the next. Keeps flow buffers and no frames; one per thread.

    Its flow is DIS MEDIUM, forward and backward, not the smoother's own: whoever smooths along a wrong flow must not be
    judged by the same one.
    """

    def __init__(self) -> None:
        self._flow = DisFlow(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def __call__(self, before: View, now: View) -> Pair:
        """Measure the step between two views with the same sizes and number of pictures.

        Raises:
            ValueError: they have not.
        """
        if before.shapes != now.shapes:
            raise ValueError(f"frames {now.shapes} after {before.shapes}: use one meter per size")
        flow = self._flow(now.luma, before.luma)
        mask = visible_mask(self._flow(before.luma, now.luma), flow)
        is_same = same_shot(now.luma, warp(before.luma, flow))
        if mask.mean() < LEAST_VISIBLE or not is_same:
            is_cut = not is_same and _is_cut(before.pictures[0], now.pictures[0])
            return Pair(errors=None, is_cut=is_cut, flow=flow, mask=mask)
        errors = tuple(
            warping_error(later, warp(earlier, flow), mask)
            for earlier, later in zip(before.pictures, now.pictures, strict=True)
        )
        return Pair(errors=errors, is_cut=False, flow=flow, mask=mask)


def _is_cut(before_HWC: Image, now_HWC: Image) -> bool:
    """Tell a cut from a flash or a very fast pan, with the second look that the smoother's estimator takes."""
    estimator = MotionEstimator()
    estimator(before_HWC)
    return estimator(now_HWC).is_cut


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
    """Measures every k-th pair of frames as they pass; keeps small copies of one frame at most.

    Errors are taken at reduced size by a `PairMeter`, sharpness at full size. A measured pair costs about 45 ms at
    1280x720 on one core.
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
        self._measure = PairMeter()
        self._num_frames = 0
        self._skipped = 0
        self._previous: View | None = None
        self._errors: list[Sequence[float]] = []
        self._sharpness: list[float] = []

    def __call__(self, source_HWC: Picture, per_frame_HWC: Picture, result_HWC: Picture) -> None:
        """Take note of the next frame. Nobody may write into the pictures before the following call.

        Args:
            source_HWC: the frame as decoded, `(H, W, 3)` RGB uint8. An array, or like the others a tensor, which is
                fetched from its device where it is measured.
            per_frame_HWC: styled, before smoothing, `(H', W', 3)` RGB uint8.
            result_HWC: styled and smoothed, same shape as `per_frame_HWC`.

        Raises:
            TypeError: a frame isn't uint8.
            ValueError: a frame isn't `(H, W, 3)`, or sizes differ between the two results or from the previous frame.
        """
        if per_frame_HWC.shape != result_HWC.shape:
            shapes = f"{tuple(per_frame_HWC.shape)} and {tuple(result_HWC.shape)}"
            raise ValueError(f"frames {shapes} after smoothing: expected one size")
        previous, self._previous = self._previous, None
        starts_pair = self._num_frames % self.every == 0
        self._num_frames += 1
        if not starts_pair and previous is None:
            return
        source, per_frame, result = (as_array(picture) for picture in (source_HWC, per_frame_HWC, result_HWC))
        now = view(source, per_frame, result)
        self._previous = now if starts_pair else None
        if previous is None:
            return
        errors = self._measure(previous, now).errors
        if errors is None:
            self._skipped += 1
            return
        self._errors.append(errors)
        ratio = sharpness_ratio(result, per_frame)
        if math.isfinite(ratio):
            self._sharpness.append(ratio)

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
