"""Measure the whole way of a frame: speed, steadiness and memory of `vidgan stylize` on a real clip.

    python benchmarks/spine.py CLIP [--style starry-night] [--repeats 5]

Each run is a process of its own, as a user's would be. Speeds are medians with their spread; with and without
smoothing, and without any network, are measured in turn, so that a machine whose speed drifts is fair to all. A loop of
the clip, twelve times as long, shows speed and memory (the peak of the process) on a longer film.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import av
from machine import write

from vidgan.bench.timing import spread
from vidgan.bench.whole import Job, Run, run_job
from vidgan.job import StylizeOptions, stylize_video
from vidgan.styles import IDENTITY_NAME

_RESULT = "out.mp4"
_MEASURE_EVERY = 8
LOOP = 12
"""Big Buck Bunny's 132 frames become a little more than a minute."""


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--style", default="starry-night")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = {
            "clip": describe_clip(arguments.clip),
            "style": arguments.style,
            "speed": measure_speed(arguments.clip, arguments.style, arguments.repeats, Path(folder)),
            "steadiness": measure_steadiness(arguments.clip, arguments.style, Path(folder)),
            "loop": measure_loop(arguments.clip, arguments.style, Path(folder)),
        }
    path = write("spine", figures)
    print(json.dumps(figures, indent=2))
    print(path)


def describe_clip(clip: Path) -> dict[str, Any]:
    """Return name, size and length."""
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        return {"name": clip.name, "width": stream.width, "height": stream.height, "frames": stream.frames}


def measure_speed(clip: Path, style: str, repeats: int, folder: Path) -> dict[str, Any]:
    """Run every variant `repeats` times in turn, after one round that fills the caches."""
    variants = {
        "style, smoothing": Job(location=clip, result=folder / _RESULT, style=style),
        "style alone": Job(location=clip, result=folder / _RESULT, style=style, smooth=False),
        "neither (decode, colour, encode)": Job(
            location=clip, result=folder / _RESULT, style=IDENTITY_NAME, smooth=False
        ),
    }
    runs: dict[str, list[Run]] = {name: [] for name in variants}
    for _ in range(repeats + 1):
        for name, job in variants.items():
            runs[name].append(run_job(job))
    return {name: summarise(done[1:]) for name, done in runs.items()}


def summarise(runs: list[Run]) -> dict[str, Any]:
    """Return median and spread of the speed, and medians of the stages."""
    speed = spread([run.fps for run in runs])
    stages = {
        stage: round(1000 * statistics.median(run.stage_seconds[stage] / run.frames for run in runs), 2)
        for stage in runs[0].stage_seconds
    }
    runtime = runs[0].runtime
    return {
        "fps_median": round(speed.median, 2),
        "fps_lowest": round(speed.lowest, 2),
        "fps_highest": round(speed.highest, 2),
        "runs": len(runs),
        "setup_seconds_median": round(statistics.median(run.setup_seconds for run in runs), 2),
        "stage_milliseconds_per_frame": stages,
        "precision": runtime["precision"] if runtime else None,
    }


def measure_steadiness(clip: Path, style: str, folder: Path) -> dict[str, Any]:
    """Return the warping errors of the video, of the restyled frames and of the result."""
    options = StylizeOptions(measure_every=_MEASURE_EVERY)
    report = stylize_video(clip, folder / f"measured{clip.suffix}", style=style, options=options)
    assert report.steadiness is not None
    return dataclasses.asdict(report.steadiness)


def measure_loop(clip: Path, style: str, folder: Path) -> dict[str, Any]:
    """Return speed and peak memory on the clip and on twelve of it in a row, in turn."""
    longer = folder / f"longer{clip.suffix}"
    repeat(clip, longer, LOOP)
    jobs = {
        name: Job(location=path, result=folder / _RESULT, style=style)
        for name, path in (("clip", clip), ("loop", longer))
    }
    runs: dict[str, list[Run]] = {name: [] for name in jobs}
    for _ in range(2):
        for name, job in jobs.items():
            runs[name].append(run_job(job))
    figures: dict[str, Any] = {
        name: {
            "frames": done[0].frames,
            "fps": [round(run.fps, 2) for run in done],
            "peak_megabytes": round(max(run.peak_memory_bytes for run in done) / 1e6),
        }
        for name, done in runs.items()
    }
    ratio = figures["loop"]["peak_megabytes"] / figures["clip"]["peak_megabytes"]
    return figures | {"memory_ratio": round(ratio, 3)}


def repeat(clip: Path, target: Path, times: int) -> None:
    """Write `clip` several times in a row, packets as they are."""
    with av.open(str(target), "w") as output:
        streams: dict[int, Any] = {}
        offset_seconds = 0.0
        for _ in range(times):
            # Sound may begin before 0 and end after the pictures: the next round begins after both.
            first_seconds = last_seconds = 0.0
            with av.open(str(clip)) as source:
                if not streams:
                    streams = {s.index: output.add_stream_from_template(s, opaque=True) for s in source.streams}
                for packet in source.demux():
                    if packet.dts is None:
                        continue
                    base = float(packet.time_base)
                    first_seconds = min(first_seconds, packet.dts * base)
                    last_seconds = max(last_seconds, (max(packet.dts, packet.pts or 0) + (packet.duration or 0)) * base)
                    shift = round(offset_seconds / base)
                    packet.stream = streams[packet.stream.index]
                    packet.pts, packet.dts = (packet.pts or 0) + shift, packet.dts + shift
                    output.mux(packet)
            offset_seconds += last_seconds - first_seconds


if __name__ == "__main__":
    main()
