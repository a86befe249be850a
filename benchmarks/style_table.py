"""The figures of `styles.py` as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LIMIT_MEGABYTES = 8


def show(figures: Mapping[str, Any]) -> None:
    """Print what was measured, part by part."""
    writers = {
        "likeness": _show_likeness,
        "paint": _show_paint,
        "steadiness": _show_steadiness,
        "speed": _show_speed,
        "files": _show_files,
    }
    for part, write in writers.items():
        if figures.get(part):
            print(f"\n{part}")
            write(figures[part])
    print()


def _show_likeness(styles: Mapping[str, Any]) -> None:
    print(
        f"  {'style distance / the photograph own':38} {'mean':>7} {'median':>7} {'worst':>7} {'of means':>9}  content"
    )
    for name, sets in styles.items():
        for kind in ("all", "photographs", "clips"):
            s = sets[kind]
            label = f"{name}, {kind} ({s['pictures']})"
            print(
                f"  {label:38} {s['ratio_mean']:7.3f} {s['ratio_median']:7.3f} {s['ratio_worst']:7.3f} "
                f"{s['ratio_of_means']:9.3f}  {s['content_mean']:.2f} (most {s['content_worst']:.2f}); "
                f"worst is {s['worst_picture']}"
            )


def _show_paint(styles: Mapping[str, Any]) -> None:
    for name, found in styles.items():
        print(
            f"  {name}: style distance {found['style_ratio_mean']:.2f} times painting's in {found['iterations']} "
            f"iterations (worst {found['style_ratio_worst']:.2f}, of means {found['style_ratio_of_means']:.2f})"
        )
        for each in found["pictures"]:
            print(
                f"    {each['picture']:22} unstyled {each['unstyled']:.3g}, network {each['network_style']:.3g}, paint "
                f"{each['paint_style']:.3g}; content {each['network_content']:.2f} and {each['paint_content']:.2f}"
            )


def _show_steadiness(styles: Mapping[str, Any]) -> None:
    for name, found in styles.items():
        each = ", ".join(f"{sequence} {floors:.1f}" for sequence, floors in found["sequences"].items())
        print(f"  {name}: {found['floors_mean']:.1f} floors, worst {found['floors_worst']:.1f} ({each})")
        if "times_steadier" in found:
            print(
                f"    {found['times_steadier']:.1f} times steadier than trained without the temporal term "
                f"(on the sequence with the least gain {found['times_steadier_least']:.1f})"
            )


def _show_speed(found: Mapping[str, Any]) -> None:
    print(f"  {found['style']} at 1280x720, inference only")
    for name, s in found["networks"].items():
        print(
            f"  {name:22} {s['fps_median']:6.1f} fps ({s['fps_lowest']:.1f} to {s['fps_highest']:.1f}) in "
            f"{s['precision']}, {s['gflop']:.1f} GFLOP, {s['tflop_per_second']:.2f} TFLOP/s: "
            f"{100 * s['share_of_ceiling']:.0f} % of the ceiling"
        )
    for precision, ceiling in found["ceilings"].items():
        print(f"  ceiling in {precision}: {ceiling['tflop_per_second']:.2f} TFLOP/s ({ceiling['fastest']})")
    if found["normalisation_milliseconds"] is not None:
        count, cost = found["num_normalisations"], found["normalisation_milliseconds"]
        print(f"  {count} instance normalisations cost {cost:.1f} ms a frame")


def _show_files(found: Mapping[str, Any]) -> None:
    each = ", ".join(f"{name} {size:.2f}" for name, size in found["megabytes"].items())
    print(f"  {each} MB; {found['sum']:.2f} of {LIMIT_MEGABYTES} MB in all")
