"""How fast networks run at 1280x720 beside the largest matrix products of the same machine, all in turn."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from graphs import count_gflop, freeze_normalisation
from held_out import Picture

from vidgan.picture import resized
from vidgan.runtime import Runtime, open_runtime
from vidgan.runtime.openvino_import import ov
from vidgan.styles import Style
from vidgan.stylizer import fit_size, pad

WIDTH, HEIGHT = 1280, 720
SIDES = (1024, 2048, 3072, 4096)
"""Of the square matrices."""
QUICK_SIDES = (512, 1024)
TORCH_TYPES = {"bf16": torch.bfloat16, "f32": torch.float32}


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A network and how it is to be run."""

    style: Style
    """Whose size rule and margin count."""
    path: Path
    """The ONNX file: the style's own or a changed copy."""
    precision: str = "auto"
    """As in `open_runtime`."""


def measure_speed(
    style: Style, others: Mapping[str, Style], frames: Sequence[Picture], folder: Path, *, quick: bool
) -> dict[str, Any]:
    """Time a shipped style, its copy without normalisation, the same in f32, and other styles.

    Args:
        style: the shipped one.
        others: by the name that they have in the result.
        frames: pictures to restyle; brought to 1280x720.
        folder: for the changed copy and for compiled networks.
        quick: fewer rounds, smaller matrices.

    Returns:
        For each network frames per second, arithmetic and share of the ceiling; for each precision the ceiling.
    """
    contestants = {"shipped": Contestant(style=style, path=style.path)}
    frozen = folder / "frozen.onnx"
    num_norms = freeze_normalisation(style.path, frozen)
    if num_norms:
        contestants["normalisation frozen"] = Contestant(style=style, path=frozen)
    contestants["shipped, f32"] = Contestant(style=style, path=style.path, precision="f32")
    contestants |= {name: Contestant(style=other, path=other.path) for name, other in others.items()}
    with ExitStack() as opened:
        runtimes = {name: opened.enter_context(_open(each, folder)) for name, each in contestants.items()}
        padded = {name: [_fit(frame, contestants[name].style) for frame in frames] for name in contestants}
        precisions = sorted({runtime.report.precision for runtime in runtimes.values()})
        products = _products(precisions, QUICK_SIDES if quick else SIDES)
        speeds: dict[str, list[float]] = {name: [] for name in contestants}
        rates: dict[tuple[str, str, int], list[float]] = {key: [] for key in products}
        for _ in range(3 if quick else 8):
            for name, runtime in runtimes.items():
                speeds[name].append(_frames_per_second(runtime, padded[name]))
            for key, multiply in products.items():
                rates[key].append(_tflop_per_second(multiply, key[2]))
        ceilings = {precision: _ceiling(rates, precision) for precision in precisions}
        networks = {
            name: _describe(contestants[name], runtime, speeds[name][1:], ceilings)
            for name, runtime in runtimes.items()
        }
    return {
        "style": style.name,
        "networks": networks,
        "ceilings": ceilings,
        "num_normalisations": num_norms,
        "normalisation_milliseconds": _cost_of_normalisation(networks),
    }


def _describe(
    contestant: Contestant, runtime: Runtime, speeds: Sequence[float], ceilings: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    width, height = runtime.report.size
    gflop = count_gflop(contestant.path, width=width, height=height)
    fps = statistics.median(speeds)
    tflops = gflop * fps / 1000
    return {
        "fps_median": fps,
        "fps_lowest": min(speeds),
        "fps_highest": max(speeds),
        "rounds": len(speeds),
        "precision": runtime.report.precision,
        "network_size": [width, height],
        "gflop": gflop,
        "tflop_per_second": tflops,
        "share_of_ceiling": tflops / ceilings[runtime.report.precision]["tflop_per_second"],
    }


def _cost_of_normalisation(networks: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Return milliseconds per frame; None where the network has no normalisation."""
    if "normalisation frozen" not in networks:
        return None
    return float(1000 / networks["shipped"]["fps_median"] - 1000 / networks["normalisation frozen"]["fps_median"])


@contextmanager
def _open(contestant: Contestant, folder: Path) -> Iterator[Runtime]:
    width, height = fit_size(WIDTH, contestant.style), fit_size(HEIGHT, contestant.style)
    runtime = open_runtime(
        contestant.path, precision=contestant.precision, size=(width, height), cache_dir=folder / "cache"
    )
    try:
        yield runtime
    finally:
        runtime.close()


def _fit(frame: Picture, style: Style) -> Picture:
    width, height = fit_size(WIDTH, style), fit_size(HEIGHT, style)
    return pad(resized(frame, WIDTH, HEIGHT), width=width, height=height, margin=style.margin)


def _frames_per_second(runtime: Runtime, frames: Sequence[Picture]) -> float:
    began = time.perf_counter()
    for future in [runtime.submit(frame) for frame in frames]:
        future.result()
    return len(frames) / (time.perf_counter() - began)


Multiply = Callable[[], object]


def _products(precisions: Sequence[str], sides: Sequence[int]) -> dict[tuple[str, str, int], Multiply]:
    """Make matrix products by precision, library and side; what a library can't do here is left out."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    products: dict[tuple[str, str, int], Multiply] = {}
    for precision in precisions:
        for side in sides:
            products[precision, "openvino", side] = _in_openvino(precision, side)
            if precision in TORCH_TYPES:
                products[precision, "torch", side] = _in_torch(precision, side)
    return products


def _in_torch(precision: str, side: int) -> Multiply:
    left, right = (torch.rand(side, side).to(TORCH_TYPES[precision]) for _ in range(2))
    result = torch.empty_like(left)
    return lambda: torch.mm(left, right, out=result)


def _in_openvino(precision: str, side: int) -> Multiply:
    """Multiply by a constant matrix, as convolutions multiply by their weights; both already in `precision`."""
    ops, kind = ov.opset13, getattr(ov.Type, precision)
    left = ops.parameter([side, side], kind)
    right = ops.convert(ops.constant(np.random.default_rng(0).random((side, side), np.float32)), precision)
    model = ov.Model([ops.matmul(left, right, False, False)], [left])
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    request = ov.Core().compile_model(model, "CPU", options).create_infer_request()
    request.get_input_tensor().data[:] = 0

    def multiply() -> None:
        # Without the copy of the result that `infer` makes.
        request.start_async()
        request.wait()

    return multiply


def _tflop_per_second(multiply: Multiply, side: int) -> float:
    began = time.perf_counter()
    multiply()
    return 2 * side**3 / (time.perf_counter() - began) / 1e12


def _ceiling(rates: Mapping[tuple[str, str, int], Sequence[float]], precision: str) -> dict[str, Any]:
    """Return the fastest of all products in a precision, and the fastest run of each."""
    best = {f"{library} {side}": max(runs) for (kind, library, side), runs in rates.items() if kind == precision}
    fastest = max(best, key=lambda name: best[name])
    return {"tflop_per_second": best[fastest], "fastest": fastest, "each": best}
