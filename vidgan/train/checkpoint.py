"""Checkpoints: one file that is enough to go on, never half written."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import torch

from vidgan.errors import DiskFullError, InputError


def save_checkpoint(
    path: Path, parts: dict[str, Any], config: dict[str, Any], step: int, notes: dict[str, str] | None = None
) -> None:
    """Write the state of `parts` (networks, optimisers, schedules), the configuration and the step, atomically.

    Args:
        path: the file; its folder is made where missing.
        parts: by name, whatever has a `state_dict()`.
        config: what `load_checkpoint` compares.
        step: how many steps were done.
        notes: what else the file shall say, in words.

    Raises:
        DiskFullError: no space; the checkpoint of before is still there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    state = {name: part.state_dict() for name, part in parts.items()}
    buffer = io.BytesIO()
    torch.save({"config": _plain(config), "step": step, **(notes or {}), **state}, buffer)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            # The new name must not reach the disk before the contents: after a power cut neither file would be whole.
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DiskFullError(f"{path}: the checkpoint can't be written ({error.strerror})") from error


def load_checkpoint(path: Path, parts: dict[str, Any], config: dict[str, Any]) -> int:
    """Put the saved state into `parts` and return how many steps were done.

    Raises:
        InputError: the file is no checkpoint, or that of another configuration.
    """
    saved = read_checkpoint(path)
    differing = [key for key, value in config.items() if saved["config"].get(key) != _plain(value)]
    if differing:
        raise InputError(
            f"{path}: a run with other settings ({', '.join(differing)}); give the same ones or another folder"
        )
    _fill(path, parts, saved)
    return int(saved["step"])


def load_parts(path: Path, parts: dict[str, Any]) -> None:
    """Put the saved state into `parts`, whatever the configuration and the step.

    Raises:
        InputError: the file is no checkpoint, or its parts have other shapes.
    """
    _fill(path, parts, read_checkpoint(path))


def _fill(path: Path, parts: dict[str, Any], saved: dict[str, Any]) -> None:
    try:
        for name, part in parts.items():
            part.load_state_dict(saved[name])
    except (RuntimeError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: a checkpoint of something else ({reason})") from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return everything in a checkpoint: `config` (paths as text, tuples as lists), `step`, the parts and the notes.

    Raises:
        InputError: the file is no checkpoint.
    """
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise InputError(f"{path}: not a checkpoint that can be read ({type(error).__name__})") from error
    if not isinstance(saved, dict) or not {"config", "step"} <= saved.keys():
        raise InputError(f"{path}: not a checkpoint of vidgan")
    return saved


def seconds_of(path: Path) -> float:
    """Return how long the run in a checkpoint has trained, over all its starts.

    Raises:
        InputError: the file is no checkpoint.
    """
    return float(read_checkpoint(path).get("seconds", 0))


def _plain(value: object) -> object:
    """Turn paths and tuples into what a restricted unpickler accepts and compares."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value
