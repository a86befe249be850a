"""Dense motion between the frames of the source, how far to trust it, and where shots end.

All of it works on a reduced luma of the source, not of the styled picture: motion is a fact about the source, and
style flicker would be taken for motion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from vidgan.picture import Picture
from vidgan.temporal.cuts import global_shift, match_tones, same_shot
from vidgan.temporal.luma import reduced_luma
from vidgan.temporal.warp import positions, warp

FINEST_SCALE, PATCH_STRIDE, DESCENTS, REFINEMENTS, SMOOTHNESS = 1, 6, 4, 1, 80.0
"""DIS for the smoother: flow at half the size rather than a quarter, and smoother than OpenCV's FAST. 4 ms at 640x360.
More descents follow the noise: they left still scenes less steady. A second refinement gained little."""
LEAST_DIS_SIDE = 32
"""DIS on its coarsest usable level needs 8x8 patches at a quarter of the size; smaller pictures are padded to this."""
PATCH = 5
"""Photometric difference is averaged over so many pixels squared: one noisy pixel says nothing about visibility."""
TOLERANCE = 6.0
"""Difference above the noise, in levels of 0..255, at which visibility falls to 1/e. Interpolation and DIS's own
inexactness cost 2 to 5 levels on detailed texture; a ghost of less than 6 levels can't be seen in a styled picture."""
NOISE_GATE = 1.5
"""Averaged over a patch, noise stays below so many times its own median in 99 of 100 patches."""
MOST_NOISE = 8.0
"""Noise beyond so many levels is no longer forgiven: more than that is change, not noise."""
BOUNDARY_RELATIVE, BOUNDARY_ABSOLUTE = 0.01, 0.002
"""Motion boundary where the squared gradient of flow exceeds the first times its squared length plus the second
(Sundaram et al. 2010; Ruder et al. 2016; Lai et al. 2018)."""
STEEP = 0.05
"""In place of the second for the smoother: 0.002 takes what DIS wavers on grass and water for boundaries, and leaves
parts of such pictures to flicker."""
LIGHT_SIZE = 61
"""A change of light is what a square of so many pixels has in common."""
MOST_LIGHT = 10
"""Change of light from frame to frame, in levels of 0..255, that is forgiven: the styled picture follows a dimming lamp
in time, but dragging behind a flash would be seen."""
REST_SPEED = 0.5
"""Flow of less than so many pixels may be none: noise makes DIS move what is still and has little texture, and
fetching between pixels blurs it or rings. 1.0 stopped motion of 0.7 pixels in places."""
REST_RELATIVE, REST_SLACK = 0.15, 0.25
"""Standing still is taken to be as good as moving if the patch then differs by at most this share and so many levels
more: following noise makes two patches of it a tenth more alike."""
REST_PATCH = 9
"""Pixels on the side of that patch."""

FlowFunction: TypeAlias = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float32]]
"""Backward flow `(H, W, 2)` in pixels from this frame's luma `(H, W)` and the previous one's."""

_NO_START: Any = None
"""OpenCV takes None where no flow is known yet; its type hints don't say so."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Motion:
    """What the source says about the step from the previous frame to this one. Nobody writes into the arrays."""

    flow: NDArray[np.float32] | None
    """Backward flow `(h, w, 2)` in pixels of the reduced grid; None for the first frame and at cuts."""
    visibility: NDArray[np.float32]
    """`(h, w)`, 0..1: 1 where the pixel that the flow points to really is the same point. 0 where `flow` is None."""
    is_cut: bool
    """A new shot starts with this frame. The first frame of all is no cut."""

    def __post_init__(self) -> None:
        if self.flow is not None and self.flow.shape != (*self.visibility.shape, 2):
            raise ValueError(
                f"flow {self.flow.shape} doesn't fit visibility {self.visibility.shape}: expected (h, w, 2) and (h, w) "
                "of the same h, w"
            )
        if self.is_cut and self.flow is not None:
            raise ValueError("a cut has no flow: pass flow=None with is_cut=True")


class DisFlow:
    """Dense Inverse Search flow (Kroeger et al. 2016) for lumas of any size. Keeps buffers, so one per thread."""

    def __init__(self, preset: int | None = None) -> None:
        """Make one: with one of OpenCV's presets, or None for what the smoother uses."""
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST if preset is None else preset)
        if preset is None:
            self._dis.setFinestScale(FINEST_SCALE)
            self._dis.setPatchStride(PATCH_STRIDE)
            self._dis.setGradientDescentIterations(DESCENTS)
            self._dis.setVariationalRefinementIterations(REFINEMENTS)
            self._dis.setVariationalRefinementAlpha(SMOOTHNESS)

    def __call__(self, luma_HW: NDArray[np.uint8], previous_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Estimate backward flow.

        Args:
            luma_HW: this frame, `(H, W)` uint8.
            previous_HW: the previous frame, same shape.

        Returns:
            A new array `(H, W, 2)` float32 in pixels.

        Raises:
            ValueError: the sizes differ.
        """
        if luma_HW.shape != previous_HW.shape or luma_HW.ndim != 2:
            raise ValueError(f"luma {luma_HW.shape} and previous luma {previous_HW.shape}: expected (H, W) twice")
        height, width = luma_HW.shape
        if min(height, width) < LEAST_DIS_SIDE:
            luma_HW, previous_HW = _pad(luma_HW), _pad(previous_HW)
        flow = self._dis.calc(luma_HW, previous_HW, _NO_START)
        return np.ascontiguousarray(flow[:height, :width], np.float32)


class MotionEstimator:
    """Estimates the motion of the source, frame by frame, looking only back.

    About 7.5 ms per frame at 1280x720 on one core; the second look, taken where a cut is suspected, up to 8 ms more.
    """

    def __init__(self, flow: FlowFunction | None = None) -> None:
        """Make one.

        Args:
            flow: what finds the motion between two lumas; None is `DisFlow`.
        """
        self._flow = flow or DisFlow()
        self._size: tuple[int, ...] | None = None
        self._previous: NDArray[np.uint8] | None = None

    def __call__(self, image_HWC: Picture) -> Motion:
        """Estimate the step from the previous frame to this one.

        Args:
            image_HWC: the source frame, `(H, W, 3)` RGB uint8, an array or a tensor. Not kept.

        Returns:
            A `Motion` at reduced size (see `reduced_luma`) with arrays of its own.

        Raises:
            TypeError: the frame isn't uint8.
            ValueError: the frame isn't `(H, W, 3)`, or its size differs from the previous one's.
        """
        luma, size = reduced_luma(image_HWC), tuple(image_HWC.shape)
        if self._size not in (None, size):
            raise ValueError(f"frame {size} after {self._size}: call reset() where the size changes")
        previous, self._previous, self._size = self._previous, luma, size
        if previous is None:
            return _no_motion(luma.shape, is_cut=False)
        flow = self._flow(luma, previous)
        warped = warp(previous, flow)
        if not same_shot(luma, warped):
            second = self._second_look(luma, previous)
            if second is None:
                return _no_motion(luma.shape, is_cut=True)
            flow, warped = second, warp(previous, second)
        flow = stop_at_rest(flow, luma, previous, warped)
        return Motion(flow=flow, visibility=_visibility(luma, warped, flow), is_cut=False)

    def reset(self) -> None:
        """Forget the previous frame: the next one is the first."""
        self._previous = self._size = None

    def _second_look(self, luma: NDArray[np.uint8], previous: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Return flow that explains the step as a flash or a fast pan, or None: then it is a cut."""
        brighter = float(luma.mean()) > float(previous.mean())
        # The darker picture takes the tones of the brighter: that way clipped highlights clip in both.
        now = luma if brighter else match_tones(luma, previous)
        before = match_tones(previous, luma) if brighter else previous
        for shift in (np.zeros(2, np.float32), global_shift(now, before)):
            # Not DIS's own starting flow: with it OpenCV 5.0.0 was seen to crash.
            flow = shift + self._flow(now, warp(before, np.broadcast_to(shift, (*now.shape, 2))))
            if same_shot(now, warp(before, flow)):
                return flow
        return None


def stop_at_rest(
    flow_HW2: NDArray[np.float32],
    luma_HW: NDArray[np.uint8],
    previous_HW: NDArray[np.uint8],
    warped_HW: NDArray[np.uint8],
) -> NDArray[np.float32]:
    """Make slow flow 0 where standing still explains the step as well.

    Args:
        flow_HW2: backward flow, `(H, W, 2)` float32 in pixels.
        luma_HW: this frame, `(H, W)` uint8.
        previous_HW: the previous frame.
        warped_HW: the previous frame warped by the flow.

    Returns:
        A new array of the shape of `flow_HW2`, with soft edges between rest and motion.
    """
    rest, moved = cv2.absdiff(luma_HW, previous_HW), cv2.absdiff(luma_HW, warped_HW)
    worse = cv2.addWeighted(rest, 1, moved, -(1 + REST_RELATIVE), 0, dtype=cv2.CV_16S)
    worse = cv2.boxFilter(worse, cv2.CV_32F, (REST_PATCH, REST_PATCH), borderType=cv2.BORDER_REPLICATE)
    moves = worse.reshape(luma_HW.shape) > REST_SLACK
    slow = cv2.inRange(flow_HW2, (-REST_SPEED,) * 2, (REST_SPEED,) * 2).reshape(luma_HW.shape)
    moving = np.where(moves, np.uint8(255), cv2.bitwise_not(slow).reshape(luma_HW.shape))
    share = cv2.blur(moving, (PATCH, PATCH), borderType=cv2.BORDER_REPLICATE)
    stopped = cv2.multiply(flow_HW2, cv2.merge([share, share]), scale=1 / 255, dtype=cv2.CV_32F)
    return np.asarray(stopped, np.float32).reshape(flow_HW2.shape)


def motion_boundaries(
    flow_HW2: NDArray[np.float32], absolute: float = BOUNDARY_ABSOLUTE, step: int = 1
) -> NDArray[np.bool_]:
    """Mark where neighbouring pixels move differently: one of them is soon hidden, or just appeared.

    `|grad u|² + |grad v|² > 0.01 |w|² + 0.002` with forward differences (Sundaram et al. 2010; Ruder et al. 2016;
    Lai et al. 2018, `utils.detect_occlusion` in their code).

    Args:
        flow_HW2: `(H, W, 2)` float32 in pixels.
        absolute: the 0.002 of the formula.
        step: look at every so many vectors only, both ways.

    Returns:
        A new array `(ceil(H / step), ceil(W / step))`, True on boundaries.
    """
    flow = np.ascontiguousarray(flow_HW2[::step, ::step])
    # Rows of u, v, u, v: numpy is several times slower along an axis of two.
    rows = flow.reshape(len(flow), -1)
    squares = np.zeros_like(rows)
    squares[:, :-2] += np.square(rows[:, 2:] - rows[:, :-2])
    squares[:-1] += np.square(rows[1:] - rows[:-1])
    limit = (BOUNDARY_RELATIVE * squared_length(flow) + absolute) * step**2
    return np.asarray(squares[:, ::2] + squares[:, 1::2] > limit)


def squared_length(flow_HW2: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return u² + v² of every vector: `(H, W, 2)` float32 in, a new `(H, W)` out, in pixels²."""
    u, v = flow_HW2[..., 0], flow_HW2[..., 1]
    return u * u + v * v


def points_inside(flow_HW2: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Say where flow points into the picture rather than beyond its border, where nothing was seen.

    Args:
        flow_HW2: backward flow `(H, W, 2)` float32 in pixels.

    Returns:
        A new array `(H, W)`; half a pixel beyond the centre of a border pixel is still inside.
    """
    height, width = flow_HW2.shape[:2]
    inside = cv2.inRange(positions(flow_HW2), (-0.5, -0.5), (width - 0.5, height - 0.5))
    return np.asarray(inside, np.uint8).reshape(height, width) > 0


def _visibility(luma: NDArray[np.uint8], warped: NDArray[np.uint8], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    difference = cv2.blur(_unlit_difference(luma, warped), (PATCH, PATCH), borderType=cv2.BORDER_REPLICATE)
    # Most of a picture is visible, so the median difference is what noise and interpolation make of an equal patch.
    counts = np.cumsum(cv2.calcHist([difference], [0], None, [256], [0, 256]))
    noise = min(float(np.searchsorted(counts, difference.size / 2)), MOST_NOISE)
    excess = np.maximum(np.arange(256) - NOISE_GATE * noise, 0) / TOLERANCE
    photometric = cv2.LUT(difference, np.exp(-(excess**2)).astype(np.float32)).reshape(luma.shape)
    # DIS finds every second vector only: looking at all of them shows nothing more.
    height, width = luma.shape
    smooth = (~motion_boundaries(flow, STEEP, step=2)).astype(np.uint8)
    same = cv2.resize(smooth, (width, height), interpolation=cv2.INTER_NEAREST).reshape(luma.shape)
    trusted = (points_inside(flow) & (same > 0)).astype(np.float32)
    # A soft edge: a hard one would itself be seen to crawl along the contours.
    soft = cv2.blur(trusted, (PATCH, PATCH), borderType=cv2.BORDER_REPLICATE).reshape(luma.shape)
    return np.asarray(photometric * np.minimum(trusted, soft), np.float32)


def _unlit_difference(luma: NDArray[np.uint8], warped: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return how far two lumas differ beyond a gentle change of light, as uint8."""
    change = cv2.subtract(luma, warped, dtype=cv2.CV_16S)
    light = cv2.blur(change, (LIGHT_SIZE, LIGHT_SIZE), borderType=cv2.BORDER_REPLICATE).reshape(luma.shape)
    unlit = np.abs(change.reshape(luma.shape) - light.clip(-MOST_LIGHT, MOST_LIGHT))
    return np.asarray(np.minimum(unlit, 255), np.uint8)


def _pad(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = luma.shape
    below, right = max(0, LEAST_DIS_SIDE - height), max(0, LEAST_DIS_SIDE - width)
    return cv2.copyMakeBorder(luma, 0, below, 0, right, cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)


def _no_motion(size: tuple[int, ...], *, is_cut: bool) -> Motion:
    return Motion(flow=None, visibility=np.zeros(size, np.float32), is_cut=is_cut)
