"""The losses of distillation: output, structure, features, channels, variation, steadiness.

Pictures are float RGB `(N, 3, H, W)` in 0..1, and features `(N, C, h, w)`. Every loss is a scalar in float32, and a
mean over the pictures of a batch, so that processes that share one find the same mean.
"""

from __future__ import annotations

import torch
from kornia.metrics import ssim
from torch import Tensor, nn

from vidgan.networks.generators import StyleNet
from vidgan.temporal.metrics import SSIM_WINDOW
from vidgan.train.losses import total_variation
from vidgan.train.motion import Motion
from vidgan.train.teacher import Lesson

_FLAT = 1e-6
"""Features that vary less are all but silent: nothing is divided by less."""


def distil_losses(
    network: StyleNet, adapter: nn.Module, content_NCHW: Tensor, lesson: Lesson, motion: Motion
) -> dict[str, Tensor]:
    """Return the unweighted losses `output`, `structure`, `variation` and `temporal`; `feature` and `channel` too.

    The borders don't count where pictures and features are compared: the network's own padding spoils them.

    Args:
        network: what is trained.
        adapter: turns its features into as many channels as the teacher's have.
        content_NCHW: crops in 0..1, on the network's device.
        lesson: what the teacher makes of them; without its features their two losses are left out.
        motion: of as many crops.
    """
    with torch.autocast(content_NCHW.device.type, torch.bfloat16):
        encoded = network.encode(torch.cat((content_NCHW, motion.move_and_disturb(content_NCHW))))
        styled, styled_moved = network.decode(encoded).float().chunk(2)
        adapted = adapter(encoded.chunk(2)[0]).float()
    made, wanted = (_inner(pictures, StyleNet.margin) for pictures in (styled, lesson.pictures))
    losses = {
        "output": (made - wanted).abs().mean(),
        "structure": structure_loss(made, wanted),
        "variation": total_variation(styled),
        "temporal": motion.unsteadiness(styled_moved, styled),
    }
    if lesson.features is not None:
        margin = StyleNet.margin // StyleNet.size_multiple
        found, sought = (_inner(features, margin) for features in (adapted, lesson.features))
        losses |= {"feature": feature_loss(found, sought), "channel": channel_loss(found, sought)}
    return losses


def structure_loss(x_NCHW: Tensor, wanted_NCHW: Tensor) -> Tensor:
    """1 - SSIM (Wang et al. 2004), of each colour by itself: 0 where the pictures are equal, at most 2."""
    return 1 - ssim(x_NCHW, wanted_NCHW, SSIM_WINDOW).mean()  # type: ignore[no-any-return]


def feature_loss(x_NCHW: Tensor, wanted_NCHW: Tensor) -> Tensor:
    """Mean squared distance of features (FitNets, Romero et al. 2015), as a part of the variance of those wanted.

    Picture by picture: the plain distance would depend on the scale that the teacher happens to compute in.
    """
    distances_N = (x_NCHW - wanted_NCHW).square().flatten(1).mean(1)
    return (distances_N / wanted_NCHW.flatten(1).var(1).clamp_min(_FLAT)).mean()


def channel_loss(x_NCHW: Tensor, wanted_NCHW: Tensor) -> Tensor:
    """Channel distillation: how strong each channel is in each picture (Zhou et al. 2020; Ren et al. 2021).

    `1/C sum_c (mean_hw x_c - mean_hw wanted_c)^2`, picture by picture as a part of the mean square of the features
    wanted.
    """
    distances_N = (x_NCHW.mean((2, 3)) - wanted_NCHW.mean((2, 3))).square().mean(1)
    return (distances_N / wanted_NCHW.square().flatten(1).mean(1).clamp_min(_FLAT)).mean()


def _inner(x_NCHW: Tensor, margin: int) -> Tensor:
    inner = slice(margin, -margin)
    return x_NCHW[..., inner, inner]
