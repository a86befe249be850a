"""How long a run takes: the steps that fit into a given time."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from accelerate.utils import broadcast_object_list

from vidgan.train.checkpoint import read_checkpoint
from vidgan.train.run import RunOptions

TRIAL_STEPS = 6


def plan_steps(
    train: Callable[[int, Path, RunOptions], object],
    seconds: float,
    checkpoint: Path,
    stop: threading.Event | None = None,
    *,
    publishing_seconds: float,
) -> int:
    """Return how many steps of a recipe whose steps all cost the same fit into `seconds` here.

    Args:
        train: trains so many steps into a checkpoint.
        seconds: for everything, the trial and what comes after the training too.
        checkpoint: where the run is kept; need not exist. Where it does, the run's own steps are returned.
        stop: ends the trial.
        publishing_seconds: what export and measuring take.

    Returns:
        At least 1; the same in every process.

    Raises:
        InputError: the checkpoint can't be read.
        TrainingInterrupted: `stop` was set.
        Exception: whatever `train` raises.
    """
    return plan_by_cost(
        seconds, checkpoint, lambda: (seconds_per_step(partial(train, TRIAL_STEPS), stop), publishing_seconds)
    )


def plan_by_cost(seconds: float, checkpoint: Path, cost: Callable[[], tuple[float, float]]) -> int:
    """Return how many steps fit into `seconds`, where `cost` finds out what a step takes and what comes afterwards.

    What comes after the training has its part of the time, but at most a third. Everything else is as in `plan_steps`.
    """
    if checkpoint.exists():
        return int(read_checkpoint(checkpoint)["config"]["steps"])
    began = time.monotonic()
    a_step, publishing = cost()
    left = seconds - (time.monotonic() - began)
    steps = [max(1, int((left - min(left / 3, publishing)) / a_step))]
    broadcast_object_list(steps)
    return steps[0]


def seconds_per_step(train: Callable[[Path, RunOptions], object], stop: threading.Event | None = None) -> float:
    """Return the median time of the steps that `train` trains into a checkpoint; only the main process's counts."""
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(report=lambda report: times.append(report.seconds), has_curves=False, stop=stop)
        train(Path(folder) / "checkpoint.pt", options)
    # Only the main process reports.
    return float(np.median(np.diff(times))) if times else 1.0
