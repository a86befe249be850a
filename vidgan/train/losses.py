"""Losses that recipes share. Pictures are RGB `(N, 3, H, W)` in 0..1; every loss is a scalar in float32."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

_LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Relative luminance of RGB (BT.709), as in Gao et al. 2018."""


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


def clip_output_loss(
    x_NCHW: Tensor, warped_NCHW: Tensor, source_NCHW: Tensor, source_warped_NCHW: Tensor, visible_N1HW: Tensor
) -> Tensor:
    """ReCoNet's output-level temporal loss (Gao et al. 2018): every channel may change as the source's luminance did.

    `1/D sum M ((O_t - W(O_t-1))_c - (I_t - W(I_t-1))_Y)^2` over pixels and channels, D being their number.

    Args:
        x_NCHW: restyled frames.
        warped_NCHW: the restyled frames before them, warped.
        source_NCHW: the frames themselves.
        source_warped_NCHW: the frames before them, warped.
        visible_N1HW: M, 0..1.
    """
    weights = source_NCHW.new_tensor(_LUMINANCE).view(1, 3, 1, 1)
    brighter_N1HW = ((source_NCHW - source_warped_NCHW) * weights).sum(1, keepdim=True)
    return (visible_N1HW * (x_NCHW - warped_NCHW - brighter_N1HW).square()).mean()


def clip_feature_loss(features_NCHW: Tensor, warped_NCHW: Tensor, visible_N1HW: Tensor) -> Tensor:
    """ReCoNet's feature-level temporal loss (Gao et al. 2018), `1/D sum M (F_t - W(F_t-1))^2`, as a fraction.

    It is divided by the features' mean square: a normalisation that follows takes any scale out, so that the plain loss
    could be lowered by shrinking the features.
    """
    difference = (visible_N1HW * (features_NCHW - warped_NCHW).square()).mean()
    return difference / features_NCHW.square().mean()
