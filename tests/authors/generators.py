"""The layouts as their authors published them. Nothing here comes from vidgan."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F


def norm_of(kind, channels):
    """`tracked` is what InstanceNorm2d was before PyTorch 0.4: it saved running statistics and never used them."""
    return {
        "instance": lambda: nn.InstanceNorm2d(channels),
        "tracked": lambda: nn.InstanceNorm2d(channels, track_running_stats=True),
        "batch": lambda: nn.BatchNorm2d(channels),
    }[kind]()


class Residual(nn.Module):
    def __init__(self, channels, norm, dropout):
        super().__init__()
        layers = []
        for is_last in (False, True):
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=norm != "batch")]
            layers += [norm_of(norm, channels)] + ([] if is_last else [nn.ReLU(True)])
            if dropout and not is_last:
                layers.append(nn.Dropout(0.5))
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.conv_block(x)


def binomial(row, channels):
    filt = torch.tensor(row)[:, None] * torch.tensor(row)[None, :]
    return (filt / filt.sum())[None, None].repeat(channels, 1, 1, 1)


class CutDown(nn.Module):
    """Downsample of CUT: filter of 3, reflection."""

    def __init__(self, channels):
        super().__init__()
        self.register_buffer("filt", binomial([1.0, 2.0, 1.0], channels))
        self.pad = nn.ReflectionPad2d([1, 1, 1, 1])

    def forward(self, x):
        return F.conv2d(self.pad(x), self.filt, stride=2, groups=x.shape[1])


class CutUp(nn.Module):
    """Upsample of CUT: filter of 4, replication, then a pixel cut off every side."""

    def __init__(self, channels):
        super().__init__()
        self.register_buffer("filt", binomial([1.0, 3.0, 3.0, 1.0], channels) * 4)
        self.pad = nn.ReplicationPad2d([1, 1, 1, 1])

    def forward(self, x):
        y = F.conv_transpose2d(self.pad(x), self.filt, stride=2, padding=2, groups=x.shape[1])
        return y[:, :, 1:, 1:][:, :, :-1, :-1]


class ResNet(nn.Module):
    """ResnetGenerator of CycleGAN and pix2pix; of CUT with `blur`."""

    def __init__(self, width=8, blocks=9, norm="instance", dropout=False, blur=(False, False), colours=(3, 3)):
        super().__init__()
        bias, (blur_down, blur_up) = norm != "batch", blur
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(colours[0], width, 7, bias=bias), norm_of(norm, width)]
        layers.append(nn.ReLU(True))
        for c in (width, 2 * width):
            layers += [nn.Conv2d(c, 2 * c, 3, stride=1 if blur_down else 2, padding=1, bias=bias)]
            layers += [norm_of(norm, 2 * c), nn.ReLU(True)] + ([CutDown(2 * c)] if blur_down else [])
        layers += [Residual(4 * width, norm, dropout) for _ in range(blocks)]
        for c in (4 * width, 2 * width):
            if blur_up:
                layers += [CutUp(c), nn.Conv2d(c, c // 2, 3, stride=1, padding=1, bias=bias)]
            else:
                layers += [nn.ConvTranspose2d(c, c // 2, 3, stride=2, padding=1, output_padding=1, bias=bias)]
            layers += [norm_of(norm, c // 2), nn.ReLU(True)]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, colours[1], 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x)


class Skip(nn.Module):
    """UnetSkipConnectionBlock."""

    def __init__(self, outer, inner, inside, norm, dropout=False, is_outermost=False, colours=3):
        super().__init__()
        self.is_outermost = is_outermost
        bias = norm != "batch"
        down = nn.Conv2d(colours if is_outermost else outer, inner, 4, stride=2, padding=1, bias=bias)
        up_in = inner if inside is None else 2 * inner
        if is_outermost:
            layers = [down, inside, nn.ReLU(True), nn.ConvTranspose2d(up_in, outer, 4, stride=2, padding=1), nn.Tanh()]
        else:
            layers = [nn.LeakyReLU(0.2, True), down]
            layers += [] if inside is None else [norm_of(norm, inner), inside]
            layers += [nn.ReLU(True), nn.ConvTranspose2d(up_in, outer, 4, stride=2, padding=1, bias=bias)]
            layers += [norm_of(norm, outer)] + ([nn.Dropout(0.5)] if dropout else [])
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x) if self.is_outermost else torch.cat([x, self.model(x)], 1)


class UNet(nn.Module):
    """UnetGenerator: `downs` is 7 for unet_128, 8 for unet_256, 9 for unet_512."""

    def __init__(self, downs, width=4, norm="batch", dropout=False, colours=(3, 3)):
        super().__init__()
        block = Skip(8 * width, 8 * width, None, norm)
        for _ in range(downs - 5):
            block = Skip(8 * width, 8 * width, block, norm, dropout)
        for factor in (4, 2, 1):
            block = Skip(factor * width, 2 * factor * width, block, norm)
        self.model = Skip(colours[1], width, block, norm, is_outermost=True, colours=colours[0])

    def forward(self, x):
        return self.model(x)


class PaddedConv(nn.Module):
    def __init__(self, channels_in, channels_out, size, stride=1, upsample=None):
        super().__init__()
        self.upsample = upsample
        self.reflection_pad = nn.ReflectionPad2d(size // 2)
        self.conv2d = nn.Conv2d(channels_in, channels_out, size, stride)

    def forward(self, x):
        if self.upsample:
            x = F.interpolate(x, mode="nearest", scale_factor=self.upsample)
        return self.conv2d(self.reflection_pad(x))


class JohnsonResidual(nn.Module):
    def __init__(self, channels, tracked):
        super().__init__()
        self.conv1 = PaddedConv(channels, channels, 3)
        self.in1 = nn.InstanceNorm2d(channels, affine=True, track_running_stats=tracked)
        self.conv2 = PaddedConv(channels, channels, 3)
        self.in2 = nn.InstanceNorm2d(channels, affine=True, track_running_stats=tracked)

    def forward(self, x):
        return self.in2(self.conv2(torch.relu(self.in1(self.conv1(x))))) + x


class TransformerNet(nn.Module):
    """fast_neural_style of pytorch/examples; `tracked` saves the keys of before PyTorch 0.4 too."""

    def __init__(self, width=8, tracked=False):
        super().__init__()
        ladder = [(3, width, 9, 1, None), (width, 2 * width, 3, 2, None), (2 * width, 4 * width, 3, 2, None)]
        ladder += [(4 * width, 2 * width, 3, 1, 2), (2 * width, width, 3, 1, 2), (width, 3, 9, 1, None)]
        names = ["conv1", "conv2", "conv3", "deconv1", "deconv2", "deconv3"]
        for number, (name, layer) in enumerate(zip(names, ladder, strict=True), 1):
            if number == 4:
                for block in range(1, 6):
                    setattr(self, f"res{block}", JohnsonResidual(4 * width, tracked))
            setattr(self, name, PaddedConv(*layer))
            if number < 6:
                setattr(self, f"in{number}", nn.InstanceNorm2d(layer[1], affine=True, track_running_stats=tracked))

    def forward(self, x):
        x = torch.relu(self.in1(self.conv1(x)))
        x = torch.relu(self.in2(self.conv2(x)))
        x = torch.relu(self.in3(self.conv3(x)))
        for number in range(1, 6):
            x = getattr(self, f"res{number}")(x)
        x = torch.relu(self.in4(self.deconv1(x)))
        x = torch.relu(self.in5(self.deconv2(x)))
        return self.deconv3(x)


def conv_norm_lrelu(channels_in, channels_out, size=3, stride=1, padding=1, groups=1, bias=False):
    return nn.Sequential(
        nn.ReflectionPad2d(padding),
        nn.Conv2d(channels_in, channels_out, size, stride=stride, padding=0, groups=groups, bias=bias),
        nn.GroupNorm(num_groups=1, num_channels=channels_out, affine=True),
        nn.LeakyReLU(0.2, inplace=True),
    )


class Inverted(nn.Module):
    def __init__(self, channels_in, channels_out):
        super().__init__()
        wide = 2 * channels_in
        self.layers = nn.Sequential(
            conv_norm_lrelu(channels_in, wide, size=1, padding=0),
            conv_norm_lrelu(wide, wide, groups=wide, bias=True),
            nn.Conv2d(wide, channels_out, kernel_size=1, padding=0, bias=False),
            nn.GroupNorm(num_groups=1, num_channels=channels_out, affine=True),
        )
        self.is_residual = channels_in == channels_out

    def forward(self, x):
        return x + self.layers(x) if self.is_residual else self.layers(x)


class AnimeGAN(nn.Module):
    """Generator of animegan2-pytorch: it enlarges to the sizes that it had on the way down."""

    def __init__(self, width=8):
        super().__init__()
        a, b, c, d = width, 2 * width, 4 * width, 8 * width
        down = (0, 1, 0, 1)
        self.block_a = nn.Sequential(
            conv_norm_lrelu(3, a, size=7, padding=3),
            conv_norm_lrelu(a, b, stride=2, padding=down),
            conv_norm_lrelu(b, b),
        )
        self.block_b = nn.Sequential(conv_norm_lrelu(b, c, stride=2, padding=down), conv_norm_lrelu(c, c))
        self.block_c = nn.Sequential(
            conv_norm_lrelu(c, c), Inverted(c, d), Inverted(d, d), Inverted(d, d), Inverted(d, d), conv_norm_lrelu(d, c)
        )
        self.block_d = nn.Sequential(conv_norm_lrelu(c, c), conv_norm_lrelu(c, c))
        self.block_e = nn.Sequential(
            conv_norm_lrelu(c, b), conv_norm_lrelu(b, b), conv_norm_lrelu(b, a, size=7, padding=3)
        )
        self.out_layer = nn.Sequential(nn.Conv2d(a, 3, 1, bias=False), nn.Tanh())

    def forward(self, x, align_corners=True):
        y = self.block_a(x)
        half = y.shape[-2:]
        y = self.block_c(self.block_b(y))
        if align_corners:
            y = self.block_d(F.interpolate(y, half, mode="bilinear", align_corners=True))
            y = F.interpolate(y, x.shape[-2:], mode="bilinear", align_corners=True)
        else:
            y = self.block_d(F.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False))
            y = F.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False)
        return self.out_layer(self.block_e(y))


def patchgan():
    """NLayerDiscriminator, of narrow layers."""
    layers = [nn.Conv2d(3, 8, 4, stride=2, padding=1), nn.LeakyReLU(0.2, True)]
    for c, stride in ((8, 2), (16, 2), (32, 1)):
        layers += [nn.Conv2d(c, 2 * c, 4, stride=stride, padding=1), nn.InstanceNorm2d(2 * c), nn.LeakyReLU(0.2, True)]
    layers.append(nn.Conv2d(64, 1, 4, stride=1, padding=1))
    return nn.ModuleDict({"model": nn.Sequential(*layers)})


def randomise(network, seed=0, output_scale=1.0, output_shift=0.0):
    """Give a network random weights that neither die nor drown on the way: pictures of full contrast come out."""
    generator = torch.Generator().manual_seed(seed)

    def normal(tensor, std=1.0, mean=0.0):
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * std + mean)

    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)]
    with torch.no_grad():
        for module in layers:
            fan_in = module.weight[0].numel() if isinstance(module, nn.Conv2d) else module.weight[:, 0].numel() / 4
            normal(module.weight, math.sqrt(2 / fan_in))
            if module.bias is not None:
                normal(module.bias, 0.1)
        for module in network.modules():
            if isinstance(module, nn.InstanceNorm2d | nn.BatchNorm2d | nn.GroupNorm) and module.weight is not None:
                normal(module.weight, 0.2, mean=1)
                normal(module.bias, 0.2)
            if getattr(module, "running_mean", None) is not None:
                normal(module.running_mean, 0.3)
                module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) * 2 + 0.5)
        last = layers[-1]
        last.weight *= output_scale
        if last.bias is not None:
            last.bias += output_shift
    return network.eval()


def without_statistics(network):
    """Let instance norms forget what they tracked, as PyTorch 0.4 and later do with files that hold it."""
    for module in network.modules():
        if isinstance(module, nn.InstanceNorm2d):
            module.track_running_stats, module.running_mean, module.running_var = False, None, None
    return network


def random_johnson(**options):
    """Return a TransformerNet whose pictures are in 0..255."""
    return randomise(TransformerNet(**options), output_scale=40, output_shift=128)
