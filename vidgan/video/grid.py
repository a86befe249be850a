"""Times that a container or an encoder can express, where it can't express all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Protocol

from vidgan.frame import Frame, VideoInfo

# Without times of their own: every frame lasts one period.
_CONSTANT_RATE = frozenset({"avi", "yuv4mpegpipe", "mpeg1video", "mpeg2video"})
_TICK_SECONDS = {
    "gif": Fraction(1, 100),
    "matroska": Fraction(1, 1000),
    "webm": Fraction(1, 1000),
    "flv": Fraction(1, 1000),
}
# MPEG-4 part 2 has 16 bits for it.
_MPEG4_LARGEST_DENOMINATOR = 65535


class Grid(Protocol):
    """Decides which frames are encoded, and when."""

    time_base: Fraction
    """For the encoder."""

    def place(self, frame: Frame) -> Iterator[Frame]:
        """Yield what is to be encoded for `frame`: usually itself."""


def make_grid(container_name: str, encoder_name: str, info: VideoInfo, notices: Counter[str]) -> Grid:
    """Return the grid for an encoder in a container.

    Args:
        container_name: FFmpeg's.
        encoder_name: FFmpeg's.
        info: of the frames to come.
        notices: told what happens to frames.
    """
    if not _CONSTANT_RATE.isdisjoint({container_name, encoder_name}):
        return _ConstantRate(1 / (info.average_rate or Fraction(25)), notices)
    time_base = info.time_base
    if encoder_name == "mpeg4" and time_base.denominator > _MPEG4_LARGEST_DENOMINATOR:
        per_second = (info.average_rate or Fraction(25)).numerator
        time_base = Fraction(1, per_second * max(1, _MPEG4_LARGEST_DENOMINATOR // per_second))
    return _Coarse(time_base, _TICK_SECONDS.get(container_name, time_base), notices)


class _ConstantRate:
    """Puts frames on a constant grid: one that comes late repeats the one before, one that comes early is left out."""

    def __init__(self, period_seconds: Fraction, notices: Counter[str]) -> None:
        self.time_base, self._notices = period_seconds, notices
        self._last: Frame | None = None

    def place(self, frame: Frame) -> Iterator[Frame]:
        """Yield what is to be encoded for `frame`, with `pts` counting periods."""
        tick = round(frame.pts * frame.time_base / self.time_base)
        last = self._last
        if last is not None and tick <= last.pts:
            self._notices["a frame was left out to keep a constant rate"] += 1
            return
        if last is not None:
            for gap in range(last.pts + 1, tick):
                self._notices["a frame was repeated to keep a constant rate"] += 1
                yield replace(last, pts=gap)
        self._last = replace(frame, pts=tick, time_base=self.time_base, duration=1)
        yield self._last


class _Coarse:
    """Leaves out a frame whose time can't be told from that of the one before."""

    def __init__(self, time_base: Fraction, tick_seconds: Fraction, notices: Counter[str]) -> None:
        self.time_base, self._tick_seconds, self._notices = time_base, tick_seconds, notices
        self._last_tick: int | None = None

    def place(self, frame: Frame) -> Iterator[Frame]:
        """Yield `frame` or nothing."""
        tick = math.floor(frame.pts * frame.time_base / self._tick_seconds + Fraction(1, 2))
        if self._last_tick is not None and tick <= self._last_tick:
            self._notices[f"a frame was left out: times there are multiples of {self._tick_seconds} s"] += 1
            return
        self._last_tick = tick
        yield frame
