"""The generator of CycleGAN: residual blocks at a quarter of the resolution."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Norm = Literal["instance", "batch"]
Downsample = Literal["stride", "blur"]
Upsample = Literal["transpose", "resize", "blur"]


class ResNetGenerator(nn.Module):
    """The generator of Zhu et al., ICCV 2017, after Johnson et al. 2016; weights are named as in the authors' code.

    Pictures are in -1..1; `vidgan.networks.unit_range.UnitRange` makes that 0..1.
    """

    size_multiple = 4
    minimum_size = 8
    value_range = (-1.0, 1.0)

    def __init__(
        self,
        *,
        width: int = 64,
        num_blocks: int = 9,
        norm: Norm = "instance",
        dropout: bool = False,
        downsample: Downsample = "stride",
        upsample: Upsample = "transpose",
    ) -> None:
        """Make a network with random weights.

        Args:
            width: Channels at full resolution; four times as many in the blocks.
            num_blocks: Residual blocks; 9 and 6 were published.
            norm: "instance", without weights, as in CycleGAN; or "batch", as the generator was used with pix2pix.
            dropout: Half of the activations within the blocks are dropped in training.
            downsample: "stride" is the published strided convolution. "blur" is that of CUT: a convolution, and its
                result blurred before every other pixel is taken (Zhang, ICML 2019).
            upsample: "transpose" is the published transposed convolution, which published weights need. "resize" is
                nearest-neighbour resizing and a convolution, which doesn't tend to checkerboards (Odena et al. 2016)
                and compiles in bf16 too: for networks to be trained anew. "blur" is that of CUT: bilinear
                interpolation and a convolution.

        Raises:
            ValueError: an unknown `norm`, `downsample` or `upsample`, or a number below 1.
        """
        super().__init__()
        if min(width, num_blocks) < 1:
            raise ValueError(f"width is {width} and num_blocks {num_blocks}; give 1 or more")
        has_bias = norm != "batch"
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            nn.Conv2d(3, width, 7, bias=has_bias),
            make_norm(norm, width),
            nn.ReLU(inplace=True),
        ]
        for channels in (width, 2 * width):
            layers += [
                nn.Conv2d(channels, 2 * channels, 3, stride=_stride(downsample), padding=1, bias=has_bias),
                make_norm(norm, 2 * channels),
                nn.ReLU(inplace=True),
            ]
            if downsample == "blur":
                layers.append(BlurDown(2 * channels))
        layers += [ResNetBlock(4 * width, norm=norm, dropout=dropout) for _ in range(num_blocks)]
        for channels in (4 * width, 2 * width):
            layers += [
                *_make_upsampling(upsample, channels, has_bias=has_bias),
                make_norm(norm, channels // 2),
                nn.ReLU(inplace=True),
            ]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Restyle `(N, 3, H, W)` float RGB in -1..1, H and W multiples of 4; returns a new tensor of the same kind."""
        return self.model(x_NCHW)  # type: ignore[no-any-return]


class ResNetBlock(nn.Module):
    """x + norm(conv(relu(norm(conv(x))))), with reflection padding."""

    def __init__(self, channels: int, *, norm: Norm, dropout: bool) -> None:
        """Make a block of `channels` in and out."""
        super().__init__()
        has_bias = norm != "batch"
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=has_bias),
            make_norm(norm, channels),
            nn.ReLU(inplace=True),
        ]
        if dropout:
            layers.append(nn.Dropout(0.5))
        layers += [
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=has_bias),
            make_norm(norm, channels),
        ]
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Add the block's correction."""
        return x_NCHW + self.conv_block(x_NCHW)  # type: ignore[no-any-return]


def make_norm(norm: Norm, channels: int) -> nn.Module:
    """Return a normalisation as CycleGAN and pix2pix use it.

    Raises:
        ValueError: an unknown `norm`.
    """
    if norm == "instance":
        return nn.InstanceNorm2d(channels)
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    raise ValueError(f"norm is {norm!r}; use 'instance' or 'batch'")


class BlurDown(nn.Module):
    """Every other pixel of the picture blurred by 1 2 1, as in CUT; the filter is kept beside the weights."""

    filt: Tensor

    def __init__(self, channels: int) -> None:
        """Make a layer of `channels` in and out."""
        super().__init__()
        self.register_buffer("filt", _binomial((1.0, 2.0, 1.0), channels))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Halve `(N, channels, H, W)`."""
        return F.conv2d(F.pad(x_NCHW, (1, 1, 1, 1), "reflect"), self.filt, stride=2, groups=self.filt.shape[0])


class BlurUp(nn.Module):
    """Twice the size by the filter 1 3 3 1, as in CUT; that is bilinear interpolation."""

    filt: Tensor

    def __init__(self, channels: int) -> None:
        """Make a layer of `channels` in and out."""
        super().__init__()
        self.register_buffer("filt", 4 * _binomial((1.0, 3.0, 3.0, 1.0), channels))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Double `(N, channels, H, W)`."""
        x_NCHW = F.pad(x_NCHW, (1, 1, 1, 1), "replicate")
        # CUT pads by 2 and then cuts a pixel off every side: that is a padding of 3.
        return F.conv_transpose2d(x_NCHW, self.filt, stride=2, padding=3, groups=self.filt.shape[0])


def _binomial(row: tuple[float, ...], channels: int) -> Tensor:
    """Return `row` times its transpose, with the sum 1, for every channel: `(channels, 1, h, w)`."""
    line = torch.tensor(row) / sum(row)
    return torch.outer(line, line).repeat(channels, 1, 1, 1)


def _stride(downsample: Downsample) -> int:
    """Return the stride of the convolutions on the way down."""
    if downsample not in ("stride", "blur"):
        raise ValueError(f"downsample is {downsample!r}; use 'stride' or 'blur'")
    return 2 if downsample == "stride" else 1


def resize_convolution(channels_in: int, channels_out: int, *, has_bias: bool) -> nn.Module:
    """Return nearest-neighbour resizing to double the size and a convolution, which doesn't tend to checkerboards.

    It is one module, as the transposed convolution in its place is, so that what follows keeps its published name.
    """
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.ReflectionPad2d(1),
        nn.Conv2d(channels_in, channels_out, 3, bias=has_bias),
    )


def _make_upsampling(upsample: Upsample, channels: int, *, has_bias: bool) -> list[nn.Module]:
    """Return layers that double the size and halve the channels."""
    if upsample == "transpose":
        return [nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1, bias=has_bias)]
    if upsample == "resize":
        return [resize_convolution(channels, channels // 2, has_bias=has_bias)]
    if upsample == "blur":
        return [BlurUp(channels), nn.Conv2d(channels, channels // 2, 3, padding=1, bias=has_bias)]
    raise ValueError(f"upsample is {upsample!r}; use 'transpose', 'resize' or 'blur'")
