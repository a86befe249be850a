"""From a trained network to a style that can be used: the ONNX file, checked against torch, and its card."""

from __future__ import annotations

import errno
import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tomli_w
import torch

from vidgan.errors import DiskFullError, SinkError
from vidgan.networks.generators import SIZES, StyleNet, count_parameters
from vidgan.runtime.export import export_onnx
from vidgan.styles import CARD_NAME, MODEL_NAME
from vidgan.train.measures import measure_speed, measure_style
from vidgan.train.style import StyleConfig, family_of

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def publish_style(
    network: StyleNet,
    config: StyleConfig,
    folder: Path,
    *,
    name: str,
    licence: str = "",
    description: str = "",
    family: str | None = None,
    notes: Mapping[str, str | float] | None = None,
    speed_seconds: float = 3.0,
) -> Path:
    """Write `model.onnx` and `card.toml` into `folder`, both at the end, when all is measured.

    Args:
        network: as `train_style` returns it.
        config: what it was trained with.
        folder: made if missing; files of those names are replaced.
        name: of the style.
        licence: of the result.
        description: what it does to a video; by default which paintings it follows.
        family: of the run; by default that of `config`.
        notes: what else the card's table `training` shall say, such as `minutes` and `data`.
        speed_seconds: how long to measure the speed.

    Returns:
        The path of the ONNX file.

    Raises:
        StyleError: the ONNX file doesn't compute what torch does.
        DiskFullError: no space for the style; what was there before still is.
        SinkError: `folder` can't be written.
    """
    card: dict[str, Any] = {
        "name": name,
        "title": name.replace("-", " ").title(),
        "description": description or f"in the manner of {', '.join(path.name for path in config.styles)}",
        "licence": licence,
        "family": family or family_of(config),
        "size_multiple": StyleNet.size_multiple,
        "minimum_size": StyleNet.minimum_size,
        "margin": StyleNet.margin,
        "training": {**(notes or {}), **_training(network, config)},
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # In the same folder, since a file can be moved in one step only within a file system.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".publish-") as draft:
            _write(network, config, Path(draft), card, speed_seconds)
            for file in (MODEL_NAME, CARD_NAME):
                (Path(draft) / file).replace(folder / file)
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError(f"{folder}: no space left for the style; make some and type the same again") from error
        raise SinkError(f"{folder}: can't be written ({error.strerror})") from error
    return folder / MODEL_NAME


def _write(network: StyleNet, config: StyleConfig, folder: Path, card: dict[str, Any], speed_seconds: float) -> None:
    model = folder / MODEL_NAME
    parity = export_onnx(
        network.fused(), model, size_multiple=StyleNet.size_multiple, minimum_size=StyleNet.minimum_size
    )
    measured = {key: float(f"{value:.4g}") for key, value in measure_style(network, config).items()}
    card |= {
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "measured": {
            **measured,
            **measure_speed(model, speed_seconds),
            "onnx_against_torch_levels": parity.max_difference,
        },
    }
    (folder / CARD_NAME).write_text(tomli_w.dumps(card), encoding="utf-8")


def _training(network: StyleNet, config: StyleConfig) -> dict[str, Any]:
    """Return how it was trained."""
    sizes = {shape: name for name, shape in SIZES.items()}
    settings = {key: value for key, value in asdict(config).items() if value is not None}
    if config.teacher:
        settings["teacher"] = Path(config.teacher).name
    else:
        settings = {key: value for key, value in settings.items() if not key.startswith("imitation")}
    return {
        "recipe": "style",
        "size": sizes.get((config.width, config.num_blocks), "its own"),
        "parameters": count_parameters(network),
        "torch": torch.__version__,
        **{key: _without_paths(value) for key, value in settings.items()},
    }


def _without_paths(value: object) -> object:
    """Return a path's name, which says as much to others as the path."""
    if isinstance(value, tuple):
        return [_without_paths(inner) for inner in value]
    return value.name if isinstance(value, Path) else value
