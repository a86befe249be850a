"""Pictures with known content and known motion, made from seeded noise."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def make_photo(height: int, width: int, seed: int = 0) -> Image:
    """RGB with detail at all scales, as photographs have: octaves of noise, plus hard-edged discs."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    cell = 64
    while cell >= 2:
        shape = (height // cell + 3, width // cell + 3)
        # Mostly grey, as the world is: what differs in colour alone leaves no trace in luma.
        grid = (rng.normal(size=(*shape, 1)) + 0.5 * rng.normal(size=(*shape, 3))).astype(np.float32)
        # Cropped rather than fitted: detail keeps its scale whatever the size of the picture.
        layer = cv2.resize(grid, None, fx=cell, fy=cell, interpolation=cv2.INTER_CUBIC)
        picture += layer[:height, :width] * cell**0.6
        cell //= 2
    for _ in range(height * width // 4000):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        colour = [float(x) for x in rng.normal(size=3) * 20]
        cv2.circle(picture, centre, int(rng.integers(4, 24)), colour, -1)
    return np.clip(picture * 2 + 120, 0, 255).astype(np.uint8)


def make_moving_disc(num_frames: int, step: int, seed: int = 0) -> list[tuple[Image, NDArray[np.bool_]]]:
    """A textured disc crosses a still background at `step` pixels per frame: frames, and where the disc is."""
    background, skin = make_photo(180, 320, seed), 255 - make_photo(180, 320, seed + 1)
    ys, xs = np.mgrid[:180, :320]
    frames = []
    for t in range(num_frames):
        x = 60 + step * t
        inside = (ys - 90) ** 2 + (xs - x) ** 2 < 40**2
        frames.append((np.where(inside[..., None], np.roll(skin, step * t, axis=1), background), inside))
    return frames


@pytest.fixture
def photo() -> Callable[..., Image]:
    return make_photo


@pytest.fixture
def moving_disc() -> Callable[..., list[tuple[Image, NDArray[np.bool_]]]]:
    return make_moving_disc
