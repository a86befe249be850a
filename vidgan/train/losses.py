"""Losses that recipes share. Pictures are RGB `(N, 3, H, W)` in 0..1; every loss is a scalar in float32."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def gram(features_NCHW: Tensor) -> Tensor:
    """Return the Gram matrices `(N, C, C)`: correlations of channels, averaged over the positions (Gatys 2016)."""
    flat_NCP = features_NCHW.flatten(2).float()
    return flat_NCP @ flat_NCP.transpose(1, 2) / flat_NCP.shape[2]


def style_distance(gram_NCC: Tensor, target_1CC: Tensor) -> Tensor:
    """Mean squared distance of Gram matrices, as a fraction of the target's mean square: 0 is the painting itself."""
    return F.mse_loss(gram_NCC, target_1CC.expand_as(gram_NCC)) / target_1CC.square().mean()


def content_distance(features_NCHW: Tensor, target_NCHW: Tensor) -> Tensor:
    """Mean squared distance of features, as a fraction of the target's variance."""
    target_NCHW = target_NCHW.float()
    return F.mse_loss(features_NCHW.float(), target_NCHW) / target_NCHW.var()


def total_variation(x_NCHW: Tensor) -> Tensor:
    """Mean absolute difference of neighbours, down and across: how rough the pictures are."""
    x_NCHW = x_NCHW.float()
    down = (x_NCHW[..., 1:, :] - x_NCHW[..., :-1, :]).abs().mean()
    return down + (x_NCHW[..., 1:] - x_NCHW[..., :-1]).abs().mean()
