"""The discriminator of pix2pix and CycleGAN: is each patch of a picture real?"""

from __future__ import annotations

from torch import Tensor, nn

from vidgan.networks.resnet import Norm, make_norm

_MOST_WIDER = 8


class PatchGAN(nn.Module):
    """Scores overlapping patches instead of whole pictures (Isola et al., CVPR 2017); a score sees 70x70 pixels.

    Layers are those of the authors' PyTorch code, so that weights keep their names.
    """

    minimum_size = 32
    """Pixels that each side of a picture must have."""

    def __init__(self, *, channels: int = 3, width: int = 64, num_layers: int = 3, norm: Norm = "instance") -> None:
        """Make a network with random weights.

        Args:
            channels: of what is judged: 3, or 6 for a picture beside what it was made from.
            width: channels behind the first convolution; up to eight times as many further on.
            num_layers: convolutions with stride 2: 3 see 70x70 pixels.
            norm: "instance" as in CycleGAN, or "batch" as in pix2pix.
        """
        super().__init__()
        has_bias = norm != "batch"
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        inner = width
        for index in range(1, num_layers + 1):
            outer = width * min(2**index, _MOST_WIDER)
            stride = 2 if index < num_layers else 1
            layers += [
                nn.Conv2d(inner, outer, 4, stride=stride, padding=1, bias=has_bias),
                make_norm(norm, outer),
                nn.LeakyReLU(0.2),
            ]
            inner = outer
        layers.append(nn.Conv2d(inner, 1, 4, padding=1))
        self.model = nn.Sequential(*layers)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return scores `(N, 1, h, w)`, one for each patch, of float pictures `(N, channels, H, W)` in 0..1."""
        return self.model(x_NCHW * 2 - 1)  # type: ignore[no-any-return]


def initialise(network: nn.Module) -> nn.Module:
    """Give a generator or discriminator the weights that CycleGAN and pix2pix begin with: N(0, 0.02), no bias.

    Scales of batch norms are N(1, 0.02). Changes `network` and returns it.
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(module.weight, std=0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    return network
