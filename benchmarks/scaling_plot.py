"""The plot of `scaling.py`: time and memory as multiples of where they begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_BLUE, _ORANGE, _GREY = "#1f5fa8", "#c05a10", "#888888"


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One quantity along a panel, as multiples of its first value."""

    title: str
    """What it is."""
    colour: str
    """How it is drawn."""
    multiples: list[float]
    """Each value by the first."""
    labels: list[str]
    """The values themselves, with their units."""
    is_above: bool
    """Whether the labels stand above the points."""


def curves_of(cases: Sequence[dict[str, Any]], *, per_frame: bool) -> list[Curve]:
    """Return time and memory of the cases as curves.

    Args:
        cases: summaries, as `scaling.py` writes them.
        per_frame: the time of one frame, labelled by its speed, rather than of the whole run.
    """
    speeds = [case["fps"]["median"] for case in cases]
    seconds = [1 / speed for speed in speeds] if per_frame else [case["seconds"]["median"] for case in cases]
    memory = [case["peak_megabytes"]["median"] for case in cases]
    return [
        Curve(
            title="time per frame" if per_frame else "time",
            colour=_BLUE,
            multiples=[value / seconds[0] for value in seconds],
            labels=[f"{_short(speed)} fps" for speed in speeds]
            if per_frame
            else [f"{_short(value)} s" for value in seconds],
            is_above=True,
        ),
        Curve(
            title="peak memory",
            colour=_ORANGE,
            multiples=[value / memory[0] for value in memory],
            labels=[f"{value:.0f} MB" for value in memory],
            is_above=False,
        ),
    ]


def draw(figures: dict[str, Any], path: Path) -> None:
    """Draw the results of `scaling.py`: against the resolution on the left, against the length on the right."""
    resolutions, lengths = figures["resolutions"], figures["lengths"]
    pixels = [case["size"][0] * case["size"][1] for case in resolutions.values()]
    figure = Figure(figsize=(12, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _panel(
        left,
        "Resolution",
        [float(count) / pixels[0] for count in pixels],
        list(resolutions),
        curves_of(list(resolutions.values()), per_frame=True),
    )
    _panel(
        right,
        f"Length, at {next(iter(lengths.values()))['size'][1]}p",
        [float(case["times"]) for case in lengths.values()],
        [f"{name}\n{case['frames']:,} frames" for name, case in lengths.items()],
        curves_of(list(lengths.values()), per_frame=False),
    )
    figure.suptitle(f"vidgan stylize with smoothing and sound, style {figures['style']}", fontsize=12)
    figure.savefig(path, dpi=110)


def _panel(panel: Axes, title: str, across: list[float], names: list[str], curves: list[Curve]) -> None:
    panel.plot(across, across, color=_GREY, linestyle=(0, (4, 3)), linewidth=1.1, label="in proportion")
    for curve in curves:
        panel.plot(across, curve.multiples, color=curve.colour, marker="o", linewidth=2, label=curve.title)
        for x, y, label in zip(across, curve.multiples, curve.labels, strict=True):
            offset, side = ((-6, 5), "right") if curve.is_above else ((5, -14), "left")
            # On white, since the dashed line may pass behind it.
            panel.annotate(
                label,
                (x, y),
                offset,
                textcoords="offset points",
                ha=side,
                fontsize=9,
                color=curve.colour,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
            )
    panel.set(title=title, xscale="log", yscale="log", ylabel=f"times the value at {names[0].splitlines()[0]}")
    panel.set_xlim(across[-1] ** -0.15, across[-1] ** 1.15)
    highest = max(*across, *(value for curve in curves for value in curve.multiples))
    panel.set_ylim(0.5, highest * 1.9)
    panel.xaxis.set_major_locator(ticker.FixedLocator(across))
    panel.xaxis.set_major_formatter(ticker.FixedFormatter(names))
    panel.xaxis.set_minor_locator(ticker.NullLocator())
    panel.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    panel.yaxis.set_minor_locator(ticker.NullLocator())
    panel.grid(visible=True, color="#e4e4e4", linewidth=0.7)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(loc="upper left", frameon=False)


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
