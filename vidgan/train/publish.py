"""From a trained network to a style that can be used: the ONNX file, checked against torch, and its card."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tomli_w
import torch

from vidgan.networks.generators import StyleNet, count_parameters
from vidgan.runtime.export import export_onnx
from vidgan.train.style import StyleConfig, measure_style


def publish_style(network: StyleNet, config: StyleConfig, folder: Path, *, name: str, licence: str = "") -> Path:
    """Write `model.onnx` and `card.toml` into `folder`.

    Args:
        network: as `train_style` returns it.
        config: what it was trained with.
        folder: made if missing; files of those names are replaced.
        name: of the style.
        licence: of the result.

    Returns:
        The path of the ONNX file.

    Raises:
        StyleError: the ONNX file doesn't compute what torch does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "model.onnx"
    parity = export_onnx(
        network.folded(), model, size_multiple=StyleNet.size_multiple, minimum_size=StyleNet.minimum_size
    )
    card: dict[str, Any] = {
        "name": name,
        "title": name.replace("-", " ").title(),
        "description": f"in the manner of {config.style.name}",
        "licence": licence,
        "size_multiple": StyleNet.size_multiple,
        "minimum_size": StyleNet.minimum_size,
        "margin": StyleNet.margin,
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "training": _training(network, config),
        "measured": {
            "onnx_against_torch_levels": parity.max_difference,
            **{f"{name}_loss": round(value, 5) for name, value in measure_style(network, config).items()},
        },
    }
    temporary = folder / f".card.{os.getpid()}.toml"
    temporary.write_text(tomli_w.dumps(card), encoding="utf-8")
    temporary.replace(folder / "card.toml")
    return model


def _training(network: StyleNet, config: StyleConfig) -> dict[str, Any]:
    """Return how it was trained; of paths only the names, which say as much to others."""
    settings = {
        key: value.name if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
        for key, value in asdict(config).items()
        if value is not None
    }
    return {"recipe": "style", "parameters": count_parameters(network), "torch": torch.__version__, **settings}
