"""The float network or its int8 twin? Measured once on each machine, then remembered."""

from __future__ import annotations

import hashlib
import json
import logging
import statistics
import time
from pathlib import Path

import numpy as np

from vidgan.runtime.cache import cache_entry, default_cache_folder
from vidgan.runtime.openvino import choose_options, compile_cached, device_name, fix_size, read_network
from vidgan.runtime.openvino_import import ov
from vidgan.runtime.plan import file_sha256, take_network

logger = logging.getLogger(__name__)

LEAST_GAIN = 1.05
"""int8 costs some exactness, so it has to be so many times as fast to be taken."""
TRIAL_SIZE = (512, 256)
"""Width and height, in pixels, of the picture that both are timed on."""
ROUNDS = 7


def choose_network(
    style_path: Path, int8_path: Path | None, *, device: str, precision: str, cache_dir: Path | None
) -> tuple[Path, str]:
    """Return the file to compile, and the precision to compile it in.

    Args:
        style_path: the float network.
        int8_path: the same quantised; None where there is none.
        device: as in `open_runtime`, like the next one.
        precision: "int8" takes the twin, "auto" the faster of the two, all others the float network.
        cache_dir: where the answer is kept; by default the user's cache folder.

    Raises:
        StyleError: int8 is asked for, and there is none; or a file is broken.
        RuntimeUnavailableError: no such device, or it can't compile them.
    """
    if precision == "auto" and int8_path and _prefers_int8(style_path, int8_path, device, cache_dir):
        return int8_path, "int8"
    return take_network(style_path, int8_path, precision), precision


def _prefers_int8(style_path: Path, int8_path: Path, device: str, cache_dir: Path | None) -> bool:
    device, options = choose_options(device, "auto", depth=1, num_threads=1)
    facts = (
        file_sha256(style_path),
        file_sha256(int8_path),
        ov.get_version(),
        device,
        device_name(device),
        sorted(options.items()),
    )
    key = f"choice-{hashlib.sha256(repr(facts).encode()).hexdigest()[:20]}"
    with cache_entry((cache_dir or default_cache_folder()) / "openvino", key) as entry:
        note = entry / "choice.json" if entry else None
        known = _read(note) if note else None
        if known is not None:
            return known
        float_seconds, int8_seconds = _measure((style_path, int8_path), device, options, cache_dir)
        answer = float_seconds >= LEAST_GAIN * int8_seconds
        logger.info("float takes %.1f ms, int8 %.1f ms", 1000 * float_seconds, 1000 * int8_seconds)
        if note:
            _write(note, {"prefers_int8": answer, "float_seconds": float_seconds, "int8_seconds": int8_seconds})
        return answer


def _measure(paths: tuple[Path, Path], device: str, options: dict[str, str], cache_dir: Path | None) -> list[float]:
    """Return the median seconds of each network, timed in turn after a warm-up."""
    requests = []
    for path in paths:
        model = read_network(path)
        fix_size(model, path, TRIAL_SIZE)
        compiled = compile_cached(model, path, device, options, size=TRIAL_SIZE, cache_dir=cache_dir)
        requests.append(compiled.create_infer_request())
    picture = np.random.default_rng(0).integers(0, 256, (1, TRIAL_SIZE[1], TRIAL_SIZE[0], 3), np.uint8)
    seconds: list[list[float]] = [[] for _ in requests]
    for _ in range(ROUNDS + 1):
        for request, taken in zip(requests, seconds, strict=True):
            began = time.perf_counter()
            request.infer([picture])
            taken.append(time.perf_counter() - began)
    return [statistics.median(taken[1:]) for taken in seconds]


def _read(note: Path) -> bool | None:
    try:
        answer = json.loads(note.read_text(encoding="utf-8"))["prefers_int8"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return answer if isinstance(answer, bool) else None


def _write(note: Path, facts: dict[str, bool | float]) -> None:
    try:
        note.write_text(json.dumps(facts), encoding="utf-8")
    except OSError as error:
        logger.warning("can't keep the choice of precision in %s (%s)", note, error)
