"""Measure the whole way of a frame: speed, steadiness and memory of `vidgan stylize` on a real clip.

    python benchmarks/spine.py CLIP [--style starry-night] [--repeats 5]

Each run is a process of its own, as a user's would be. Speeds are medians with their spread; with and without
smoothing, and without any network, are measured in turn, so that a machine whose speed drifts is fair to all. Memory is
the peak of the process, on the clip and on one ten times as long.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import av
from machine import write

_VARIANTS = {
    "style, smoothing": (),
    "style alone": ("--no-smooth",),
    "neither (decode, colour, encode)": ("--style", "none", "--no-smooth"),
}
_MEGABYTE = 1e6


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
            "memory": measure_memory(arguments.clip, arguments.style, Path(folder)),
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
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in _VARIANTS}
    for _ in range(repeats + 1):
        for name, flags in _VARIANTS.items():
            report, _memory = run(clip, folder / "out.mp4", "--style", style, *flags)
            runs[name].append(report)
    return {name: summarise(reports[1:]) for name, reports in runs.items()}


def summarise(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """Return median and spread of the speed, and medians of the stages."""
    speeds = [report["fps"] for report in reports]
    stages = {
        stage: round(1000 * statistics.median(r["stage_seconds"][stage] / r["frames"] for r in reports), 2)
        for stage in reports[0]["stage_seconds"]
    }
    runtime = reports[0]["runtime"]
    return {
        "fps_median": round(statistics.median(speeds), 2),
        "fps_lowest": round(min(speeds), 2),
        "fps_highest": round(max(speeds), 2),
        "runs": len(reports),
        "setup_seconds_median": round(statistics.median(report["setup_seconds"] for report in reports), 2),
        "stage_milliseconds_per_frame": stages,
        "precision": runtime["precision"] if runtime else None,
    }


def measure_steadiness(clip: Path, style: str, folder: Path) -> dict[str, Any]:
    """Return the warping errors of the video, of the restyled frames and of the result."""
    report, _memory = run(clip, folder / "out.mp4", "--style", style, "--measure")
    return dict(report["steadiness"])


def measure_memory(clip: Path, style: str, folder: Path) -> dict[str, Any]:
    """Return the peak memory on the clip and on ten of it in a row."""
    longer = folder / f"longer{clip.suffix}"
    repeat(clip, longer, 10)
    peaks = {}
    for name, path in (("clip", clip), ("ten times as long", longer)):
        _report, peaks[name] = run(path, folder / "out.mp4", "--style", style)
    ratio = peaks["ten times as long"] / peaks["clip"]
    return {"peak_megabytes": {k: round(v / _MEGABYTE) for k, v in peaks.items()}, "ratio": round(ratio, 3)}


def repeat(clip: Path, target: Path, times: int) -> None:
    """Write `clip` several times in a row, packets as they are."""
    with av.open(str(target), "w") as output:
        streams: dict[int, Any] = {}
        offset_seconds = 0.0
        for _ in range(times):
            with av.open(str(clip)) as source:
                if not streams:
                    streams = {s.index: output.add_stream_from_template(s, opaque=True) for s in source.streams}
                for packet in source.demux():
                    if packet.dts is None:
                        continue
                    shift = round(offset_seconds / float(packet.time_base))
                    packet.stream = streams[packet.stream.index]
                    packet.pts, packet.dts = (packet.pts or 0) + shift, packet.dts + shift
                    output.mux(packet)
                offset_seconds += (source.duration or 0) / av.time_base


def run(clip: Path, target: Path, *flags: str) -> tuple[dict[str, Any], float]:
    """Run `vidgan stylize` in a process of its own; return its report and its peak memory in bytes."""
    command = [sys.executable, "-m", "vidgan.cli.main", "stylize", str(clip), "-o", str(target), *flags]
    process = subprocess.Popen([*command, "--overwrite", "--json"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _pid, status, usage = wait(process)
    if status:
        raise SystemExit(f"{' '.join(command)} failed with {status}")
    return json.loads(printed), usage.ru_maxrss * 1024.0


def wait(process: subprocess.Popen[str]) -> tuple[int, int, resource.struct_rusage]:
    """Wait for the process and return what the system counted for it."""
    pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return pid, process.returncode, usage


if __name__ == "__main__":
    main()
