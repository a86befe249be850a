"""Measure `vidgan stylize --max-memory` on large pictures: an 8K still and a 4K clip.

    python benchmarks/large.py [--style starry-night] [--max-memory 2GiB] [--frames 48]

Every run is the program itself, in a process of its own that says its peak memory: within the limit, within less, and
without a limit. Three comparisons of the still in tiles: with other tiles; with the whole picture computed in the same
way (as one tile), which shows whether tiles are exact; and with the whole picture as OpenVINO computes it without a
limit, whose own sums over so many numbers are less exact, as a comparison of that with one tile shows. Writes
`results/large-<machine>.json`. Takes about 5 GB and 5 minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from machine import write
from numpy.typing import NDArray

from vidgan.bench.synthetic import pictures, write_clip
from vidgan.blend import resolve_style
from vidgan.runtime.tiled import TiledRuntime
from vidgan.stylizer import fit_size, pad

Image = NDArray[np.uint8]
STILL_SIZE, CLIP_SIZE = (7680, 4320), (3840, 2160)
PRECISIONS = ("f32", "bf16", "auto")
LESS_MEMORY = "1700MiB"
"""For other tiles."""
WITHIN, WITHIN_LESS, WITHOUT = "within the limit", "within less", "without a limit"
_PROGRAM = """
import sys
from vidgan.bench.child import peak_memory_bytes
from vidgan.cli.main import main
try:
    main()
finally:
    print("peak", peak_memory_bytes(), file=sys.stderr)
"""
_NOT_HERE = 3  # the exit code for what this machine can't do


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--style", default="starry-night")
    parser.add_argument("--max-memory", default="2GiB")
    parser.add_argument("--frames", type=int, default=48, help="of the clip")
    arguments = parser.parse_args()
    limits = {WITHIN: arguments.max_memory, WITHIN_LESS: LESS_MEMORY, WITHOUT: None}
    with tempfile.TemporaryDirectory() as folder:
        figures = {
            "style": arguments.style,
            "limits": limits,
            "still": measure_still(Path(folder), arguments.style, limits),
            "clip": measure_clip(Path(folder), arguments.style, limits, arguments.frames),
        }
    print(json.dumps(figures, indent=2))
    print(write("large", figures))


def measure_still(folder: Path, style: str, limits: dict[str, str | None]) -> dict[str, Any]:
    """Restyle one picture in each precision, within each limit."""
    source = folder / "still.png"
    picture_HWC = next(pictures(STILL_SIZE, 1))
    cv2.imwrite(str(source), picture_HWC[..., ::-1])
    figures: dict[str, Any] = {"size": list(STILL_SIZE)}
    for precision in PRECISIONS:
        runs: dict[str, dict[str, Any]] = {}
        results = {}
        for name, limit in limits.items():
            result = folder / "result.png"
            run = stylize(source, result, limit, "--style", style, "--precision", precision)
            if run is None:
                break
            runs[name], results[name] = run, read_picture(result)
        if len(runs) == len(limits):
            one_tile = as_one_tile(picture_HWC, style, runs[WITHIN]["precision"])
            figures[precision] = {
                "runs": runs,
                "tiles against other tiles": compare(results[WITHIN], results[WITHIN_LESS]),
                "tiles against one tile": compare(results[WITHIN], one_tile),
                "tiles against OpenVINO's whole": compare(results[WITHIN], results[WITHOUT]),
                "one tile against OpenVINO's whole": compare(one_tile, results[WITHOUT]),
            }
    return figures


def as_one_tile(picture_HWC: Image, style: str, precision: str) -> Image:
    """Restyle a whole picture in the way that tiles are computed: its statistics first, in float64."""
    found = resolve_style(style)
    path = found.int8_path if precision == "int8" and found.int8_path else found.path
    height, width = picture_HWC.shape[:2]
    size = fit_size(width, found), fit_size(height, found)
    padded_HWC = pad(picture_HWC, width=size[0], height=size[1], margin=found.margin)
    with TiledRuntime(path, size=size, tile=size, precision=precision) as runtime:
        styled_HWC = runtime.submit(padded_HWC).result()
    return styled_HWC[found.margin : found.margin + height, found.margin : found.margin + width]


def measure_clip(folder: Path, style: str, limits: dict[str, str | None], frames: int) -> dict[str, Any]:
    """Restyle a clip with sound, smoothed, within each limit."""
    source = folder / "clip.mp4"
    write_clip(source, size=CLIP_SIZE, num_frames=frames)
    results = {name: folder / f"{name}.mp4" for name in limits}
    runs = {name: stylize(source, results[name], limit, "--style", style) for name, limit in limits.items()}
    return {"size": list(CLIP_SIZE), "frames": frames, "runs": runs}


def stylize(source: Path, result: Path, limit: str | None, *arguments: str) -> dict[str, Any] | None:
    """Run the program once to fill its cache, then once that counts; None where this machine can't do it."""
    command = [sys.executable, "-c", _PROGRAM, "stylize", str(source), "-o", str(result), "--overwrite", "--json"]
    command += [*arguments, *(("--max-memory", limit) if limit else ())]
    for _ in range(2):
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
        seconds = time.monotonic() - began
        if done.returncode == _NOT_HERE:
            return None
        if done.returncode:
            raise RuntimeError(done.stderr)
    report = json.loads(done.stdout)
    ran = report["runtime"]
    return {
        "peak_mebibytes": round(int(done.stderr.rsplit("peak", 1)[1]) / 2**20),
        "seconds_of_the_command": round(seconds, 2),
        "frames_per_second": report["fps"],
        "precision": ran["precision"],
        "frames_in_flight": ran["depth"],
        "tiles": ran["tiles"],
        "tile_size": ran["tile_size"],
    }


def read_picture(path: Path) -> Image:
    """Return an RGB picture."""
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB), np.uint8)


def compare(one: Image, other: Image) -> dict[str, float]:
    """Return the largest difference in levels of 255, and the share of values that differ."""
    difference = cv2.absdiff(one, other)
    return {"largest_levels": int(difference.max()), "share_of_values": round(float((difference > 0).mean()), 6)}


if __name__ == "__main__":
    main()
