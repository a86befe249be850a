"""Families of networks: those that began with the same weights can be blended by averaging their weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from vidgan.networks.generators import StyleNet
from vidgan.train.checkpoint import read_checkpoint


def found_family(*, seed: int, width: int, num_blocks: int, paintings: Sequence[str]) -> str:
    """Return the family that a run which begins anew founds, 64 hexadecimal digits.

    Args:
        seed: of the run.
        width: of the network.
        num_blocks: of the network.
        paintings: file names. They count, since two runs that only share random weights to begin with drift too far
            apart to be blended.
    """
    digest = hashlib.sha256("\n".join(paintings).encode())
    for name, values in initial_weights(seed=seed, width=width, num_blocks=num_blocks).items():
        digest.update(name.encode())
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()


def initial_weights(*, seed: int, width: int, num_blocks: int) -> Mapping[str, Tensor]:
    """Return the weights that a run with this seed begins with. Leaves torch's generator where it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return StyleNet(width=width, num_blocks=num_blocks).state_dict()


def read_family(checkpoint: Path) -> str:
    """Return the family of the run in `checkpoint`, from its first ancestor where it doesn't say.

    Raises:
        InputError: this file, or that of an ancestor, is no checkpoint of the style recipe or is missing.
    """
    saved = read_checkpoint(checkpoint)
    if "family" in saved:
        return str(saved["family"])
    config = saved["config"]
    if config.get("start_from"):
        return read_family(Path(config["start_from"]))
    # Before 0.2 there was one painting, called "style".
    paintings = config["styles"] if "styles" in config else [config["style"]]
    return found_family(
        seed=config["seed"],
        width=config["width"],
        num_blocks=config["num_blocks"],
        paintings=[Path(painting).name for painting in paintings],
    )
