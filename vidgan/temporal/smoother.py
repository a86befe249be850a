"""Steadies a styled video: every frame is averaged with those before it along the motion, and keeps its sharpness.

Two steps. The *recursion* draws each frame towards the result before it where the source says that both show the same:
that removes flicker, and with it the detail that flickers. The *restoration* then amplifies the finest detail that is
left until there is as much of it as in the frame as it came. It goes to the output only and is never fed back, so that
nothing can build up. What is amplified has been averaged over many frames: steadiness suffers little.

This file does it on uint8 pictures with OpenCV; `smoother_tensor.py` does the same on tensors, with these constants.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vidgan.temporal.flow import Motion
from vidgan.temporal.luma import check_rgb
from vidgan.temporal.warp import resize_flow, warp

DEFAULT_STRENGTH = 0.85
"""Makes a badly flickering network more than 5 times steadier, on average over sequences of known motion
(`benchmarks/temporal.py`)."""
MOST_WEIGHT = 0.85
"""Weight of the previous result at strength 1, where it is fully visible. Half-way between pixels, both ways, the
bicubic kernel (Keys 1981, a = -0.75) amplifies waves of 6 pixels by g = 1.06, which the recursion makes
(1 - w) / (1 - w g): 1.2 for w = 0.72 (the default), 1.5 for 0.85, 2.1 for 0.9, without bound from 0.94."""
LEAST_SHARPNESS, MOST_SHARPNESS = 0.95, 1.05
"""Energy of fine detail (mean squared Laplacian of luma) of the result as a share of the styled frame's. Below the
first, detail is amplified: not up to 1, since part of that energy is flicker, which shouldn't be made up for. Above the
second it is softened: that is what the kernel amplified. Between them, and in still scenes, nothing is done."""
FULL_RESTORATION = 0.1
"""Strength from which the restoration may fall as low as that; below, averaging takes so little sharpness that a plain
exponential average would keep more."""
LOW_PASS = (1 / 64, -6 / 64, 15 / 64, 44 / 64, 15 / 64, -6 / 64, 1 / 64)
"""What the finest band is the rest of, both ways: 1 - ((1 - cos f) / 2)³, as flat as seven taps can be. With the usual
(1, 2, 1) / 4 the restoration made strokes twice as wide as a pixel bolder than the network's, which both looked etched
and undid a good part of the steadiness."""
SOFT_LOW_PASS = (1 / 4, 2 / 4, 1 / 4)
"""The same where detail is taken away: the waves that the bicubic kernel amplifies are wider than the finest band."""
MOST_GAIN, LEAST_GAIN = 4.0, -1.0
"""The restoration adds at most so many times the finest band, or takes it away. Where more would be needed the
network's detail is mostly flicker, and what one would amplify is the rest of it."""
LEAST_DETAIL = 1e-4
"""Mean squared Laplacian of the finest band, in levels² of 0..255, below which there is nothing to amplify."""
ROW_STEP = 5
"""That energy is taken from every fifth row: the restoration then meets it within 4 %, and 0.4 ms earlier at 1280x720.
An odd number, because the patterns that networks make themselves repeat every 2, 4 or 8 rows."""
RED_SHARE, BLUE_SHARE = 0.299, 0.114
"""BT.601: luma = G + 0.299 (R - G) + 0.114 (B - G)."""
FLICKER_REDUCTION = 4
"""Grid of the motion to grid on which flicker is followed: it varies slowly, and costs next to nothing this way."""
_LOW_PASS, _SOFT_LOW_PASS = np.array(LOW_PASS, np.float32), np.array(SOFT_LOW_PASS, np.float32)


class Smoother:
    """Averages along the motion, then restores sharpness. The only state between frames.

    The state, in float32: the result before restoration and rounding, and how much of independent flicker is left in it
    (1: none has been averaged away). Rounded to uint8 the state would stop up to 3 levels short of a still scene.
    """

    def __init__(self, strength: float = DEFAULT_STRENGTH) -> None:
        """Make a smoother.

        Args:
            strength: 0 returns every frame as it came, 1 is steadiest.

        Raises:
            ValueError: `strength` is outside 0..1.
        """
        self.strength = check_strength(strength)
        self._planes: _Planes | None = None
        self._flicker: NDArray[np.float32] | None = None

    def __call__(self, styled_HWC: NDArray[np.uint8], motion: Motion) -> NDArray[np.uint8]:
        """Steady the next frame.

        Args:
            styled_HWC: the styled frame, `(H, W, 3)` RGB uint8. Not kept, not changed. It needn't have the size of the
                source, only show the same picture.
            motion: the step from the previous source frame to this one.

        Returns:
            A new array `(H, W, 3)` uint8. Equal to `styled_HWC` for the first frame, at cuts, and wherever nothing of
            the previous frame is visible.

        Raises:
            TypeError: the frame isn't uint8.
            ValueError: the frame isn't `(H, W, 3)`, or its size differs from the previous one's within a shot.
        """
        check_rgb(styled_HWC)
        if self.strength == 0:
            return styled_HWC.copy()
        planes, flicker = self._planes, self._flicker
        if planes is None or flicker is None or motion.flow is None:
            self._start(styled_HWC, motion)
            return styled_HWC.copy()
        if planes.size != styled_HWC.shape[:2]:
            raise ValueError(
                f"styled frame {styled_HWC.shape} after frames of {planes.size}: call reset() where the size changes"
            )
        weight = motion.visibility * np.float32(MOST_WEIGHT * self.strength)
        self._flicker = _follow(flicker, motion.flow, weight)
        planes.blend(styled_HWC, motion.flow, weight)
        return planes.restore(averaged_share(self._flicker, self.strength), least_sharpness(self.strength))

    def reset(self) -> None:
        """Forget the previous frame: the next one is returned as it comes."""
        self._planes = self._flicker = None

    def _start(self, styled: NDArray[np.uint8], motion: Motion) -> None:
        height, width = styled.shape[:2]
        if self._planes is None or self._planes.size != (height, width):
            self._planes = _Planes(height, width)
        self._planes.start(styled)
        self._flicker = np.ones(flicker_size(*motion.visibility.shape), np.float32)


def check_strength(strength: float) -> float:
    """Return the strength as a float; refuse with ValueError what is outside 0..1."""
    if not 0 <= strength <= 1:
        raise ValueError(f"strength is {strength}: expected 0 (off) to 1 (steadiest)")
    return float(strength)


def flicker_size(height: int, width: int) -> tuple[int, int]:
    """Return the size of the grid on which flicker is followed, for a grid of motion."""
    return max(1, height // FLICKER_REDUCTION), max(1, width // FLICKER_REDUCTION)


def averaged_share(flicker: Any, strength: float) -> Any:  # noqa: ANN401 - array or tensor alike
    """Return how far averaging has come, from 0 (fresh: nothing to restore) to 1 (as far as it gets).

    Args:
        flicker: share of independent flicker left, array or tensor.
        strength: of the smoother, above 0.
    """
    weight = MOST_WEIGHT * strength
    least = (1 - weight) / (1 + weight)
    return (1 - flicker) * (1 / (1 - least))


def least_sharpness(strength: float) -> float:
    """Return the share of the styled frame's fine detail that the result must have at `strength`."""
    return 1 - (1 - LEAST_SHARPNESS) * min(1.0, strength / FULL_RESTORATION)


class _Planes:
    """The running result as planes G, R - G and B - G in levels of 0..255, and the buffers that the work on them takes.

    Green is most of luma and carries its detail: it is fetched bicubically, the differences bilinearly. Bicubic for all
    was 5 ms dearer at 1280x720 and changed neither steadiness nor sharpness by more than 1 %. Planes, because OpenCV
    is fastest on single channels; buffers, because fresh memory costs as much as the arithmetic.
    """

    def __init__(self, height: int, width: int) -> None:
        self.size = (height, width)
        self._state, self._styled, self._spare = ([self._plane() for _ in range(3)] for _ in range(3))
        self._weight = self._plane()
        self._sources = self._plane(), self._plane()
        self._grid = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
        self._bytes = [np.empty(self.size, np.uint8) for _ in range(3)]
        self._wanted = 0.0

    def start(self, styled_HWC: NDArray[np.uint8]) -> None:
        """Make the state the styled frame."""
        self._split(styled_HWC, self._state)

    def blend(self, styled_HWC: NDArray[np.uint8], flow: NDArray[np.float32], weight: NDArray[np.float32]) -> None:
        """Make the state styled + weight (moved state - styled): what isn't visible is exactly the styled frame."""
        styled = self._styled
        self._split(styled_HWC, styled)
        curved = _curvature(_luma(styled, self._spare[0]))
        self._wanted = _dot(curved, curved)
        self._resize(weight)
        self._find_sources(flow)
        for i, (before, now, moved) in enumerate(zip(self._state, styled, self._spare, strict=True)):
            interpolation = cv2.INTER_LINEAR if i else cv2.INTER_CUBIC
            cv2.remap(before, *self._sources, interpolation, moved, cv2.BORDER_REPLICATE)
            cv2.subtract(moved, now, dst=moved)
            cv2.accumulateProduct(moved, self._weight, now)
        self._state, self._styled = styled, self._state

    def restore(self, averaged: NDArray[np.float32], least: float) -> NDArray[np.uint8]:
        """Return the state with as much fine detail as the styled frame has. Once for each `blend`.

        Args:
            averaged: where there is something to restore, 0..1, any size.
            least: share of the styled frame's fine detail that the result must have.
        """
        luma, detail, _ = self._spare
        _luma(self._state, luma)
        curved = _curvature(luma)
        kernel = _LOW_PASS if _dot(curved, curved) <= MOST_SHARPNESS * self._wanted else _SOFT_LOW_PASS
        cv2.sepFilter2D(luma, cv2.CV_32F, kernel, kernel, dst=detail, borderType=cv2.BORDER_REPLICATE)
        cv2.subtract(luma, detail, dst=detail)
        self._resize(averaged)
        cv2.multiply(detail, self._weight, dst=detail)
        gain = _gain(curved, _curvature(detail), self._wanted, least)
        # The state stays as it is: the restored luma is only for the result.
        green = cv2.scaleAdd(detail, gain, self._state[0], dst=detail)
        red_out, green_out, blue_out = self._bytes
        # OpenCV rounds and clips on the way to uint8.
        cv2.add(green, self._state[1], dst=red_out, dtype=cv2.CV_8U)
        cv2.add(green, self._state[2], dst=blue_out, dtype=cv2.CV_8U)
        cv2.addWeighted(green, 1, green, 0, 0, dst=green_out, dtype=cv2.CV_8U)
        return np.asarray(cv2.merge([red_out, green_out, blue_out]), np.uint8).reshape(*self.size, 3)

    def _plane(self) -> NDArray[np.float32]:
        return np.empty(self.size, np.float32)

    def _resize(self, coarse: NDArray[np.float32]) -> None:
        height, width = self.size
        cv2.resize(coarse, (width, height), dst=self._weight, interpolation=cv2.INTER_LINEAR)

    def _find_sources(self, flow: NDArray[np.float32]) -> None:
        """Set where every pixel comes from, x and y apart: OpenCV resizes and reads two planes faster than pairs."""
        height, width = self.size
        scales = width / flow.shape[1], height / flow.shape[0]
        for i, (plane, grid) in enumerate(zip(self._sources, self._grid, strict=True)):
            part = flow[..., i] * np.float32(scales[i])
            cv2.resize(part, (width, height), dst=plane, interpolation=cv2.INTER_LINEAR)
            np.add(plane, grid, out=plane)

    def _split(self, rgb_HWC: NDArray[np.uint8], planes: list[NDArray[np.float32]]) -> None:
        red, green, blue = cv2.split(rgb_HWC, self._bytes)
        np.copyto(planes[0], green)
        cv2.subtract(red, green, dst=planes[1], dtype=cv2.CV_32F)
        cv2.subtract(blue, green, dst=planes[2], dtype=cv2.CV_32F)


def _follow(
    flicker: NDArray[np.float32], flow: NDArray[np.float32], weight: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Follow the variance of a weighted mean of independent terms along the motion."""
    height, width = flicker.shape
    small = cv2.resize(weight, (width, height), interpolation=cv2.INTER_LINEAR).reshape(height, width)
    moved = warp(flicker, resize_flow(flow, height, width))
    return np.asarray((1 - small) ** 2 + small * small * moved, np.float32)


def _luma(planes: list[NDArray[np.float32]], out: NDArray[np.float32]) -> NDArray[np.float32]:
    cv2.scaleAdd(planes[1], RED_SHARE, planes[0], dst=out)
    cv2.scaleAdd(planes[2], BLUE_SHARE, out, dst=out)
    return out


def _curvature(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the Laplacian of every fifth row, without its ends; empty where there are fewer than three rows."""
    here, above, below = x[1:-1:ROW_STEP], x[:-2:ROW_STEP], x[2::ROW_STEP]
    result = here[:, 1:-1] * np.float32(-4)
    for neighbour in (above[:, 1:-1], below[:, 1:-1], here[:, :-2], here[:, 2:]):
        result += neighbour
    return result


def _dot(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.dot(a.ravel(), b.ravel()))


def _gain(luma: NDArray[np.float32], detail: NDArray[np.float32], styled_energy: float, least: float) -> float:
    """Solve |luma + k detail|² = what is wanted for k, all being curvatures."""
    have, cross, most = _dot(luma, luma), _dot(luma, detail), _dot(detail, detail)
    wanted = min(max(have, least * styled_energy), MOST_SHARPNESS * styled_energy)
    if wanted == have or most <= LEAST_DETAIL * detail.size:
        return 0.0
    # Where no k softens as far as wanted, the one that softens most.
    root = math.sqrt(max(cross * cross + most * (wanted - have), 0.0))
    return min(max((root - cross) / most, LEAST_GAIN), MOST_GAIN)
