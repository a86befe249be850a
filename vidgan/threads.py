"""Who gets how many of the processor's cores: the one place where that is decided.

Decoder, motion, network, smoother and encoder work on different frames at the same time, so the cores are kept busy by
the stages together, not by any of them alone. Splitting one small picture among threads costs more than it gains as
soon as others wait for the cores: on two cores the network works on two frames with a core each, and OpenCV's stages
have one thread each. Decoder and encoder keep FFmpeg's own rule, a few threads more than cores: x264 needs them to look
ahead, and both work in short bursts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_SMALL = 4
_MOST_STREAMS = 4
_MOST_OPENCV = 4


@dataclass(frozen=True, kw_only=True)
class ThreadPlan:
    """Threads for each stage."""

    network_streams: int
    """Frames that the network works on at the same time."""
    network: int
    """For each of these frames."""
    opencv: int
    """For motion and for smoothing, each."""


def plan_threads(cores: int | None = None) -> ThreadPlan:
    """Share out the cores.

    Args:
        cores: how many there are; by default those that this process may use.

    Raises:
        ValueError: fewer than one.
    """
    cores = available_cores() if cores is None else cores
    if cores < 1:
        raise ValueError(f"cores is {cores}: give 1 or more")
    streams = min(cores, _MOST_STREAMS)
    return ThreadPlan(
        network_streams=streams,
        network=cores // streams,
        # Up to a few cores the network is what everything waits for. Beyond that, motion and smoothing are.
        opencv=1 if cores <= _SMALL else min(cores // 4, _MOST_OPENCV),
    )


@contextmanager
def opencv_threads() -> Iterator[None]:
    """Give each of OpenCV's functions the threads of the plan: a setting of the whole process, put back at the end."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(plan_threads().opencv)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
