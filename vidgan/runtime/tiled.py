"""Large pictures in little memory: a network computed tile by tile, with the result of the whole picture.

What a network looks at is found in its graph (`reach.py`); tiles overlap by as much. What it looks at as a whole, the
statistics of instance normalisation, is gathered first, in one round of tiles for each level (`tile_graph.py`).
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidgan.errors import MachineError, StyleError
from vidgan.runtime import RuntimeReport
from vidgan.runtime.openvino import (
    choose_options,
    compile_cached,
    device_name,
    fix_size,
    read_network,
    reason_of,
    reported_precision,
)
from vidgan.runtime.openvino_import import ov
from vidgan.runtime.reach import Norm, Reach, walk
from vidgan.runtime.slots import Slots
from vidgan.runtime.tile_graph import Numbers, Statistics, cut
from vidgan.runtime.tile_plan import Span, Tiling

Image = NDArray[np.uint8]
_VERSION = 1
"""Of the graphs that `tile_graph.cut` makes: another number builds them anew."""


class TiledRuntime:
    """A network that OpenVINO computes tile by tile, for pictures of one size. A context manager.

    Frames are worked on one after another, by a thread of its own.
    """

    def __init__(
        self,
        style_path: Path,
        *,
        tile: tuple[int, int],
        size: tuple[int, int],
        device: str = "auto",
        precision: str = "auto",
        cache_dir: Path | None = None,
        depth: int | None = None,
        num_threads: int | None = None,
    ) -> None:
        """Compile `style_path` for tiles of one size.

        Args:
            style_path: The ONNX file.
            tile: Width and height of the tiles in pixels; multiples of the network's alignment.
            size: Of the pictures.
            device: As in `vidgan.runtime.open_runtime`, like the following ones.
            precision: "auto", "f32", "f16" or "bf16".
            cache_dir: Where compiled networks are kept.
            depth: How many frames may be in flight; 1 by default, since each takes memory.
            num_threads: CPU threads.

        Raises:
            ValueError: a tile that doesn't fit the network or the picture.
            StyleError: the network can't be computed in tiles.
            RuntimeUnavailableError: the device or the precision is not to be had here.
        """
        # One stream: tiles come one after another, and a second stream would take the memory of a second tile.
        self.depth = depth or 1
        device, options = choose_options(device, precision, depth=1, num_threads=num_threads)
        model, reach = read_with_reach(style_path, size)
        if any(length % reach.alignment for length in tile):
            raise ValueError(f"tile is {tile[0]}x{tile[1]}; give multiples of {reach.alignment} pixels")
        self._tiling = Tiling(picture=size, tile=tile, halo=reach.halo)
        self._rounds = _compile(style_path, model, reach, self._tiling, device, options, cache_dir)
        self.report = RuntimeReport(
            runtime="openvino",
            version=ov.get_version().split("-")[0],
            device=device,
            device_name=device_name(device),
            precision=reported_precision(precision, options),
            size=size,
            depth=self.depth,
            from_cache=all(bool(r.compiled.get_property("LOADED_FROM_CACHE")) for r in self._rounds),
            tiles=self._tiling.count,
            tile_size=tile,
        )
        self._slots = Slots(size, self.depth, 1, "vidgan-openvino-tiles")

    def __enter__(self) -> TiledRuntime:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def submit(self, frame_HWC: Image) -> Future[Image]:
        """Start one frame, as `vidgan.runtime.Runtime.submit` says."""
        return self._slots.submit(frame_HWC, self._infer)

    def close(self) -> None:
        """Finish what is in flight and free the network. Calling it twice is harmless."""
        self._slots.close()
        self._rounds = []

    def _infer(self, frame_HWC: Image) -> Image:
        styled_HWC = np.empty(frame_HWC.shape, np.uint8)
        known: dict[str, Numbers] = {}
        try:
            for one in self._rounds:
                known |= one.run(frame_HWC, styled_HWC, self._tiling, known)
        except RuntimeError as error:
            raise MachineError(f"inference failed on {self.report.device}: {reason_of(error)}") from error
        return styled_HWC


def read_with_reach(path: Path, size: tuple[int, int]) -> tuple[ov.Model, Reach]:
    """Read a network, give it the size of whole pictures, and find how far it looks.

    Raises:
        StyleError: it can't be computed in tiles, or doesn't take this size.
    """
    model = read_network(path)
    fix_size(model, path, size)
    reach = walk(model, path)
    if any(length % reach.alignment for length in size):
        raise StyleError(
            f"{path}: can't be computed in tiles: pictures of {size[0]}x{size[1]} aren't multiples of "
            f"{reach.alignment}, by which it shrinks them; correct size_multiple in its card"
        )
    return model, reach


def _compile(
    path: Path,
    model: ov.Model,
    reach: Reach,
    tiling: Tiling,
    device: str,
    options: dict[str, str],
    cache_dir: Path | None,
) -> list[_Round]:
    fix_size(model, path, tiling.tile)
    _check_same(path, reach, walk(model, path), tiling)
    rounds = []
    for number, part in enumerate(cut(model, reach.norms)):
        compiled = compile_cached(
            part.model,
            path,
            device,
            options,
            size=tiling.tile,
            cache_dir=cache_dir,
            part=f", part {number} of tiles, {_VERSION}",
        )
        norms = {i: reach.norms[i] for i in part.sums}
        rounds.append(_Round(compiled=compiled, request=compiled.create_infer_request(), norms=norms))
    return rounds


def _check_same(path: Path, whole: Reach, tile: Reach, tiling: Tiling) -> None:
    """Refuse a network that does something else with a tile than with the picture: that scales to a fixed size, say."""
    for name, sides in whole.sizes.items():
        for (side, step, many), (_, _, few) in zip(sides, tile.sizes[name], strict=True):
            missing = tiling.picture[1 - side] - tiling.tile[1 - side]
            if (many - few) * step != missing:
                raise StyleError(
                    f"{path}: can't be computed in tiles: what it does depends on the picture's size; allow more "
                    "memory for the whole picture, or choose a smaller --scale"
                )


@dataclass(kw_only=True)
class _Round:
    """One compiled part of the network, and what to do with it for a picture."""

    compiled: ov.CompiledModel
    request: ov.InferRequest
    norms: dict[int, Norm]
    """Those that it sums for, by their numbers; where there are none it gives the picture."""

    def run(self, frame_HWC: Image, styled_HWC: Image, tiling: Tiling, known: dict[str, Numbers]) -> dict[str, Numbers]:
        """Run every tile; returns scales and shifts by their names, or fills `styled_HWC`."""
        frames, *others = self.compiled.inputs
        inputs = {port: known[name] for port in others if (name := port.get_any_name()) in known}
        statistics = {i: Statistics(self.compiled.output(f"sum_{i}").get_shape()[1]) for i in self.norms}
        for row, column in ((row, column) for row in tiling.rows for column in tiling.columns):
            y, x = row.origin, column.origin
            inputs[frames] = np.ascontiguousarray(frame_HWC[np.newaxis, y : y + tiling.tile[1], x : x + tiling.tile[0]])
            counted = self._count_columns(inputs, column, tiling)
            results = self.request.infer(inputs, share_inputs=True, share_outputs=True)
            for i, norm in self.norms.items():
                sums, squares = (results[self.compiled.output(f"{name}_{i}")][0, ..., 0] for name in ("sum", "squares"))
                places = _places(row, norm.height.step, sums.shape[1], tiling.picture[1])
                statistics[i].add(sums[:, places], squares[:, places], columns=counted[i])
            if not self.norms:
                cell_HWC = results[self.compiled.outputs[0]][0, row.begin - y : row.end - y]
                inside = slice(column.begin - x, column.end - x)
                styled_HWC[row.begin : row.end, column.begin : column.end] = cell_HWC[:, inside]
        # Rounds take turns: the memory of one serves the next.
        self.compiled.release_memory()
        found = {}
        for i, norm in self.norms.items():
            found[f"scale_{i}"], found[f"shift_{i}"] = statistics[i].finish(norm.epsilon, inside=norm.inside)
        return found

    def _count_columns(self, inputs: dict[ov.ConstOutput, Numbers], column: Span, tiling: Tiling) -> dict[int, int]:
        """Tell the network which columns of a tile count in the sums; returns how many do."""
        counted = {}
        for i, norm in self.norms.items():
            port = self.compiled.input(f"columns_{i}")
            counts = np.zeros(list(port.get_shape()), np.float32)
            counts[..., _places(column, norm.width.step, counts.shape[-1], tiling.picture[0])] = 1
            counted[i] = int(counts.sum())
            inputs[port] = counts
            inputs[self.compiled.input(f"share_{i}")] = np.full((1, 1, 1, 1), 1 / counted[i], np.float32)
        return counted


def _places(span: Span, step: Fraction, size: int, length: int) -> slice:
    """Return which of a tile's `size` places belong to its cell; what lies beyond the picture, to the outermost."""
    first = 0 if span.begin == 0 else int((span.begin - span.origin) / step)
    return slice(first, size if span.end == length else int((span.end - span.origin) / step))
