"""The clips that a benchmark runs on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vidgan.errors import InputError
from vidgan.frame import VideoInfo
from vidgan.video.decoder import Decoder, open_container
from vidgan.video.images import find_images, is_still_format
from vidgan.video.source import open_source


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A video file, and how much of it is used."""

    path: Path
    """Where it lies."""
    info: VideoInfo
    """What vidgan's source says of it."""
    codec: str
    """FFmpeg's name of the video's codec."""
    num_frames: int
    """How many frames are used, from the first on."""
    end_seconds: Fraction | None
    """Where they end; None: at the end of the file."""
    has_sound: bool
    """Whether there is a stream of sound."""


def read_clip(location: str | Path, most_frames: int | None) -> Clip:
    """Look at a video file, and count the frames to use.

    Args:
        location: A file that can be read again and again.
        most_frames: Use no more than so many from its beginning; None: all.

    Raises:
        SourceError: it can't be read or holds no video.
        InputError: it is a stream or made of pictures.
    """
    if str(location) == "-":
        raise InputError("-: standard input can be read only once; give a file")
    if find_images(str(location)) is not None:
        raise InputError(f"{location}: pictures; give a video file")
    with open_source(location) as source:
        info = source.info
    times: list[Fraction] = []
    with open_decoder(location) as decoder:
        for frame in decoder:
            if frame.pts is not None and frame.time_base is not None:
                times.append(frame.pts * frame.time_base - decoder.origin_seconds)
            if most_frames is not None and len(times) > most_frames:
                break
        stream = decoder.stream
        if not times:
            raise InputError(f"{location}: none of its frames can be decoded, or none has a time")
        is_cut = most_frames is not None and len(times) > most_frames
        return Clip(
            path=Path(location),
            info=info,
            codec=stream.codec_context.codec.canonical_name,
            num_frames=len(times) - is_cut,
            end_seconds=sorted(times)[-1] if is_cut else None,
            has_sound=any(other.type == "audio" for other in decoder.copied.streams),
        )


@contextmanager
def open_decoder(location: str | Path) -> Iterator[Decoder]:
    """Lend vidgan's own decoder of a file; sound and subtitles are read past.

    Raises:
        SourceError: the file can't be read or holds no video.
        InputError: it is a picture.
    """
    container = open_container(str(location))
    try:
        if is_still_format(container.format.name):
            raise InputError(f"{location}: a picture; give a video file")
        decoder = Decoder(container, str(location), Counter())
    except BaseException:
        container.close()
        raise
    decoder.copied.want(())
    try:
        yield decoder
    finally:
        decoder.close()
