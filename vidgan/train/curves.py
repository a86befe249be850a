"""Curves and pictures of a run for TensorBoard.

Its event files are written here record by record: torch's `SummaryWriter` does so from a thread, which prints a
traceback of its own where the disk is full.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from torch import Tensor

log = logging.getLogger(__name__)


class Curves:
    """Writes TensorBoard's files. What goes wrong here never ends a run: it is said once, and the curves end."""

    def __init__(self, folder: Path, first_step: int) -> None:
        """Open the curves.

        Args:
            folder: where TensorBoard's files lie; those of the run before it was stopped may be there.
            first_step: everything from this step on that they hold is hidden (TensorBoard calls it purged): it is
                about to be done again.
        """
        self._records: Any = None
        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.summary.writer.record_writer import RecordWriter
            from torch.utils.tensorboard import summary
        except ImportError:
            log.warning("no curves are kept: pip install tensorboard")
            return
        self._event, self._summary = Event, cast(Any, summary)  # torch has no types for it
        # TensorBoard reads the files of a folder in the order of their names.
        path = folder / f"events.out.tfevents.{time.time():.6f}.{os.getpid()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Unbuffered: nothing is left to be written, and to fail, when the file is closed.
            self._file = path.open("wb", buffering=0)
            self._records = RecordWriter(self._file)
        except OSError as error:
            self._give_up(error)
        start = SessionLog(status=SessionLog.START)
        self._write([Event(file_version="brain.Event:2"), Event(step=first_step, session_log=start)])

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to the curve, such as `losses/style`, of each value that is a number."""
        if self._records:
            finite = {name: value for name, value in values.items() if math.isfinite(value)}
            points = [self._summary.scalar(name, value) for name, value in finite.items()]
            self._write(self._event(step=step, summary=point) for point in points)

    def picture(self, step: int, name: str, picture_CHW: Tensor) -> None:
        """Add a picture, `(3, H, W)` float, whose values are clamped to 0..1."""
        if self._records:
            picture = self._summary.image(name, picture_CHW.float().clamp(0, 1).cpu(), dataformats="CHW")
            self._write([self._event(step=step, summary=picture)])

    def close(self) -> None:
        """Finish the file. Calling it twice is harmless."""
        if self._records:
            self._records = None
            self._file.close()

    def _write(self, events: Iterable[Any]) -> None:
        try:
            for event in events:
                if self._records:
                    event.wall_time = time.time()
                    self._records.write(event.SerializeToString())
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        log.warning("no more curves are kept: %s", error.strerror or error)
        self.close()
