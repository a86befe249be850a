"""The recipe for translation without pairs and in one direction: CUT and FastCUT (Park et al., ECCV 2020).

One generator and one discriminator (LSGAN). The content survives because each patch of the result must be told from
the other patches of the same picture by its own source: PatchNCE, on features of the generator's own encoder. CUT asks
the same of pictures of the target domain, which should stay as they are; FastCUT leaves that out, weighs PatchNCE ten
times as much, and mirrors pictures. Half as many networks as CycleGAN, and a few paintings are enough for the target.
Beyond the publication, the temporal term that needs no video. Other than there, the generator begins with CycleGAN's
weights, N(0, 0.02).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from vidgan.networks.discriminator import PatchGAN, initialise
from vidgan.networks.generators import StyleNet
from vidgan.networks.patch_sampler import PatchSampler, choose_places
from vidgan.networks.unit_range import UnitRange
from vidgan.train.adversarial import judgement, least_squares, patch_nce, weighted
from vidgan.train.material import Material
from vidgan.train.motion import Motion
from vidgan.train.onlooker import Onlooker
from vidgan.train.run import RunOptions, open_accelerator
from vidgan.train.translation import (
    Learner,
    TranslationConfig,
    finished,
    make_generator,
    moving_average,
    seed_step,
)

PATCHES = 256
"""Places of a picture that are compared."""
_RESNET_LAYERS = (0, 4, 8, 12, 16)
"""Where features are taken, as published: the picture, both convolutions to more channels, first and fifth block."""


@dataclass(frozen=True, kw_only=True)
class CutConfig(TranslationConfig):
    """A run of CUT; of FastCUT with `nce_weight` 10, no `has_identity` and `is_mirrored`."""

    nce_weight: float = 1.0
    """Weight of PatchNCE."""
    has_identity: bool = True
    """PatchNCE counts half for pictures of the target domain."""
    is_mirrored: bool = False
    """Half of the time the generator sees the picture mirrored, and its features are mirrored back."""

    def __post_init__(self) -> None:
        """Refuse what can't be trained."""
        super().__post_init__()
        if self.generator.startswith("unet"):
            raise ValueError(f"generator {self.generator}: its skips pass the content by; choose a resnet or video")


FAST = {"nce_weight": 10.0, "has_identity": False, "is_mirrored": True, "constant_part": 0.75}
"""What makes FastCUT of CUT."""


def train_cut(
    config: CutConfig, material: Material, checkpoint: Path, options: RunOptions | None = None
) -> tuple[nn.Module]:
    """Train the generator A to B, or go on with the run that `checkpoint` holds.

    Args:
        config: the run. A checkpoint of another configuration is refused.
        material: pictures to learn on, as `read_unpaired` gives them.
        checkpoint: file that the run is kept in; written atomically.
        options: how it is kept and watched.

    Returns:
        A to B alone: the moving average, in evaluation mode, on the CPU. RGB `(N, 3, H, W)` in 0..1 in and out.

    Raises:
        InputError: a foreign checkpoint, a batch that the processes can't share, or losses that are no longer numbers.
        SinkError: nothing can be written into the checkpoint's folder.
        TrainingInterrupted: `options.stop` was set; everything so far is in the checkpoint.
    """
    accelerator = open_accelerator()
    device = accelerator.device
    torch.manual_seed(config.seed)
    generator = make_generator(config, is_blurred=True).to(device)
    critic = initialise(PatchGAN(width=config.discriminator_width)).to(device)
    with torch.no_grad():
        probe = encode(generator, torch.zeros(1, 3, config.crop, config.crop, device=device))
        channels = [feature.shape[1] for feature in probe]
    sampler = initialise(PatchSampler(channels)).to(device)
    average = moving_average(generator, config.average)
    playing, judging = Learner([generator, sampler], config), Learner([critic], config)
    crops = material.domains(config)
    onlooker = Onlooker(config, {"a2b": generator}, crops)
    parts = {"generator": generator, "critic": critic, "sampler": sampler, "average": average}
    run = onlooker.open_run(checkpoint, accelerator, {**parts, "playing": playing, "judging": judging}, options)
    share, weights = run.share(config.batch), _weights(config)
    with run:
        for step in run.steps():
            seed_step(config.seed, step)
            a, b = (domain.batch(step, config.batch, share).to(device) for domain in crops.values())
            motion = Motion.of_step(config.seed, step, (config.batch, config.crop), config.noise, share).to(device)
            with config.autocast(device), judging.frozen():
                losses, fake = _play(config, (generator, critic, sampler), (a, b), motion)
            is_good = playing.learn(run, weighted(losses, weights))
            with config.autocast(device):
                scores = critic(b), critic(fake.detach())
                losses["critic"] = judgement(*scores, least_squares)
            is_good &= judging.learn(run, losses["critic"])
            curves = onlooker.look(step) | onlooker.judged(step, "a2b", *scores)
            curves |= onlooker.learnt(step, {"generator": playing, "discriminator": judging})
            if is_good:
                average.update_parameters(generator)
            run.finish_step(step, losses, is_good=is_good, curves=curves)
    return (finished(average),)


def _weights(config: CutConfig) -> dict[str, float]:
    """Weights of the generator's losses, of those that are computed."""
    part = 0.5 if config.has_identity else 1.0
    weights = {"adversarial": 1.0, "nce": config.nce_weight * part, "temporal": config.temporal_weight}
    if config.has_identity:
        weights["nce_identity"] = config.nce_weight * part
    return {name: weight for name, weight in weights.items() if weight}


def _play(
    config: CutConfig, networks: tuple[nn.Module, nn.Module, nn.Module], pictures: tuple[Tensor, Tensor], motion: Motion
) -> tuple[dict[str, Tensor], Tensor]:
    """Return the generator's losses, and its picture."""
    generator, critic, sampler = networks
    a, b = pictures
    is_mirrored = config.is_mirrored and bool(torch.rand(()) < 0.5)
    seen = a.flip(3) if is_mirrored else a
    given = [seen]
    if config.temporal_weight:
        given.append(motion.move_and_disturb(seen))
    if config.has_identity:
        given.append(b)
    made = generator(torch.cat(given)).float().chunk(len(given))
    losses = {
        "adversarial": least_squares(critic(made[0]), is_real=True),
        "nce": _patch_nce(generator, sampler, a, made[0], is_mirrored=is_mirrored),
    }
    if config.temporal_weight:
        losses["temporal"] = motion.unsteadiness(made[1], made[0])
    if config.has_identity:
        losses["nce_identity"] = _patch_nce(generator, sampler, b, made[-1])
    return losses, made[0]


def _patch_nce(
    generator: nn.Module, sampler: nn.Module, source_NCHW: Tensor, made_NCHW: Tensor, *, is_mirrored: bool = False
) -> Tensor:
    found = encode(generator, made_NCHW)
    if is_mirrored:
        found = [feature.flip(3) for feature in found]
    with torch.no_grad():
        wanted = encode(generator, source_NCHW)
    places = choose_places(found, PATCHES)
    return patch_nce(sampler(found, places), sampler(wanted, places))


def encode(generator: nn.Module, x_NCHW: Tensor) -> list[Tensor]:
    """Return the features `(N, C, h, w)` that PatchNCE compares, from the picture itself to those deep inside.

    Args:
        generator: as `make_generator` makes it.
        x_NCHW: RGB in 0..1.
    """
    if isinstance(generator, StyleNet):
        halved = generator.down[:2](x_NCHW)
        inside = generator.down[2:](halved)
        found = [x_NCHW, halved]
        for block in generator.blocks:
            inside = block(inside)
            found.append(inside)
        return [*found[:3], found[-2]]
    layers = cast(UnitRange, generator).network.get_submodule("model")
    x_NCHW = x_NCHW * 2 - 1
    found = []
    for index, layer in enumerate(list(layers.children())[: _RESNET_LAYERS[-1] + 1]):
        x_NCHW = layer(x_NCHW)
        if index in _RESNET_LAYERS:
            found.append(x_NCHW)
    return found
