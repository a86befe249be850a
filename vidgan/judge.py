"""A restyled video measured against its source, from file to figures."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidgan.errors import InputError
from vidgan.frame import Frame, VideoInfo
from vidgan.picture import resized
from vidgan.temporal.measure import Measurement, measure
from vidgan.video.source import Source, SourceOptions, open_source

ASPECT_TOLERANCE = 0.02
"""Relative difference of proportions that encoders' padding and rounded pixel aspects explain."""
LENGTH_TOLERANCE = 1.05
"""A video at most so many times as long as a cut was made with that cut."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A measurement, and what it was taken from."""

    measurement: Measurement
    """The figures."""
    source: VideoInfo
    """What is known of the source."""
    result: VideoInfo
    """What is known of the result."""
    notices: list[str]
    """What the user should know."""


def measure_video(
    source: str | Path,
    result: str | Path,
    per_frame: str | Path | None = None,
    *,
    options: SourceOptions | None = None,
    progress: Callable[[int, int | None], None] = lambda _frames, _total: None,
    stop: threading.Event | None = None,
) -> Judgement:
    """Measure how steady, sharp and faithful a restyled video is. Frames are matched by their order.

    Args:
        source: the video before; see `open_source`.
        result: the restyled video, of any size but the same proportions; a row or column of padding is cut off.
        per_frame: the same restyled without smoothing, to compare with.
        options: how they are read. A cut applies to the source, and to each other video unless that has the cut's
            length already (or is a pipe): what `stylize_video` made with the same cut is measured with it.
        progress: called after every frame with the number compared and how many to expect.
        stop: set it from elsewhere to end the run.

    Returns:
        The figures.

    Raises:
        SourceError: one of them can't be read.
        InputError: they don't show the same pictures, or there is nothing to measure.
        KeyboardInterrupt: `stop` was set.
    """
    options = options or SourceOptions()
    with ExitStack() as stack:
        first = stack.enter_context(open_source(source, options))
        locations = [result] if per_frame is None else [result, per_frame]
        others = [stack.enter_context(_open_other(location, first, options)) for location in locations]
        for other in others:
            _refuse_other_proportions(first, other)
        size = _without_padding(others[0].info, first.info)
        reader = _Reader(first, options.start_seconds or Fraction(0))
        readers = [reader, *(_Reader(other, crop=first.info, size=size, leader=reader) for other in others)]
        total = min((x.info.num_frames for x in (first, *others) if x.info.num_frames), default=None)

        def tell(frames: int) -> None:
            progress(frames, total)
            if stop and stop.is_set():
                raise KeyboardInterrupt

        try:
            measurement = measure(*readers, progress=tell)
        except InputError as error:
            raise InputError(f"{first.location} and {others[0].location}: {error}") from error
        if others[1:] and _without_padding(others[1].info, first.info) != size:
            readers[2].notices.append(f"scaled to the size of {others[0].location}: sharpness and fidelity suffer")
        notices = [notice for reader in readers for notice in reader.all_notices(measurement.num_frames)]
        return Judgement(measurement=measurement, source=first.info, result=others[0].info, notices=notices)


class _Reader:
    """The frames of one video as they are compared: timed from the beginning, without padding, of one size."""

    def __init__(
        self,
        source: Source,
        start_seconds: Fraction = Fraction(0),
        *,
        crop: VideoInfo | None = None,
        size: tuple[int, int] | None = None,
        leader: _Reader | None = None,
    ) -> None:
        self.notices: list[str] = []
        self.seconds = Fraction(0)
        self._source, self._frames, self._start_seconds = source, iter(source), start_seconds
        self._crop, self._size, self._leader = crop, size, leader
        self._num_frames = 0
        self._is_late = False

    def __iter__(self) -> Iterator[Frame]:
        origin = None
        for frame in self._frames:
            origin = frame.pts if origin is None else origin
            pts = frame.pts - origin + round(self._start_seconds / frame.time_base)
            self.seconds = (frame.pts - origin) * frame.time_base
            self._num_frames += 1
            self._check_time()
            yield replace(frame, pts=pts, image=self._fitted(frame.image))

    def all_notices(self, num_compared: int) -> list[str]:
        """Return what there is to say, once all is measured; reads one more frame."""
        if self._num_frames > num_compared or next(self._frames, None) is not None:
            self.notices.append(f"goes on after the last frame compared, number {num_compared}")
        return [f"{self._source.location}: {notice}" for notice in (*self._source.notices, *self.notices)]

    def _check_time(self) -> None:
        if self._leader is None or self._is_late:
            return
        period = 1 / (self._leader._source.info.average_rate or Fraction(25))
        if abs(self.seconds - self._leader.seconds) > period / 2:
            self._is_late = True
            self.notices.append(
                f"from frame {self._num_frames} on, its times aren't those of {self._leader._source.location}; "
                "frames are matched by their order"
            )

    def _fitted(self, image_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._crop is None or self._size is None:
            return image_HWC
        width, height = _without_padding(self._source.info, self._crop)
        # A copy, because everybody expects contiguous pictures.
        return resized(np.ascontiguousarray(image_HWC[:height, :width]), *self._size)


def _open_other(location: str | Path, first: Source, options: SourceOptions) -> Source:
    """Open a video that belongs to `first`: cut as that was, unless it is no longer than the cut, or a pipe."""
    whole = replace(options, start_seconds=None, end_seconds=None)
    source = open_source(location, whole)
    if str(location) == "-":
        return source  # can't be opened again
    length, wanted = source.info.duration_seconds, first.info.duration_seconds
    if options == whole or (length is not None and wanted is not None and length <= wanted * LENGTH_TOLERANCE):
        return source
    source.close()
    return open_source(location, options)


def _refuse_other_proportions(first: Source, other: Source) -> None:
    """Refuse pictures that can't be the same, restyled.

    Raises:
        InputError: the proportions differ, in pixels as well as on the screen.
    """
    width, height = _without_padding(other.info, first.info)
    ratio = Fraction(width * first.info.height, height * first.info.width)
    shown = ratio * other.info.sample_aspect_ratio / first.info.sample_aspect_ratio
    tolerance = max(ASPECT_TOLERANCE, 2 / min(width, height))
    if min(abs(float(ratio) - 1), abs(float(shown) - 1)) <= tolerance:
        return
    sizes = f"{other.info.width}x{other.info.height}, but {first.location} is {first.info.width}x{first.info.height}"
    if min(abs(float(ratio) / 2 - 1), abs(float(shown) / 2 - 1)) <= tolerance:
        raise InputError(
            f"{other.location}: {sizes}: two pictures side by side, as --compare makes? Measure a result without it"
        )
    raise InputError(f"{other.location}: {sizes}: other proportions, so not the same pictures restyled")


def _without_padding(info: VideoInfo, first: VideoInfo) -> tuple[int, int]:
    """Return width and height without the column or row that an encoder repeated to make them even."""
    across, down = info.width - first.width, info.height - first.height
    is_padded = (across, down) in ((0, 1), (1, 0), (1, 1))
    return (first.width, first.height) if is_padded else (info.width, info.height)
