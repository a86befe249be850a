"""A run's curves, read back from TensorBoard's files and drawn as small charts of SVG and HTML."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

Points = Sequence[tuple[int, float]]
"""Steps and values, in order."""

_WIDTH, _HEIGHT = 300, 100
_MOST_POINTS = 300
_SMOOTHED_FROM = 60
_SMOOTHED_PART = 0.06
_LOGARITHMIC_FROM = 50
_PERCENTILES = (0.5, 99.5)
_LEAST_VALUE = 1e-12


def read_curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Read all points of a run's curves.

    Args:
        folder: where its files for TensorBoard lie, of all its starts; steps that were done again count once.

    Returns:
        Points by the curves' names, in the names' order; nothing where there are no such files or TensorBoard isn't
        installed, which the log says.
    """
    try:
        from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator
    except ImportError:
        log.warning("no curves are shown: pip install tensorboard")
        return {}
    if not folder.is_dir():
        return {}
    # 0 keeps all of them; by default it draws ten thousand by lot.
    events = EventAccumulator(str(folder), size_guidance={SCALARS: 0})
    # It says so where a run was resumed, which is nothing to worry about.
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    events.Reload()
    names = sorted(events.Tags()[SCALARS])
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in names}


def make_charts(curves: Mapping[str, Points]) -> str:
    """Return HTML: a small chart for each curve that has points, under a heading for each group.

    Args:
        curves: by name, `group/name`. Values that are no numbers are left out.
    """
    kept = {name: [point for point in points if math.isfinite(point[1])] for name, points in curves.items()}
    groups = groupby((item for item in kept.items() if item[1]), key=lambda item: item[0].rpartition("/")[0])
    return "".join(
        f'<h3>{_words(group)}</h3><div class="charts">{"".join(_chart(name, points) for name, points in charts)}</div>'
        for group, charts in groups
    )


def _chart(name: str, points: Points) -> str:
    steps, values = (np.array(column, np.float64) for column in zip(*points, strict=True))
    title = _words(name.rpartition("/")[2])
    is_smoothed = len(values) >= _SMOOTHED_FROM
    curve = _smoothed(values) if is_smoothed else values
    scale = _Scale(steps, values)
    raw = f'<path class="raw" d="{_path(scale, *_extremes(steps, values))}"/>' if is_smoothed else ""
    every = math.ceil(len(curve) / _MOST_POINTS)
    # The last point is always drawn: it is what the run ended with.
    drawn = np.unique(np.append(np.arange(0, len(curve), every), len(curve) - 1))
    ticks = [(tick, scale.up(tick)) for tick in scale.ticks()]
    grid = "".join(f'<path class="grid" d="M0 {y:.1f}H{_WIDTH}"/>' for _, y in ticks)
    labels = "".join(f'<span style="top:{y / _HEIGHT:.1%}">{tick:,.10g}</span>' for tick, y in ticks)
    note = "<small>logarithmic</small>" if scale.is_logarithmic else ""
    return f"""<figure class="chart"><figcaption><b>{title}</b>{note}<output>{number(curve[-1])}</output></figcaption>
<div class="plot"><div class="y">{labels}</div>
<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{title}">{grid}{raw}
<path class="curve" d="{_path(scale, steps[drawn], curve[drawn])}"/></svg>
<div class="x"><span>{int(steps[0]):,}</span><span>step {int(steps[-1]):,}</span></div></div></figure>
"""


def number(value: float) -> str:
    """Write a number with three digits that count; a dash where it is none."""
    if not math.isfinite(value):
        return "–"
    if value and abs(value) < 1e-3:
        return f"{value:.1e}".replace("e-0", "e-").replace("-", "−")
    return f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}".replace("-", "−") if value else "0"


class _Scale:
    """Where steps and values lie in the picture: linear, or logarithmic where values span more than fifty times."""

    def __init__(self, steps: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        self._first, self._length = float(steps[0]), max(1.0, float(steps[-1] - steps[0]))
        # Single spikes may leave the picture, so that the rest can be seen.
        low, high = map(float, np.percentile(values, _PERCENTILES))
        self.is_logarithmic = bool(low > _LEAST_VALUE and high / low > _LOGARITHMIC_FROM)
        if not self.is_logarithmic and 0 < low < high / 2:
            low = 0.0
        self._low, self._high = self._bend(low), self._bend(high)
        room = 0.06 * (self._high - self._low) or 0.1 * abs(self._high) or 1.0
        self._high += room
        self._low -= 0 if low == 0 else room

    def _bend(self, value: float) -> float:
        return math.log10(max(value, _LEAST_VALUE)) if self.is_logarithmic else float(value)

    def across(self, step: float) -> float:
        return _WIDTH * (step - self._first) / self._length

    def up(self, value: float) -> float:
        return _HEIGHT * (self._high - self._bend(value)) / (self._high - self._low)

    def ticks(self) -> list[float]:
        """Return two to four round values."""
        span = self._high - self._low
        if self.is_logarithmic:
            every = math.ceil(span / 4)
            powers = range(math.ceil(self._low), math.floor(self._high) + 1)
            return [10.0**power for power in powers if power % every == 0]
        unit = 10 ** math.floor(math.log10(span))
        step = next(step * unit for step in (0.2, 0.5, 1, 2, 5) if span / (step * unit) < 4.5)
        return [round(n * step, 12) for n in range(math.ceil(self._low / step), math.floor(self._high / step) + 1)]


def _smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average over a bell about an eighth of the curve wide, which doesn't lag; at the ends over what is there."""
    half = max(2, round(len(values) * _SMOOTHED_PART))
    bell = np.hanning(2 * half + 3)[1:-1]
    return np.asarray(np.convolve(values, bell, "same") / np.convolve(np.ones_like(values), bell, "same"))


def _extremes(
    steps: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Thin a curve out to its least and its largest value in each of so many parts."""
    if len(values) <= _MOST_POINTS:
        return steps, values
    parts = np.array_split(np.arange(len(values)), _MOST_POINTS // 2)
    kept = sorted({int(part[pick(values[part])]) for part in parts for pick in (np.argmin, np.argmax)})
    return steps[kept], values[kept]


def _path(scale: _Scale, steps: NDArray[np.float64], values: NDArray[np.float64]) -> str:
    points = [f"{scale.across(s):.1f} {scale.up(v):.1f}" for s, v in zip(steps, values, strict=True)]
    # A line to itself: a single point shows as a dot.
    return f"M{points[0]}L{' '.join(points[1:] or points)}"


def _words(name: str) -> str:
    return escape(name.replace("_", " "))
