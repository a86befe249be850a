"""How near a picture is to the manner of a painting and to the content of a photograph: the losses of the recipe.

`PerceptualCriterion` says the same; here what was seen of a picture is kept, so that one photograph can be compared
with many restyled ones.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from held_out import Named, Picture
from torch import Tensor

from vidgan.errors import InputError
from vidgan.networks.perceptual import VGGFeatures
from vidgan.picture import OPENCV_SUFFIXES
from vidgan.train.criterion import CONTENT_LAYER, STYLE_LAYERS
from vidgan.train.data import to_tensor
from vidgan.train.losses import content_distance, gram, style_distance


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """What VGG16 sees in a picture, in f32."""

    grams: Mapping[str, Tensor]
    """Gram matrix `(1, C, C)` of each style layer."""
    content: Tensor
    """Features `(1, C, h, w)` of the content layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """One restyled picture."""

    picture: str
    """Name of what was restyled."""
    unstyled: float
    """Style distance of the photograph itself to the painting."""
    style: float
    """Style distance of the result to the painting."""
    content: float
    """Content distance of the result to the photograph."""

    @property
    def ratio(self) -> float:
        """What is left of the style distance; 0 would be the painting."""
        return self.style / self.unstyled


class Eye:
    """Sees pictures, RGB uint8 `(H, W, 3)`."""

    def __init__(self) -> None:
        """Load the weights that the recipe uses where none are given."""
        self._features = VGGFeatures((*STYLE_LAYERS, CONTENT_LAYER))

    def __call__(self, image_HWC: Picture) -> Look:
        """Return what is seen."""
        with torch.no_grad():
            found = self._features(to_tensor(image_HWC))
        return Look(grams={layer: gram(found[layer]) for layer in STYLE_LAYERS}, content=found[CONTENT_LAYER])


def style_between(look: Look, painting: Look) -> float:
    """Return the sum over the style layers of normalised Gram distances to the painting."""
    return float(sum(style_distance(look.grams[layer], painting.grams[layer]) for layer in STYLE_LAYERS))


def content_between(look: Look, source: Look) -> float:
    """Return the content distance to the source, which must have the same size."""
    return float(content_distance(look.content, source.content))


def find_painting(folder: Path, name: str) -> Path:
    """Return the picture file called `name`, whatever its extension.

    Raises:
        InputError: there is none.
    """
    for path in sorted(folder.glob(f"{name}.*")):
        if path.suffix.lower() in OPENCV_SUFFIXES:
            return path
    raise InputError(f"{folder}: no painting called {name}; {sorted(OPENCV_SUFFIXES)} are read")


Restyle = Callable[[Picture], Picture]


def judge(
    eye: Eye, pictures: Iterable[Named], styles: Mapping[str, Restyle], paintings: Mapping[str, Picture]
) -> dict[str, list[Likeness]]:
    """Restyle every picture in every style.

    Args:
        eye: judges.
        pictures: what is restyled.
        styles: by name.
        paintings: of each style, as the recipe resizes it.

    Returns:
        For each style one likeness for each picture, in order.
    """
    targets = {name: eye(paintings[name]) for name in styles}
    found: dict[str, list[Likeness]] = {name: [] for name in styles}
    for picture in pictures:
        source = eye(picture.image)
        for name, restyle in styles.items():
            result = eye(restyle(picture.image))
            likeness = Likeness(
                picture=picture.name,
                unstyled=style_between(source, targets[name]),
                style=style_between(result, targets[name]),
                content=content_between(result, source),
            )
            found[name].append(likeness)
    return found


def summarise(likenesses: Sequence[Likeness]) -> dict[str, float | str]:
    """Return mean, median and worst of the ratios, the ratio of the means, and mean and worst content distance."""
    worst = max(likenesses, key=lambda likeness: likeness.ratio)
    return {
        "pictures": len(likenesses),
        "ratio_mean": statistics.fmean(likeness.ratio for likeness in likenesses),
        "ratio_median": statistics.median(likeness.ratio for likeness in likenesses),
        "ratio_worst": worst.ratio,
        "worst_picture": worst.picture,
        "ratio_of_means": sum(x.style for x in likenesses) / sum(x.unstyled for x in likenesses),
        "content_mean": statistics.fmean(likeness.content for likeness in likenesses),
        "content_worst": max(likeness.content for likeness in likenesses),
    }
