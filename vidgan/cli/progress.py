"""Progress of long work: a bar on a terminal, plain lines otherwise, always on standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

_PLAIN_LINE_SECONDS = 10.0


class Bar:
    """Counts units of work. A context manager."""

    def __init__(self, what: str, unit: str = "frames") -> None:
        """Name the work and what it counts."""
        self._what, self._unit = what, unit
        self._console = Console(file=sys.stderr)
        self._progress: Progress | None = None
        self._began = self._said = time.monotonic()
        self._done_before: int | None = None

    def update(self, done: int, total: int | None, note: str = "") -> None:
        """Show that `done` of `total` units are done; `total` None where unknown.

        What is done at the first call doesn't count for the rate: it was done before, or took its time to start.
        """
        if self._done_before is None:
            self._done_before, self._began = done, time.monotonic()
            if self._progress:
                self._progress.reset(self._progress.task_ids[0], completed=done, note=note)
        if total is not None:
            total = max(total, done)
        if self._progress:
            self._progress.update(self._progress.task_ids[0], completed=done, total=total, note=note)
            return
        now = time.monotonic()
        if now - self._said >= _PLAIN_LINE_SECONDS:
            self._said = now
            of = f" of {total}" if total else ""
            rate = (done - self._done_before) / max(now - self._began, 1e-9)
            left = f", {_clock((total - done) / rate)} left" if total and rate else ""
            print(f"{self._what}: {done}{of} {self._unit}, {rate:.1f} a second{left} {note}".rstrip(), file=sys.stderr)

    def __enter__(self) -> Self:
        """Show the bar if there is a terminal."""
        if self._console.is_terminal:
            self._progress = Progress(
                TextColumn(self._what),
                BarColumn(),
                MofNCompleteColumn(),
                _Rate(self._unit),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=self._console,
            )
            self._progress.add_task(self._what, total=None, note="")
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take the bar down."""
        if self._progress:
            self._progress.stop()


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = "fps" if unit == "frames" else f"{unit}/s"

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} {self._unit}" if speed else "", style="progress.data.speed")


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
