"""Runs the contestants of `peers.py` in turn, and says how they compare."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One program to run. It prints a JSON object with `frames` and `seconds` at the end."""

    name: str
    """For the table."""
    command: tuple[str, ...]
    """What follows `python`; `{clip}` and `{out}` are filled in."""
    flags: tuple[str, ...]
    """What follows that."""
    frames: int
    """Length of the clip that it gets; where the network runs alone, how often."""
    does: str
    """What it does beside the network."""


def measure(
    contestants: Sequence[Contestant], clips: Mapping[int, Path], rounds: int, folder: Path
) -> dict[str, dict[str, Any]]:
    """Run every contestant once in each round, after one round that warms caches.

    Returns:
        For each its speed, how it compares to the first one, and what it does.
    """
    runs: dict[str, list[dict[str, float]]] = {contestant.name: [] for contestant in contestants}
    for number in range(rounds + 1):
        for contestant in contestants:
            print(f"round {number} of {rounds}: {contestant.name}", file=sys.stderr)
            runs[contestant.name].append(run(contestant, clips[contestant.frames], folder / "out.mp4"))
    return compare(contestants, {name: found[1:] for name, found in runs.items()})


def run(contestant: Contestant, clip: Path, result: Path) -> dict[str, float]:
    """Run one contestant; return frames, seconds as it counts them, and seconds from its start to its exit.

    Raises:
        SystemExit: it fails.
    """
    places = {"{clip}": str(clip), "{out}": str(result)}
    line = [places.get(part, part) for part in (*contestant.command, *contestant.flags)]
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *line], capture_output=True, text=True, check=False)
    process_seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{contestant.name} failed with {done.returncode}:\n{done.stderr}")
    said = json.loads(done.stdout)
    return {"frames": said["frames"], "seconds": said["seconds"], "process_seconds": process_seconds}


def compare(
    contestants: Sequence[Contestant], runs: Mapping[str, Sequence[Mapping[str, float]]]
) -> dict[str, dict[str, Any]]:
    """Return median and spread of each contestant's frames per second, and how many times as fast the first one is.

    The ratio is taken round by round, its median and spread given: a machine whose speed drifts is fair to both.
    """
    speeds = {name: [run["frames"] / run["seconds"] for run in found] for name, found in runs.items()}
    first = contestants[0].name
    return {
        contestant.name: {
            "fps_median": round(statistics.median(speeds[contestant.name]), 3),
            "fps_lowest": round(min(speeds[contestant.name]), 3),
            "fps_highest": round(max(speeds[contestant.name]), 3),
            "rounds": len(speeds[contestant.name]),
            "frames": int(runs[contestant.name][0]["frames"]),
            "process_seconds_median": round(statistics.median(r["process_seconds"] for r in runs[contestant.name]), 2),
            "first_is_times_as_fast": _ratios(speeds[first], speeds[contestant.name]),
            "does": contestant.does,
        }
        for contestant in contestants
    }


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return {"median": round(statistics.median(ratios), 2), "lowest": round(min(ratios), 2)}


def show(figures: Mapping[str, Any]) -> None:
    """Print what was measured."""
    for name, found in figures["same pictures"].items():
        print(f"same picture as {name}'s: PSNR {found['psnr']} dB, largest difference {found['max_difference']:.0f}")
    for note in figures["left out"]:
        print(f"left out: {note}")
    for title, group in figures["comparisons"].items():
        print(f"\n{title}; the first beside the others")
        for name, found in group.items():
            ratio = found["first_is_times_as_fast"]
            print(
                f"  {name:40} {found['fps_median']:8.2f} fps ({found['fps_lowest']:.2f} to {found['fps_highest']:.2f}) "
                f"x{ratio['median']:<7.2f} {found['frames']:4} frames; {found['does']}"
            )
    print()
