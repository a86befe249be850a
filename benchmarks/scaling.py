"""Measure how time and memory grow with the resolution and with the length of a video.

    python benchmarks/scaling.py [--style starry-night] [--frames 50] [--repeats 3] [--quick]

Every run is `stylize_video` with smoothing, sound and H.264, in a process of its own, so that its peak memory is its
own. Resolutions, 360p to 2160p, run on synthetic clips of the same picture, lengths on one short 360p clip repeated;
all of them in turn, round by round, after one round that warms up. Writes `results/scaling-<machine>.json` and the plot
`docs/scaling.png`; `--quick` takes few frames and the smallest sizes, and writes both to the folder of temporary files.
Takes about 15 minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import machine
from scaling_plot import draw
from spine import repeat

from vidgan.bench.synthetic import RATE, write_clip
from vidgan.bench.timing import spread
from vidgan.bench.whole import Job, Run, run_job

RESOLUTIONS = ((640, 360), (854, 480), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160))
LENGTHS = (1, 10, 50)
LENGTH_SIZE = (640, 360)
PLOT = Path(__file__).parents[1] / "docs" / "scaling.png"
_WARM_UP_FRAMES = 3
_MEGABYTE = 1e6


@dataclass(kw_only=True)
class Case:
    """A resolution or a length, and what was measured there."""

    name: str
    """As the plot says it."""
    size: tuple[int, int]
    """Width and height in pixels."""
    times: int
    """How many times the short clip is as long."""
    clip: Path
    """The file."""
    runs: list[Run] = field(default_factory=list)
    """One per round."""

    def summary(self) -> dict[str, Any]:
        """Return median, lowest and highest of every figure."""
        found = {
            "fps": [run.fps for run in self.runs],
            "core_ms": [1000 * run.core_seconds / run.frames for run in self.runs],
            "seconds": [run.seconds for run in self.runs],
            "peak_megabytes": [run.peak_memory_bytes / _MEGABYTE for run in self.runs],
        }
        figures = {key: {k: round(v, 3) for k, v in asdict(spread(values)).items()} for key, values in found.items()}
        return {"size": list(self.size), "times": self.times, "frames": self.runs[0].frames, **figures}


def main() -> None:
    """Measure, print, write the results and draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--style", default="starry-night")
    parser.add_argument("--frames", type=int, default=50, help="of every resolution, and of the short clip")
    parser.add_argument("--repeats", type=int, default=3, help="rounds that count")
    parser.add_argument("--quick", action="store_true", help="6 frames, two sizes, for a look")
    arguments = parser.parse_args()
    if arguments.frames < 1 or arguments.repeats < 1:
        parser.error("--frames and --repeats: give 1 or more")
    frames = min(arguments.frames, 6) if arguments.quick else arguments.frames
    with tempfile.TemporaryDirectory() as folder:
        resolutions = make_resolutions(Path(folder), RESOLUTIONS[:2] if arguments.quick else RESOLUTIONS, frames)
        lengths = make_lengths(Path(folder), LENGTHS, frames)
        measure([*resolutions, *lengths], arguments.style, arguments.repeats, Path(folder))
    figures = {
        "style": arguments.style,
        "repeats": arguments.repeats,
        "resolutions": {case.name: case.summary() for case in resolutions},
        "lengths": {case.name: case.summary() for case in lengths},
    }
    print(json.dumps(figures, indent=2))
    if not arguments.quick:
        print(machine.write("scaling", figures))
    plot = Path(tempfile.gettempdir()) / PLOT.name if arguments.quick else PLOT
    draw(figures, plot)
    print(plot)


def make_resolutions(folder: Path, sizes: Sequence[tuple[int, int]], frames: int) -> list[Case]:
    """Write the clip in every size."""
    cases = []
    for size in sizes:
        clip = folder / f"{size[0]}x{size[1]}.mp4"
        write_clip(clip, size=size, num_frames=frames)
        cases.append(Case(name=f"{size[1]}p", size=size, times=1, clip=clip))
    return cases


def make_lengths(folder: Path, lengths: Sequence[int], frames: int) -> list[Case]:
    """Write the short clip and the same one after the other."""
    short = folder / "short.mp4"
    write_clip(short, size=LENGTH_SIZE, num_frames=frames)
    cases = []
    for times in lengths:
        clip = folder / f"{times}x.mp4"
        repeat(short, clip, times)
        cases.append(Case(name=f"{times}x", size=LENGTH_SIZE, times=times, clip=clip))
    return cases


def measure(cases: Sequence[Case], style: str, repeats: int, folder: Path) -> None:
    """Run every case once per round, in turn; the round before, which compiles the networks, is cut short."""
    for number in range(repeats + 1):
        for case in cases:
            print(f"round {number} of {repeats}: {case.size[0]}x{case.size[1]}, length {case.times}", flush=True)
            job = Job(
                location=case.clip,
                result=folder / "result.mp4",
                style=style,
                end_seconds=None if number else Fraction(_WARM_UP_FRAMES, RATE),
            )
            run = run_job(job)
            if number:
                case.runs.append(run)


if __name__ == "__main__":
    main()
