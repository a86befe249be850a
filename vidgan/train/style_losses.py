"""The losses of the style recipe: content, style, variation, steadiness on invented and real motion, imitation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from vidgan.networks.generators import StyleNet
from vidgan.networks.perceptual import VGGFeatures
from vidgan.stylizer import Stylizer
from vidgan.temporal.warp import warp_tensor
from vidgan.train.clips import Clips
from vidgan.train.criterion import PerceptualCriterion
from vidgan.train.data import PAINTING_WIDTH, random_flow, read_painting, to_tensor
from vidgan.train.losses import clip_feature_loss, clip_output_loss, total_variation
from vidgan.train.teacher import PictureTeacher

if TYPE_CHECKING:
    from vidgan.train.style import StyleConfig

CLIP_FEATURES = 0.025
"""Weight of ReCoNet's feature-level loss to its output-level one. Theirs is 1e5 to 2e5; ours is a fraction of the
features' mean square rather than a square of colours, whose variance in styled pictures is about 0.05."""
_WHOLE = slice(None)


class StyleCriterion:
    """The losses of one configuration. A context manager: the teacher, if any, is closed at the end."""

    def __init__(
        self,
        config: StyleConfig,
        device: torch.device,
        clips: Clips | None = None,
        mean: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """Read the paintings and the perceptual network.

        Args:
            config: of the run.
            device: where the networks are.
            clips: real motion; only needed where `config.clip_weight` isn't 0.
            mean: takes the mean over processes, where several share a batch.

        Raises:
            InputError: a painting or the perceptual network's weights can't be used.
            StyleError: there is no such teacher.
            RuntimeUnavailableError: no perceptual network, or no runtime for the teacher.
        """
        self.config, self._clips, self._mean = config, clips, mean
        layers = dict.fromkeys((*config.style_layers, config.content_layer))
        width = round(PAINTING_WIDTH * config.style_scale)
        paintings = [to_tensor(read_painting(path, width)).to(device) for path in config.styles]
        self.perceptual = PerceptualCriterion(
            VGGFeatures(layers, config.features).to(device),
            paintings,
            content_layer=config.content_layer,
            style_layers=config.style_layers,
        )
        self._teacher = _Teacher(config.teacher, config.crop) if config.teacher else None

    def __enter__(self) -> Self:
        """Enter a `with`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the teacher."""
        if self._teacher:
            self._teacher.close()

    def only_imitates(self, step: int) -> bool:
        """Say whether `step` belongs to the first, cheap part of a run with a teacher."""
        return self._teacher is not None and step < self.config.steps * self.config.imitation_part

    def weights(self, step: int) -> dict[str, float]:
        """Weights of the losses at `step`, of those that are computed then."""
        config = self.config
        risen = min(1.0, (step + 1) / max(1.0, config.steps * config.warm_up_part))
        weights = {"variation": config.variation_weight, "temporal": config.temporal_weight}
        if not self.only_imitates(step):
            weights = {"content": config.content_weight, "style": config.style_weight * risen, **weights}
        if self._teacher:
            weights["imitation"] = config.imitation_weight
        if config.clip_weight:
            weights |= {"clip": config.clip_weight, "clip_features": config.clip_weight * CLIP_FEATURES}
        return weights

    def __call__(self, network: StyleNet, content_NCHW: Tensor, step: int, share: slice = _WHOLE) -> dict[str, Tensor]:
        """Return the unweighted losses of `network` at `step`, by the names of `weights`.

        Args:
            network: what is trained.
            content_NCHW: crops, `(N, 3, crop, crop)` in 0..1, on the network's device: the part `share` of a batch.
            step: decides motion and noise, together with the configuration's seed.
            share: which part of the batch.
        """
        config, device = self.config, content_NCHW.device
        rng = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        flow = random_flow(config.batch, config.crop, rng)[share].to(device)
        noise = torch.randn((config.batch, *content_NCHW.shape[1:]), generator=rng)[share].to(device) * config.noise
        with torch.autocast(device.type, torch.bfloat16):
            both = network(torch.cat((content_NCHW, warp_tensor(content_NCHW, flow) + noise)))
            styled, styled_moved = both.float().chunk(2)
            if self.only_imitates(step):
                losses = {"variation": total_variation(styled)}
            else:
                wanted = self.perceptual.content_of(content_NCHW)
                losses = self.perceptual(styled.contiguous(memory_format=torch.channels_last), wanted)
                losses["content"] = losses["content"] * self._correction(wanted)
        losses["temporal"] = (styled_moved - warp_tensor(styled, flow)).square().mean()
        if self._teacher:
            losses["imitation"] = self._teacher.distance(styled, content_NCHW)
        if config.clip_weight:
            losses |= self._clip_losses(network, step, share, device)
        return losses

    def _correction(self, wanted_NCHW: Tensor) -> Tensor | float:
        """Return what turns a fraction of the variance of this share into one of the variance of the whole batch."""
        if self._mean is None:
            return 1.0
        wanted_NCHW = wanted_NCHW.float()
        first, second = self._mean(torch.stack((wanted_NCHW.mean(), wanted_NCHW.square().mean())))
        factor: Tensor = wanted_NCHW.var() / (second - first.square())
        return factor

    def _clip_losses(self, network: StyleNet, step: int, share: slice, device: torch.device) -> dict[str, Tensor]:
        if self._clips is None:
            raise ValueError(f"clip_weight is {self.config.clip_weight}: clips are needed")
        clip = self._clips.batch(step, self.config.batch, share)
        before, after = clip.before.to(device), clip.after.to(device)
        flow, visible = clip.flow.to(device), clip.visible.to(device)
        with torch.autocast(device.type, torch.bfloat16):
            features = network.encode(torch.cat((before, after)))
            styled_before, styled_after = network.decode(features).float().chunk(2)
        features_before, features_after = features.float().chunk(2)
        scale = features.shape[-1] / flow.shape[-1]
        small_flow = F.interpolate(flow, size=features.shape[-2:], mode="area") * scale
        small_visible = F.interpolate(visible, size=features.shape[-2:], mode="area")
        return {
            "clip": clip_output_loss(
                styled_after, warp_tensor(styled_before, flow), after, warp_tensor(before, flow), visible
            ),
            "clip_features": clip_feature_loss(features_after, warp_tensor(features_before, small_flow), small_visible),
        }


class _Teacher(PictureTeacher):
    """A finished style whose pictures a network learns to imitate."""

    def __init__(self, style: str | Path, size: int) -> None:
        # As many threads as torch: processes that train side by side share the machine.
        super().__init__(Stylizer(style, size=(size, size), num_threads=torch.get_num_threads()))

    def distance(self, styled_NCHW: Tensor, content_NCHW: Tensor) -> Tensor:
        """Mean absolute difference to the teacher's pictures, 0..1.

        Without the borders, which the network's own padding spoils and the teacher, seeing mirrored ones, does not.
        """
        inner = slice(StyleNet.margin, -StyleNet.margin)
        wanted = self(content_NCHW).pictures[..., inner, inner]
        return (styled_NCHW[..., inner, inner] - wanted).abs().mean()
