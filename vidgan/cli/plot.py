"""The report's plot: warping error over time as SVG, with labels in HTML so that they stay readable at any width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import groupby

from vidgan.cli.figures import clock
from vidgan.temporal.measure import Measurement, Moment

_WIDTH, _HEIGHT = 1000, 1000
_MOST_POINTS = 600
_LEAST_ERROR = 1e-6
_TIME_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_MOST_TIMES = 6


def make_plot(found: Measurement) -> str:
    """Return HTML: the curves on a logarithmic scale, cuts as dashed lines, the worst moments numbered."""
    curves = [("source", "the source itself", [m.source_error for m in found.moments])]
    if found.per_frame_error is not None:
        curves.append(("per-frame", "per-frame result", [m.per_frame_error for m in found.moments]))
    curves.append(("result", "result", [m.result_error for m in found.moments]))
    begin, end = found.strip[0].seconds, found.moments[-1].seconds
    length = end - begin or 1.0
    across = [(m.seconds - begin) / length for m in found.moments]
    low, high = _limits([value for _, _, errors in curves for value in errors if value is not None])
    ticks = [(value, _up(value, low, high)) for value in _error_ticks(low, high)]
    paths = "".join(
        f'<path class="curve {name}" d="{_path(across, errors, low, high)}"/>' for name, _, errors in curves
    )
    heights = "".join(f'<span style="top:{y / _HEIGHT:.2%}">{_plain(value)}</span>' for value, y in ticks)
    grid = "".join(f'<path class="grid" d="M0 {y:.1f}H{_WIDTH}"/>' for _, y in ticks)
    cuts = "".join(
        f'<path class="cut" d="M{x * _WIDTH:.1f} 0V{_HEIGHT}"/>'
        for x, m in zip(across, found.moments, strict=True)
        if m.is_cut
    )
    marks = "".join(
        f'<a href="#worst-{n}" style="left:{100 * (w.moment.seconds - begin) / length:.2f}%">{n}</a>'
        for n, w in enumerate(found.worst, 1)
    )
    legend = "".join(f'<span class="key {name}">{escape(title)}</span>' for name, title, _ in curves)
    legend += '<span class="key cut">cut</span>' if found.cuts else ""
    return f"""<div class="legend">{legend}</div>
<div class="plot">
<div class="y-title">warping error</div>
<div class="y-ticks">{heights}</div>
<div class="area"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img"
 aria-label="Warping error over time">{grid}{cuts}{paths}</svg><div class="marks">{marks}</div></div>
<div class="x-ticks">{_x_labels(begin, end)}</div>
<div class="x-title">time, minutes:seconds</div>
</div>
<p class="note">Logarithmic scale; lower is steadier. Numbers mark the least steady moments, shown below.
{_binning(found.moments)}</p>"""


def _limits(errors: Sequence[float]) -> tuple[float, float]:
    """Return the scale's ends: all values, and never less than a decade."""
    low, high = (max(value, _LEAST_ERROR) for value in (min(errors), max(errors)))
    if high / low < 10:
        middle = math.sqrt(low * high)
        low, high = middle / math.sqrt(10), middle * math.sqrt(10)
    return low / 1.15, high * 1.15


def _up(error: float, low: float, high: float) -> float:
    part = math.log(max(error, low) / low) / math.log(high / low)
    return _HEIGHT * (1 - part)


def _error_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if high / low > 1000 else (1, 3) if high / low > 50 else (1, 2, 5)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def _path(across: Sequence[float], errors: Sequence[float | None], low: float, high: float) -> str:
    """Draw a curve, interrupted where nothing was measured; of steps too many to draw, the worst of each bin."""
    size = math.ceil(len(errors) / _MOST_POINTS)
    points = []
    for first in range(0, len(errors), size):
        measured = [(e, x) for e, x in zip(errors[first : first + size], across[first:], strict=False) if e is not None]
        points.append(max(measured) if measured else None)
    parts = []
    for is_gap, run in groupby(points, key=lambda point: point is None):
        if not is_gap:
            drawn = [f"{x * _WIDTH:.1f} {_up(error, low, high):.1f}" for error, x in filter(None, run)]
            # A line to itself: a point alone between two gaps shows as a dot.
            parts.append(f"M{drawn[0]}L{' '.join(drawn[1:] or drawn)}")
    return "".join(parts)


def _x_labels(begin: float, end: float) -> str:
    if end <= begin:
        return f'<span style="left:0%">{clock(begin)}</span>'
    length = end - begin
    step = next((step for step in _TIME_STEPS if length / step <= _MOST_TIMES), math.ceil(length / _MOST_TIMES))
    times = [number * step for number in range(math.ceil(begin / step), math.floor(end / step) + 1)]
    return "".join(
        f'<span style="left:{(time - begin) / length:.2%}">{clock(time).removesuffix(".0")}</span>' for time in times
    )


def _plain(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _binning(moments: Sequence[Moment]) -> str:
    size = math.ceil(len(moments) / _MOST_POINTS)
    return f"Each point is the worst of {size} steps." if size > 1 else ""
