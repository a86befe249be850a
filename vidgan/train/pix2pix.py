"""The recipe for translation with pairs: pix2pix (Isola et al., CVPR 2017).

The generator's picture must be near the pair's other half (L1), and a discriminator, which sees it beside what it was
made from, must take it for real: the first keeps what is where, the second keeps it sharp. Beyond the publication, the
temporal term that needs no video: a picture that is moved and made noisy must come out as the moved result.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from vidgan.networks.discriminator import PatchGAN, initialise
from vidgan.train.adversarial import cross_entropy, judgement, weighted
from vidgan.train.domains import Domain
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


@dataclass(frozen=True, kw_only=True)
class Pix2PixConfig(TranslationConfig):
    """A run of pix2pix."""

    generator: str = "unet256"
    """One of `GENERATORS`."""
    l1_weight: float = 100.0
    """Weight of the absolute difference to the pair's other half."""
    dropout: bool = True
    """Noise within the published generators while they learn."""
    is_backwards: bool = False
    """The pairs were read with A and B in each other's place."""


def train_pix2pix(
    config: Pix2PixConfig, material: Material, checkpoint: Path, options: RunOptions | None = None
) -> tuple[nn.Module]:
    """Train the generator A to B, or go on with the run that `checkpoint` holds.

    Batch norms see each process's own part of a batch.

    Args:
        config: the run. A checkpoint of another configuration is refused.
        material: pictures to learn on, as `read_paired` gives them.
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
    generator = make_generator(config, norm="batch", dropout=config.dropout).to(device)
    critic = initialise(PatchGAN(channels=6, width=config.discriminator_width, norm="batch")).to(device)
    average = moving_average(generator, config.average)
    playing, judging = Learner([generator], config), Learner([critic], config)
    crops = Domain(images=material.learnt[0], crop=config.crop, seed=config.seed)
    shown = {"a": replace(crops, channels=(0, 3)), "b": replace(crops, channels=(3, 6))}
    onlooker = Onlooker(config, {"a2b": generator}, shown)
    parts = {"generator": generator, "critic": critic, "average": average}
    run = onlooker.open_run(checkpoint, accelerator, {**parts, "playing": playing, "judging": judging}, options)
    share = run.share(config.batch)
    weights = {"adversarial": 1.0, "l1": config.l1_weight, "temporal": config.temporal_weight}
    weights = {name: weight for name, weight in weights.items() if weight}
    with run:
        for step in run.steps():
            seed_step(config.seed, step)
            a, b = crops.batch(step, config.batch, share).to(device).chunk(2, dim=1)
            motion = Motion.of_step(config.seed, step, (config.batch, config.crop), config.noise, share).to(device)
            with config.autocast(device), judging.frozen():
                losses, fake = _play(config, generator, critic, (a, b), motion)
            is_good = playing.learn(run, weighted(losses, weights))
            with config.autocast(device):
                real, made = (torch.cat((a, picture), dim=1) for picture in (b, fake.detach()))
                scores = critic(real), critic(made)
                losses["critic"] = judgement(*scores, cross_entropy)
            is_good &= judging.learn(run, losses["critic"])
            curves = onlooker.look(step) | onlooker.judged(step, "a2b", *(score.sigmoid() for score in scores))
            curves |= onlooker.learnt(step, {"generator": playing, "discriminator": judging})
            if is_good:
                average.update_parameters(generator)
            run.finish_step(step, losses, is_good=is_good, curves=curves)
    return (finished(average),)


def _play(
    config: Pix2PixConfig, generator: nn.Module, critic: nn.Module, pair: tuple[Tensor, Tensor], motion: Motion
) -> tuple[dict[str, Tensor], Tensor]:
    """Return the generator's losses, and its picture."""
    a, b = pair
    given = (a, motion.move_and_disturb(a)) if config.temporal_weight else (a,)
    made: tuple[Tensor, ...] = generator(torch.cat(given)).float().chunk(len(given))
    losses = {
        "adversarial": cross_entropy(critic(torch.cat((a, made[0]), dim=1)), is_real=True),
        "l1": (made[0] - b).abs().mean(),
    }
    if config.temporal_weight:
        losses["temporal"] = motion.unsteadiness(made[1], made[0])
    return losses, made[0]
