"""From a trained network to a style that can be used: the ONNX file, checked against torch, and its card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from vidgan.networks.generators import SIZES, StyleNet, count_parameters
from vidgan.runtime.export import export_onnx
from vidgan.style_folder import write_style
from vidgan.train.card import figures_of, settings_of, title_of
from vidgan.train.measures import measure_speed, measure_style
from vidgan.train.style import StyleConfig, family_of


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
        "title": title_of(name),
        "description": description or f"in the manner of {', '.join(path.name for path in config.styles)}",
        "licence": licence,
        "family": family or family_of(config),
        "size_multiple": StyleNet.size_multiple,
        "minimum_size": StyleNet.minimum_size,
        "margin": StyleNet.margin,
        "training": {**(notes or {}), **_training(network, config)},
    }

    def make_model(model: Path) -> dict[str, Any]:
        parity = export_onnx(
            network.fused(), model, size_multiple=StyleNet.size_multiple, minimum_size=StyleNet.minimum_size
        )
        speed = measure_speed(model, speed_seconds)
        return {
            "measured": {
                **figures_of(measure_style(network, config)),
                **speed,
                "onnx_against_torch_levels": parity.max_difference,
            }
        }

    return write_style(folder, card, make_model)


def _training(network: StyleNet, config: StyleConfig) -> dict[str, Any]:
    """Return how it was trained."""
    sizes = {shape: name for name, shape in SIZES.items()}
    settings = settings_of(asdict(config))
    if config.teacher:
        settings["teacher"] = Path(config.teacher).name
    else:
        settings = {key: value for key, value in settings.items() if not key.startswith("imitation")}
    return {
        "recipe": "style",
        "size": sizes.get((config.width, config.num_blocks), "its own"),
        "parameters": count_parameters(network),
        "torch": torch.__version__,
        **settings,
    }
