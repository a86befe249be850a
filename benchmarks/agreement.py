"""How far runtimes, precisions and roads lie apart, on real frames.

    python benchmarks/agreement.py CLIP [--frames 12]

Of every shipped style: the same ONNX file in f32 on OpenVINO, ONNX Runtime and torch, pairwise, and in f16, bf16 and
int8 on torch against f32 on torch (arithmetic of the CPU; a card rounds in the same types). Of whole runs in f32:
pictures as tensors (the road of a graphics card, here on the CPU) against pictures as arrays, lossless, with smoothing
and without. Of the colour: luma and chroma of the clip, to RGB and back untouched, against what was decoded. PSNR in dB
over all values of a frame, differences in levels of 255. Writes `results/agreement-<machine>.json`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnxruntime
from apart import likeness
from machine import write
from numpy.typing import NDArray

from vidgan.job import StylizeOptions, stylize_video
from vidgan.runtime import open_runtime
from vidgan.styles import Style, list_styles
from vidgan.stylizer import fit_size, pad
from vidgan.video.colour import FromRGB, ToRGB, resolve, tagged_colour
from vidgan.video.encoder import EncoderOptions
from vidgan.video.sink import SinkOptions
from vidgan.video.source import SourceOptions, open_source

Image = NDArray[np.uint8]
HALVES = ("f16", "bf16", "int8")
LOSSLESS = EncoderOptions(codec="ffv1", pixel_format="bgr0")
STYLE = "starry-night"


def main() -> None:
    """Compare, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--frames", type=int, default=12)
    arguments = parser.parse_args()
    with open_source(arguments.clip) as source:
        frames = [frame.image for frame in islice(source, arguments.frames)]
    figures = {
        "clip": arguments.clip.name,
        "frames": len(frames),
        "styles": {style.name: compare_style(style, frames) for style in list_styles()},
        "tensors against arrays": compare_roads(arguments.clip, len(frames)),
        "colour there and back": compare_colour(arguments.clip, len(frames)),
    }
    print(json.dumps(figures, indent=2))
    print(write("agreement", figures))


def compare_style(style: Style, frames: Sequence[Image]) -> dict[str, Any]:
    """Compare runtimes in f32, and precisions on torch."""
    height, width = frames[0].shape[:2]
    size = fit_size(width, style), fit_size(height, style)
    given = [pad(frame, width=size[0], height=size[1], margin=style.margin) for frame in frames]
    results = {
        "openvino": run(given, style.path, "openvino", "f32", size),
        "onnxruntime": run_onnxruntime(given, style.path),
        "torch": run(given, style.path, "torch", "f32", size),
    }
    figures = {f"{one} and {other}": likeness(results[one], results[other]) for one, other in combinations(results, 2)}
    for precision in HALVES:
        path = style.int8_path if precision == "int8" else style.path
        if path:
            halved = run(given, path, "torch", precision, size)
            figures[f"torch in {precision}"] = likeness(halved, results["torch"])
    return figures


def run(frames: Sequence[Image], path: Path, runtime: str, precision: str, size: tuple[int, int]) -> list[Image]:
    """Restyle on one of vidgan's runtimes."""
    device = "cpu" if runtime == "torch" else "CPU"
    opened = open_runtime(path, int8_path=path, runtime=runtime, device=device, precision=precision, size=size)
    try:
        return [opened.submit(frame).result() for frame in frames]
    finally:
        opened.close()


def run_onnxruntime(frames: Sequence[Image], path: Path) -> list[Image]:
    """Restyle on ONNX Runtime."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return [session.run(None, {name: frame[np.newaxis]})[0][0] for frame in frames]


def compare_roads(clip: Path, frames: int) -> dict[str, Any]:
    """Restyle the clip as tensors and as arrays, and compare the files."""
    with av.open(str(clip)) as container:
        rate = container.streams.video[0].average_rate or Fraction(25)
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for smooth in (True, False):
            results = []
            for frames_on in ("cpu", "array"):
                options = StylizeOptions(
                    runtime="torch",
                    device="cpu",
                    frames_on=frames_on,
                    smooth=smooth,
                    source=SourceOptions(end_seconds=frames / rate),
                    sink=SinkOptions(encoder=LOSSLESS, overwrite=True),
                )
                report = stylize_video(clip, Path(folder) / f"{frames_on}.mkv", style=STYLE, options=options)
                assert report.path is not None
                with open_source(report.path) as source:
                    results.append([frame.image for frame in source])
            figures["smoothed" if smooth else "not smoothed"] = likeness(*results)
    return figures


def compare_colour(clip: Path, frames: int) -> dict[str, Any]:
    """Return by how many levels the planes move on the way to RGB and back, in the mean and at most."""
    differences: list[list[NDArray[np.int_]]] = [[], [], []]
    with av.open(str(clip)) as container:
        to_rgb, back = ToRGB(), None
        for frame in islice(container.decode(video=0), frames):
            name = frame.format.name
            colour = resolve(tagged_colour(frame), pixel_format=name, width=frame.width, height=frame.height)
            back = back or FromRGB(name, colour)
            returned = back(to_rgb(frame, colour))
            for kept, old, new in zip(differences, planes(frame), planes(returned), strict=True):
                kept.append(np.abs(old.astype(int) - new))
    return {
        name: {"mean": round(float(np.mean(kept)), 4), "largest": int(np.max(kept))}
        for name, kept in zip(("luma", "cb", "cr"), differences, strict=True)
    }


def planes(frame: av.VideoFrame) -> Iterator[Image]:
    """Yield the planes of a frame of 8 bits without what fills up their rows."""
    for plane in frame.planes:
        yield np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]


if __name__ == "__main__":
    main()
