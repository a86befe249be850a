"""How steady, how sharp, and how true to the frames that went in, on sequences with exact flow."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from exact import ExactFrame
from methods import Method, Picture

from vidgan.temporal.flow import Motion, MotionEstimator
from vidgan.temporal.metrics import psnr, sharpness_ratio, ssim, warping_error
from vidgan.temporal.warp import warp

MOST_DECIBELS = 60.0
"""PSNR of equal pictures, which is infinite, counts as so much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Means over the frames of one sequence that have a predecessor in their scene."""

    error: float
    """Warping error with exact flow and visibility: mean square of colours 0..1."""
    ratio: float
    """Error of the per-frame result, divided by this one: how many times steadier."""
    floors: float
    """This error, divided by the source's own."""
    sharpness: float
    """Variance of the Laplacian as a share of the per-frame result's."""
    coarse_sharpness: float
    """The same at half the size: whoever sharpens the finest band only isn't sharp here."""
    psnr_db: float
    """Against the per-frame result."""
    ssim: float
    """Against the per-frame result."""


def estimate_motions(frames: Iterable[ExactFrame]) -> list[Motion]:
    """Return what vidgan's estimator says about every step."""
    estimate = MotionEstimator()
    return [estimate(frame.image) for frame in frames]


def exact_motions(frames: Sequence[ExactFrame]) -> list[Motion]:
    """Return the truth about every step in the form that smoothers take."""
    return [
        Motion(flow=frame.flow, visibility=frame.visible.astype(np.float32), is_cut=frame.flow is None and number > 0)
        for number, frame in enumerate(frames)
    ]


def smooth(
    method: Method, frames: Sequence[ExactFrame], styled: Sequence[Picture], motions: Sequence[Motion]
) -> list[Picture]:
    """Send a sequence through a method."""
    steps = zip(styled, motions, frames, strict=True)
    return [method(picture, motion, frame.image) for picture, motion, frame in steps]


def mean_error(frames: Sequence[ExactFrame], pictures: Sequence[Picture]) -> float:
    """Return the mean warping error (Lai et al. 2018) of `pictures` along the exact flow of `frames`."""
    errors = [
        warping_error(pictures[number], warp(pictures[number - 1], frame.flow), frame.visible)
        for number, frame in enumerate(frames)
        if frame.flow is not None
    ]
    return statistics.fmean(errors)


def score(
    frames: Sequence[ExactFrame], styled: Sequence[Picture], results: Sequence[Picture], *, source: float, before: float
) -> Score:
    """Judge `results` of smoothing `styled`.

    Args:
        frames: of the sequence.
        styled: the per-frame results.
        results: what is judged.
        source: `mean_error` of the sequence itself.
        before: `mean_error` of `styled`.
    """
    later = [number for number, frame in enumerate(frames) if frame.flow is not None]
    error = mean_error(frames, results)
    return Score(
        error=error,
        ratio=before / error,
        floors=error / source,
        sharpness=statistics.fmean(sharpness_ratio(results[i], styled[i]) for i in later),
        coarse_sharpness=statistics.fmean(sharpness_ratio(_halved(results[i]), _halved(styled[i])) for i in later),
        psnr_db=statistics.fmean(min(MOST_DECIBELS, psnr(results[i], styled[i])) for i in later),
        ssim=statistics.fmean(ssim(results[i], styled[i]) for i in later),
    )


def temporal_variance(pictures: Sequence[Picture]) -> float:
    """Return the variance of every pixel over time, averaged over the picture, in levels² of 0..255."""
    count = len(pictures)
    total = np.zeros(pictures[0].shape, np.float64)
    squares = np.zeros_like(total)
    for picture in pictures:
        levels = picture.astype(np.float64)
        total += levels
        squares += levels * levels
    return float(np.mean(squares / count - (total / count) ** 2))


def _halved(picture: Picture) -> Picture:
    size = (picture.shape[1] // 2, picture.shape[0] // 2)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
