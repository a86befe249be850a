"""What users type, as the values that the library takes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from vidgan.errors import InputError

_SIZE = re.compile(r"(\d+)[xX×](\d+)")
_BYTES = re.compile(r"(\d+\.?\d*|\.\d+) ?([kmgt]?)(i?)b?", re.IGNORECASE)
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")
_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+\.?\d*|\.\d+)")


def size(text: str | None, flag: str) -> tuple[int, int] | None:
    """Read `1280x720`."""
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip())
    if not match or not int(match[1]) or not int(match[2]):
        raise InputError(f"{flag} {text}: give width x height in pixels, such as 1280x720")
    return int(match[1]), int(match[2])


def seconds(text: str | None, flag: str) -> Fraction | None:
    """Read `12.5`, `1:23.4` or `1:02:03`."""
    if text is None:
        return None
    match = _CLOCK.fullmatch(text.strip())
    if not match:
        raise InputError(f"{flag} {text}: give seconds (12.5) or [hours:]minutes:seconds (1:02:03.5)")
    hours, minutes, rest = match[1] or 0, match[2] or 0, match[3]
    return int(hours) * 3600 + int(minutes) * 60 + Fraction(rest)


def duration(text: str | None, flag: str) -> float | None:
    """Read `45m`, `1h30m` or `90s` as seconds, 1 or more."""
    if text is None:
        return None
    match = _DURATION.fullmatch(text.strip().lower())
    hours, minutes, rest = (float(part or 0) for part in match.groups()) if match else (0, 0, 0)
    total = 3600 * hours + 60 * minutes + rest
    if total < 1:
        raise InputError(f"{flag} {text}: give hours, minutes and seconds, such as 45m, 1h30m or 90s")
    return total


def num_bytes(text: str | None, flag: str) -> int | None:
    """Read `2GiB`, `1500MB`, `1.5G` (of 1000s, like GB) or a plain number of bytes."""
    if text is None:
        return None
    match = _BYTES.fullmatch(text.strip())
    # "2i" and "2iB" are nothing.
    if not match or (match[3] and not match[2]) or not Fraction(match[1].rstrip(".")):
        raise InputError(f"{flag} {text}: give an amount of memory, such as 2GiB, 1500MB or 2000000000")
    unit = (1024 if match[3] else 1000) ** " kmgt".index(match[2].lower() or " ")
    return int(Fraction(match[1].rstrip(".")) * unit)


def given(**options: object) -> dict[str, Any]:
    """Return the options that were given, those that aren't None; the others keep the library's defaults."""
    return {name: value for name, value in options.items() if value is not None}


def absolute(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return the same paths from the root on: typed in another way or elsewhere, a run is the same run."""
    return tuple(Path(os.path.normpath(path.absolute())) for path in paths)


def precision(text: str) -> str:
    """Read `fp16` and `FP32` as what the library calls f16 and f32."""
    return re.sub(r"^fp(16|32)$", r"f\1", text.strip().lower())


@contextmanager
def as_input() -> Iterator[None]:
    """Turn the library's complaints about arguments into the user's one line.

    Raises:
        InputError: an option is out of range.
    """
    try:
        yield
    except ValueError as error:
        raise InputError(str(error)) from error
