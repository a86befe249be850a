"""Losses of generators against discriminators, and contrastive ones. Every loss is a scalar in float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F


class Verdict(Protocol):
    """A loss of scores, against what they should be."""

    def __call__(self, scores: Tensor, *, is_real: bool) -> Tensor:
        """Return a scalar."""


def least_squares(scores: Tensor, *, is_real: bool) -> Tensor:
    """LSGAN (Mao et al. 2017): mean squared distance of scores to 1, or to 0."""
    return (scores.float() - float(is_real)).square().mean()


def cross_entropy(scores: Tensor, *, is_real: bool) -> Tensor:
    """The first GAN's loss (Goodfellow et al. 2014), as pix2pix uses it: scores are logits."""
    scores = scores.float()
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, float(is_real)))


def patch_nce(found: Sequence[Tensor], wanted: Sequence[Tensor], temperature: float = 0.07) -> Tensor:
    """PatchNCE (Park et al., ECCV 2020): each place of the result must be told from the others by its own source.

    Args:
        found: of each layer, unit vectors `(N, P, C)` of the result.
        wanted: the same of the source at the same places; without gradient.
        temperature: 0.07 was published.

    Returns:
        The mean over layers of the cross entropy over the P places of a picture.
    """
    losses = []
    for query_NPC, key_NPC in zip(found, wanted, strict=True):
        with torch.autocast(query_NPC.device.type, enabled=False):
            logits_NPP = query_NPC.float() @ key_NPC.detach().float().transpose(1, 2) / temperature
        own = torch.arange(logits_NPP.shape[1], device=logits_NPP.device).expand(logits_NPP.shape[:2])
        losses.append(F.cross_entropy(logits_NPP.flatten(0, 1), own.flatten()))
    return torch.stack(losses).mean()


def judgement(scores_real: Tensor, scores_fake: Tensor, verdict: Verdict) -> Tensor:
    """Return a discriminator's loss: half of what it says of real pictures, half of what it says of fakes."""
    return (verdict(scores_real, is_real=True) + verdict(scores_fake, is_real=False)) / 2


def weighted(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Return the sum of the losses that have a weight, each times its own."""
    return torch.stack([losses[name] * weight for name, weight in weights.items()]).sum()
