"""Whole runs from file to file, each in a process of its own, and how long a start takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vidgan.errors import InputError, MachineError

_START_UP_FRAMES = 5
_CODE_OF_WRONG_INPUT = 2


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run of `stylize_video`."""

    location: Path
    """The clip."""
    result: Path
    """Where to write; what is there is replaced."""
    style: str | Path
    """As in `stylize_video`."""
    smooth: bool = True
    """As in `StylizeOptions`, like the following ones."""
    runtime: str = "auto"
    """Where it runs."""
    device: str = "auto"
    """On what."""
    precision: str = "auto"
    """In which precision."""
    size: tuple[int, int] | None = None
    """Width and height to work at; None: the clip's own."""
    end_seconds: Fraction | None = None
    """Leave out what begins at this time or later; None: nothing."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one run did and took."""

    frames: int
    """Frames written."""
    seconds: float
    """From the first frame asked for to the finished file."""
    setup_seconds: float
    """Opening the clip and compiling or loading the network, before that."""
    core_seconds: float
    """Work of all threads, opening and loading included."""
    peak_memory_bytes: int
    """The most that the process had in use."""
    stage_seconds: dict[str, float]
    """As in `StylizeReport`."""
    runtime: dict[str, Any] | None
    """As in `StylizeReport`."""

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.frames / self.seconds


def run_job(job: Job) -> Run:
    """Run a job in a process of its own and wait for it; the process ends with this call, whatever happens.

    Raises:
        InputError, MachineError: the run failed.
    """
    with _started(_command(job)) as process:
        printed, said = process.communicate()
    if process.returncode:
        raise _error(f"a run on {job.location}", process.returncode, said.decode(errors="replace"))
    return Run(**json.loads(printed))


def time_start_up(job: Job, rate: Fraction | None) -> float:
    """Return the seconds from starting the command `vidgan stylize` until its first restyled frame comes out.

    The command writes to a pipe (`-o -`), and the clock stops when the first bytes of the first picture arrive: Python
    and its modules have been loaded, the clip opened, the network loaded, one frame decoded and restyled. Only the
    first frames of the clip are run.

    Args:
        job: what is run; `result` and `end_seconds` don't matter.
        rate: frames per second of the clip.

    Raises:
        InputError, MachineError: the run failed.
    """
    end = Fraction(_START_UP_FRAMES) / (rate or 25)
    command = [sys.executable, "-m", "vidgan.cli.main", "stylize", str(job.location), "-o", "-"]
    command += ["--style", str(job.style), "--runtime", job.runtime, "--device", job.device]
    command += ["--precision", job.precision, "--end", f"{float(end):.6f}"]
    command += ["--smooth" if job.smooth else "--no-smooth"]
    if job.size:
        command += ["--scale", f"{job.size[0]}x{job.size[1]}"]
    began = time.perf_counter()
    with _started(command) as process:
        assert process.stdout is not None
        head = b""
        while b"FRAME" not in head.partition(b"\n")[2]:
            # Not `read`, which would wait for more than there is.
            part = os.read(process.stdout.fileno(), 1 << 16)
            if not part:
                break
            head += part
        seconds = time.perf_counter() - began
        _rest, said = process.communicate()
    if process.returncode:
        raise _error("vidgan stylize", process.returncode, said.decode(errors="replace"))
    return seconds


def _command(job: Job) -> list[str]:
    values = {key: str(value) if isinstance(value, Path | Fraction) else value for key, value in asdict(job).items()}
    values["style_is_path"] = isinstance(job.style, Path)
    return [sys.executable, "-m", "vidgan.bench.child", json.dumps(values)]


@contextmanager
def _started(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that doesn't outlive the block. Ctrl-C on the terminal reaches only us, and we end it.

    Its standard input is a pipe that closes at the end of the block, or when we are killed, and `vidgan.bench.child`
    ends then: an interruption in the middle of `Popen` would otherwise leave it running with nobody to know of it.
    """
    theirs, ours = os.pipe()
    try:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own program
                command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            )
        finally:
            os.close(theirs)
        with process:
            try:
                yield process
            finally:
                process.kill()
    finally:
        os.close(ours)


def _error(what: str, code: int, said: str) -> InputError | MachineError:
    lines = [line for line in said.splitlines() if line.strip()] or [f"it ended with code {code}"]
    kind = InputError if code == _CODE_OF_WRONG_INPUT else MachineError
    return kind(f"{what} failed: {lines[-1].removeprefix('vidgan: ')}")
