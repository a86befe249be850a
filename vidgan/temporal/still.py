"""Does this frame show anything new? For screens and cameras that mostly show the same again."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vidgan.picture import Picture
from vidgan.temporal.luma import check_rgb

SQUARE = 8
"""Means are taken over so many pixels squared: noise of sigma 4 leaves 0.7 levels of difference between two of them, a
blinking cursor of 2x16 pixels at least 30."""
MOST_CHANGE = 4
"""Levels of 0..255 by which such a mean may differ. Noise of sigma 4 reaches 4 in the worst of the 43,200 means of a
1280x720 picture. A single pixel from black to white makes 4 and is missed, two are seen."""
WIDE_SQUARES = 8
"""Slow fades and shadows change little in many places: what so many squares squared have in common is held to less."""
MOST_WIDE_CHANGE = 1.5
"""Levels by which the mean of those may differ. More than 1, because all of them may round the other way at once."""


class StillDetector:
    """Says of each frame whether it shows nothing new since the last one that did.

    The picture is divided into squares of 8x8 pixels from its top left corner on. A frame is still if none of them
    differs in its mean, rounded to whole levels, by more than 4 levels of 255 in any channel from the last frame that
    wasn't still, and no 8x8 of these squares by more than 1.5 in the mean. Squares that the right or bottom edge cuts
    are made whole by mirroring. What changes slowly adds up: the comparison is never with a frame that was still.

    Keeps a picture of an eighth of the size. About 0.7 ms per frame at 1280x720 on one core. One per thread.
    """

    def __init__(self) -> None:
        self.num_still = 0
        """How many frames were."""
        self._size: tuple[int, ...] | None = None
        self._reference: NDArray[np.int16] | None = None

    def __call__(self, image_HWC: Picture) -> bool:
        """Compare the next frame with the last one that wasn't still.

        Args:
            image_HWC: the source frame, `(H, W, 3)` RGB uint8, an array or a tensor. Not kept.

        Returns:
            True if it shows nothing new; False for the first frame and after a change of size. What isn't still is what
            the following frames are compared with.

        Raises:
            TypeError: the frame isn't uint8.
            ValueError: the frame isn't `(H, W, 3)` or is empty.
        """
        means, size = _means_of_squares(image_HWC), tuple(image_HWC.shape)
        if self._reference is not None and self._size == size and _is_near(means, self._reference):
            self.num_still += 1
            return True
        self._reference, self._size = means, size
        return False

    def reset(self) -> None:
        """Forget the last frame: the next one is the first. The count goes on."""
        self._reference = self._size = None


def _means_of_squares(image: Picture) -> NDArray[np.int16]:
    check_rgb(image)
    if not isinstance(image, np.ndarray):
        from vidgan.picture_tensor import means_of_squares_tensor

        return means_of_squares_tensor(image, SQUARE).cpu().numpy().astype(np.int16)
    height, width = image.shape[:2]
    below, right = -height % SQUARE, -width % SQUARE
    whole = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REFLECT) if below or right else image
    size = ((width + right) // SQUARE, (height + below) // SQUARE)
    return cv2.resize(whole, size, interpolation=cv2.INTER_AREA).astype(np.int16)


def _is_near(means: NDArray[np.int16], reference: NDArray[np.int16]) -> bool:
    change = means - reference
    if cv2.norm(change, cv2.NORM_INF) > MOST_CHANGE:
        return False
    wide = cv2.blur(change.astype(np.float32), (WIDE_SQUARES, WIDE_SQUARES), borderType=cv2.BORDER_REFLECT)
    return cv2.norm(wide, cv2.NORM_INF) <= MOST_WIDE_CHANGE
