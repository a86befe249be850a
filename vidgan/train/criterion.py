"""What a picture should look like, as numbers: the content of one in the manner of others (Gatys et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vidgan.networks.perceptual import VGGFeatures
from vidgan.train.losses import content_distance, gram, style_distance, total_variation

CONTENT_LAYER = "3_2"
"""Its features keep the content readable while strokes are free."""
STYLE_LAYERS = ("1_1", "2_1", "3_1", "4_1")
"""Their Gram matrices carry the style; what the project calls style distance is the sum over these four."""


class PerceptualCriterion:
    """Distances to a manner and to a content. Pictures are float RGB `(N, 3, H, W)` in 0..1."""

    def __init__(
        self,
        features: VGGFeatures,
        paintings_1CHW: Sequence[Tensor],
        *,
        content_layer: str = CONTENT_LAYER,
        style_layers: Sequence[str] = STYLE_LAYERS,
    ) -> None:
        """Take the manner of `paintings_1CHW`, each `(1, 3, h, w)`; of several, the mean of their Gram matrices.

        Args:
            features: must give `content_layer` and `style_layers`.
            paintings_1CHW: at least one, on the device of `features`.
            content_layer: name of a layer.
            style_layers: names of layers.
        """
        self.features, self.content_layer = features, content_layer
        with torch.no_grad():
            grams = [self._grams(features(painting), style_layers) for painting in paintings_1CHW]
        self.targets = {layer: torch.stack([found[layer] for found in grams]).mean(0) for layer in style_layers}

    def content_of(self, x_NCHW: Tensor) -> Tensor:
        """Return the features that a restyled picture should keep, without gradient."""
        with torch.no_grad():
            found: dict[str, Tensor] = self.features(x_NCHW)
        return found[self.content_layer]

    def __call__(self, x_NCHW: Tensor, content_NCHW: Tensor) -> dict[str, Tensor]:
        """Return the unweighted losses `content`, `style` and `variation` of pictures.

        Args:
            x_NCHW: the pictures that are judged.
            content_NCHW: `content_of` the pictures they were made from.
        """
        found = self.features(x_NCHW)
        grams = self._grams(found, self.targets)
        distances = [style_distance(grams[layer], target) for layer, target in self.targets.items()]
        return {
            "content": content_distance(found[self.content_layer], content_NCHW),
            "style": torch.stack(distances).sum(),
            "variation": total_variation(x_NCHW),
        }

    @staticmethod
    def _grams(found: dict[str, Tensor], layers: Sequence[str] | dict[str, Tensor]) -> dict[str, Tensor]:
        return {layer: gram(found[layer]) for layer in layers}
