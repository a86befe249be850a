"""The painter: keeps the paintings' manner at every scale, and descends from a picture to one painted like them.

Gatys et al. 2016, coarse to fine as in Gatys et al. 2017 ("Controlling perceptual factors"): strokes are laid out where
the whole picture is small, and refined where it is large.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vidgan.errors import InputError
from vidgan.networks.perceptual import VGGFeatures
from vidgan.paint.checks import Image, check_picture
from vidgan.paint.descent import Descent
from vidgan.paint.options import LEAST_SIDE, PaintOptions, PaintProgress
from vidgan.picture import resized, with_colour_of
from vidgan.train.criterion import CONTENT_LAYER, STYLE_LAYERS, PerceptualCriterion
from vidgan.train.data import PAINTING_WIDTH, painting_across, to_tensor

LEAST_COARSE_SIDE = 64
"""Scales with fewer pixels on the short side are left out: nothing of the content is left there."""
START_NOISE = 0.02
"""Standard deviation of the noise that painting begins with, 0..1 scale: flat parts get a direction to go."""
OUTSIDE_WEIGHT = 100.0
"""Weight of the mean squared excess over 0..1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Anchor:
    """What the frame before says about this one."""

    picture: Tensor
    """The frame before as painted, moved along the flow; float RGB `(1, 3, H, W)`, 0..1."""
    visibility: Tensor
    """`(1, 1, H, W)`, 0..1: 1 where it shows the same point."""


class Painter:
    """Paints pictures in the manner of the same paintings."""

    def __init__(self, paintings: Sequence[Image], options: PaintOptions) -> None:
        """Take the manner of `paintings`, uint8 RGB `(h, w, 3)` each; of several, the mean.

        Raises:
            InputError: none given, one is too small, or the weights can't be read.
            RuntimeUnavailableError: no weights.
            ValueError, TypeError: a painting isn't uint8 RGB.
        """
        if not paintings:
            raise InputError("no painting: give at least one picture whose manner is taken")
        for painting in paintings:
            check_picture(painting, "painting")
        self.options = options
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._notices: Counter[str] = Counter()
        self._paintings = list(paintings)
        layers = dict.fromkeys((*STYLE_LAYERS, CONTENT_LAYER))
        self._features = _Features(layers, options.features).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._criteria: dict[float, PerceptualCriterion] = {}

    def list_notices(self) -> list[str]:
        """Return what the user should know, each thing once, with its count."""
        return [text if count == 1 else f"{text} ({count} times)" for text, count in self._notices.items()]

    def working_size(self, content_HWC: Image) -> tuple[int, int]:
        """Return width and height that a picture is painted at, and note where that is less than its own."""
        height, width = content_HWC.shape[:2]
        limit = self.options.longest_side
        if limit is None or max(height, width) <= limit:
            return width, height
        factor = min(1.0, max(limit / max(height, width), LEAST_SIDE / min(height, width)))
        size = max(LEAST_SIDE, round(width * factor)), max(LEAST_SIDE, round(height * factor))
        self._notices[
            f"painted at {size[0]}x{size[1]} and enlarged to {width}x{height}; --longest-side allows more, for about "
            "4 kB of memory a pixel"
        ] = 1
        return size

    def paint(
        self,
        content_1CHW: Tensor,
        *,
        report: Callable[[PaintProgress], None],
        render: Callable[[Tensor], Image],
        begin_1CHW: Tensor | None = None,
        anchor: Anchor | None = None,
        iterations: int | None = None,
        stop: threading.Event | None = None,
        frame: int = 1,
    ) -> Tensor:
        """Paint at the size of `content_1CHW`, float RGB in 0..1 on `device`.

        Args:
            content_1CHW: the picture.
            report: called after every look.
            render: makes the picture of a `PaintProgress`.
            begin_1CHW: begin with this, at full size only; None begins with the picture itself, coarse to fine.
            anchor: what the frame before says.
            iterations: looks; None takes those of the options.
            stop: set it from elsewhere to end early with what there is.
            frame: number for `PaintProgress`.

        Returns:
            A new tensor of the same shape, 0..1.

        Raises:
            InputError: losses that are no numbers from the start.
        """
        iterations = self.options.iterations if iterations is None else iterations
        stop = stop or threading.Event()
        factors = [1.0] if begin_1CHW is not None else coarse_factors(content_1CHW, self.options.num_scales)
        painted = self._noisy(_at(content_1CHW, factors[0])) if begin_1CHW is None else begin_1CHW
        done = 0
        for scale, (factor, looks) in enumerate(zip(factors, share(iterations, len(factors)), strict=True), 1):
            content = _at(content_1CHW, factor)
            painted = F.interpolate(painted, size=content.shape[2:], mode="bicubic", align_corners=False)

            def tell(descent: Descent, done: int = done, scale: int = scale) -> None:
                best = descent.best
                report(
                    PaintProgress(
                        iteration=done + descent.done,
                        iterations=iterations,
                        scale=scale,
                        num_scales=len(factors),
                        losses=descent.losses,
                        frame=frame,
                        _render=lambda: render(best),
                    )
                )

            objective = self._objective(content, factor, anchor)
            descent = Descent(start=painted, objective=objective, iterations=looks, report=tell, stop=stop)
            descent.run(self.options.optimiser)
            if descent.restarts:
                self._notices["losses were no longer numbers: went on from the last good state"] += descent.restarts
            painted, done = descent.best, done + descent.done
        return F.interpolate(painted, size=content_1CHW.shape[2:], mode="bicubic", align_corners=False).clamp(0, 1)

    def finish(self, painted_1CHW: Tensor, content_HWC: Image) -> Image:
        """Return what was painted as a uint8 picture of the size of `content_HWC`, its colours kept if asked for."""
        height, width = content_HWC.shape[:2]
        levels = painted_1CHW.detach()[0].permute(1, 2, 0).clamp(0, 1).mul(255).round().byte().cpu().numpy()
        picture = resized(np.ascontiguousarray(levels), width, height)
        return with_colour_of(content_HWC, picture) if self.options.keep_colour else picture

    def tensor(self, image_HWC: Image) -> Tensor:
        """Bring a picture to the device, as float `(1, 3, H, W)` in 0..1."""
        return to_tensor(image_HWC).to(self.device)

    def _criterion(self, factor: float) -> PerceptualCriterion:
        """Return the criterion whose paintings are as much smaller as the picture is."""
        if factor not in self._criteria:
            across = PAINTING_WIDTH * self.options.style_scale * factor
            sized = [self.tensor(painting_across(painting, across)) for painting in self._paintings]
            self._criteria[factor] = PerceptualCriterion(self._features, sized)
        return self._criteria[factor]

    def _objective(
        self, content_1CHW: Tensor, factor: float, anchor: Anchor | None
    ) -> Callable[[Tensor], dict[str, Tensor]]:
        criterion = self._criterion(factor)
        target = criterion.content_of(content_1CHW)
        weights = {
            "content": self.options.content_weight,
            "style": self.options.style_weight,
            "variation": self.options.variation_weight,
            "temporal": self.options.temporal_weight,
            "outside": OUTSIDE_WEIGHT,
        }

        def objective(x: Tensor) -> dict[str, Tensor]:
            losses = criterion(x, target)
            losses["outside"] = (x - x.clamp(0, 1)).square().mean()
            if anchor is not None:
                # Ruder et al. 2016, equation 7: squared difference, weighted per pixel, mean over all.
                losses["temporal"] = (anchor.visibility * (x - anchor.picture).square()).mean()
            total = torch.stack([losses[name] * weights[name] for name in losses]).sum()
            del losses["outside"]
            return losses | {"total": total}

        return objective

    def _noisy(self, x: Tensor) -> Tensor:
        rng = torch.Generator().manual_seed(self.options.seed)
        return x + torch.randn(x.shape, generator=rng).to(x.device) * START_NOISE


def coarse_factors(content_1CHW: Tensor, num_scales: int) -> list[float]:
    """Return the scales to paint at as fractions of the size, coarse first: halves of each other, the last is 1."""
    short = min(content_1CHW.shape[2:])
    factors = [0.5**power for power in reversed(range(num_scales))]
    return [factor for factor in factors if factor == 1 or short * factor >= LEAST_COARSE_SIDE]


def share(iterations: int, num_scales: int) -> list[int]:
    """Share looks among scales, as evenly as whole numbers allow; what is left over goes to the finest."""
    each = iterations // num_scales
    return [*[each] * (num_scales - 1), iterations - each * (num_scales - 1)]


class _Features(VGGFeatures):
    """The features in bf16 where the processor has it; what is computed from them stays float32."""

    def forward(self, x_NCHW: Tensor) -> dict[str, Tensor]:
        with torch.autocast(x_NCHW.device.type, torch.bfloat16, enabled=has_bf16(x_NCHW.device)):
            features: dict[str, Tensor] = super().forward(x_NCHW.contiguous(memory_format=torch.channels_last))
        return features


@cache
def has_bf16(device: torch.device) -> bool:
    """Say whether `device` multiplies in bf16 itself; where it only imitates that, float32 is faster."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Older versions of torch don't tell.
    able: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return able.get("avx512_bf16", False) or able.get("amx_bf16", False)


def _at(x: Tensor, factor: float) -> Tensor:
    """Return `x` at a fraction of its size, averaged over areas."""
    if factor == 1:
        return x
    height, width = (max(LEAST_SIDE, round(side * factor)) for side in x.shape[2:])
    return F.interpolate(x, size=(height, width), mode="area")
