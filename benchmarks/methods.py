"""What vidgan's smoothing is compared with, and vidgan's behind the same call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from vidgan.temporal.flow import Motion
from vidgan.temporal.smoother import Smoother
from vidgan.temporal.warp import resize_flow, warp

Picture = NDArray[np.uint8]

FALL_OFF = 50.0
"""Weight of warp-and-blend falls as exp(-50 d²), d the difference of the source's luma in 0..1."""


class Method(Protocol):
    """One call per frame; remembers what it needs of the frames before."""

    def __call__(self, styled_HWC: Picture, motion: Motion, source_HWC: Picture) -> Picture:
        """Return the steadied frame, `(H, W, 3)` RGB uint8 like both pictures."""


class Average:
    """Exponential average in place, what most packages offer: it knows neither motion nor cuts."""

    def __init__(self, weight: float) -> None:
        """Make one with the weight of the past, 0..1."""
        self.weight = weight
        self._state: NDArray[np.float32] | None = None

    def __call__(self, styled_HWC: Picture, motion: Motion, source_HWC: Picture) -> Picture:  # noqa: ARG002
        """As `Method`."""
        styled = styled_HWC.astype(np.float32)
        self._state = styled if self._state is None else styled + self.weight * (self._state - styled)
        return _rounded(self._state)


class WarpAndBlend:
    """Bilinear warp of the previous result, blended in where the source agrees: `w exp(-50 d²)`."""

    def __init__(self, weight: float) -> None:
        """Make one with the most weight of the past, 0..1."""
        self.weight = weight
        self._state: NDArray[np.float32] | None = None
        self._luma: Picture | None = None

    def __call__(self, styled_HWC: Picture, motion: Motion, source_HWC: Picture) -> Picture:
        """As `Method`."""
        luma = cv2.cvtColor(source_HWC, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
        before, self._luma = self._luma, luma
        state = self._state
        if state is None or before is None or motion.flow is None:
            self._state = styled_HWC.astype(np.float32)
            return styled_HWC.copy()
        flow = resize_flow(motion.flow, *luma.shape)
        agreement = cv2.LUT(cv2.absdiff(warp(before, flow), luma), self._agreements())
        change = cv2.subtract(warp(state, flow), styled_HWC, dtype=cv2.CV_32F)
        cv2.multiply(change, cv2.merge([agreement] * 3), change)
        self._state = cv2.add(styled_HWC, change, dtype=cv2.CV_32F).astype(np.float32, copy=False)
        return _rounded(self._state)

    def _agreements(self) -> NDArray[np.float32]:
        levels = np.arange(256, dtype=np.float32) / 255
        return (self.weight * np.exp(-FALL_OFF * levels**2)).astype(np.float32)


class Vidgan:
    """`vidgan.Smoother`."""

    def __init__(self, strength: float) -> None:
        """Make one of this strength, 0..1."""
        self._smoother = Smoother(strength)

    def __call__(self, styled_HWC: Picture, motion: Motion, source_HWC: Picture) -> Picture:  # noqa: ARG002
        """As `Method`."""
        return self._smoother(styled_HWC, motion)


AVERAGE, BLEND, VIDGAN, VIDGAN_EXACT = "exponential average", "warp-and-blend", "vidgan", "vidgan, exact motion"

METHODS: dict[str, Callable[[float], Method]] = {AVERAGE: Average, BLEND: WarpAndBlend, VIDGAN: Vidgan}

BASELINES = (AVERAGE, BLEND)


def _rounded(picture: NDArray[np.float32]) -> Picture:
    return np.rint(picture).clip(0, 255).astype(np.uint8)
