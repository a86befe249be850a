"""How the flickering generator beside this file was trained: the style recipe without its temporal term.

    python benchmarks/flickering/train.py PAINTING PHOTOS [--steps 600] [--checkpoint flickering.pt]

Instance normalisation isn't frozen, as in most networks that people find on the net: its statistics follow every frame.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import tomli_w
import torch
from torch import nn

from vidgan.networks.generators import StyleNet, count_parameters
from vidgan.runtime.export import export_onnx
from vidgan.train.style import StepReport, StyleConfig, train_style

FOLDER = Path(__file__).parent
DESCRIPTION = (
    "For benchmarks only: trained without a temporal term, for a few minutes, so that it flickers as badly as networks "
    "made for single pictures do. It stands here to be smoothed, not to be looked at."
)


def main() -> None:
    """Train, export, and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("painting", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--data", default="", help="what the pictures are and under which licence, for the card")
    parser.add_argument("--checkpoint", type=Path, default=Path("flickering.pt"))
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    config = StyleConfig(
        style=arguments.painting,
        content=arguments.photos,
        steps=arguments.steps,
        width=32,
        num_blocks=4,
        batch=2,
        crop=192,
        style_width=448,
        style_weight=15,
        variation_weight=0.1,
        temporal_weight=0,
    )
    network = train_style(config, arguments.checkpoint, report=_show)
    _publish(network, config, arguments.output, arguments.data)


def _publish(network: StyleNet, config: StyleConfig, folder: Path, data: str) -> None:
    for module in network.modules():
        if isinstance(module, nn.InstanceNorm2d):
            # Statistics of the frame itself, not those gathered in training.
            module.track_running_stats, module.running_mean, module.running_var = False, None, None
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "model.onnx"
    parity = export_onnx(network, model, size_multiple=StyleNet.size_multiple, minimum_size=StyleNet.minimum_size)
    settings = ("style", "content", "steps", "width", "num_blocks", "batch", "crop", "style_width", "seed")
    weights = ("content_weight", "style_weight", "variation_weight", "temporal_weight", "learning_rate", "frozen_part")
    training = {name: getattr(config, name) for name in (*settings, *weights)}
    card = {
        "name": folder.name,
        "title": "Flickering",
        "description": DESCRIPTION,
        "licence": "Apache-2.0",
        "size_multiple": StyleNet.size_multiple,
        "minimum_size": StyleNet.minimum_size,
        "margin": StyleNet.margin,
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "training": {
            "recipe": "style (benchmarks/flickering/train.py)",
            "data": data,
            "parameters": count_parameters(network),
            "torch": torch.__version__,
            **{name: value.name if isinstance(value, Path) else value for name, value in training.items()},
        },
        "measured": {"onnx_against_torch_levels": parity.max_difference},
    }
    (folder / "card.toml").write_text(tomli_w.dumps(card), encoding="utf-8")


def _show(report: StepReport) -> None:
    if report.step % 20 == 0:
        losses = " ".join(f"{name} {value:.3g}" for name, value in report.losses.items())
        print(f"step {report.step}, {report.seconds:.0f} s: {losses}", flush=True)


if __name__ == "__main__":
    main()
