"""The generator of pix2pix: a U-Net down to a single pixel."""

from __future__ import annotations

from typing import Literal, TypedDict

import torch
from torch import Tensor, nn

from vidgan.networks.resnet import Norm, make_norm, resize_convolution

_LEAST_DOWNS = 5
Upsample = Literal["transpose", "resize"]


class _Kinds(TypedDict):
    norm: Norm
    upsample: Upsample


class UNetGenerator(nn.Module):
    """The U-Net of Isola et al., CVPR 2017; weights are named as in the authors' PyTorch code.

    Pictures are in -1..1; `vidgan.networks.unit_range.UnitRange` makes that 0..1.
    """

    value_range = (-1.0, 1.0)

    def __init__(
        self,
        *,
        num_downs: int = 8,
        width: int = 64,
        norm: Norm = "batch",
        dropout: bool = False,
        upsample: Upsample = "transpose",
    ) -> None:
        """Make a network with random weights.

        Args:
            num_downs: How often the size is halved: 7, 8 and 9 were published for pictures of 128, 256 and 512 pixels.
                Width and height must be multiples of 2 to this power.
            width: Channels behind the first convolution; eight times as many further in.
            norm: "batch" as in pix2pix, or "instance", without weights.
            dropout: Half of the activations of the innermost blocks are dropped in training.
            upsample: "transpose" is the published transposed convolution, which published weights need. "resize" is
                nearest-neighbour resizing and a convolution, which doesn't tend to checkerboards (Odena et al. 2016).

        Raises:
            ValueError: an unknown `norm` or `upsample`, a `num_downs` below 5, or a `width` below 1.
        """
        super().__init__()
        if num_downs < _LEAST_DOWNS or width < 1:
            raise ValueError(f"num_downs is {num_downs} and width {width}; give {_LEAST_DOWNS} or more, and 1 or more")
        self.size_multiple = self.minimum_size = 2**num_downs
        kinds: _Kinds = {"norm": norm, "upsample": upsample}
        block = SkipBlock(8 * width, 8 * width, **kinds)
        for _ in range(num_downs - _LEAST_DOWNS):
            block = SkipBlock(8 * width, 8 * width, inside=block, dropout=dropout, **kinds)
        for channels in (4 * width, 2 * width, width):
            block = SkipBlock(channels, 2 * channels, inside=block, **kinds)
        self.model = _OutermostBlock(width, block, **kinds)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Restyle `(N, 3, H, W)` float RGB in -1..1; returns a new tensor of the same kind.

        H and W are multiples of `size_multiple`.
        """
        return self.model(x_NCHW)  # type: ignore[no-any-return]


class SkipBlock(nn.Module):
    """Down, what is inside, up again; the input is put beside the output."""

    def __init__(
        self,
        channels: int,
        inner_channels: int,
        *,
        inside: SkipBlock | None = None,
        norm: Norm,
        upsample: Upsample,
        dropout: bool = False,
    ) -> None:
        """Make a block of `channels` in and twice as many out; without `inside` it is the innermost."""
        super().__init__()
        has_bias = norm != "batch"
        layers: list[nn.Module] = [
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, inner_channels, 4, stride=2, padding=1, bias=has_bias),
        ]
        if inside is not None:
            layers += [make_norm(norm, inner_channels), inside]
        from_inside = inner_channels if inside is None else 2 * inner_channels
        layers += [
            nn.ReLU(),
            _make_upsampling(upsample, from_inside, channels, has_bias=has_bias),
            make_norm(norm, channels),
        ]
        if dropout:
            layers.append(nn.Dropout(0.5))
        self.model = nn.Sequential(*layers)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return `(N, 2 * channels, H, W)`."""
        # The published LeakyReLU works in place, so there the skipped values have passed it. That makes no difference:
        # a ReLU comes next on the way up, and it gives the same for both.
        return torch.cat([x_NCHW, self.model(x_NCHW)], 1)


class _OutermostBlock(nn.Module):
    """From the picture and to the picture, without norms and skip."""

    def __init__(self, width: int, inside: SkipBlock, *, norm: Norm, upsample: Upsample) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(3, width, 4, stride=2, padding=1, bias=norm != "batch"),
            inside,
            nn.ReLU(),
            _make_upsampling(upsample, 2 * width, 3, has_bias=True),
            nn.Tanh(),
        )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        return self.model(x_NCHW)  # type: ignore[no-any-return]


def _make_upsampling(upsample: Upsample, channels_in: int, channels_out: int, *, has_bias: bool) -> nn.Module:
    """Return what doubles the size, as one module."""
    if upsample == "transpose":
        return nn.ConvTranspose2d(channels_in, channels_out, 4, stride=2, padding=1, bias=has_bias)
    if upsample == "resize":
        return resize_convolution(channels_in, channels_out, has_bias=has_bias)
    raise ValueError(f"upsample is {upsample!r}; use 'transpose' or 'resize'")
