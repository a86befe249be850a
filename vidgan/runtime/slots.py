"""Frames in flight: a bounded number of them, each worked on by a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from vidgan.picture import Picture


class Slots:
    """Takes frames of one size, and waits while `depth` of them are in flight."""

    def __init__(self, size: tuple[int, int] | None, depth: int, num_threads: int, name: str) -> None:
        """Start with nothing in flight.

        Args:
            size: Width and height of the frames in pixels; None takes all.
            depth: How many may be in flight.
            num_threads: How many are worked on at the same time.
            name: Of the threads, for people who look at them.
        """
        self._shape_HWC = None if size is None else (size[1], size[0], 3)
        self._free = threading.BoundedSemaphore(depth)
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix=name)
        self._is_closed = False

    def submit(self, frame_HWC: Picture, infer: Callable[[Picture], Picture]) -> Future[Picture]:
        """Start `infer` on a frame, as `vidgan.runtime.Runtime.submit` says."""
        is_uint8 = str(frame_HWC.dtype).removeprefix("torch.") == "uint8"
        if self._shape_HWC is not None and (tuple(frame_HWC.shape) != self._shape_HWC or not is_uint8):
            raise ValueError(
                f"frame is {frame_HWC.dtype} {tuple(frame_HWC.shape)}; this network was compiled for uint8 "
                f"{self._shape_HWC}"
            )
        self._free.acquire()
        try:
            if self._is_closed:
                raise RuntimeError("this runtime is closed; open a new one")
            future = self._threads.submit(infer, frame_HWC)
        except RuntimeError:
            self._free.release()
            raise
        future.add_done_callback(lambda _: self._free.release())
        return future

    def close(self) -> None:
        """Finish what is in flight. Calling it twice is harmless."""
        self._is_closed = True
        self._threads.shutdown(wait=True)
