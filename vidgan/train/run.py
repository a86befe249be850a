"""What every recipe needs around its loop: processes, the run's folder, checkpoints, bad steps, curves and reports.

A recipe writes its loop itself:

    with Run(checkpoint, accelerator, ...) as run:
        for step in run.steps():
            ... compute losses and gradients on this process's share of the batch ...
            run.average_gradients(network)
            if is_good := run.is_finite(total, norm):
                optimiser.step()
            run.finish_step(step, losses, is_good=is_good)
"""

from __future__ import annotations

import errno
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from vidgan.errors import DiskFullError, InputError, SinkError
from vidgan.train.checkpoint import load_checkpoint, save_checkpoint, seconds_of
from vidgan.train.curves import Curves

log = logging.getLogger(__name__)

BAD_STEPS = 10
"""A run ends after so many steps in a row whose losses are no numbers: it won't recover by itself."""
SCALARS_EVERY, PICTURES_EVERY = 10, 200
"""Steps between two points of a curve, and between two rows of pictures."""


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """What a training loop tells after a step."""

    step: int
    """Steps done."""
    losses: dict[str, float]
    """Unweighted losses of this step, averaged over the processes."""
    seconds: float
    """Time since this process began to train."""


class TrainingInterrupted(KeyboardInterrupt):
    """A run was stopped; its checkpoint holds everything, and the same call goes on."""

    def __init__(self, checkpoint: Path, step: int) -> None:
        super().__init__("interrupted")
        self.checkpoint, self.step = checkpoint, step


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a run is kept and watched; nothing of it changes the result."""

    report: Callable[[StepReport], None] = lambda _: None
    """Called by the main process after every step."""
    save_every_seconds: float = 120
    """How often the checkpoint is written; always at the end and when the run is stopped."""
    stop: threading.Event | None = None
    """Set it to end the run after the step that is under way."""
    has_curves: bool = True
    """Write TensorBoard's files into `tensorboard` beside the checkpoint."""


def open_accelerator() -> Accelerator:
    """Join the other processes of this run, if it was started with `torchrun` (or `accelerate launch`, on GPUs).

    Precision is left to the recipes, which know what may be rounded. Only CUDA counts as an accelerator.
    """
    return Accelerator(cpu=not torch.cuda.is_available(), mixed_precision="no")


class Run:
    """One run, kept in the folder of its checkpoint. A context manager."""

    def __init__(
        self,
        checkpoint: Path,
        accelerator: Accelerator,
        *,
        parts: dict[str, Any],
        config: dict[str, Any],
        num_steps: int,
        notes: dict[str, str] | None = None,
        pictures: Callable[[], Tensor] | None = None,
        pictures_name: str = "content_above_result",
        options: RunOptions | None = None,
    ) -> None:
        """Open the folder, and go on with the run in it if there is one.

        Args:
            checkpoint: the file. One of another configuration is refused.
            accelerator: of `open_accelerator`.
            parts: by name, everything that has a `state_dict()` to be kept.
            config: everything that decides the result.
            num_steps: length of the whole run.
            notes: words to keep in the checkpoint.
            pictures: makes a picture `(3, H, W)` in 0..1 that shows what the networks can do so far.
            pictures_name: what that picture shows.
            options: how it is kept and watched.

        Raises:
            InputError: the checkpoint is broken, or that of another configuration.
            SinkError: nothing can be written into the folder.
        """
        self._options, self._accelerator, self._pictures = options or RunOptions(), accelerator, pictures
        self.checkpoint, self.num_steps, self._pictures_name = checkpoint, num_steps, pictures_name
        self._parts, self._config, self._notes = parts, config, notes or {}
        _check_writable(checkpoint.parent)
        if accelerator.is_main_process:
            # Of runs that were killed while they saved.
            for draft in checkpoint.parent.glob(f".{checkpoint.name}.*"):
                draft.unlink(missing_ok=True)
        self.start, self._seconds_before = 0, 0.0
        if checkpoint.exists():
            self.start = load_checkpoint(checkpoint, parts, config)
            self._seconds_before = seconds_of(checkpoint)
        self._bad_steps = 0
        self._curves: Curves | None = None

    def __enter__(self) -> Self:
        """Open the curves."""
        # Nobody saves before everybody has loaded.
        self._accelerator.wait_for_everyone()
        if self._accelerator.is_main_process and self._options.has_curves:
            self._curves = Curves(self.checkpoint.parent / "tensorboard", self.start + 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the curves."""
        if self._curves:
            self._curves.close()

    def steps(self) -> Iterator[int]:
        """Yield the steps that are left, counted from 0; after the last, save."""
        self._began = self._saved = time.monotonic()
        yield from range(self.start, self.num_steps)
        if self.start < self.num_steps:
            self._save_or_go_on(self.num_steps, "the trained network is still in memory")

    def share(self, batch: int) -> slice:
        """Return which part of a batch of `batch` is this process's.

        Raises:
            InputError: the processes can't share it equally; then their mean wouldn't be the batch's.
        """
        count, index = self._accelerator.num_processes, self._accelerator.process_index
        if batch % count:
            raise InputError(f"a batch of {batch} can't be shared by {count} processes; make it a multiple of {count}")
        size = batch // count
        return slice(index * size, (index + 1) * size)

    def average_gradients(self, network: nn.Module) -> None:
        """Replace each gradient by its mean over the processes.

        Done here in one exchange rather than by wrapping the networks: they are small, and stay free to be called
        in parts and in any order, as adversarial recipes do.
        """
        if self._accelerator.num_processes == 1:
            return
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        if not gradients:
            return
        mean = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, values in zip(gradients, torch.split(mean, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(values.view_as(gradient))

    def is_finite(self, *values: Tensor) -> bool:
        """Say whether all `values` (scalars) are numbers, in all processes."""
        finite = torch.isfinite(torch.stack([value.detach().float() for value in values])).all().float()
        return self.mean(finite).item() == 1

    def finish_step(
        self, step: int, losses: Mapping[str, Tensor], *, is_good: bool, curves: Mapping[str, float] | None = None
    ) -> None:
        """Report a step, draw its curves, and save if it is time.

        Args:
            step: as `steps` gave it.
            losses: scalars.
            is_good: False: the step was skipped, its losses being no numbers.
            curves: what else is drawn, by names such as `accuracy/a2b`; those of the main process count.

        Raises:
            InputError: too many bad steps in a row. The checkpoint is the last good one.
            TrainingInterrupted: `stop` was set; everything is saved.
            DiskFullError: `stop` was set, and it can't be saved. The checkpoint of before is whole.
        """
        done = step + 1
        is_stopped = self._options.stop is not None and self._options.stop.is_set()
        stacked = torch.stack([loss.detach().float() for loss in losses.values()])
        *means, stopped = self.mean(torch.cat((stacked, stacked.new_tensor([float(is_stopped)])))).tolist()
        values = dict(zip(losses, means, strict=True))
        if self._accelerator.is_main_process:
            self._options.report(StepReport(step=done, losses=values, seconds=time.monotonic() - self._began))
            self._draw(done, {f"losses/{name}": value for name, value in values.items()} | dict(curves or {}))
        self._judge(done, is_good=is_good)
        if stopped:
            self._save(done)
            raise TrainingInterrupted(self.checkpoint, done)
        if is_good and time.monotonic() - self._saved > self._options.save_every_seconds:
            self._save_or_go_on(done, "the run goes on and tries again later")

    def _judge(self, done: int, *, is_good: bool) -> None:
        self._bad_steps = 0 if is_good else self._bad_steps + 1
        if self._bad_steps == 1:
            log.warning("step %d: the losses or their gradients are no numbers; left out", done)
        if self._bad_steps == BAD_STEPS:
            kept = (
                f"{self.checkpoint} holds the last good state" if self.checkpoint.exists() else "nothing is saved yet"
            )
            raise InputError(
                f"step {done}: the losses are no longer numbers, {BAD_STEPS} steps in a row; {kept}. Try a smaller "
                "--learning-rate in another folder"
            )

    def _draw(self, done: int, points: dict[str, float]) -> None:
        is_last = done == self.num_steps
        if self._curves and (done % SCALARS_EVERY == 0 or is_last):
            self._curves.scalars(done, points)
        if self._curves and self._pictures and (done % PICTURES_EVERY == 0 or is_last):
            self._curves.picture(done, self._pictures_name, self._pictures())

    def _save_or_go_on(self, done: int, meanwhile: str) -> None:
        try:
            self._save(done)
        except DiskFullError as error:
            log.warning("%s; %s", error, meanwhile)

    def _save(self, done: int) -> None:
        self._saved = time.monotonic()
        if self._accelerator.is_main_process:
            seconds = self._seconds_before + self._saved - self._began
            notes = {**self._notes, "seconds": f"{seconds:.0f}"}
            save_checkpoint(self.checkpoint, self._parts, self._config, done, notes)

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean of `values` over the processes; every process must call it."""
        if self._accelerator.num_processes == 1:
            return values
        mean: Tensor = self._accelerator.reduce(values, "mean")
        return mean

    def gather(self, shares: Tensor) -> Tensor:
        """Return the whole batch of which each process has its share; every process must call it."""
        if self._accelerator.num_processes == 1:
            return shares
        whole: Tensor = self._accelerator.gather(shares)
        return whole


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFullError(f"{folder}: no space left; a run needs up to several hundred megabytes") from error
        raise SinkError(f"{folder}: can't be written ({error.strerror}); choose another folder with -o") from error
