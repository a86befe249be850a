"""The network of fast neural style: one painting's look in a single pass."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

_NUM_BLOCKS = 5


class JohnsonNet(nn.Module):
    """Johnson et al., ECCV 2016, with instance normalisation and resize-convolutions.

    Layers and the names of weights are those of `TransformerNet` in PyTorch's examples (fast_neural_style). Pictures
    are in 0..255; `vidgan.networks.unit_range.UnitRange` makes that 0..1.
    """

    size_multiple = 4
    minimum_size = 8
    value_range = (0.0, 255.0)

    def __init__(self, *, width: int = 32) -> None:
        """Make a network with random weights.

        Args:
            width: Channels at full resolution; 32 were published, four times as many in the blocks.

        Raises:
            ValueError: `width` is below 1.
        """
        super().__init__()
        if width < 1:
            raise ValueError(f"width is {width}; give 1 or more")
        self.conv1 = ConvLayer(3, width, 9)
        self.in1 = nn.InstanceNorm2d(width, affine=True)
        self.conv2 = ConvLayer(width, 2 * width, 3, stride=2)
        self.in2 = nn.InstanceNorm2d(2 * width, affine=True)
        self.conv3 = ConvLayer(2 * width, 4 * width, 3, stride=2)
        self.in3 = nn.InstanceNorm2d(4 * width, affine=True)
        for number in range(1, _NUM_BLOCKS + 1):
            self.add_module(f"res{number}", JohnsonBlock(4 * width))
        self.deconv1 = ConvLayer(4 * width, 2 * width, 3, upsample=2)
        self.in4 = nn.InstanceNorm2d(2 * width, affine=True)
        self.deconv2 = ConvLayer(2 * width, width, 3, upsample=2)
        self.in5 = nn.InstanceNorm2d(width, affine=True)
        self.deconv3 = ConvLayer(width, 3, 9)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Restyle pictures.

        Args:
            x_NCHW: `(N, 3, H, W)` float RGB in 0..255; H and W multiples of 4.

        Returns:
            A new tensor of the same shape, mostly in 0..255 but not clamped.
        """
        y_NCHW = F.relu(self.in1(self.conv1(x_NCHW)))
        y_NCHW = F.relu(self.in2(self.conv2(y_NCHW)))
        y_NCHW = F.relu(self.in3(self.conv3(y_NCHW)))
        for number in range(1, _NUM_BLOCKS + 1):
            y_NCHW = self.get_submodule(f"res{number}")(y_NCHW)
        y_NCHW = F.relu(self.in4(self.deconv1(y_NCHW)))
        y_NCHW = F.relu(self.in5(self.deconv2(y_NCHW)))
        return self.deconv3(y_NCHW)  # type: ignore[no-any-return]


class ConvLayer(nn.Module):
    """Nearest-neighbour upsampling where asked for, reflection padding, convolution."""

    def __init__(self, channels_in: int, channels_out: int, size: int, *, stride: int = 1, upsample: int = 1) -> None:
        """Make a convolution of `size` by `size`, behind an enlargement by `upsample`."""
        super().__init__()
        self.upsample = upsample
        self.reflection_pad = nn.ReflectionPad2d(size // 2)
        self.conv2d = nn.Conv2d(channels_in, channels_out, size, stride)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the convolved features."""
        if self.upsample > 1:
            x_NCHW = F.interpolate(x_NCHW, scale_factor=float(self.upsample), mode="nearest")
        return self.conv2d(self.reflection_pad(x_NCHW))  # type: ignore[no-any-return]


class JohnsonBlock(nn.Module):
    """x + norm(conv(relu(norm(conv(x)))))."""

    def __init__(self, channels: int) -> None:
        """Make a block of `channels` in and out."""
        super().__init__()
        self.conv1 = ConvLayer(channels, channels, 3)
        self.in1 = nn.InstanceNorm2d(channels, affine=True)
        self.conv2 = ConvLayer(channels, channels, 3)
        self.in2 = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Add the block's correction."""
        y_NCHW = F.relu(self.in1(self.conv1(x_NCHW)))
        return x_NCHW + self.in2(self.conv2(y_NCHW))  # type: ignore[no-any-return]
