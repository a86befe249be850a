"""One run of `stylize_video` in a process of its own, for `vidgan.bench.whole`: a job on the command line, JSON out."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import resource
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from vidgan.bench.material import ENCODER
from vidgan.errors import InputError, VidganError
from vidgan.job import StylizeOptions, stylize_video
from vidgan.video.sink import SinkOptions
from vidgan.video.source import SourceOptions


def main() -> None:
    """Run the job in `sys.argv[1]`; exit code 2 or 3, and the error on standard error, where it can't be done."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.getLogger("libav").setLevel(logging.CRITICAL)
    try:
        figures = run(json.loads(sys.argv[1]))
    except (VidganError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2 if isinstance(error, InputError | ValueError) else 3)
    sys.stdout.write(json.dumps(figures) + "\n")


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Run one job, as `vidgan.bench.whole.Job` describes it, and return what `vidgan.bench.whole.Run` holds."""
    end, size = job["end_seconds"], job["size"]
    options = StylizeOptions(
        smooth=job["smooth"],
        runtime=job["runtime"],
        device=job["device"],
        precision=job["precision"],
        scale=tuple(size) if size else None,
        source=SourceOptions(end_seconds=Fraction(end) if end else None),
        sink=SinkOptions(encoder=ENCODER, overwrite=True),
    )
    style = Path(job["style"]) if job["style_is_path"] else job["style"]
    cores = time.process_time()
    report = stylize_video(job["location"], job["result"], style=style, options=options)
    return {
        "frames": report.frames,
        "seconds": report.seconds,
        "setup_seconds": report.setup_seconds,
        "core_seconds": time.process_time() - cores,
        "peak_memory_bytes": peak_memory_bytes(),
        "stage_seconds": report.stage_seconds,
        "runtime": dataclasses.asdict(report.runtime) if report.runtime else None,
    }


def peak_memory_bytes() -> int:
    """Return the most memory that this process has ever had in use.

    Linux counts into `ru_maxrss` what the parent held when it started this process, so its own file is read there.
    """
    status = Path("/proc/self/status")
    match = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    if match:
        return 1024 * int(match[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _end_with_parent() -> None:
    """Wait until standard input is closed: nobody wants the result any more."""
    # Not through sys.stdin, whose lock would be held when the interpreter ends.
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
