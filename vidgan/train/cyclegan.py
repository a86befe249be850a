"""The recipe for translation without pairs: CycleGAN (Zhu et al., ICCV 2017).

Two generators, A to B and B to A, and a discriminator for each domain. A generator wins if its discriminator takes its
pictures for real ones (LSGAN); what the other generator makes of them must be the picture again (cycle consistency),
so that the content survives; and a picture that is already of the target domain should stay (identity). Discriminators
see a pool of earlier fakes. Beyond the publication, the temporal term that needs no video: a picture that is moved and
made noisy must come out as the moved result.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from vidgan.networks.discriminator import PatchGAN, initialise
from vidgan.train.adversarial import judgement, least_squares, weighted
from vidgan.train.material import Material
from vidgan.train.motion import Motion
from vidgan.train.onlooker import Onlooker
from vidgan.train.pool import ImagePool
from vidgan.train.run import RunOptions, open_accelerator
from vidgan.train.translation import (
    Learner,
    TranslationConfig,
    by_way,
    finished,
    make_generator,
    moving_average,
    seed_step,
)

A_TO_B, B_TO_A = "a2b", "b2a"


@dataclass(frozen=True, kw_only=True)
class CycleGANConfig(TranslationConfig):
    """A run of CycleGAN."""

    cycle_weight: float = 10.0
    """Weight of the absolute difference between a picture and what comes back of it."""
    identity_weight: float = 0.5
    """Weight of the absolute difference between a picture and what the generator of its own domain makes of it, as a
    part of `cycle_weight`; 0 saves a sixth of the time."""
    pool: int = 50
    """Earlier fakes that each discriminator may see again."""


def train_cyclegan(
    config: CycleGANConfig, material: Material, checkpoint: Path, options: RunOptions | None = None
) -> tuple[nn.Module, nn.Module]:
    """Train both generators, or go on with the run that `checkpoint` holds.

    Args:
        config: the run. A checkpoint of another configuration is refused.
        material: pictures to learn on, as `read_unpaired` gives them.
        checkpoint: file that the run is kept in; written atomically.
        options: how it is kept and watched.

    Returns:
        A to B and B to A: the moving averages, in evaluation mode, on the CPU. RGB `(N, 3, H, W)` in 0..1 in and out.

    Raises:
        InputError: a foreign checkpoint, a batch that the processes can't share, or losses that are no longer numbers.
        SinkError: nothing can be written into the checkpoint's folder.
        TrainingInterrupted: `options.stop` was set; everything so far is in the checkpoint.
    """
    accelerator = open_accelerator()
    device = accelerator.device
    torch.manual_seed(config.seed)
    generators = {way: make_generator(config).to(device) for way in (A_TO_B, B_TO_A)}
    critics = {way: initialise(PatchGAN(width=config.discriminator_width)).to(device) for way in generators}
    averages = {way: moving_average(network, config.average) for way, network in generators.items()}
    playing, judging = Learner([*generators.values()], config), Learner([*critics.values()], config)
    pools = {way: ImagePool(config.pool, config.seed, stream=2 + number) for number, way in enumerate(generators)}
    crops = material.domains(config)
    onlooker = Onlooker(config, generators, crops)
    parts = by_way(generator=generators, critic=critics, average=averages, pool=pools)
    run = onlooker.open_run(checkpoint, accelerator, parts | {"playing": playing, "judging": judging}, options)
    share, weights = run.share(config.batch), _weights(config)
    with run:
        for step in run.steps():
            seed_step(config.seed, step)
            a, b = (domain.batch(step, config.batch, share).to(device) for domain in crops.values())
            motion = Motion.of_step(config.seed, step, (config.batch, config.crop), config.noise, share).to(device)
            with config.autocast(device), judging.frozen():
                losses, fakes = _play(config, generators, critics, {A_TO_B: (a, b), B_TO_A: (b, a)}, motion)
            is_good = playing.learn(run, weighted(losses, weights))
            curves = onlooker.look(step)
            with config.autocast(device):
                for way, real in ((A_TO_B, b), (B_TO_A, a)):
                    fakes_now = run.gather(fakes[way].detach())
                    fake = (pools[way].swap(fakes_now, step) if is_good else fakes_now)[share]
                    scores = critics[way](real), critics[way](fake)
                    losses[f"critic_{way}"] = judgement(*scores, least_squares)
                    curves |= onlooker.judged(step, way, *scores)
            is_good &= judging.learn(run, losses[f"critic_{A_TO_B}"] + losses[f"critic_{B_TO_A}"])
            curves |= onlooker.learnt(step, {"generators": playing, "discriminators": judging})
            for way, average in averages.items() if is_good else ():
                average.update_parameters(generators[way])
            run.finish_step(step, losses, is_good=is_good, curves=curves)
    return finished(averages[A_TO_B]), finished(averages[B_TO_A])


def _weights(config: CycleGANConfig) -> dict[str, float]:
    """Weights of the generators' losses, of those that are computed."""
    weights = {"adversarial": 1.0, "cycle": config.cycle_weight, "temporal": config.temporal_weight}
    weights["identity"] = config.identity_weight * config.cycle_weight
    return {f"{name}_{way}": weight for name, weight in weights.items() if weight for way in (A_TO_B, B_TO_A)}


def _play(
    config: CycleGANConfig,
    generators: dict[str, nn.Module],
    critics: dict[str, nn.Module],
    pictures: dict[str, tuple[Tensor, Tensor]],
    motion: Motion,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the generators' losses, and their fakes; `pictures` are of the way's own domain and of its target."""
    losses, fakes = {}, {}
    for way, back in ((A_TO_B, B_TO_A), (B_TO_A, A_TO_B)):
        source, target = pictures[way]
        # One call for all is faster than three, and instance norms keep the pictures of a batch apart.
        given = [source]
        if config.temporal_weight:
            given.append(motion.move_and_disturb(source))
        if config.identity_weight:
            given.append(target)
        made = generators[way](torch.cat(given)).float().chunk(len(given))
        fakes[way] = made[0]
        losses[f"adversarial_{way}"] = least_squares(critics[way](made[0]), is_real=True)
        losses[f"cycle_{way}"] = (generators[back](made[0]).float() - source).abs().mean()
        if config.temporal_weight:
            losses[f"temporal_{way}"] = motion.unsteadiness(made[1], made[0])
        if config.identity_weight:
            losses[f"identity_{way}"] = (made[-1] - target).abs().mean()
    return losses, fakes
