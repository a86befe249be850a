"""How long a run takes: the steps that fit into a given time."""

from __future__ import annotations

import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from accelerate.utils import broadcast_object_list

from vidgan.train.checkpoint import read_checkpoint
from vidgan.train.measures import JUDGED_BATCHES
from vidgan.train.run import RunOptions
from vidgan.train.style import StyleConfig, train_style

_TRIAL_STEPS = 6
_PUBLISHING_SECONDS = 15
"""Export, the check against torch, and the speed; the judged batches come on top."""


def plan_steps(config: StyleConfig, seconds: float, checkpoint: Path, stop: threading.Event | None = None) -> int:
    """Return how many steps fit into `seconds` here; those of the run in `checkpoint` where there is one.

    A few steps are tried for it. What comes after the training (export and measuring) has its part of the time, but at
    most a third.

    Args:
        config: the run; its number of steps doesn't matter.
        seconds: for everything, this trial too.
        checkpoint: where the run is kept; need not exist.
        stop: ends the trial.

    Returns:
        At least 1; the same in every process.

    Raises:
        InputError: as in `train_style`.
        TrainingInterrupted: `stop` was set.
    """
    if checkpoint.exists():
        return int(read_checkpoint(checkpoint)["config"]["steps"])
    began = time.monotonic()
    full = _seconds_per_step(replace(config, imitation_part=0.0), stop)
    part = config.imitation_part if config.teacher else 0.0
    cheap = _seconds_per_step(replace(config, imitation_part=1.0), stop) if part else full
    left = seconds - (time.monotonic() - began)
    publishing = min(left / 3, _PUBLISHING_SECONDS + JUDGED_BATCHES * full / 2)
    steps = [max(1, int((left - publishing) / (part * cheap + (1 - part) * full)))]
    broadcast_object_list(steps)
    return steps[0]


def _seconds_per_step(config: StyleConfig, stop: threading.Event | None) -> float:
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(report=lambda report: times.append(report.seconds), has_curves=False, stop=stop)
        train_style(replace(config, steps=_TRIAL_STEPS), Path(folder) / "checkpoint.pt", options)
    # Only the main process reports, and only its answer counts.
    return float(np.median(np.diff(times))) if times else 1.0
