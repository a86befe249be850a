"""A benchmark as one object of plain values, described in docs/bench.md, and as a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vidgan.bench.result import BenchResult, ClipFigures, NetworkFigures
from vidgan.bench.stages import UNAVOIDABLE, UNAVOIDABLE_UNSMOOTHED, WANTED
from vidgan.bench.timing import percentile, spread
from vidgan.bench.whole import Run
from vidgan.errors import InputError
from vidgan.video.target import Target, as_sink_error

SCHEMA = 1
"""Counted up whenever a field changes its meaning or goes; docs/bench.md describes this one."""
KIND = "vidgan bench"
_DIGITS = 5
_HINT = "give what `vidgan bench --json FILE` wrote"


def as_object(result: BenchResult) -> dict[str, Any]:
    """Sum up a benchmark: every measured figure becomes its median, lowest and highest value over the rounds."""
    options = result.options
    chosen = next((figures for figures in result.networks.values() if figures.is_chosen), None)
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "machine": result.machine,
        "settings": {
            "style": str(options.style),
            "model_sha256": result.model_sha256,
            "size": list(result.size),
            "runtime": options.runtime,
            "device": options.device,
            "precision": options.precision,
            "repeats": options.repeats,
            "frames": options.frames,
            "network_frames": options.network_frames,
        },
        "network": {precision: _network(figures) for precision, figures in result.networks.items()},
        "clips": {name: _clip(figures, chosen, result.machine["cores"]) for name, figures in result.clips.items()},
        "start_up_seconds": _spread(result.start_up_seconds),
    }


def efficiency(stages_core_ms: Sequence[float], run: Run, cores: int) -> float:
    """Return the share of a run's core time that a set of stages would have needed, measured alone.

    core-seconds of the stages for all frames / (cores x seconds of the run)

    Args:
        stages_core_ms: of each stage, per frame.
        run: the whole run.
        cores: how many the run could use.
    """
    return sum(stages_core_ms) / 1000 * run.frames / (cores * run.seconds)


def write(found: dict[str, Any], target: Target) -> None:
    """Write the object as JSON under its final name, whole or not at all.

    Raises:
        SinkError, DiskFullError: it can't be written.
    """
    try:
        with as_sink_error(target.path):
            target.temporary.write_text(to_json(found), encoding="utf-8")
        target.commit()
    finally:
        target.discard()


def to_json(found: dict[str, Any]) -> str:
    """Return the object as text."""
    return json.dumps(found, indent=2, allow_nan=False) + "\n"


def read(path: Path) -> dict[str, Any]:
    """Read what `write` wrote.

    Raises:
        InputError: it isn't there, or is no result of this version's `vidgan bench`.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON, or cut short; {_HINT}") from error
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise InputError(f"{path}: not a result of `vidgan bench`; {_HINT}")
    if found.get("schema") != SCHEMA:
        raise InputError(
            f"{path}: schema {found.get('schema')}, and this vidgan reads schema {SCHEMA}; measure again with "
            "the same version on both sides"
        )
    if any(not isinstance(found.get(part), dict) for part in ("machine", "settings", "network", "clips")):
        raise InputError(f"{path}: parts are missing; {_HINT}")
    return found


def _network(figures: NetworkFigures) -> dict[str, Any]:
    return {
        **{name: list(value) if isinstance(value, tuple) else value for name, value in figures.facts.items()},
        "is_chosen": figures.is_chosen,
        "throughput_fps": _spread([1000 / cost.wall_ms for cost in figures.throughput]),
        "wall_ms": _spread([cost.wall_ms for cost in figures.throughput]),
        "core_ms": _spread([cost.core_ms for cost in figures.throughput]),
        "latency_p50_ms": _spread([percentile(round_, 50) for round_ in figures.latencies_ms]),
        "latency_p99_ms": _spread([percentile(round_, 99) for round_ in figures.latencies_ms]),
    }


def _clip(figures: ClipFigures, network: NetworkFigures | None, cores: int) -> dict[str, Any]:
    clip, info = figures.clip, figures.clip.info
    stages: dict[str, dict[str, Any]] = {
        name: {
            "wall_ms": _spread([cost.wall_ms for cost in costs]),
            "core_ms": _spread([cost.core_ms for cost in costs]),
            "frames": figures.frames[name],
        }
        for name, costs in figures.stages.items()
    }
    core_ms = {name: stage["core_ms"]["median"] for name, stage in stages.items()}
    if network:
        core_ms["network"] = _spread([cost.core_ms for cost in network.throughput])["median"]
    # On a GPU the network isn't work of the cores, and a share of theirs would say nothing.
    on_cores = network is None or str(network.facts["device"]).startswith("CPU")
    return {
        "name": clip.path.name,
        "size": [info.width, info.height],
        "codec": clip.codec,
        "frames": clip.num_frames,
        "fps": float(info.average_rate) if info.average_rate else None,
        "has_sound": clip.has_sound,
        "stages": stages,
        "whole": {name: _whole(name, runs, core_ms if on_cores else {}, cores) for name, runs in figures.runs.items()},
    }


def _whole(name: str, runs: list[Run], core_ms: dict[str, float], cores: int) -> dict[str, Any]:
    found = {
        "fps": [run.fps for run in runs],
        "wall_ms": [1000 * run.seconds / run.frames for run in runs],
        "core_ms": [1000 * run.core_seconds / run.frames for run in runs],
        "setup_seconds": [run.setup_seconds for run in runs],
        "peak_memory_bytes": [float(run.peak_memory_bytes) for run in runs],
    }

    def share(counted: Sequence[str]) -> dict[str, float] | None:
        work = [core_ms[stage] for stage in counted if stage in core_ms]
        return _spread([efficiency(work, run, cores) for run in runs]) if work else None

    stages = {stage: [1000 * run.stage_seconds.get(stage, 0) / run.frames for run in runs] for stage in _stages(runs)}
    return {key: _spread(values) for key, values in found.items()} | {
        "stage_ms": {stage: _spread(values) for stage, values in stages.items()},
        "efficiency": share(
            UNAVOIDABLE_UNSMOOTHED if name == "no_smooth" and "encode_unsmoothed" in core_ms else UNAVOIDABLE
        ),
        "efficiency_smoothing": share(WANTED) if name == "smooth" else None,
    }


def _stages(runs: list[Run]) -> list[str]:
    return list(dict.fromkeys(stage for run in runs for stage in run.stage_seconds))


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {name: float(f"{value:.{_DIGITS}g}") for name, value in asdict(spread(values)).items()}
