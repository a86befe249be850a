"""Measuring a restyled video against its source: every step, with the moments that are worst.

Memory doesn't grow with the film, but for a few numbers per frame: pictures are kept of the worst moments and of a few
evenly spaced ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidgan.errors import InputError
from vidgan.frame import Frame
from vidgan.picture import resized
from vidgan.temporal.meter import Image, Pair, PairMeter, View, view
from vidgan.temporal.metrics import (
    decibels,
    error_map,
    mean_luma,
    mean_squared_difference,
    pumping,
    sharpness_ratio,
    ssim,
)
from vidgan.temporal.warp import warp

NUM_WORST = 4
"""How many moments are kept with their pictures."""
WORST_APART_SECONDS = 0.5
"""What is closer together is one moment: of several bad frames in a row the worst is shown."""
MOST_IN_STRIP = 8
"""Evenly spaced pictures kept at most; at least half as many where the film has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One step from a frame to the next."""

    seconds: float
    """Time of the later frame."""
    source_error: float | None
    """Warping error of the source; None, as the others, at cuts and flashes and where next to nothing is visible."""
    per_frame_error: float | None
    """Warping error of the per-frame result; None also where none was given."""
    result_error: float | None
    """Warping error of the result."""
    is_cut: bool
    """A new shot starts with the later frame."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorstMoment:
    """A step at which the result is least steady, and what there is to see. Pictures are RGB uint8, reduced."""

    moment: Moment
    """Its figures."""
    source: Image
    """The source's later frame."""
    result: Image
    """The result's later frame."""
    error_map: NDArray[np.float32]
    """Of the result, see `metrics.error_map`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Still:
    """A frame and what became of it. Pictures are RGB uint8, reduced."""

    seconds: float
    """Its time."""
    source: Image
    """Of the source."""
    result: Image
    """Of the result."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measurement:
    """What `measure` found. Errors are means over the measured moments, the rest over all frames."""

    moments: tuple[Moment, ...]
    """Every step, in order."""
    num_frames: int
    """How many frames were compared."""
    num_measured: int
    """Moments with errors; the others are cuts, flashes, and steps that leave next to nothing visible."""
    source_error: float
    """Warping error of the source itself: what the result can't get below."""
    per_frame_error: float | None
    """Warping error of the per-frame result; None where none was given."""
    result_error: float
    """Warping error of the result."""
    sharpness: float | None
    """Variance of the Laplacian, the result's by the per-frame result's; by the source's where no per-frame result was
    given. None where that is flat."""
    psnr_db: float | None
    """Fidelity to the per-frame result, from the mean squared difference over all frames; infinite where equal."""
    ssim: float | None
    """Structural similarity to the per-frame result, up to 1."""
    pumping: float | None
    """Changes of overall brightness that the source doesn't have, levels per frame; None for shots of two frames."""
    per_frame_pumping: float | None
    """The same of the per-frame result."""
    worst: tuple[WorstMoment, ...]
    """The least steady moments, worst first, at least `WORST_APART_SECONDS` apart."""
    strip: tuple[Still, ...]
    """Evenly spaced frames, in order."""

    @property
    def cuts(self) -> tuple[float, ...]:
        """Times at which a new shot starts, in seconds; the beginning isn't one of them."""
        return tuple(moment.seconds for moment in self.moments if moment.is_cut)


def measure(
    source: Iterable[Frame],
    result: Iterable[Frame],
    per_frame: Iterable[Frame] | None = None,
    *,
    progress: Callable[[int], None] = lambda _frames: None,
) -> Measurement:
    """Measure how steady, sharp and faithful a restyled video is, frame by frame in order, to the end of the shortest.

    Flow is estimated on the source alone: see `PairMeter`. A step costs about 45 ms on one core; sharpness, PSNR and
    SSIM, at full size, add about as much at 1280x720.

    Args:
        source: the video before.
        result: the same pictures restyled, at any size, which must not change.
        per_frame: the same restyled without regard to time, at the size of `result`; fidelity is to these.
        progress: called after every frame with the number compared.

    Returns:
        The figures, and the moments worth looking at.

    Raises:
        InputError: no step could be measured: less than two frames, or nothing but cuts.
        ValueError: `per_frame` has another size than `result`, or a size changes.
    """
    tally = _Tally()
    styled = (result,) if per_frame is None else (result, per_frame)
    # Not strict: whoever knows the files says what the lengths mean.
    for frames in zip(source, *styled, strict=False):
        tally.take(*frames)
        progress(tally.num_frames)
    return tally.sum_up()


class _Tally:
    """What is known so far."""

    def __init__(self) -> None:
        self.num_frames = 0
        self._measure = PairMeter()
        self._previous: View | None = None
        self._moments: list[Moment] = []
        self._worst, self._strip = WorstKept(NUM_WORST, WORST_APART_SECONDS), EvenlyKept(MOST_IN_STRIP)
        self._sharpness: list[float] = []
        self._fidelity: list[tuple[float, float]] = []
        self._lumas: list[list[tuple[float, ...]]] = [[]]

    def take(self, source: Frame, result: Frame, per_frame: Frame | None = None) -> None:
        styled = [result.image] if per_frame is None else [result.image, per_frame.image]
        now = view(source.image, *styled)
        if self._previous is not None:
            self._step(source.pts_seconds, self._measure(self._previous, now), self._previous, now)
        self._previous = now
        self._compare(source.image, *styled)
        self._strip.offer(Still(seconds=source.pts_seconds, source=now.pictures[0], result=now.pictures[1]))
        self._lumas[-1].append(tuple(mean_luma(image) for image in (source.image, *styled)))
        self.num_frames += 1

    def sum_up(self) -> Measurement:
        measured = [m for m in self._moments if m.source_error is not None]
        if not measured:
            raise InputError(self._why_nothing())
        with_per_frame = bool(self._fidelity)
        squares, similarities = zip(*self._fidelity, strict=True) if with_per_frame else ((), ())
        return Measurement(
            moments=tuple(self._moments),
            num_frames=self.num_frames,
            num_measured=len(measured),
            source_error=_mean(m.source_error for m in measured) or 0.0,
            per_frame_error=_mean(m.per_frame_error for m in measured),
            result_error=_mean(m.result_error for m in measured) or 0.0,
            sharpness=_mean(self._sharpness),
            psnr_db=decibels(float(np.mean(squares))) if with_per_frame else None,
            ssim=_mean(similarities),
            pumping=self._pumping(1),
            per_frame_pumping=self._pumping(2) if with_per_frame else None,
            worst=self._worst.in_order(),
            strip=tuple(self._strip.kept),
        )

    def _step(self, seconds: float, pair: Pair, before: View, now: View) -> None:
        source, result, per_frame = (*(pair.errors or (None, None)), None)[:3]
        moment = Moment(
            seconds=seconds,
            source_error=source,
            per_frame_error=per_frame,
            result_error=result,
            is_cut=pair.is_cut,
        )
        self._moments.append(moment)
        if pair.is_cut:
            self._lumas.append([])
        if result is not None and self._worst.wants(seconds, result):
            warped = warp(before.pictures[1], pair.flow)
            self._worst.keep(
                WorstMoment(
                    moment=moment,
                    source=now.pictures[0],
                    result=now.pictures[1],
                    error_map=error_map(now.pictures[1], warped, pair.mask),
                )
            )

    def _compare(self, source: Image, result: Image, per_frame: Image | None = None) -> None:
        reference = resized(source, result.shape[1], result.shape[0]) if per_frame is None else per_frame
        self._sharpness.append(sharpness_ratio(result, reference))
        if per_frame is not None:
            self._fidelity.append((mean_squared_difference(result, per_frame), ssim(result, per_frame)))

    def _pumping(self, which: int) -> float | None:
        shots = [([x[0] for x in shot], [x[which] for x in shot]) for shot in self._lumas]
        return _mean([pumping(shots)])

    def _why_nothing(self) -> str:
        if self.num_frames < 2:
            return f"{self.num_frames or 'no'} frame{'s' * (self.num_frames != 1)} to compare: steadiness needs two"
        return (
            f"none of the {len(self._moments)} steps between frames can be measured: each is a cut, a flash, or leaves "
            "next to nothing visible"
        )


class WorstKept:
    """The worst moments so far: a bounded number, and no two close together."""

    def __init__(self, number: int, apart_seconds: float) -> None:
        self._number, self._apart_seconds = number, apart_seconds
        self._kept: list[WorstMoment] = []

    def wants(self, seconds: float, error: float) -> bool:
        """Say whether a moment would be kept: worse than its neighbours, and than the least where there is no room."""
        near, far = self._split(seconds)
        return all(error > _error(kept) for kept in near) and (
            len(far) < self._number or any(error > _error(kept) for kept in far)
        )

    def keep(self, worst: WorstMoment) -> None:
        """Keep a wanted moment; its neighbours and what is one too many go."""
        _, far = self._split(worst.moment.seconds)
        self._kept = sorted([*far, worst], key=_error, reverse=True)[: self._number]

    def in_order(self) -> tuple[WorstMoment, ...]:
        """Return the moments, worst first."""
        return tuple(self._kept)

    def _split(self, seconds: float) -> tuple[list[WorstMoment], list[WorstMoment]]:
        near = [kept for kept in self._kept if abs(kept.moment.seconds - seconds) < self._apart_seconds]
        return near, [kept for kept in self._kept if kept not in near]


class EvenlyKept:
    """Evenly spaced stills of a film whose length isn't known: every k-th, k doubling whenever there are too many."""

    def __init__(self, most: int) -> None:
        self.kept: list[Still] = []
        self._most, self._every, self._num_offered = most, 1, 0

    def offer(self, still: Still) -> None:
        """Take the next frame, or not."""
        if self._num_offered % self._every == 0:
            if len(self.kept) == self._most:
                self.kept = self.kept[::2]
                self._every *= 2
            # With an even `most` the frame that found no room is a multiple of the doubled spacing too.
            self.kept.append(still)
        self._num_offered += 1


def _error(worst: WorstMoment) -> float:
    return worst.moment.result_error or 0.0


def _mean(values: Iterable[float | None]) -> float | None:
    """Average what is there and finite; None where nothing is."""
    finite = [value for value in _present(values) if math.isfinite(value)]
    return float(np.mean(finite)) if finite else None


def _present(values: Iterable[float | None]) -> Iterator[float]:
    return (value for value in values if value is not None)
