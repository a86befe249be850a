"""Is it still the same picture? A clip restyled by an earlier revision and by this one, compared frame by frame.

    python benchmarks/unchanged.py CLIP --before REVISION [--style starry-night]

Both runs are lossless (FFV1 in RGB), with smoothing. f32 shows whether anything but rounding changed; bf16, and int8
against the earlier bf16, how far the faster precisions are. PSNR in dB over all values of a frame, differences in
levels of 255.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from machine import write
from numpy.typing import NDArray

REPOSITORY = Path(__file__).parent.parent
COMPARED = {"f32": ("f32", "f32"), "bf16": ("bf16", "bf16"), "int8 to bf16": ("bf16", "int8")}
"""Precision before and now."""


def main() -> None:
    """Restyle, compare and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--before", required=True, help="a revision of this repository")
    parser.add_argument("--style", default="starry-night")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        earlier = folder / "earlier"
        _git("worktree", "add", "--detach", "--quiet", str(earlier), arguments.before)
        try:
            figures = {
                label: compare(arguments.clip, arguments.style, folder, earlier, *precisions)
                for label, precisions in COMPARED.items()
            }
        finally:
            _git("worktree", "remove", "--force", str(earlier))
    facts = {"clip": arguments.clip.name, "style": arguments.style, "before": _git("rev-parse", arguments.before)}
    print(json.dumps(figures, indent=2))
    print(write("unchanged", {**facts, "smoothing": True, "compared": figures}))


def compare(clip: Path, style: str, folder: Path, earlier: Path, before: str, now: str) -> dict[str, Any]:
    """Return how close the frames of both revisions are."""
    first = restyle(earlier, clip, folder / "before.mkv", style, before)
    second = restyle(REPOSITORY, clip, folder / "now.mkv", style, now)
    psnrs, largest, changed, count = [], 0, 0, 0
    for one, other in zip(frames(first), frames(second), strict=True):
        difference = cv2.absdiff(one, other)
        psnrs.append(cv2.PSNR(one, other))
        largest, count = max(largest, int(difference.max())), count + 1
        changed += int(np.count_nonzero(difference))
    return {
        "frames": count,
        "psnr_mean": round(statistics.fmean(psnrs), 2),
        "psnr_worst": round(min(psnrs), 2),
        "largest_difference": largest,
        "share_changed": round(changed / (count * one.size), 6),
    }


def restyle(checkout: Path, clip: Path, result: Path, style: str, precision: str) -> Path:
    """Run `vidgan stylize` of a checkout; return `result`."""
    command = [sys.executable, "-m", "vidgan.cli.main", "stylize", str(clip.resolve()), "-o", str(result)]
    flags = ["--style", style, "--precision", precision, "--codec", "ffv1", "--pix-fmt", "bgr0", "--overwrite"]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    subprocess.run([*command, *flags], check=True, env=environment, cwd=checkout)
    return result


def frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield the pictures of a lossless file."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
