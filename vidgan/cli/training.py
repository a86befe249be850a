"""What all commands that train have in common: the packages they need, the time they have, and how a run is shown."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from vidgan.errors import InputError, RuntimeUnavailableError

if TYPE_CHECKING:
    from vidgan.train.run import RunOptions, StepReport

Trained = TypeVar("Trained")

LOOK, TIME, RESULT, FINE = "Look", "Time and size", "Result", "Fine tuning"
"""Under which headings `--help` shows options."""


def need_packages(what: str) -> None:
    """Refuse where a package is missing that training needs.

    Raises:
        RuntimeUnavailableError: says which, and how to install them.
    """
    missing = [
        name
        for name in ("torch", "kornia", "accelerate", "onnxscript", "torchmetrics")
        if importlib.util.find_spec(name) is None
    ]
    if missing:
        raise RuntimeUnavailableError(f"{what} needs {' and '.join(missing)}: pip install 'vidgan[train]'")


def need_one_length(**given: object) -> None:
    """Refuse two answers to how long a run shall be; `given` are the options by their names, None where not given."""
    named = [f"--{name} {value}" for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise InputError(f"{' and '.join(named)}: give one of them")


def minutes_of(checkpoint: Path) -> dict[str, float]:
    """Return what a card says of how long a run has trained; nothing where its checkpoint couldn't be kept."""
    from vidgan.train.checkpoint import seconds_of

    return {"minutes": round(seconds_of(checkpoint) / 60, 1)} if checkpoint.exists() else {}


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a run goes."""

    title: str
    """For the bar."""
    checkpoint: Path
    """Where it is kept."""
    steps: int
    """How many, unless `seconds` says otherwise."""
    seconds: float | None
    """How long it may take, planning and publishing too."""
    save_every_seconds: float
    """Seconds between two checkpoints."""


def run_course(
    course: Course,
    plan: Callable[[float, threading.Event], int],
    train: Callable[[int, RunOptions], Trained],
) -> Trained | None:
    """Train with a bar; Ctrl-C saves, and ends the program.

    Args:
        course: how it goes.
        plan: finds how many steps fit into so many seconds.
        train: trains so many steps.

    Returns:
        What `train` returns; None in all processes but the main one, which have nothing left to do.

    Raises:
        typer.Exit: stopped; the exit code is 130.
        Exception: what `plan` and `train` raise.
    """
    from vidgan.cli.progress import Bar
    from vidgan.cli.signals import stop_on_signal
    from vidgan.train.run import RunOptions, TrainingInterrupted, open_accelerator

    is_main = open_accelerator().is_main_process
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signal())
        try:
            steps, goes_on = course.steps, course.checkpoint.exists()
            if course.seconds is not None:
                if is_main and not goes_on:
                    print("timing a few steps", file=sys.stderr)
                steps = plan(course.seconds, stop)
                if is_main and not goes_on:
                    print(f"{steps} steps are left in {course.seconds:.0f} seconds here", file=sys.stderr)
            if is_main and goes_on:
                print(f"going on with the run in {course.checkpoint.parent}", file=sys.stderr)
            bar = stack.enter_context(Bar(course.title, unit="steps")) if is_main else None

            def show(report: StepReport) -> None:
                losses = " ".join(f"{key} {value:.3g}" for key, value in report.losses.items())
                if bar:
                    bar.update(report.step, steps, losses)

            options = RunOptions(report=show, save_every_seconds=course.save_every_seconds, stop=stop)
            trained = train(steps, options)
        except TrainingInterrupted as interruption:
            if is_main:
                kept = "; the same command goes on" if course.checkpoint.exists() else ", nothing is kept"
                print(f"stopped after {interruption.step} steps{kept}", file=sys.stderr)
            raise typer.Exit(130) from None
    if not is_main:
        return None
    print("exporting and measuring", file=sys.stderr)
    return trained
