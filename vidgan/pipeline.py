"""The stages wired together: decode, motion and network, smoothing. Threads and queues live here alone.

Every stage is a generator over the one before. `background` runs a generator in a thread of its own with a short queue
behind it, so stages overlap, memory doesn't grow with the film, and an error in any of them surfaces in the caller with
its own traceback.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Generic, TypeAlias, TypeVar

import numpy as np

from vidgan.frame import Frame
from vidgan.picture import Picture
from vidgan.stylizer import Stylizer
from vidgan.temporal.flow import FlowFunction, Motion, MotionEstimator
from vidgan.temporal.meter import SteadinessMeter
from vidgan.temporal.still import StillDetector
from vidgan.threads import opencv_threads

log = logging.getLogger(__name__)

Item = TypeVar("Item")
AnySmoother: TypeAlias = Callable[[Picture, Motion], Picture]
"""`Smoother` for frames that are arrays, `PictureSmoother` for tensors."""

# Frames waiting between two stages: enough to even out a slow frame, few enough for 4K.
_QUEUE_LENGTH = 2
_JOIN_SECONDS = 10.0


def stylize(
    frames: Iterable[Frame],
    stylizer: Stylizer,
    smoother: AnySmoother | None = None,
    *,
    flow: FlowFunction | None = None,
    meter: SteadinessMeter | None = None,
    still: StillDetector | None = None,
    compare: bool = False,
    clock: Clock | None = None,
) -> Iterator[Frame]:
    """Yield every frame restyled, in order, each with its own time.

    Motion is estimated and the network runs in the background; up to `stylizer.depth` frames and two short queues are
    in flight, nothing else is kept.

    Args:
        frames: the source's frames: all of them arrays, or all tensors on the stylizer's device.
        stylizer: the style, opened for the frames' size.
        smoother: what happens between frames; None leaves every frame on its own.
        flow: finds the motion between the lumas of two frames; None is DIS.
        meter: fed with source, per-frame result and result where given.
        still: frames that it finds still get the last result again, without motion, network and smoothing; None
            restyles all.
        compare: yield source and result side by side.
        clock: told how long each stage is at work.
    """
    clock = clock or Clock()
    estimator = MotionEstimator(flow) if smoother else None
    if still:
        still.reset()
    with (
        opencv_threads(),
        closing(background(frames)) as decoded,
        closing(background(_submit(decoded, stylizer, estimator, still, clock), length=stylizer.depth)) as pending,
    ):
        for entry in pending:
            # The first frame is never still.
            if entry.styled is not None:
                with clock.measure("wait for network"):
                    result = styled = entry.styled.result()
                if smoother and entry.motion is not None:
                    with clock.measure("smooth"):
                        result = smoother(styled, entry.motion)
            if meter:
                with clock.measure("measure"):
                    meter(entry.frame.image, styled, result)
            yield replace(entry.frame, image=_beside(entry.frame.image, result) if compare else result)


@dataclass(frozen=True, kw_only=True)
class _Pending:
    """A frame whose picture is in the network, or that is still."""

    frame: Frame
    motion: Motion | None
    """From the last frame that wasn't still."""
    styled: Future[Picture] | None
    """None where the frame is still."""


def _submit(
    frames: Iterable[Frame],
    stylizer: Stylizer,
    estimator: MotionEstimator | None,
    still: StillDetector | None,
    clock: Clock,
) -> Iterator[_Pending]:
    """Start the network on each frame, and estimate its motion meanwhile."""
    for frame in frames:
        if still:
            with clock.measure("still"):
                is_still = still(frame.image)
            if is_still:
                yield _Pending(frame=frame, motion=None, styled=None)
                continue
        with clock.measure("submit"):
            styled = stylizer.submit(frame.image)
        motion = None
        if estimator:
            with clock.measure("motion"):
                motion = estimator(frame.image)
        yield _Pending(frame=frame, motion=motion, styled=styled)


def _beside(left_HWC: Picture, right_HWC: Picture) -> Picture:
    if isinstance(left_HWC, np.ndarray):
        return np.hstack((left_HWC, right_HWC))
    from vidgan.picture_tensor import beside_tensor

    return beside_tensor(left_HWC, right_HWC)


class Clock:
    """Adds up how long each stage was at work."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Time a block."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - began

    def iterate(self, stage: str, items: Iterable[Item]) -> Iterator[Item]:
        """Time every step of an iterator."""
        iterator = iter(items)
        while True:
            with self.measure(stage):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item


def background(items: Iterable[Item], *, length: int = _QUEUE_LENGTH) -> Generator[Item, None, None]:
    """Run an iterator in a thread of its own, at most `length` items ahead.

    An error of the iterator is raised here with its own traceback. Closing this generator ends the thread and closes
    the iterator in it.
    """
    worker = _Worker(items, length)
    try:
        while True:
            entry = worker.ready.get()
            if isinstance(entry, _End):
                if entry.error is not None:
                    raise entry.error
                return
            yield entry
    finally:
        worker.close()


@dataclass(frozen=True)
class _End:
    """Comes after the last item."""

    error: BaseException | None = None


class _Worker(Generic[Item]):
    """The thread behind `background`."""

    def __init__(self, items: Iterable[Item], length: int) -> None:
        self.ready: queue.Queue[Item | _End] = queue.Queue(maxsize=length)
        self._items, self._stop = items, threading.Event()
        self._thread = threading.Thread(target=self._work, name="vidgan-stage", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; one that hangs in a read is left behind."""
        self._stop.set()
        self._thread.join(_JOIN_SECONDS)
        if self._thread.is_alive():
            log.warning("a stage doesn't answer; it is left behind")

    def _work(self) -> None:
        iterator = iter(self._items)
        try:
            for item in iterator:
                if not self._put(item):
                    return
            self._put(_End())
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the consumer
            self._put(_End(error))
        finally:
            if isinstance(iterator, Generator):
                iterator.close()

    def _put(self, entry: Item | _End) -> bool:
        """Wait for room; False if nobody wants it any more."""
        while not self._stop.is_set():
            try:
                self.ready.put(entry, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False
