"""How many steps of the style recipe fit into a given time."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

from vidgan.networks.generators import StyleNet
from vidgan.train.budget import TRIAL_STEPS, plan_by_cost, seconds_per_step
from vidgan.train.measures import JUDGED_BATCHES
from vidgan.train.run import RunOptions
from vidgan.train.style import StyleConfig, train_style

_PUBLISHING_SECONDS = 15
"""Export, the check against torch, and the speed; the judged batches come on top."""


def plan_style(config: StyleConfig, seconds: float, checkpoint: Path, stop: threading.Event | None = None) -> int:
    """Return how many steps fit into `seconds`, as `plan_steps` does; steps that only imitate a teacher are cheaper.

    Args:
        config: the run; its number of steps doesn't matter.
        seconds: for everything.
        checkpoint: where the run is kept; need not exist.
        stop: ends the trial.

    Raises:
        InputError: as in `train_style`.
        TrainingInterrupted: `stop` was set.
    """

    def cost() -> tuple[float, float]:
        full = seconds_per_step(partial(_try, replace(config, imitation_part=0.0)), stop)
        part = config.imitation_part if config.teacher else 0.0
        cheap = seconds_per_step(partial(_try, replace(config, imitation_part=1.0)), stop) if part else full
        return part * cheap + (1 - part) * full, _PUBLISHING_SECONDS + JUDGED_BATCHES * full / 2

    return plan_by_cost(seconds, checkpoint, cost)


def _try(config: StyleConfig, checkpoint: Path, options: RunOptions) -> StyleNet:
    return train_style(replace(config, steps=TRIAL_STEPS), checkpoint, options)
