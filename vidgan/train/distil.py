"""The recipe for small networks from big ones: knowledge distillation (Hinton et al. 2015) for pictures.

A finished style, the teacher, restyles crops of photographs; the small network for video learns to make the same
pictures (mean absolute difference, SSIM), to come by them in the same way (inner features through a 1x1 convolution
that is learnt along, and how strong each of their channels is, as in online multi-granularity distillation, Ren et al.
2021), and to be steady: a picture that is moved and made noisy must come out as the moved result. Narrow networks that
are trained alone end far worse.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from vidgan.blend import resolve_style
from vidgan.errors import InputError
from vidgan.networks.generators import SIZES as SIZES
from vidgan.networks.generators import StyleNet
from vidgan.runtime.plan import file_sha256
from vidgan.train.adversarial import weighted
from vidgan.train.data import Crops, files_of, load_content
from vidgan.train.distil_losses import distil_losses
from vidgan.train.domains import Files, Images, hold_back, images_of
from vidgan.train.motion import Motion
from vidgan.train.run import Run, RunOptions, open_accelerator
from vidgan.train.teacher import Teacher, open_teacher

_SHOWN_STEP, _SHOWN = 2**31, 4
"""A step beyond every run: its first crops are the fixed pictures of the curves."""
_LONGEST_GRADIENT = 5.0
"""Longer ones are cut to this."""
_LEAST_CROP = 64


@dataclass(frozen=True, kw_only=True)
class DistilConfig:
    """Everything that decides the result of a run. It is kept in the checkpoint."""

    teacher: str
    """The style to learn from: its name, folder or ONNX file, or a blend."""
    content: tuple[Path, ...]
    """Folders of images and videos, or single ones, to learn on."""
    held_out: tuple[Path, ...] = ()
    """The same to judge by; empty: a part of the files of `content` is kept back for that."""
    steps: int = 4000
    """Optimiser steps."""
    width: int = SIZES["small"][0]
    """Channels at quarter resolution."""
    num_blocks: int = SIZES["small"][1]
    """Residual blocks."""
    batch: int = 4
    """Crops in a step, over all processes."""
    crop: int = 256
    """Side of the crops in pixels; a multiple of 4."""
    output_weight: float = 1.0
    """Weight of the mean absolute difference to the teacher's pictures."""
    structure_weight: float = 0.3
    """Weight of 1 - SSIM to them."""
    feature_weight: float = 0.1
    """Weight of the squared distance of features, as a part of their variance; 0 where the teacher shows none."""
    channel_weight: float = 0.1
    """Weight of the squared distance of the channels' means, as a part of the features' mean square."""
    variation_weight: float = 0.0
    """Weight of the total variation."""
    temporal_weight: float = 0.2
    """Weight of the absolute difference between G(W(x) + n) and W(G(x)). At 1 a third of the strokes' sharpness is
    left, at 0.2 three quarters."""
    noise: float = 0.006
    """Standard deviation of n, on the 0..1 scale."""
    learning_rate: float = 2e-3
    """Adam's step size at the start; it falls along a cosine."""
    seed: int = 1
    """Start of every random choice."""

    def __post_init__(self) -> None:
        """Refuse what can't be trained."""
        if not self.content:
            raise ValueError("content is empty: give at least one folder or file of pictures")
        if self.steps < 1 or self.batch < 1:
            raise ValueError(f"steps {self.steps}, batch {self.batch}: both must be at least 1")
        if self.crop < _LEAST_CROP or self.crop % StyleNet.size_multiple:
            raise ValueError(
                f"crop {self.crop}: must be a multiple of {StyleNet.size_multiple}, at least {_LEAST_CROP}"
            )
        for name in ("noise", *(f"{loss}_weight" for loss in self.weights)):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} {getattr(self, name)}: must be 0 or more")
        if not any(self.weights.values()):
            raise ValueError("all weights are 0: there is nothing to learn")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate {self.learning_rate}: must be above 0")

    @property
    def weights(self) -> dict[str, float]:
        """Weights of the losses by their names."""
        names = ("output", "structure", "feature", "channel", "variation", "temporal")
        return {name: getattr(self, f"{name}_weight") for name in names}


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """Pictures in memory."""

    learnt: Images
    """To learn on."""
    held_out: Images
    """To judge by; no file gives to both."""


def train_distil(config: DistilConfig, checkpoint: Path, options: RunOptions | None = None) -> StyleNet:
    """Train a small network, or go on with the run that `checkpoint` holds.

    Args:
        config: the run. A checkpoint of another configuration, or of a teacher that has changed since, is refused.
        checkpoint: file that the run is kept in; written atomically.
        options: how it is kept and watched.

    Returns:
        The trained network, in evaluation mode, on the CPU.

    Raises:
        StyleError: there is no such teacher, or it is broken.
        InputError: pictures missing or unreadable, a foreign checkpoint, a batch that the processes can't share, or
            losses that are no longer numbers.
        SinkError: nothing can be written into the checkpoint's folder.
        TrainingInterrupted: `options.stop` was set; everything so far is in the checkpoint.
    """
    accelerator = open_accelerator()
    device = accelerator.device
    style = resolve_style(config.teacher)
    material = read_material(config)
    crops, shown = (
        Crops(images=images, size=config.crop, seed=config.seed) for images in (material.learnt, material.held_out)
    )
    with closing(open_teacher(style, config.crop, device)) as teacher:
        weights = _weights_with(teacher, config)
        torch.manual_seed(config.seed)
        network = StyleNet(width=config.width, num_blocks=config.num_blocks)
        adapter = nn.Conv2d(config.width, teacher.num_features, 1) if teacher.num_features else nn.Identity()
        learning = nn.ModuleList((network, adapter)).to(device)
        optimiser = torch.optim.Adam(learning.parameters(), lr=config.learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps, config.learning_rate / 50)
        run = Run(
            checkpoint,
            accelerator,
            parts={"network": network, "adapter": adapter, "optimiser": optimiser, "schedule": schedule},
            config=asdict(config) | {"teacher_sha256": file_sha256(style.path)},
            num_steps=config.steps,
            pictures=_show(network, teacher, shown, device),
            pictures_name="content_above_teacher_above_result",
            options=options,
        )
        share = run.share(config.batch)
        with run:
            for step in run.steps():
                network.train()
                pictures = crops.batch(step, config.batch, share).to(device, memory_format=torch.channels_last)
                motion = Motion.of_step(config.seed, step, (config.batch, config.crop), config.noise, share).to(device)
                losses = distil_losses(network, adapter, pictures, teacher(pictures), motion)
                total = weighted(losses, weights)
                optimiser.zero_grad(set_to_none=True)
                total.backward()  # type: ignore[no-untyped-call]
                run.average_gradients(learning)
                length = nn.utils.clip_grad_norm_(learning.parameters(), _LONGEST_GRADIENT)
                is_good = run.is_finite(total, length)
                if is_good:
                    optimiser.step()
                    schedule.step()
                run.finish_step(step, losses, is_good=is_good)
    return network.eval().cpu()


def _weights_with(teacher: Teacher, config: DistilConfig) -> dict[str, float]:
    """Return the weights of the losses that this teacher allows."""
    of_features = () if teacher.num_features else ("feature", "channel")
    weights = {name: weight for name, weight in config.weights.items() if weight and name not in of_features}
    if not weights:
        raise InputError(f"{config.teacher} shows no features to learn from; give --output-weight or another")
    return weights


def read_material(config: DistilConfig) -> Material:
    """Read the pictures of a run, those to learn on and those to judge by.

    Raises:
        InputError: a file or folder that isn't there, or none of its pictures can be used.
    """
    if config.held_out:
        held_out = _read_files(config.held_out, config.crop)
        return Material(learnt=images_of(_read_files(config.content, config.crop)), held_out=images_of(held_out))
    learnt, held_out = hold_back(_read_files(config.content, config.crop))
    return Material(learnt=images_of(learnt), held_out=images_of(held_out))


def _read_files(sources: tuple[Path, ...], minimum: int) -> list[Files]:
    """Read pictures and videos file by file; unusable and too small ones are left out, said in the log."""
    found, complaint = [], None
    for path in (path for source in sources for path in files_of(source)):
        try:
            found.append(Files(name=path.name, images=load_content((path,), minimum=minimum).images))
        except InputError as error:
            complaint = error
    if not found:
        named = ", ".join(str(source) for source in sources)
        raise InputError(f"{named}: no pictures or videos of at least {minimum} pixels a side") from complaint
    return found


def _show(network: StyleNet, teacher: Teacher, crops: Crops, device: torch.device) -> Callable[[], Tensor]:
    """Return what makes the curves' picture: a few fixed crops above the teacher's and the network's pictures."""
    fixed = crops.batch(_SHOWN_STEP, _SHOWN)

    def pictures() -> Tensor:
        wanted = teacher(fixed.to(device)).pictures.cpu()
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
            styled = network(fixed.to(device)).float().cpu()
        return torch.cat([torch.cat(list(row), dim=2) for row in (fixed, wanted, styled)], dim=1)

    return pictures
