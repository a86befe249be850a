"""The network alone: how many frames a second it gives, and how long one takes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidgan.bench.timing import Cost, Stopwatch
from vidgan.errors import RuntimeUnavailableError, StyleError
from vidgan.runtime.plan import PRECISIONS
from vidgan.styles import Style
from vidgan.stylizer import Stylizer, fit_size, pad

Image = NDArray[np.uint8]

MOST_SECONDS = 4.0
"""A measurement stops after so long, so that 4K in f32 doesn't take the afternoon."""


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Which network is opened, and where."""

    size: tuple[int, int]
    """Width and height of the pictures, before any padding."""
    runtime: str = "auto"
    """As in `Stylizer`."""
    device: str = "auto"
    """As in `Stylizer`."""
    precision: str = "auto"
    """As in `Stylizer`."""


def open_network(style: Style, options: NetworkOptions) -> Stylizer:
    """Open a style for pictures that need no padding and no cropping: what runs is the network and nothing else."""
    width, height = (fit_size(length, style) for length in options.size)
    return Stylizer(
        replace(style, margin=0),
        size=(width, height),
        runtime=options.runtime,
        device=options.device,
        precision=options.precision,
    )


def open_all(style: Style, options: NetworkOptions) -> dict[str, Stylizer]:
    """Open the network as asked for, and where `precision` is "auto" in every other precision that this device has.

    Returns:
        By the precision that really runs; what "auto" takes comes first.

    Raises:
        RuntimeUnavailableError, StyleError, ValueError: what was asked for can't be had.
    """
    chosen = open_network(style, options)
    assert chosen.report is not None
    opened = {chosen.report.precision: chosen}
    # torch's other precisions say nothing: on a CPU they are a hundred times as slow.
    if options.precision != "auto" or chosen.report.runtime == "torch":
        return opened
    for precision in PRECISIONS:
        if precision != "auto" and precision not in opened:
            # Not every device has every precision, and not every style a network of small numbers.
            try:
                other = open_network(style, replace(options, precision=precision))
            except (RuntimeUnavailableError, StyleError, ValueError):
                continue
            opened[precision] = other
    return opened


def padded(pictures: Sequence[Image], style: Style, size: tuple[int, int]) -> list[Image]:
    """Return the pictures as the network sees them within a run."""
    width, height = (fit_size(length, style) for length in size)
    return [pad(picture, width=width, height=height, margin=style.margin) for picture in pictures]


def time_throughput(network: Stylizer, pictures: Sequence[Image], num_frames: int) -> Cost:
    """Run with `network.depth` frames in flight, for `num_frames` or `MOST_SECONDS`, whatever ends first."""
    _warm_up(network, pictures)
    pending: deque[Future[Image]] = deque()
    watch, began, count = Stopwatch(), time.perf_counter(), 0
    for picture in islice(cycle(pictures), num_frames):
        if len(pending) == network.depth:
            pending.popleft().result()
        pending.append(network.submit(picture))
        count += 1
        if time.perf_counter() - began > MOST_SECONDS:
            break
    for future in pending:
        future.result()
    return watch.per_frame(count)


def time_latency(network: Stylizer, pictures: Sequence[Image], num_frames: int) -> list[float]:
    """Run one frame after the other, and return the milliseconds that each took; ends as `time_throughput` does."""
    _warm_up(network, pictures)
    took: list[float] = []
    for picture in islice(cycle(pictures), num_frames):
        began = time.perf_counter()
        network(picture)
        took.append(1000 * (time.perf_counter() - began))
        if sum(took) > 1000 * MOST_SECONDS:
            break
    return took


def _warm_up(network: Stylizer, pictures: Sequence[Image]) -> None:
    """After a rest the first frames are slower: their memory is touched for the first time."""
    for future in [network.submit(picture) for picture in islice(cycle(pictures), network.depth)]:
        future.result()


def device_figures(network: Stylizer) -> dict[str, Any]:
    """Return what only a device with memory of its own has; None where the runtime's report doesn't tell.

    A runtime on a GPU tells by fields of its report: `driver`, text; `memory_bytes`, what it holds there; `copy_ms`,
    milliseconds that the copies of one frame take, there and back.
    """
    return {name: getattr(network.report, name, None) for name in ("driver", "memory_bytes", "copy_ms")}
