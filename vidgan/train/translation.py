"""What the recipes of translation share: their settings, generators, and how networks learn."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from vidgan.networks.discriminator import PatchGAN, initialise
from vidgan.networks.generators import SIZES, StyleNet
from vidgan.networks.resnet import ResNetGenerator
from vidgan.networks.unet import UNetGenerator
from vidgan.networks.unit_range import UnitRange
from vidgan.train.run import Run

GENERATORS = ("resnet9", "resnet6", "unet256", "unet128", "video")
"""The published ones, and the small network for video."""
PRECISIONS = ("bf16", "f32")
LOAD_PART = 286 / 256
"""Pictures are brought to this much more than the crop, in CycleGAN and pix2pix."""


@dataclass(frozen=True, kw_only=True)
class TranslationConfig:
    """Everything that decides the result of a run of translation, beside what a recipe adds. Kept in the checkpoint."""

    a: Path
    """Folder of images and videos of domain A, or one of them."""
    b: Path | None
    """The same of domain B."""
    held_out_a: Path | None = None
    """Of domain A, to judge by; None holds a part of `a` back."""
    held_out_b: Path | None = None
    """Of domain B."""
    steps: int
    """Steps of every optimiser."""
    generator: str = "resnet9"
    """One of `GENERATORS`."""
    width: int | None = None
    """Channels behind its first convolution; None is its own: 64, for `video` 32."""
    discriminator_width: int = 64
    """Channels behind the first convolution of a discriminator."""
    crop: int = 256
    """Side of the crops in pixels."""
    load_size: int | None = None
    """Short side that pictures are resized to before they are cropped; None is 286 of 256 of the crop."""
    batch: int = 1
    """Crops of each domain in a step, over all processes."""
    learning_rate: float = 2e-4
    """Adam's step size."""
    constant_part: float = 0.5
    """First part of the run, as a fraction, before the step size falls to 0 along a line."""
    temporal_weight: float = 10.0
    """Weight of the absolute difference between G(W(x) + n) and W(G(x)); 0 is off."""
    noise: float = 0.006
    """Standard deviation of n, on the 0..1 scale."""
    average: float = 0.999
    """Part of the old in the moving average of a generator's weights, which is what is kept in the end."""
    precision: str = "bf16"
    """What convolutions are computed in: "bf16" or "f32"."""
    seed: int = 1
    """Start of every random choice."""

    def __post_init__(self) -> None:
        """Refuse what can't be trained."""
        if self.generator not in GENERATORS:
            raise ValueError(f"generator {self.generator}: choose {', '.join(GENERATORS)}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision {self.precision}: choose {', '.join(PRECISIONS)}")
        for name in ("steps", "batch", "width", "discriminator_width"):
            number: int | None = getattr(self, name)
            if number is not None and number < 1:
                raise ValueError(f"{name} {number}: must be at least 1")
        multiple, least = size_rule(self.generator)
        least = max(least, PatchGAN.minimum_size)
        if self.crop < least or self.crop % multiple:
            raise ValueError(f"crop {self.crop}: {self.generator} needs a multiple of {multiple}, at least {least}")
        if self.load_size is not None and self.load_size < self.crop:
            raise ValueError(f"load_size {self.load_size}: must be at least the crop, {self.crop}")
        for name, lowest, highest in (
            ("constant_part", 0.0, 1.0),
            ("average", 0.0, 1.0),
            ("temporal_weight", 0.0, 1e38),
            ("noise", 0.0, 1.0),
            ("learning_rate", 1e-9, 1.0),
        ):
            if not lowest <= getattr(self, name) <= highest:
                raise ValueError(f"{name} {getattr(self, name)}: must lie in {lowest}..{highest}")

    def autocast(self, device: torch.device) -> torch.autocast:
        """Return what networks and losses are computed in."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16")

    @property
    def load_side(self) -> int:
        """Short side in pixels that training pictures are resized to."""
        return self.load_size or round(self.crop * LOAD_PART)

    @property
    def judged_side(self) -> int:
        """Side in pixels of the squares that results are judged by: whole pictures, without the crops' margin."""
        multiple = size_rule(self.generator)[0]
        return max(self.crop, round(self.load_side / LOAD_PART) // multiple * multiple)


def size_rule(generator: str) -> tuple[int, int]:
    """Return of which number a generator's sizes must be multiples, and the least one."""
    if generator.startswith("resnet"):
        return ResNetGenerator.size_multiple, ResNetGenerator.minimum_size
    if generator.startswith("unet"):
        return int(generator.removeprefix("unet")), int(generator.removeprefix("unet"))
    return StyleNet.size_multiple, StyleNet.minimum_size


def make_generator(
    config: TranslationConfig, *, norm: str = "instance", dropout: bool = False, is_blurred: bool = False
) -> nn.Module:
    """Make a generator of pictures in 0..1 with random weights.

    Args:
        config: which one.
        norm: "instance" or "batch"; `video` has its own.
        dropout: in the published ones.
        is_blurred: a ResNet samples down and up with blurring, as CUT's does; else up by resize-convolutions.
    """
    kind = config.generator
    if kind == "video":
        return StyleNet(width=config.width or SIZES["small"][0], num_blocks=SIZES["small"][1])
    width: dict[str, Any] = {} if config.width is None else {"width": config.width}
    options: dict[str, Any] = {"norm": norm, "dropout": dropout, **width}
    if kind.startswith("resnet"):
        sampling: dict[str, Any] = {"upsample": "blur", "downsample": "blur"} if is_blurred else {"upsample": "resize"}
        network: nn.Module = ResNetGenerator(num_blocks=int(kind.removeprefix("resnet")), **sampling, **options)
    else:
        num_downs = int(math.log2(int(kind.removeprefix("unet"))))
        network = UNetGenerator(num_downs=num_downs, upsample="resize", **options)
    return UnitRange(initialise(network))


class Learner:
    """Networks that learn together: Adam, whose step size is constant first and then falls along a line."""

    def __init__(self, networks: Sequence[nn.Module], config: TranslationConfig) -> None:
        """Begin at the first step."""
        self.networks = list(networks)
        self._parameters = list(itertools.chain.from_iterable(network.parameters() for network in networks))
        self.optimiser = torch.optim.Adam(self._parameters, lr=config.learning_rate, betas=(0.5, 0.999))
        constant = config.steps * config.constant_part

        def fallen(step: int) -> float:
            return min(1.0, (config.steps - step) / max(1.0, config.steps - constant))

        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, fallen)
        self._statistics = [buffer for network in networks for buffer in network.buffers()]
        self._keep_statistics()
        self.gradient = torch.zeros(())
        """Length of the gradient of the last step, over all networks."""

    def learn(self, run: Run, total: Tensor) -> bool:
        """Take a step down from `total`, unless that or its gradient is no number; say whether it was taken."""
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        for network in self.networks:
            run.average_gradients(network)
        self.gradient = torch.nn.utils.get_total_norm([p.grad for p in self._parameters if p.grad is not None])
        is_good = run.is_finite(total, self.gradient)
        if is_good:
            self.optimiser.step()
            self.schedule.step()
            self._keep_statistics()
        else:
            # Batch norms have taken the bad numbers in on the way forward.
            for buffer, good in zip(self._statistics, self._good_statistics, strict=True):
                buffer.copy_(good)
        return is_good

    def _keep_statistics(self) -> None:
        self._good_statistics = [buffer.clone() for buffer in self._statistics]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Keep gradients out of the networks for a while; they pass through them all the same."""
        for parameter in self._parameters:
            parameter.requires_grad = False
        try:
            yield
        finally:
            for parameter in self._parameters:
                parameter.requires_grad = True

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the optimiser and its schedule; the networks are kept by themselves."""
        return {"optimiser": self.optimiser.state_dict(), "schedule": self.schedule.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over such a state."""
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        # The networks have theirs by now: they are loaded before those who learn.
        self._keep_statistics()


def moving_average(network: nn.Module, part: float) -> AveragedModel:
    """Make the exponential moving average of a network's weights and statistics.

    It forgets faster at the start, as (1 + n) / (10 + n) of the old are kept at step n: the random beginning is gone
    soon in short runs too.
    """

    def blend(old: Tensor, new: Tensor, count: Tensor | int) -> Tensor:
        kept = min(part, (1 + int(count)) / (10 + int(count)))
        return old + (new - old) * (1 - kept) if torch.is_floating_point(old) else new

    return AveragedModel(network, avg_fn=blend, use_buffers=True)


def finished(average: AveragedModel) -> nn.Module:
    """Return the network of a moving average, in evaluation mode, on the CPU."""
    network: nn.Module = average.module
    return network.eval().cpu()


def by_way(**parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything of several mappings under names such as `generator_a2b`."""
    return {f"{name}_{way}": part for name, ways in parts.items() for way, part in ways.items()}


def seed_step(seed: int, step: int) -> None:
    """Set torch's global generators for a step, so that dropout and places are the same when it is done again.

    They are the same in all processes too, since what is chosen for a batch must be so for every part of it.
    """
    torch.manual_seed(seed * 1_000_003 + step)
