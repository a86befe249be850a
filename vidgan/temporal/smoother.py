"""Steadies a styled video: every frame is drawn a little towards the one before it, moved along the motion.

The previous *result* is warped and blended in where the source says that it shows the same points. What that costs is
sharpness: details that differ from frame to frame average out, and every warp blurs. So the blend is gentle by default
and the warp is bicubic.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vidgan.temporal.flow import Motion, check_rgb
from vidgan.temporal.warp import resize_flow, warp

DEFAULT_STRENGTH = 0.5
"""Weight of the previous result where it is fully visible. On a photograph under a known affine motion with artificial
flicker, 0.5 left 23 % of the warping error and 77 % of the sharpness; 0.3 left 43 % and 86 %, 0.7 11 % and 67 %. There
is no knee; a network that was trained to be steady leaves little to do, and brush strokes are what users look at."""
MOST_CUBIC_STRENGTH = 0.75
"""Up to this strength the warp is bicubic: 5 ms more at 1280x720 than bilinear, for 77 % sharpness rather than 65 % in
the same trial, at the same warping error. Half-way between pixels the kernel amplifies waves of about 12 pixels by
g = 1.06, which recursion makes (1 - s) / (1 - s g): 1.06 at strength 0.5, 1.2 at 0.75, beyond bounds near 1."""


class Smoother:
    """Blends each styled frame with its warped predecessor. The only state between frames.

    The state is the previous result in float32, before rounding. Rounded to uint8 it would stop moving as soon as
    `(1 - strength)` times what is missing falls below half a level: 1 level off for a strength of 0.5, 3 for 0.85. On
    the CPU float32 costs the same to warp as uint8 does, and 11 MB at 1280x720.
    """

    def __init__(self, strength: float = DEFAULT_STRENGTH) -> None:
        """Make a smoother.

        Args:
            strength: weight of the previous result where it is fully visible, 0..1. 0 returns every frame as it came; 1
                holds still whatever doesn't move, for ever.

        Raises:
            ValueError: `strength` is outside 0..1.
        """
        if not 0 <= strength <= 1:
            raise ValueError(f"strength is {strength}: expected 0 (off) to 1 (hold)")
        self.strength = float(strength)
        self._previous: NDArray[np.float32] | None = None
        self._spare: NDArray[np.float32] | None = None

    def __call__(self, styled_HWC: NDArray[np.uint8], motion: Motion) -> NDArray[np.uint8]:
        """Steady the next frame.

        Args:
            styled_HWC: the styled frame, `(H, W, 3)` uint8. Not kept, not changed. It needn't have the size of the
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
        previous = self._previous
        if previous is None or motion.flow is None:
            self._start(styled_HWC)
            return styled_HWC.copy()
        if previous.shape != styled_HWC.shape:
            raise ValueError(
                f"styled frame {styled_HWC.shape} after frames of {previous.shape}: call reset() where the size changes"
            )
        return self._blend(styled_HWC, previous, motion.flow, motion.visibility)

    def reset(self) -> None:
        """Forget the previous frame: the next one is returned as it comes."""
        self._previous = self._spare = None

    def _start(self, styled: NDArray[np.uint8]) -> None:
        if self._previous is None or self._previous.shape != styled.shape:
            self._previous, self._spare = np.empty(styled.shape, np.float32), np.empty(styled.shape, np.float32)
        np.copyto(self._previous, styled)

    def _blend(
        self,
        styled: NDArray[np.uint8],
        previous: NDArray[np.float32],
        flow: NDArray[np.float32],
        visibility: NDArray[np.float32],
    ) -> NDArray[np.uint8]:
        height, width = styled.shape[:2]
        cubic = self.strength <= MOST_CUBIC_STRENGTH
        change: NDArray[Any] = warp(previous, resize_flow(flow, height, width), cubic=cubic, out=self._spare)
        # As styled + weight * (warped - styled), what isn't visible stays exactly the styled frame.
        cv2.subtract(change, styled, change, dtype=cv2.CV_32F)
        weight = cv2.merge([visibility * np.float32(self.strength)] * 3)
        cv2.multiply(change, cv2.resize(weight, (width, height), interpolation=cv2.INTER_LINEAR), change)
        # OpenCV rounds and clips on the way to uint8: overshoot may leave 0..255 in the state, never in the result.
        result = cv2.add(styled, change, dtype=cv2.CV_8U)
        cv2.add(styled, change, change, dtype=cv2.CV_32F)
        self._previous, self._spare = change, previous
        return np.asarray(result, np.uint8)
