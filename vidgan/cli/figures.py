"""A measurement's figures as words: the same on the terminal and in the report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from vidgan.temporal.measure import Measurement


_LEAST_SHOWN = 5e-9


class Row(NamedTuple):
    """One figure; empty where there is none."""

    name: str
    source: str
    per_frame: str
    result: str
    meaning: str


def rows(found: Measurement) -> list[Row]:
    """Return the figures as users read them."""
    floor = found.source_error
    with_per_frame = found.per_frame_error is not None
    table = [
        Row(
            "warping error",
            number(floor),
            number(found.per_frame_error),
            number(found.result_error),
            "Mean squared change along the source's motion, colours 0 to 1. Lower is steadier.",
        ),
        Row(
            "times the floor",
            "1" if floor else "",
            number(ratio(found.per_frame_error, floor)),
            number(ratio(found.result_error, floor)),
            "The same, divided by the source's own, which is as low as it gets.",
        ),
        Row(
            "pumping",
            "",
            number(found.per_frame_pumping),
            number(found.pumping),
            "Changes of overall brightness that the source doesn't have, in levels of 255 per frame.",
        ),
        Row(
            "sharpness",
            "" if with_per_frame else "1",
            "1" if with_per_frame else "",
            number(found.sharpness),
            f"Variance of the Laplacian, by that of the {'per-frame result' if with_per_frame else 'source'}.",
        ),
    ]
    if found.psnr_db is not None:
        decibels = number(found.psnr_db) if math.isfinite(found.psnr_db) else "equal"
        table.append(Row("PSNR, dB", "", "", decibels, "Likeness to the per-frame result; higher is closer."))
        table.append(Row("SSIM", "", "1", number(found.ssim), "Likeness of structure to the per-frame result."))
    return table


def number(value: float | None) -> str:
    """Write a figure with three significant digits and no exponent; nothing where there is none."""
    if value is None:
        return ""
    if abs(value) < _LEAST_SHOWN:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(decimals, 8)}f}"


def ratio(value: float | None, by: float | None) -> float | None:
    """Divide; None where one of the two isn't known, or nothing can be divided by."""
    return value / by if value is not None and by else None


def summary(found: Measurement) -> str:
    """Say in one line what the figures rest on."""
    skipped = len(found.moments) - found.num_measured
    steps = f"{found.num_frames} frames, {found.num_measured} steps measured"
    cuts = f"{len(found.cuts)} cut{'s' * (len(found.cuts) != 1)}"
    return f"{steps}, {skipped} left out ({cuts})" if skipped else f"{steps}, no cuts"


def clock(seconds: float) -> str:
    """Write a time as `1:02:03.4` or `2:03.4`."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"
