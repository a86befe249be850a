"""Generators: RGB pictures in, RGB pictures out."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIZES = {"tiny": (16, 3), "small": (32, 5), "base": (48, 5)}
"""Width and number of residual blocks of `StyleNet` by the name of its size."""


class StyleNet(nn.Module):
    """A small fully convolutional generator for video on CPUs.

    Half of the work happens at a quarter of the resolution: pixel-unshuffle and a strided convolution go down,
    residual blocks work there, nearest-neighbour upsampling with convolutions and a pixel-shuffle come back up.
    A resize-convolution stands before the pixel-shuffle because shuffling straight from a quarter leaves a grid.

    Instance normalisation (Ulyanov et al. 2016) takes the light and the contrast out of a picture, so that one set of
    weights reaches the painting's from any picture. It stands in two places only, on the way down and on the way up:
    the blocks between are plain convolutions that compilers fuse, and start as the identity instead.
    """

    size_multiple = 4
    minimum_size = 16
    margin = 16
    """Pixels along the borders that zero padding spoils visibly."""

    def __init__(self, *, width: int = 32, num_blocks: int = 5) -> None:
        """Make a network of `width` channels at quarter resolution and `num_blocks` residual blocks."""
        super().__init__()
        self.width, self.num_blocks = width, num_blocks
        self.down = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, width, 3, stride=2, padding=1, bias=False),
            nn.InstanceNorm2d(width, affine=True),
            nn.ReLU(inplace=True),
        )
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(num_blocks)))
        self.up = nn.Sequential(
            nn.Conv2d(width, width // 2, 3, padding=1, bias=False),
            nn.InstanceNorm2d(width // 2, affine=True),
            nn.ReLU(inplace=True),
        )
        to_rgb = nn.Conv2d(width // 2, 12, 3, padding=1)
        # Begin at mid grey: from wild colours the style losses start thousands of times too large and drown
        # the content.
        nn.init.normal_(to_rgb.weight, std=0.01)
        nn.init.constant_(to_rgb.bias, 0.5)  # type: ignore[arg-type]
        self.to_rgb = nn.Sequential(to_rgb, nn.PixelShuffle(2))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Restyle pictures.

        Args:
            x_NCHW: `(N, 3, H, W)` float RGB in 0..1; H and W multiples of `size_multiple`.

        Returns:
            A new tensor of the same shape, mostly in 0..1 but not clamped.
        """
        return self.decode(self.encode(x_NCHW))

    def encode(self, x_NCHW: Tensor) -> Tensor:
        """Return the features `(N, width, H / 4, W / 4)` that `decode` paints from; pictures as in `forward`."""
        return self.blocks(self.down(x_NCHW))  # type: ignore[no-any-return]

    def decode(self, features_NCHW: Tensor) -> Tensor:
        """Paint pictures from the features of `encode`."""
        features_NCHW = self.up(F.interpolate(features_NCHW, scale_factor=2.0, mode="nearest"))
        return self.to_rgb(features_NCHW)  # type: ignore[no-any-return]

    def fused(self) -> nn.Module:
        """Return a copy that computes the same in fewer and larger steps, for inference.

        Pixel-unshuffle with the convolution behind it is one convolution of 6x6 pixels with stride 4. Nearest-neighbour
        upsampling with the convolution behind it is one transposed convolution: of the 3x3 weights, those that fall on
        the same pixel of the smaller picture are added up beforehand.
        """
        down, up = cast(nn.Conv2d, self.down[1]), cast(nn.Conv2d, self.up[0])
        width = down.out_channels
        first = nn.Conv2d(3, width, 6, stride=4, padding=2, bias=False)
        # (out, colour, y, x within the 2x2 pixels, ky, kx): row 2 ky + y of the larger kernel.
        weight = down.weight.detach().reshape(width, 3, 2, 2, 3, 3)
        first.weight = nn.Parameter(weight.permute(0, 1, 4, 2, 5, 3).reshape(width, 3, 6, 6).contiguous())
        second = nn.ConvTranspose2d(up.in_channels, up.out_channels, 4, stride=2, padding=1, bias=False)
        # Output row 2i sees rows i-1 and i through w0 and w1 + w2, row 2i+1 rows i and i+1 through w0 + w1 and w2.
        sums = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]).to(up.weight)
        second.weight = nn.Parameter(torch.einsum("ta,ub,oiab->iotu", sums, sums, up.weight.detach()))
        rest = copy.deepcopy(self)
        parts = {
            "down": nn.Sequential(first, *list(rest.down)[2:]),
            "blocks": rest.blocks,
            "up": nn.Sequential(second, *list(rest.up)[1:]),
            "to_rgb": rest.to_rgb,
        }
        return nn.Sequential(OrderedDict(parts))


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))), the identity at first."""

    def __init__(self, channels: int) -> None:
        """Make a block of `channels` in and out."""
        super().__init__()
        last = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.body = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True), last)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Add the block's correction."""
        return x_NCHW + self.body(x_NCHW)  # type: ignore[no-any-return]


def count_parameters(network: nn.Module) -> int:
    """Count the learnable numbers of `network`."""
    return sum(parameter.numel() for parameter in network.parameters() if torch.is_floating_point(parameter))
