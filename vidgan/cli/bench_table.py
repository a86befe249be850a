"""A benchmark's figures as tables on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from vidgan.cli.figures import number

if TYPE_CHECKING:
    from vidgan.bench.compare import Comparison

_STAGES = {
    "decode": "demux and decode",
    "to_rgb": "to RGB",
    "scale": "scale",
    "motion": "luma and motion",
    "network": "network",
    "smoothing": "smoothing",
    "to_yuv": "to YUV",
    "encode": "encode and mux",
    "encode_unsmoothed": "the same, not smoothed",
}
_WHOLE = {"smooth": "with smoothing", "no_smooth": "without smoothing"}


def show(found: dict[str, Any]) -> None:
    """Print a result of `vidgan.bench.report.as_object`."""
    console = Console(highlight=False)
    machine, settings = found["machine"], found["settings"]
    width, height = settings["size"]
    console.print(
        f"{machine['cpu']}, {machine['cores']} cores; {machine['system']}; load {machine['load']} before", markup=False
    )
    sha256 = settings["model_sha256"]
    style = f"style {settings['style']}" + (f" (sha256 {sha256[:12]})" if sha256 else "")
    rounds = f"{settings['repeats']} round{'s' * (settings['repeats'] != 1)}"
    console.print(f"{style}, {width}x{height}, {rounds}", markup=False)
    console.print("medians, in brackets lowest to highest\n", style="dim")
    chosen = next((figures for figures in found["network"].values() if figures["is_chosen"]), None)
    if chosen:
        driver = f", driver {chosen['driver']}" if chosen["driver"] else ""
        where = f"{chosen['runtime']} {chosen['version']} on {chosen['device_name']}{driver}"
        console.print(f"{where}, {chosen['depth']} frames in flight", markup=False)
        console.print(_network_table(found["network"]))
    for name, clip in found["clips"].items():
        sound = "with sound" if clip["has_sound"] else "no sound"
        size = "x".join(str(length) for length in clip["size"])
        title = "synthetic clip" if name == "synthetic" else clip["name"]
        console.print(f"\n{title}: {clip['codec']} {size}, {clip['frames']} frames, {sound}", markup=False)
        console.print(_stage_table(clip["stages"], chosen))
        console.print()
        console.print(_whole_table(clip["whole"]))
    console.print(f"\nfrom `vidgan stylize` to its first frame: {_with_spread(found['start_up_seconds'])} s")
    console.print(_EXPLANATION, style="dim")


_EXPLANATION = (
    "core ms: work of all threads per frame. Efficiency: core time of decode, network and encode, each alone, "
    "by cores x time of the run; +smoothing: motion and smoothing count too."
)


def show_comparison(comparison: Comparison, before: Path, after: Path) -> None:
    """Print what `vidgan.bench.compare.compare_results` returned."""
    console = Console(highlight=False)
    for line in comparison.differences:
        console.print(f"not the same: {line}", style="yellow", markup=False)
    console.print(f"A is {before}, B is {after}", markup=False)
    table = _table("median of", "A", "B", "B/A", "")
    table.columns[0].no_wrap, table.columns[0].overflow = False, "fold"
    for figure in comparison.ratios:
        is_bytes = figure.name.endswith("_bytes")
        values = [f"{value / 1e6:.0f} MB" if is_bytes else number(value) for value in (figure.before, figure.after)]
        table.add_row(figure.name, *values, number(figure.ratio), "~" if figure.overlaps else "")
    console.print(table)
    if any(figure.overlaps for figure in comparison.ratios):
        console.print("~ the ranges of A and B overlap: the ratio may be chance", style="dim")
    if comparison.left_out:
        parts = dict.fromkeys(".".join(name.split(".")[:2]) for name in comparison.left_out)
        console.print(f"left out, in one of the two only: {', '.join(parts)}", style="dim", markup=False)


def _network_table(networks: dict[str, Any]) -> Table:
    table = _table("network alone", "fps", "core ms", "latency p50", "p99 ms")
    for precision, figures in networks.items():
        star = " (chosen)" if figures["is_chosen"] else ""
        table.add_row(
            f"{figures['device']} {precision}{star}",
            _with_spread(figures["throughput_fps"]),
            _with_spread(figures["core_ms"]),
            number(figures["latency_p50_ms"]["median"]),
            number(figures["latency_p99_ms"]["median"]),
        )
    return table


def _stage_table(stages: dict[str, Any], network: dict[str, Any] | None) -> Table:
    table = _table("stage alone, per frame", "wall ms", "core ms")
    both = stages | ({"network": network} if network else {})
    for name, title in _STAGES.items():
        if name in both:
            table.add_row(title, _with_spread(both[name]["wall_ms"]), _with_spread(both[name]["core_ms"]))
    summed = [stage for name, stage in both.items() if name != "encode_unsmoothed"]
    total = {kind: sum(stage[kind]["median"] for stage in summed) for kind in ("wall_ms", "core_ms")}
    table.add_section()
    table.add_row("sum", number(total["wall_ms"]), number(total["core_ms"]))
    return table


def _whole_table(whole: dict[str, Any]) -> Table:
    table = _table("whole run", "fps", "core ms", "peak MB", "efficiency", "+smoothing")
    for name, figures in whole.items():
        table.add_row(
            _WHOLE[name],
            _with_spread(figures["fps"]),
            number(figures["core_ms"]["median"]),
            f"{figures['peak_memory_bytes']['median'] / 1e6:.0f}",
            _percent(figures["efficiency"]),
            _percent(figures["efficiency_smoothing"]),
        )
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _with_spread(figure: dict[str, float]) -> str:
    return f"{number(figure['median'])} ({number(figure['lowest'])}-{number(figure['highest'])})"


def _percent(figure: dict[str, float] | None) -> str:
    return f"{figure['median']:.2f}" if figure else ""
