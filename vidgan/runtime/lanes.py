"""Frames in flight on a device of torch's: arrays that are copied there and back, or tensors that don't leave it."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch

from vidgan.errors import MachineError
from vidgan.picture import Picture
from vidgan.runtime.slots import Slots


class Lane(Protocol):
    """Works on one frame at a time. Used by one thread at a time."""

    def run_array(self, frame_HWC: Any) -> Any:  # noqa: ANN401 - an array
        """Restyle a picture in the host's memory; returns a new array."""

    def run_tensor(self, frame_HWC: Any, styled_HWC: Any, ready: Any) -> Any:  # noqa: ANN401 - tensors, and an event
        """Restyle a picture on the device into another, once `ready` has passed; both are free when this returns."""


class Lanes:
    """Gives every frame a lane that is idle, and waits while `depth` frames are in flight."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        *,
        device: torch.device,
        cuda: Any,  # noqa: ANN401 - `Cuda` or what stands in for it; None on the CPU
        where: str,
        size: tuple[int, int] | None,
        depth: int,
        name: str,
    ) -> None:
        """Start with nothing in flight.

        Args:
            lanes: that work side by side.
            device: where tensors have to be.
            cuda: that device, where it is a card.
            where: the device's name in messages.
            size: width and height of the frames in pixels; None takes all.
            depth: how many may be in flight.
            name: of the threads.
        """
        self._device, self._cuda, self._where = device, cuda, where
        self._idle: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        for lane in lanes:
            self._idle.put(lane)
        self._slots = Slots(size, depth, len(lanes), name)

    def submit(self, frame_HWC: Picture) -> Future[Picture]:
        """Start one frame, as `vidgan.runtime.Runtime.submit` says.

        Args:
            frame_HWC: an array, or a tensor on the device that this thread's current stream has written or will have
                written by what is enqueued there now.
        """
        if isinstance(frame_HWC, np.ndarray):
            return self._slots.submit(frame_HWC, lambda frame: self._run(lambda lane: lane.run_array(frame)))
        if frame_HWC.device != self._device:
            raise ValueError(f"frame is on {frame_HWC.device}; this network is on {self._device}")
        # Made here, on the current stream of whoever submits: its memory is free in the order of that stream, and the
        # event comes after that.
        styled_HWC = torch.empty(tuple(frame_HWC.shape), dtype=torch.uint8, device=self._device)
        ready = self._cuda.new_event() if self._cuda else None
        return self._slots.submit(
            frame_HWC, lambda frame: self._run(lambda lane: lane.run_tensor(frame, styled_HWC, ready))
        )

    def close(self) -> None:
        """Finish what is in flight, and let go of the lanes. Calling it twice is harmless."""
        self._slots.close()
        while not self._idle.empty():
            self._idle.get()

    def _run(self, run: Callable[[Lane], Picture]) -> Picture:
        lane = self._idle.get()
        try:
            return run(lane)
        except RuntimeError as error:  # torch's, and pybind's for TensorRT's
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise MachineError(f"inference failed on {self._where}: {reason}") from error
        finally:
            self._idle.put(lane)


@contextmanager
def enqueueing(cuda: Any, stream: Any) -> Iterator[None]:  # noqa: ANN401
    """Enqueue on a lane's own stream, and wait for it at the end, also of a failure.

    Waited for on the host, so that whoever comes next, on whatever stream, finds the picture finished; and neither
    picture's memory is given to somebody else while the card still uses it.
    """
    try:
        with cuda.on(stream):
            yield
    finally:
        stream.synchronize()
