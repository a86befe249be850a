"""What smoothing costs at 1280x720 on one core, measured side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import cv2
from methods import Method, Picture, Vidgan, WarpAndBlend

from vidgan.temporal.flow import Motion, MotionEstimator
from vidgan.temporal.smoother import DEFAULT_STRENGTH

Run = Callable[[], tuple[float, float]]


def measure_costs(sources: Sequence[Picture], styled: Sequence[Picture], *, repeats: int = 11) -> dict[str, Any]:
    """Time motion estimation, vidgan's smoother and warp-and-blend in turn; OpenCV on one thread.

    Args:
        sources: frames of one scene, RGB uint8.
        styled: their per-frame results.
        repeats: rounds, after one that warms up.

    Returns:
        For each part, milliseconds per frame: medians over the rounds of processor time (what a core was busy) and of
        time on the clock, with the lowest and the highest processor time.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    estimate = MotionEstimator()
    motions = [estimate(image) for image in sources]
    parts: dict[str, Run] = {
        "motion": lambda: _time_motion(sources),
        f"vidgan {DEFAULT_STRENGTH:g}": lambda: _time_method(Vidgan(DEFAULT_STRENGTH), sources, styled, motions),
        "vidgan 1": lambda: _time_method(Vidgan(1), sources, styled, motions),
        "warp-and-blend 0.7": lambda: _time_method(WarpAndBlend(0.7), sources, styled, motions),
    }
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in parts}
    for _ in range(repeats + 1):
        for name, run in parts.items():
            rounds[name].append(run())
    cv2.setNumThreads(threads)
    return {name: _summarise(times[1:]) for name, times in rounds.items()}


def _time_motion(sources: Sequence[Picture]) -> tuple[float, float]:
    estimate = MotionEstimator()
    estimate(sources[0])
    return _time([lambda image=image: estimate(image) for image in sources[1:]])  # type: ignore[misc]


def _time_method(
    method: Method, sources: Sequence[Picture], styled: Sequence[Picture], motions: Sequence[Motion]
) -> tuple[float, float]:
    steps = list(zip(styled, motions, sources, strict=True))
    method(*steps[0])
    return _time([lambda step=step: method(*step) for step in steps[1:]])  # type: ignore[misc]


def _time(calls: Sequence[Callable[[], object]]) -> tuple[float, float]:
    """Return processor time and time on the clock in milliseconds per call."""
    began, began_clock = time.process_time(), time.perf_counter()
    for call in calls:
        call()
    busy, clock = time.process_time() - began, time.perf_counter() - began_clock
    return 1000 * busy / len(calls), 1000 * clock / len(calls)


def _summarise(times: Sequence[tuple[float, float]]) -> dict[str, float | int]:
    busy = [time for time, _clock in times]
    return {
        "core_milliseconds_median": round(statistics.median(busy), 2),
        "core_milliseconds_lowest": round(min(busy), 2),
        "core_milliseconds_highest": round(max(busy), 2),
        "clock_milliseconds_median": round(statistics.median(clock for _busy, clock in times), 2),
        "rounds": len(times),
    }
