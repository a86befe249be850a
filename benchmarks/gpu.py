"""Prove or disprove what vidgan does on an NVIDIA card. See `gpu.md`.

    python benchmarks/gpu.py [--clip FILE] [--frames 240] [--rehearse]

Each part is tried by itself, and what goes wrong is written down rather than ending the run: the tests in `tests/gpu`;
engines of all styles in each precision, with the time that building and loading take; their pictures beside those of
OpenVINO in f32 on the CPU; frames per second and milliseconds of the network alone, for pictures in main memory and on
the card, beside torch; whole runs from file to file with smoothing and sound, with frames on the card and in main
memory; memory before and after. Writes `results/gpu-<card>.json`. `--rehearse` does it all on the CPU with torch, to
see that the script itself works, and writes nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from apart import likeness
from machine import write

from vidgan.bench.network import NetworkOptions, open_network, padded, time_latency, time_throughput
from vidgan.bench.synthetic import pictures, write_clip
from vidgan.cli.doctor import examine
from vidgan.errors import RuntimeUnavailableError
from vidgan.job import StylizeOptions, stylize_video
from vidgan.picture import Picture, as_array
from vidgan.runtime.gpu import find_card
from vidgan.styles import Style, list_styles
from vidgan.stylizer import Stylizer
from vidgan.video.sink import SinkOptions

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured, and how much of it."""

    runtime: str
    """What is to be proved."""
    device: str
    """Where."""
    name: str
    """The card's."""
    precisions: tuple[str, ...]
    """In which the networks run."""
    sizes: tuple[tuple[int, int], ...]
    """Of videos."""
    frames: int
    """For each measurement."""
    clip: Path | None
    """To restyle whole; None makes one."""


def main() -> None:
    """Run every part, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, help="a video with sound to restyle; one is made without it")
    parser.add_argument("--frames", type=int, default=240, help="for each measurement")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, with torch: tries the script itself")
    arguments = parser.parse_args()
    if arguments.frames < 1 or (arguments.clip and not arguments.clip.is_file()):
        parser.error("give 1 frame or more, and a clip that is there")
    try:
        plan = make_plan(arguments.clip, arguments.frames, is_rehearsal=arguments.rehearse)
    except RuntimeUnavailableError as error:
        print(error, file=sys.stderr)
        sys.exit(3)
    parts: dict[str, Callable[[Plan], Any]] = {
        "tests": run_tests,
        "engines": open_engines,
        "likeness to OpenVINO f32 on the CPU": compare_pictures,
        "network alone": time_networks,
        "file to file": run_whole,
        "memory after opening and closing": watch_memory,
    }
    figures: dict[str, Any] = {"plan": asdict(plan) | {"clip": plan.clip.name if plan.clip else None}}
    figures |= {name: attempt(name, part, plan) for name, part in parts.items()}
    print(json.dumps(figures, indent=2))
    if not arguments.rehearse:
        facts = {name: value for name, value in examine().items() if name != "cache"}
        print(write("gpu", {"doctor": facts, **figures}, where=plan.name))
    # The file holds what failed; for a rehearsal it is what one wants to know.
    sys.exit(any("failed" in part for part in figures.values()) if arguments.rehearse else 0)


def make_plan(clip: Path | None, frames: int, *, is_rehearsal: bool) -> Plan:
    """Decide what is measured.

    Raises:
        RuntimeUnavailableError: there is no card.
    """
    if is_rehearsal:
        return Plan(
            runtime="torch",
            device="cpu",
            name="rehearsal",
            precisions=("f32",),
            sizes=((160, 96),),
            frames=4,
            clip=clip,
        )
    card = find_card(0)
    return Plan(
        runtime="tensorrt",
        device=card.device,
        name=card.name,
        precisions=("f32", "f16", "int8"),
        sizes=((640, 360), (1280, 720), (1920, 1080)),
        frames=frames,
        clip=clip,
    )


def attempt(name: str, part: Callable[[Plan], Any], plan: Plan) -> Any:  # noqa: ANN401 - each part has its own figures
    """Run a part; what it raises becomes its result."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    began = time.monotonic()
    try:
        figures = part(plan)
    except Exception as error:  # noqa: BLE001 - the file that is sent back has to say what went wrong
        traceback.print_exc()
        figures = {"failed": f"{type(error).__name__}: {error}", "where": traceback.format_exc(limit=-3)}
    print(f"    {time.monotonic() - began:.0f} s", file=sys.stderr)
    return figures


def run_tests(plan: Plan) -> dict[str, Any]:
    """Run the tests that need a card, and return pytest's last lines."""
    if importlib.util.find_spec("pytest") is None:
        return {"failed": "pytest isn't installed: pip install -e '.[dev]'"}
    environment = os.environ | ({} if plan.device == "cpu" else {"VIDGAN_REQUIRE": "cuda"})
    line = [sys.executable, "-m", "pytest", "-q", "-rfEs", "--color=no", str(ROOT / "tests" / "gpu")]
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    return {"exit_code": done.returncode, "told": done.stdout.splitlines()[-40:]}


def open_engines(plan: Plan) -> dict[str, Any]:
    """Open every style in every precision twice: built, then loaded."""
    figures: dict[str, Any] = {}
    # One folder for all: what the classic TensorRT measures for one network serves the others.
    with tempfile.TemporaryDirectory() as cache:
        for style in list_styles():
            for precision in plan.precisions:
                runs = []
                for _ in range(2):
                    began = time.perf_counter()
                    with Stylizer(style, cache_dir=Path(cache), **_where(plan, precision, plan.sizes[-1])) as stylizer:
                        assert stylizer.report is not None
                        runs.append({"seconds": round(time.perf_counter() - began, 3), **asdict(stylizer.report)})
                figures[f"{style.name} {precision}"] = {
                    "first_seconds": runs[0]["seconds"],
                    "second_seconds": runs[1]["seconds"],
                    "second_from_cache": runs[1]["from_cache"],
                    "version": runs[0]["version"],
                    "precision": runs[0]["precision"],
                    "memory_bytes": runs[1]["memory_bytes"],
                    "copy_ms": runs[1]["copy_ms"],
                }
    return figures


def compare_pictures(plan: Plan) -> dict[str, Any]:
    """Return PSNR and the largest difference of every style in every precision, for arrays and for tensors."""
    figures: dict[str, Any] = {}
    size = plan.sizes[0]
    sources = [np.ascontiguousarray(frame) for frame in pictures(size, 6)]
    for style in list_styles():
        with Stylizer(style, size=size, runtime="openvino", device="CPU", precision="f32") as reference:
            expected = [reference(frame) for frame in sources]
        for precision in plan.precisions:
            with Stylizer(style, **_where(plan, precision, size)) as stylizer:
                roads: dict[str, list[Picture]] = {
                    "main memory": sources,
                    "card": [_on_card(frame, plan) for frame in sources],
                }
                for road, given in roads.items():
                    styled = [as_array(stylizer(frame)) for frame in given]
                    figures[f"{style.name} {precision} {road}"] = likeness(styled, expected)
    return figures


def time_networks(plan: Plan) -> dict[str, Any]:
    """Return frames per second and latency of the network alone, in turn with torch; each size by itself."""
    style = list_styles()[-1]
    figures: dict[str, Any] = {"style": style.name}
    for size in plan.sizes:
        name = f"{size[0]}x{size[1]}"
        figures[name] = attempt(name, partial(time_size, style=style, size=size), plan)
    return figures


def time_size(plan: Plan, *, style: Style, size: tuple[int, int]) -> dict[str, dict[str, float]]:
    """Return medians of `ROUNDS` for one size."""
    sources = padded([np.ascontiguousarray(frame) for frame in pictures(size, 8)], style, size)
    lists: dict[str, Sequence[Picture]] = {
        "main memory": sources,
        "card": [_on_card(frame, plan) for frame in sources],
    }
    measured: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack:
        networks = {}
        for runtime, precisions in ((plan.runtime, plan.precisions), ("torch", ("f32", "f16")[: len(plan.precisions)])):
            for precision in precisions:
                options = NetworkOptions(size=size, runtime=runtime, device=plan.device, precision=precision)
                networks[f"{runtime} {precision}"] = stack.enter_context(open_network(style, options))
        for _ in range(ROUNDS):
            for name, network in networks.items():
                for road, frames in lists.items():
                    row = measured.setdefault(f"{name}, {road}", {"fps": [], "latency_ms": []})
                    row["fps"].append(1000 / time_throughput(network, frames, plan.frames).wall_ms)
                    row["latency_ms"].append(statistics.median(time_latency(network, frames, plan.frames // 4 or 1)))
    return {
        name: {key: round(statistics.median(values), 3) for key, values in row.items()}
        for name, row in measured.items()
    }


def run_whole(plan: Plan) -> dict[str, Any]:
    """Restyle a clip from file to file, with frames on the card and in main memory, smoothed and not."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        clip = plan.clip or Path(folder) / "clip.mp4"
        if plan.clip is None:
            write_clip(clip, size=plan.sizes[min(1, len(plan.sizes) - 1)], num_frames=plan.frames)
        for frames_on in (plan.device, "array"):
            for smooth in (True, False):
                options = StylizeOptions(
                    runtime=plan.runtime,
                    device=plan.device,
                    frames_on=frames_on,
                    smooth=smooth,
                    sink=SinkOptions(overwrite=True),
                )
                # The first run builds the engine.
                reports = [stylize_video(clip, Path(folder) / "out.mp4", options=options) for _ in range(3)]
                figures[f"frames on {frames_on}, {'smoothed' if smooth else 'not smoothed'}"] = {
                    "fps": round(statistics.median(report.fps for report in reports[1:]), 2),
                    "frames": reports[-1].frames,
                    "setup_seconds": round(reports[-1].setup_seconds, 3),
                    "stage_seconds": {name: round(value, 3) for name, value in reports[-1].stage_seconds.items()},
                    "notices": reports[-1].notices,
                }
    return figures


def watch_memory(plan: Plan) -> dict[str, Any]:
    """Return the card's free memory after each of four openings and closings: it should settle after the first."""
    import torch

    free = []
    for _ in range(4):
        with Stylizer(list_styles()[0], **_where(plan, "auto", plan.sizes[-1])) as stylizer:
            stylizer(np.zeros((plan.sizes[-1][1], plan.sizes[-1][0], 3), np.uint8))
        if plan.device != "cpu":
            torch.cuda.empty_cache()
            free.append(torch.cuda.mem_get_info(plan.device)[0])
    return {"free_bytes": free}


def _where(plan: Plan, precision: str, size: tuple[int, int]) -> dict[str, Any]:
    return {"size": size, "runtime": plan.runtime, "device": plan.device, "precision": precision}


def _on_card(frame: Picture, plan: Plan) -> Picture:
    import torch

    return torch.from_numpy(np.ascontiguousarray(frame)).to(plan.device)


if __name__ == "__main__":
    main()
