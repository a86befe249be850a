"""Checkpoints: one file that is enough to go on, never half written."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from vidgan.errors import DiskFullError, InputError


def save_checkpoint(path: Path, parts: dict[str, Any], config: dict[str, Any], step: int) -> None:
    """Write the state of `parts` (networks, optimisers, schedules), the configuration and the step, atomically.

    Raises:
        DiskFullError: no space; the checkpoint of before is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    state = {name: part.state_dict() for name, part in parts.items()}
    try:
        torch.save({"config": _plain(config), "step": step, **state}, temporary)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        raise DiskFullError(f"{path}: the checkpoint can't be written ({error})") from error


def load_checkpoint(path: Path, parts: dict[str, Any], config: dict[str, Any]) -> int:
    """Put the saved state into `parts` and return how many steps were done.

    Raises:
        InputError: the file is no checkpoint, or that of another configuration.
    """
    saved = _read(path)
    differing = [key for key, value in _plain(config).items() if saved["config"].get(key) != value]
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
    _fill(path, parts, _read(path))


def _fill(path: Path, parts: dict[str, Any], saved: dict[str, Any]) -> None:
    try:
        for name, part in parts.items():
            part.load_state_dict(saved[name])
    except (RuntimeError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: a checkpoint of something else ({reason})") from error


def read_config(path: Path) -> dict[str, Any]:
    """Return the configuration in a checkpoint, paths and tuples as text.

    Raises:
        InputError: the file is no checkpoint.
    """
    return dict(_read(path)["config"])


def _read(path: Path) -> dict[str, Any]:
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise InputError(f"{path}: not a checkpoint that can be read ({type(error).__name__})") from error
    if not isinstance(saved, dict) or not {"config", "step"} <= saved.keys():
        raise InputError(f"{path}: not a checkpoint of vidgan")
    return saved


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """Turn paths and tuples into what a restricted unpickler accepts and compares."""
    return {key: str(value) if isinstance(value, (Path, tuple)) else value for key, value in config.items()}
