"""From scores to curves: averages, who is better where, and the picture."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from methods import AVERAGE, BLEND, VIDGAN
from scoring import Score

MARGIN = 1e-6
"""Curves that agree to this part are equal."""
COLOURS = {AVERAGE: "#b5482a", BLEND: "#2f6fa8", VIDGAN: "#1b7f4b"}
MARKERS = {AVERAGE: "s", BLEND: "^", VIDGAN: "o"}
LABELS: dict[str, tuple[tuple[float, float], Literal["left", "center", "right"]]] = {
    AVERAGE: ((-7, -4), "right"),
    BLEND: ((7, 3), "left"),
    VIDGAN: ((0, 7), "center"),
}
"""Where the numbers stand beside the points: an offset in printer's points, and what of the number lies there."""
LEAST_LABELLED = 0.1
"""Points of less strength crowd around (1, 1): they have no number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A method at one strength, averaged over the moving sequences."""

    strength: float
    """Of vidgan's smoother, or the weight of the past."""
    ratio: float
    """Geometric mean of the ratios: how many times steadier than per-frame."""
    floors: float
    """Arithmetic mean of error / source's own error."""
    worst_floors: float
    """The largest of them."""
    sharpness: float
    """Arithmetic mean."""
    worst_sharpness: float
    """The smallest."""
    coarse_sharpness: float
    """Arithmetic mean."""
    psnr_db: float
    """Arithmetic mean."""
    ssim: float
    """Arithmetic mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One point of vidgan's curve beside the curve of a baseline."""

    strength: float
    """Of vidgan's smoother."""
    baseline: str
    """Compared with this one."""
    sharpness_at_equal_error: float | None
    """The best that the baseline has at vidgan's error; None: it never gets so steady."""
    ratio_at_equal_sharpness: float | None
    """The most that the baseline gains at vidgan's sharpness; None: it never has that sharpness."""
    vidgan_is_better: bool
    """No point of the baseline's curve is as steady and as sharp."""
    vidgan_is_better_at_half_size: bool
    """The same with `coarse_sharpness`."""
    sequences_lost: tuple[str, ...]
    """Where the same question, asked of one sequence alone, is answered in favour of the baseline."""


def average(strength: float, scores: Sequence[Score]) -> Point:
    """Average the scores of a method at one strength over sequences."""
    return Point(
        strength=strength,
        ratio=statistics.geometric_mean(score.ratio for score in scores),
        floors=statistics.fmean(score.floors for score in scores),
        worst_floors=max(score.floors for score in scores),
        sharpness=statistics.fmean(score.sharpness for score in scores),
        worst_sharpness=min(score.sharpness for score in scores),
        coarse_sharpness=statistics.fmean(score.coarse_sharpness for score in scores),
        psnr_db=statistics.fmean(score.psnr_db for score in scores),
        ssim=statistics.fmean(score.ssim for score in scores),
    )


Curve = Sequence[tuple[float, float]]
"""Ratio and sharpness, from the weakest strength to the strongest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One point beside a curve."""

    sharpness_at_equal_error: float | None
    """The best that the curve has at the point's ratio; None: it never has that ratio."""
    ratio_at_equal_sharpness: float | None
    """The largest that the curve has at the point's sharpness; None: it never has that sharpness."""
    better: bool
    """No point of the curve is as steady and as sharp."""


def compare(point: tuple[float, float], curve: Curve) -> Comparison:
    """Compare one point (ratio, sharpness) with a curve that is straight in log ratio between its corners.

    The curve begins at (1, 1): without any smoothing.
    """
    ratio, sharpness = point
    logs = [(math.log(r), s) for r, s in [(1.0, 1.0), *curve]]
    at_error = _crossings(logs, math.log(ratio))
    at_sharpness = [math.exp(x) for x in _crossings([(s, x) for x, s in logs], sharpness)]
    # Dominated by a corner of the curve, or by a point between two corners: those show up as a crossing.
    candidates = [(math.exp(x), s) for x, s in logs]
    candidates += [(ratio, s) for s in at_error] + [(r, sharpness) for r in at_sharpness]
    as_good = any(r >= ratio * (1 - MARGIN) and s >= sharpness * (1 - MARGIN) for r, s in candidates)
    return Comparison(
        sharpness_at_equal_error=max(at_error, default=None),
        ratio_at_equal_sharpness=max(at_sharpness, default=None),
        better=not as_good,
    )


def _crossings(curve: Curve, x: float) -> list[float]:
    """Return every y that a polyline of (x, y) has at `x`."""
    found = []
    for (x0, y0), (x1, y1) in pairwise(curve):
        if min(x0, x1) <= x <= max(x0, x1):
            found += [y0, y1] if x0 == x1 else [y0 + (y1 - y0) * (x - x0) / (x1 - x0)]
    return found


def draw(curves: Mapping[str, Mapping[str, Sequence[Point]]], path: Path) -> None:
    """Draw steadiness against sharpness: one panel for each generator, one line for each method."""
    figure = Figure(figsize=(7 * len(curves), 5.6), layout="constrained")
    panels = figure.subplots(1, len(curves), squeeze=False)[0]
    for panel, (generator, methods) in zip(panels, curves.items(), strict=True):
        for method in COLOURS:
            _draw_curve(panel, method, methods[method])
        ratios = [point.ratio for method in COLOURS for point in methods[method]]
        panel.set(
            title=f"generator: {generator}",
            xscale="log",
            xlim=(min(*ratios, 1) * 0.8, max(ratios) * 1.4),
            ylim=(0, 1.1),
        )
        panel.set(xlabel="times steadier than per-frame (warping error along exact flow)")
        panel.set(ylabel="sharpness (variance of the Laplacian, per-frame = 1)")
        panel.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
        panel.xaxis.set_minor_formatter(ticker.NullFormatter())
        panel.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.suptitle(
        "Up and to the right is better. Numbers at the points: vidgan's strength, or the weight of the past"
    )
    figure.savefig(path, dpi=110)


def _draw_curve(panel: Axes, method: str, points: Sequence[Point]) -> None:
    colour = COLOURS[method]
    xs, ys = [1.0, *(p.ratio for p in points)], [1.0, *(p.sharpness for p in points)]
    panel.plot(xs, ys, color=colour, marker=MARKERS[method], markersize=5, linewidth=1.8, label=method)
    offset, align = LABELS[method]
    for point in points:
        if point.strength >= LEAST_LABELLED:
            where = (point.ratio, point.sharpness)
            label = f"{point.strength:g}"
            panel.annotate(label, where, offset, textcoords="offset points", fontsize=8, color=colour, ha=align)
