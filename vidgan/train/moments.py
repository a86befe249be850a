"""Moments of videos for training: frames spread evenly over a film, each with the one that follows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidgan.errors import SourceError
from vidgan.frame import Frame, VideoInfo
from vidgan.picture import resized
from vidgan.video.colour import square_pixel_size
from vidgan.video.source import SourceOptions, open_source

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts", ".wmv", ".flv", ".ogv"}
    | {".3gp", ".y4m", ".gif"}
)
"""Extensions that are looked for in folders. A file that is named by itself may have any."""
LARGEST_SIDE = 720
"""Training shrinks pictures to at most this on their short side, so larger frames only take memory."""
MOMENTS = 24
"""Frames taken of one video: neighbouring ones are too alike to teach more."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Moment:
    """A picture, and what follows."""

    image: NDArray[np.uint8]
    """RGB, `(H, W, 3)`, upright, with square pixels."""
    following: NDArray[np.uint8] | None = None
    """The next frame of the video, same shape; None where there is none."""


def read_moments(path: Path, count: int = MOMENTS) -> list[Moment]:
    """Read up to `count` frames, spread evenly over the video.

    Args:
        path: a video, or a picture of a kind that FFmpeg reads.
        count: the most frames to take.

    Returns:
        At least one moment; their short side is at most `LARGEST_SIDE` pixels.

    Raises:
        SourceError: the file can't be opened, or none of its frames can be decoded.
    """
    with open_source(path) as source:
        info = source.info
        length, frames = info.duration_seconds, info.num_frames
        if info.is_still or not length or not frames or frames <= 2 * count:
            return _spread(_moments(source, info), count)
    found = []
    for index in range(count):
        start = Fraction(length).limit_denominator(1000) * index / count
        try:
            with open_source(path, SourceOptions(start_seconds=start)) as source:
                found.append(next(_moments(source, info)))
        except SourceError:
            # Beyond a damaged part, or beyond the end where the file lies about its length.
            continue
    if not found:
        raise SourceError(f"{path}: none of its frames can be decoded")
    return found


def _moments(frames: Iterable[Frame], info: VideoInfo) -> Iterator[Moment]:
    width, height = square_pixel_size(info.width, info.height, info.sample_aspect_ratio)
    scale = min(1.0, LARGEST_SIDE / min(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    images = (resized(frame.image, *size) for frame in frames)
    to_the_end: Iterable[NDArray[np.uint8] | None] = chain(images, (None,))
    for image, following in pairwise(to_the_end):
        if image is not None:
            yield Moment(image=image, following=following)


def _spread(moments: Iterable[Moment], count: int) -> list[Moment]:
    """Keep at most `count` evenly spread ones, without knowing how many will come."""
    kept: list[Moment] = []
    stride = 1
    for index, moment in enumerate(moments):
        if index % stride == 0:
            kept.append(moment)
        if len(kept) > count:
            kept, stride = kept[::2], stride * 2
    return kept
