"""Choose how a network is computed within a limit of memory: whole pictures where they fit, else tiles."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vidgan.errors import InputError, StyleError
from vidgan.runtime import Runtime
from vidgan.runtime.memory import give_back_freed_memory, live_bytes, process_memory, weight_bytes
from vidgan.runtime.openvino import OpenVINORuntime, choose_options, fix_size, read_network
from vidgan.runtime.openvino_import import ov
from vidgan.runtime.tile_graph import cut
from vidgan.runtime.tile_plan import Tiling, choose_tiling
from vidgan.runtime.tiled import TiledRuntime, read_with_reach

logger = logging.getLogger(__name__)

_MIB = 1 << 20
LIBRARY_BYTES = 48 * _MIB
"""What OpenVINO takes once, as soon as it compiles something."""
PART_BYTES = 12 * _MIB
"""What each compiled network takes beside weights and tensors; 9 to 12 MiB were measured for the shipped styles."""
WEIGHTS_FACTOR = 1.25
"""Copies of weights in the order that the processor likes, to the weights; 1.13 in f32 and 0.75 in bf16 were
measured for a CycleGAN with nine blocks."""
TENSORS_FACTOR = 1.4
"""Tensors that OpenVINO holds, to `live_bytes`, which counts float32; from 0.5 (bf16) to 1.3 were measured."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a network, or one that was cut into parts, takes in bytes: `fixed + per_pixel * pixels`."""

    fixed: int
    """However small the picture."""
    per_pixel: float
    """For each pixel that is computed at once."""

    def at(self, pixels: int) -> int:
        """Return the bytes for so many pixels at once."""
        return self.fixed + int(self.per_pixel * pixels)


def open_within(
    style_path: Path,
    *,
    max_memory: int,
    reserved_memory: int,
    device: str,
    precision: str,
    size: tuple[int, int],
    cache_dir: Path | None,
    depth: int | None,
    num_threads: int | None,
) -> Runtime:
    """Open a network so that the process stays within a limit; arguments as in `vidgan.runtime.open_runtime`.

    Whole pictures come first, several in flight where they fit; then whole pictures one at a time; then tiles.

    Raises:
        InputError: not even the smallest useful tiles fit.
        StyleError: whole pictures don't fit, and the network can't be computed in tiles.
    """
    give_back_freed_memory()
    taken = process_memory() + reserved_memory
    frame = 3 * size[0] * size[1]
    whole = _cost_of_whole(style_path, size)
    for frames in dict.fromkeys((depth, depth or 1)):
        options = choose_options(device, precision, depth=frames, num_threads=num_threads)[1]
        streams = int(options.get("NUM_STREAMS", 1))
        # A frame in flight is a padded picture and a result.
        need = taken + whole.at(streams * size[0] * size[1]) + 2 * frame * (frames or 1 + streams)
        logger.info("whole pictures, %s in flight, take about %.0f MiB", frames or 1 + streams, need / _MIB)
        if need <= max_memory:
            return OpenVINORuntime(
                style_path,
                device=device,
                precision=precision,
                size=size,
                cache_dir=cache_dir,
                depth=frames,
                num_threads=num_threads,
            )
    tiling = _choose_tiles(style_path, size, max_memory, taken + 2 * frame * (depth or 1), whole=need)
    return TiledRuntime(
        style_path,
        tile=tiling.tile,
        size=size,
        device=device,
        precision=precision,
        cache_dir=cache_dir,
        depth=depth,
        num_threads=num_threads,
    )


def _cost_of_whole(path: Path, size: tuple[int, int]) -> Cost:
    model = read_network(path)
    fix_size(model, path, size)
    return _cost([model], size)


def _choose_tiles(path: Path, size: tuple[int, int], max_memory: int, taken: int, *, whole: int) -> Tiling:
    try:
        model, reach = read_with_reach(path, size)
    except StyleError as error:
        where = f"pictures of {size[0]}x{size[1]} don't fit into {_text(max_memory)} whole"
        raise StyleError(f"{where}, and {error}") from error
    cost = _cost((part.model for part in cut(model, reach.norms)), size)
    tiling, smallest = choose_tiling(
        size, halo=reach.halo, alignment=reach.alignment, fits=lambda pixels: taken + cost.at(pixels) <= max_memory
    )
    if tiling is None:
        # Where pictures are small, what tiles save is less than what they cost.
        least = min(whole, taken + cost.at(smallest.tile[0] * smallest.tile[1]))
        raise InputError(
            f"pictures of {size[0]}x{size[1]} can't be restyled within {_text(max_memory)}: it takes at least "
            f"{_text(least)}; allow that much, or choose a smaller --scale"
        )
    logger.info("%d tiles of %dx%d", tiling.count, *tiling.tile)
    return tiling


def _cost(models: Iterable[ov.Model], size: tuple[int, int]) -> Cost:
    """Add up what stays, and take the most of what comes and goes: parts run one after another."""
    fixed, live = float(LIBRARY_BYTES), 0
    for model in models:
        fixed += PART_BYTES + WEIGHTS_FACTOR * weight_bytes(model)
        live = max(live, live_bytes(model))
    return Cost(fixed=int(fixed), per_pixel=TENSORS_FACTOR * live / (size[0] * size[1]))


def _text(num_bytes: int) -> str:
    """Return a number of bytes as users type it, rounded up."""
    return f"{-(-num_bytes // _MIB)}MiB"
