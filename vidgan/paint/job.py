"""One painting from files to file: a picture, or a video with its other streams."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidgan.errors import SinkError
from vidgan.frame import VideoInfo
from vidgan.paint.checks import check_picture, check_size
from vidgan.paint.options import PaintOptions, PaintProgress
from vidgan.paint.painter import Painter
from vidgan.paint.video import painted_frames
from vidgan.train.data import read_image
from vidgan.video.sink import SinkOptions, open_sink
from vidgan.video.source import SourceOptions, open_source
from vidgan.video.target import is_same_file


@dataclass(frozen=True, kw_only=True)
class PaintReport:
    """What was painted."""

    path: Path | None
    """Where the result is; None on standard output."""
    frames: int
    """Frames written."""
    iterations: int
    """Looks taken, over all frames."""
    losses: dict[str, float]
    """Unweighted losses of the last frame, and `total`; empty if stopped before the first look."""
    seconds: float
    """From opening to the finished file."""
    interrupted: bool
    """Stopped early: a picture is as far as it was painted, a video is the part `NAME.partial.EXT`."""
    notices: list[str]
    """What the user should know."""


def paint_file(
    location: str | Path,
    paintings: Sequence[Path],
    result: str | Path,
    options: PaintOptions | None = None,
    *,
    source_options: SourceOptions | None = None,
    sink_options: SinkOptions | None = None,
    report: Callable[[PaintProgress, VideoInfo], None] = lambda _progress, _info: None,
    stop: threading.Event | None = None,
) -> PaintReport:
    """Paint a picture or a video in the manner of paintings.

    Args:
        location: see `open_source`.
        paintings: picture files whose manner to take; of several, the mean.
        result: see `open_sink`.
        options: how it is painted.
        source_options: how it is read.
        sink_options: how it is written.
        report: called after every look, with what is known of the source.
        stop: set it from elsewhere to end early. The picture, or the video's frame in work, is written as far as it is
            painted.

    Raises:
        SourceError, SinkError, InputError: what was given can't be used.
        RuntimeUnavailableError, DiskFullError: this machine can't do it.
        ValueError: an option out of range.
    """
    began = time.monotonic()
    stop = stop or threading.Event()
    _refuse_same(result, [location, *paintings])
    manners = [_read_painting(path) for path in paintings]
    counts = _Counts()
    with open_source(location, source_options) as source:
        check_size(source.info.width, source.info.height, f"{location}: a picture")
        sink = open_sink(result, source.info, sink_options, source.copied)
        is_picture = sink.max_frames == 1 or source.info.is_still
        try:
            with sink:
                painter = Painter(manners, options or PaintOptions())

                def tell(progress: PaintProgress) -> None:
                    counts.add(progress)
                    report(progress, source.info)

                frames = islice(source, sink.max_frames)
                with closing(painted_frames(frames, painter, report=tell, stop=stop)) as painted:
                    for frame in painted:
                        sink.write(frame)
                        counts.frames += 1
                if stop.is_set() and not is_picture:
                    raise _Stopped
        except _Stopped:
            pass
        return PaintReport(
            path=sink.path,
            frames=counts.frames,
            iterations=counts.iterations,
            losses=counts.losses,
            seconds=time.monotonic() - began,
            interrupted=stop.is_set(),
            notices=[*source.notices, *sink.notices, *painter.list_notices()],
        )


class _Stopped(KeyboardInterrupt):
    """Tells the sink to keep a part."""


class _Counts:
    """What a run has done."""

    def __init__(self) -> None:
        self.frames = self.iterations = 0
        self.losses: dict[str, float] = {}

    def add(self, progress: PaintProgress) -> None:
        self.iterations += 1
        self.losses = dict(progress.losses)


def _read_painting(path: Path) -> NDArray[np.uint8]:
    image = read_image(path)
    check_picture(image, f"{path}: a painting")
    return image


def _refuse_same(result: str | Path, given: Sequence[str | Path]) -> None:
    for location in given:
        if is_same_file(location, result):
            raise SinkError(
                f"{result}: the result would replace {location}, which is painted from; choose another name"
            )
