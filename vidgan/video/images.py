"""Still pictures and numbered series of them, as video."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from vidgan.errors import SourceError

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".dpx", ".exr", ".jp2", ".tga", ".jxl"}
)
_PATTERN = re.compile(r"%(0(?P<digits>\d+))?d")


def find_images(location: str) -> list[Path] | None:
    """Return the files of a folder or a pattern such as `shot_%05d.png`, in order; None if `location` is neither.

    Raises:
        SourceError: a folder without pictures, or a pattern that fits no file.
    """
    path = Path(location)
    if path.is_dir():
        files = [p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()]
        if not files:
            raise SourceError(f"{location}: no pictures in this folder; {', '.join(sorted(IMAGE_SUFFIXES))} are read")
        return sorted(files, key=_natural_key)
    if "://" in location or path.exists() or not _PATTERN.search(path.name):
        return None
    expression = pattern_expression(path.name)
    siblings = path.parent.iterdir() if path.parent.is_dir() else ()
    numbered = [(int(match[1]), file) for file in siblings if (match := expression.fullmatch(file.name))]
    if not numbered:
        raise SourceError(f"{location}: no file fits this pattern")
    return [file for _, file in sorted(numbered)]


def pattern_expression(name: str) -> re.Pattern[str]:
    """Return the expression of the names that a pattern with one `%d` or `%05d` makes; group 1 is the number."""
    match = _PATTERN.search(name)
    if match is None:
        raise ValueError(f"{name!r}: a pattern needs one %d or %05d")
    digits = f"\\d{{{int(match['digits'])},}}" if match["digits"] else r"\d+"
    return re.compile(re.escape(name[: match.start()]) + f"({digits})" + re.escape(name[match.end() :]))


def is_pattern(name: str) -> bool:
    """Say whether `name` holds a `%d` or `%05d`."""
    return _PATTERN.search(name) is not None


def is_still_format(container_name: str) -> bool:
    """Say whether FFmpeg's container format holds a single picture."""
    return container_name == "image2" or container_name.endswith("_pipe")


class ImageSequence:
    """Pictures from files, each one frame long."""

    def __init__(self, files: list[Path], rate: Fraction, notices: Counter[str]) -> None:
        """Take the `files` in their order, at `rate` frames per second."""
        self.files, self._rate, self._notices = files, rate, notices

    def __iter__(self) -> Iterator[av.VideoFrame]:
        """Yield the pictures; one that can't be read leaves a gap and a notice."""
        for index, file in enumerate(self.files):
            try:
                with av.open(str(file), metadata_errors="replace") as container:
                    frame = next(container.decode(video=0))
            except (av.FFmpegError, StopIteration, IndexError) as error:
                if len(self.files) == 1:
                    raise SourceError(f"{file}: not a picture that can be read ({_reason(error)})") from error
                self._notices["a picture that can't be read was skipped"] += 1
                continue
            frame.pts, frame.time_base, frame.duration = index, 1 / self._rate, 1
            yield frame


def _natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort `shot_2` before `shot_10`."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.split(r"(\d+)", path.name)]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or "no picture in it"
