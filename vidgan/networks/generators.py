"""Generators: RGB pictures in, RGB pictures out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights


class StyleNet(nn.Module):
    """A small fully convolutional generator for video on CPUs.

    Half of the work happens at a quarter of the resolution: pixel-unshuffle and a strided convolution go down,
    residual blocks work there, nearest-neighbour upsampling with convolutions and a pixel-shuffle come back up.
    A resize-convolution stands before the pixel-shuffle because shuffling straight from a quarter leaves a grid.

    Normalisation is instance normalisation in training, which learns fast. For use its statistics are measured once
    (`measure_norm`) and folded into the convolutions (`folded`), so that nothing in the shipped network depends on the
    picture as a whole: that is faster, keeps brightness from pumping, and dark places stay dark.
    """

    size_multiple = 4
    minimum_size = 16
    margin = 16
    """Pixels along the borders that zero padding spoils visibly."""

    def __init__(self, *, width: int = 48, num_blocks: int = 5) -> None:
        """Make a network of `width` channels at quarter resolution and `num_blocks` residual blocks."""
        super().__init__()
        self.width, self.num_blocks = width, num_blocks
        self.down = nn.Sequential(nn.PixelUnshuffle(2), ConvNorm(12, width, stride=2), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(num_blocks)))
        self.up = nn.Sequential(ConvNorm(width, width // 2), nn.ReLU(inplace=True))
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
        x_NCHW = self.blocks(self.down(x_NCHW))
        x_NCHW = self.up(F.interpolate(x_NCHW, scale_factor=2.0, mode="nearest"))
        return self.to_rgb(x_NCHW)  # type: ignore[no-any-return]

    def measure_norm(self, batches: Iterable[Tensor]) -> None:
        """Replace the running statistics by their means over `batches` of pictures."""
        self.train()
        for count, x_NCHW in enumerate(batches, start=1):
            for norm in self._norms():
                norm.momentum = 1 / count  # makes the moving mean a plain one
            with torch.no_grad():
                self(x_NCHW)

    def _norms(self) -> list[nn.InstanceNorm2d]:
        return [module.norm for module in self.modules() if isinstance(module, ConvNorm)]

    def folded(self) -> StyleNet:
        """Return a copy for inference, whose normalisation is folded into its convolutions."""
        copy = StyleNet(width=self.width, num_blocks=self.num_blocks)
        copy.load_state_dict(self.state_dict())
        for parent in list(copy.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, ConvNorm):
                    setattr(parent, name, child.fused())
        return copy.eval()


class ConvNorm(nn.Module):
    """A 3x3 convolution and its normalisation."""

    def __init__(self, channels_in: int, channels_out: int, *, stride: int = 1) -> None:
        """Make the pair; the convolution needs no bias of its own."""
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
        self.norm = nn.InstanceNorm2d(channels_out, affine=True, track_running_stats=True)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Convolve, then normalise."""
        return self.norm(self.conv(x_NCHW))  # type: ignore[no-any-return]

    def fused(self) -> nn.Conv2d:
        """Return one convolution equal to this pair with its running statistics."""
        conv, norm = self.conv, self.norm
        weight, bias = fuse_conv_bn_weights(
            conv.weight,
            None,
            cast(Tensor, norm.running_mean),
            cast(Tensor, norm.running_var),
            norm.eps,
            norm.weight,
            norm.bias,
        )
        fused = nn.Conv2d(conv.in_channels, conv.out_channels, 3, stride=conv.stride[0], padding=1)
        fused.weight, fused.bias = nn.Parameter(weight.detach()), nn.Parameter(bias.detach())
        return fused


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))), both normalised."""

    def __init__(self, channels: int) -> None:
        """Make a block of `channels` in and out."""
        super().__init__()
        self.body = nn.Sequential(ConvNorm(channels, channels), nn.ReLU(inplace=True), ConvNorm(channels, channels))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Add the block's correction."""
        return x_NCHW + self.body(x_NCHW)  # type: ignore[no-any-return]


def count_parameters(network: nn.Module) -> int:
    """Count the learnable numbers of `network`."""
    return sum(parameter.numel() for parameter in network.parameters() if torch.is_floating_point(parameter))
