"""The generator of AnimeGANv2: photographs as drawings."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

_NUM_INVERTED = 4


class AnimeGANGenerator(nn.Module):
    """Chen et al. 2020, as its port to PyTorch has it (bryandlee/animegan2-pytorch), with the names of weights there.

    Pictures are in -1..1; `vidgan.networks.unit_range.UnitRange` makes that 0..1.
    """

    size_multiple = 4
    minimum_size = 8
    value_range = (-1.0, 1.0)

    def __init__(self, *, width: int = 32, align_corners: bool = True) -> None:
        """Make a network with random weights.

        Args:
            width: Channels at full resolution; 32 were published, eight times as many in the blocks.
            align_corners: Of the bilinear enlargements. True is the published module's default, False that of the
                script beside it; weights fit both.

        Raises:
            ValueError: `width` is below 1.
        """
        super().__init__()
        if width < 1:
            raise ValueError(f"width is {width}; give 1 or more")
        self.align_corners = align_corners
        # Of pictures with an even width the published padding leaves no pixel out.
        down = (0, 1, 0, 1)
        self.block_a = nn.Sequential(
            ConvNorm(3, width, 7, padding=3),
            ConvNorm(width, 2 * width, 3, stride=2, padding=down),
            ConvNorm(2 * width, 2 * width, 3),
        )
        self.block_b = nn.Sequential(
            ConvNorm(2 * width, 4 * width, 3, stride=2, padding=down),
            ConvNorm(4 * width, 4 * width, 3),
        )
        self.block_c = nn.Sequential(
            ConvNorm(4 * width, 4 * width, 3),
            InvertedBlock(4 * width, 8 * width),
            *(InvertedBlock(8 * width, 8 * width) for _ in range(_NUM_INVERTED - 1)),
            ConvNorm(8 * width, 4 * width, 3),
        )
        self.block_d = nn.Sequential(ConvNorm(4 * width, 4 * width, 3), ConvNorm(4 * width, 4 * width, 3))
        self.block_e = nn.Sequential(
            ConvNorm(4 * width, 2 * width, 3),
            ConvNorm(2 * width, 2 * width, 3),
            ConvNorm(2 * width, width, 7, padding=3),
        )
        self.out_layer = nn.Sequential(nn.Conv2d(width, 3, 1, bias=False), nn.Tanh())

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Restyle `(N, 3, H, W)` float RGB in -1..1, H and W multiples of 4; returns a new tensor of the same kind."""
        y_NCHW = self.block_c(self.block_b(self.block_a(x_NCHW)))
        y_NCHW = self.block_d(self._doubled(y_NCHW))
        y_NCHW = self.block_e(self._doubled(y_NCHW))
        return self.out_layer(y_NCHW)  # type: ignore[no-any-return]

    def _doubled(self, x_NCHW: Tensor) -> Tensor:
        return F.interpolate(x_NCHW, scale_factor=2.0, mode="bilinear", align_corners=self.align_corners)


class ConvNorm(nn.Sequential):
    """Reflection padding, convolution, layer normalisation, leaky ReLU."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        size: int,
        *,
        stride: int = 1,
        padding: int | tuple[int, int, int, int] = 1,
        groups: int = 1,
        bias: bool = False,
    ) -> None:
        """Make a convolution of `size` by `size`; `padding` is one number, or left, right, top and bottom."""
        super().__init__(
            nn.ReflectionPad2d(padding),
            nn.Conv2d(channels_in, channels_out, size, stride, groups=groups, bias=bias),
            nn.GroupNorm(1, channels_out),
            nn.LeakyReLU(0.2, inplace=True),
        )


class InvertedBlock(nn.Module):
    """Twice the channels, a convolution of each on its own, and back (Sandler et al., CVPR 2018)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        """Make a block; the input is added where it has as many channels as the output."""
        super().__init__()
        inner = 2 * channels_in
        self.layers = nn.Sequential(
            ConvNorm(channels_in, inner, 1, padding=0),
            ConvNorm(inner, inner, 3, groups=inner, bias=True),
            nn.Conv2d(inner, channels_out, 1, bias=False),
            nn.GroupNorm(1, channels_out),
        )
        self.adds_input = channels_in == channels_out

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return `(N, channels_out, H, W)`."""
        y_NCHW: Tensor = self.layers(x_NCHW)
        return x_NCHW + y_NCHW if self.adds_input else y_NCHW
