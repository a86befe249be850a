"""Features of single places of a picture, as contrastive training compares them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PatchSampler(nn.Module):
    """Takes features at chosen places and maps them to unit vectors, each layer with its own two-layer network.

    From CUT (Park et al., ECCV 2020): two linear layers of 256 with a ReLU between.
    """

    def __init__(self, channels: Sequence[int], *, width: int = 256) -> None:
        """Make a network with random weights.

        Args:
            channels: of each layer whose features will come.
            width: length of the vectors.
        """
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(count, width), nn.ReLU(), nn.Linear(width, width)) for count in channels
        )

    def forward(self, features: Sequence[Tensor], places: Sequence[Tensor]) -> list[Tensor]:
        """Return the unit vectors `(N, P, width)` in float32 of each layer.

        Args:
            features: of each layer, `(N, C, h, w)`.
            places: of each layer, P positions in the flattened h x w.
        """
        found = []
        for layer, feature_NCHW, place in zip(self.layers, features, places, strict=True):
            taken_NPC = feature_NCHW.flatten(2)[:, :, place].transpose(1, 2)
            found.append(F.normalize(layer(taken_NPC).float(), dim=2, eps=1e-7))
        return found


def choose_places(features: Sequence[Tensor], count: int) -> list[Tensor]:
    """Choose at most `count` places at random in each layer `(N, C, h, w)`, from torch's global generator."""
    sizes = [feature.shape[2] * feature.shape[3] for feature in features]
    return [torch.randperm(size)[: min(count, size)].to(features[0].device) for size in sizes]
