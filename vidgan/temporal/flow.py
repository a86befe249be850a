"""Dense motion between the frames of the source, how far to trust it, and where shots end.

All of it works on a reduced luma of the source, not of the styled picture: motion is a fact about the source, and
style flicker would be taken for motion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vidgan.temporal.cuts import global_shift, match_tones, same_shot
from vidgan.temporal.warp import positions, warp

SHORT_SIDE = 360
"""Motion is estimated with at most so many pixels on the short side: 2.7 ms on one core, and errors of 0.1 px here are
0.2 px at 720p, less than a styled brush stroke shows."""
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

    def __init__(self, preset: int = cv2.DISOPTICAL_FLOW_PRESET_FAST) -> None:
        self._dis = cv2.DISOpticalFlow.create(preset)

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

    About 5 ms per frame at 1280x720 on one core; the second look, taken where a cut is suspected, up to 8 ms more.
    """

    def __init__(self) -> None:
        self._flow = DisFlow()
        self._size: tuple[int, ...] | None = None
        self._previous: NDArray[np.uint8] | None = None

    def __call__(self, image_HWC: NDArray[np.uint8]) -> Motion:
        """Estimate the step from the previous frame to this one.

        Args:
            image_HWC: the source frame, `(H, W, 3)` RGB uint8. Not kept.

        Returns:
            A `Motion` at reduced size (see `reduced_luma`) with arrays of its own.

        Raises:
            TypeError: the frame isn't uint8.
            ValueError: the frame isn't `(H, W, 3)`, or its size differs from the previous one's.
        """
        luma = reduced_luma(image_HWC)
        if self._size not in (None, image_HWC.shape):
            raise ValueError(f"frame {image_HWC.shape} after {self._size}: call reset() where the size changes")
        previous, self._previous, self._size = self._previous, luma, image_HWC.shape
        if previous is None:
            return _no_motion(luma.shape, is_cut=False)
        flow = self._flow(luma, previous)
        warped = warp(previous, flow)
        if not same_shot(luma, warped):
            second = self._second_look(luma, previous)
            if second is None:
                return _no_motion(luma.shape, is_cut=True)
            flow, warped = second, warp(previous, second)
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


def reduced_luma(image_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luma of a frame, reduced so that its short side is at most `SHORT_SIDE` pixels; never enlarged.

    Args:
        image_HWC: `(H, W, 3)` RGB uint8.

    Returns:
        A new array `(h, w)` uint8, BT.601 luma, averaged over areas.

    Raises:
        TypeError: not uint8.
        ValueError: not `(H, W, 3)` or empty.
    """
    check_rgb(image_HWC)
    luma = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY)
    height, width = luma.shape
    scale = SHORT_SIDE / min(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        luma = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
    return luma.astype(np.uint8, copy=False)


def check_rgb(image_HWC: NDArray[np.uint8]) -> None:
    """Refuse what isn't an RGB frame.

    Args:
        image_HWC: a frame, hopefully `(H, W, 3)` uint8.

    Raises:
        TypeError: not uint8.
        ValueError: not `(H, W, 3)` or empty.
    """
    if image_HWC.dtype != np.uint8:
        raise TypeError(f"frame is {image_HWC.dtype}: expected uint8")
    if image_HWC.ndim != 3 or image_HWC.shape[2] != 3 or 0 in image_HWC.shape:
        raise ValueError(f"frame {image_HWC.shape}: expected (H, W, 3) with at least one pixel")


def motion_boundaries(flow_HW2: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Mark where neighbouring pixels move differently: one of them is soon hidden, or just appeared.

    `|grad u|² + |grad v|² > 0.01 |w|² + 0.002` with forward differences (Sundaram et al. 2010; Ruder et al. 2016;
    Lai et al. 2018, `utils.detect_occlusion` in their code).

    Args:
        flow_HW2: `(H, W, 2)` float32 in pixels.

    Returns:
        A new array `(H, W)`, True on boundaries.
    """
    squares = np.zeros_like(flow_HW2)
    squares[:, :-1] += (flow_HW2[:, 1:] - flow_HW2[:, :-1]) ** 2
    squares[:-1] += (flow_HW2[1:] - flow_HW2[:-1]) ** 2
    limit = BOUNDARY_RELATIVE * squared_length(flow_HW2) + BOUNDARY_ABSOLUTE
    return np.asarray(squares[..., 0] + squares[..., 1] > limit)


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
    difference = cv2.blur(cv2.absdiff(luma, warped), (PATCH, PATCH), borderType=cv2.BORDER_REPLICATE)
    # Most of a picture is visible, so the median difference is what noise and interpolation make of an equal patch.
    counts = np.cumsum(cv2.calcHist([difference], [0], None, [256], [0, 256]))
    noise = min(float(np.searchsorted(counts, difference.size / 2)), MOST_NOISE)
    excess = np.maximum(np.arange(256) - NOISE_GATE * noise, 0) / TOLERANCE
    photometric = cv2.LUT(difference, np.exp(-(excess**2)).astype(np.float32)).reshape(luma.shape)
    trusted = (points_inside(flow) & ~motion_boundaries(flow)).astype(np.float32)
    # A soft edge: a hard one would itself be seen to crawl along the contours.
    soft = cv2.blur(trusted, (PATCH, PATCH), borderType=cv2.BORDER_REPLICATE).reshape(luma.shape)
    return np.asarray(photometric * np.minimum(trusted, soft), np.float32)


def _pad(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = luma.shape
    below, right = max(0, LEAST_DIS_SIDE - height), max(0, LEAST_DIS_SIDE - width)
    return cv2.copyMakeBorder(luma, 0, below, 0, right, cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)


def _no_motion(size: tuple[int, ...], *, is_cut: bool) -> Motion:
    return Motion(flow=None, visibility=np.zeros(size, np.float32), is_cut=is_cut)
