"""Ways to run vidgan on a file without a network: in this process, and as the program that users start."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction

from vidgan import EncoderOptions, SinkOptions, SourceOptions, StylizeOptions, open_source, stylize_video

LOSSLESS = EncoderOptions(codec="ffv1")


def copy(source, result, *, encoder=None, overwrite=False, start=None, end=None, deinterlace="auto", **options):
    """Run `stylize_video` with the style `none` and every other default; return its report."""
    return stylize_video(
        source,
        result,
        style="none",
        options=StylizeOptions(
            source=SourceOptions(
                start_seconds=None if start is None else Fraction(start),
                end_seconds=None if end is None else Fraction(end),
                deinterlace=deinterlace,
            ),
            sink=SinkOptions(encoder=encoder or EncoderOptions(), overwrite=overwrite),
            **options,
        ),
    )


def read(location, **options):
    """Return info, frames and notices of a source."""
    with open_source(location, SourceOptions(**options)) as source:
        frames = list(source)
        return source.info, frames, source.notices


def command(*arguments):
    """Return the command line of the program."""
    return [sys.executable, "-m", "vidgan.cli.main", *(str(argument) for argument in arguments)]


def vidgan(*arguments, given=None, cwd=None):
    """Run the program to its end; output and errors are bytes."""
    environment = os.environ | {"VIDGAN_CACHE": os.devnull, "VIDGAN_STYLES": os.devnull}
    return subprocess.run(
        command(*arguments), input=given, capture_output=True, cwd=cwd, env=environment, timeout=120, check=False
    )


def leftovers(folder):
    """Return the names of everything in a folder, hidden files too."""
    return sorted(entry.name for entry in folder.iterdir())
