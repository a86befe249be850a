"""What work costs, in time on the clock and in time of the processor's cores, and how much that varies."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one frame costs."""

    wall_ms: float
    """Milliseconds on the clock."""
    core_ms: float
    """Milliseconds of work, summed over all threads of this process."""


class Stopwatch:
    """Runs from the moment it is made."""

    def __init__(self) -> None:
        self._wall, self._cores = time.perf_counter(), time.process_time()

    def per_frame(self, num_frames: int) -> Cost:
        """Return what each of so many frames has cost since then; `num_frames` is 1 or more."""
        wall, cores = time.perf_counter() - self._wall, time.process_time() - self._cores
        return Cost(wall_ms=1000 * wall / num_frames, core_ms=1000 * cores / num_frames)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """One figure over several runs."""

    median: float
    """The middle one."""
    lowest: float
    """The lowest."""
    highest: float
    """The highest."""


def spread(values: Sequence[float]) -> Spread:
    """Sum up at least one value."""
    return Spread(median=statistics.median(values), lowest=min(values), highest=max(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest of `values` that at least `percent` of 100 of them don't exceed (the nearest rank)."""
    rank = max(1, -(-len(values) * percent // 100))
    return sorted(values)[int(rank) - 1]
