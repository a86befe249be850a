"""Training pictures: folders of images as random crops, and the random motion that stands in for video."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vidgan.errors import InputError
from vidgan.picture import OPENCV_SUFFIXES

log = logging.getLogger(__name__)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a picture as RGB uint8 `(H, W, 3)`.

    Raises:
        InputError: the file is missing or no picture.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise InputError(f"{path}: not a picture that can be read")
    return image.astype(np.uint8, copy=False)


def load_folder(folder: Path, *, minimum: int) -> list[NDArray[np.uint8]]:
    """Read every picture below `folder`; unreadable and too small ones are left out, said in the log.

    Args:
        folder: searched with all its subfolders.
        minimum: pixels that each side must have.

    Raises:
        InputError: no such folder, or nothing usable in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of pictures")
    images = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in OPENCV_SUFFIXES):
        try:
            image = read_image(path)
        except InputError as error:
            log.warning("left out: %s", error)
            continue
        if min(image.shape[:2]) < minimum:
            log.warning("left out: %s: %dx%d is smaller than %d", path, image.shape[1], image.shape[0], minimum)
            continue
        images.append(image)
    if not images:
        raise InputError(
            f"{folder}: no pictures of at least {minimum} pixels a side; {sorted(OPENCV_SUFFIXES)} are read"
        )
    return images


def to_tensor(image_HWC: NDArray[np.uint8]) -> Tensor:
    """Turn RGB uint8 `(H, W, 3)` into float `(1, 3, H, W)` in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(image_HWC)).permute(2, 0, 1)[None].float() / 255


@dataclass(frozen=True, kw_only=True)
class Crops:
    """Random crops of pictures held in memory. The batch of a step depends on `seed` and the step alone."""

    images: list[NDArray[np.uint8]]
    """RGB uint8 pictures, each side at least `size`."""
    size: int
    """Side of the crops in pixels."""
    seed: int
    """Start of every random choice."""
    largest_side: int = 720
    """Pictures are first resized so that their short side lies between `size` and this (or their own, if smaller)."""

    def batch(self, step: int, count: int) -> Tensor:
        """Return `(count, 3, size, size)` float in 0..1 for `step`."""
        rng = np.random.default_rng((self.seed, step))
        return torch.cat([to_tensor(self._crop(rng)) for _ in range(count)])

    def _crop(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        image = self.images[rng.integers(len(self.images))]
        short = min(image.shape[:2])
        side = rng.integers(self.size, max(self.size, min(short, self.largest_side)) + 1)
        height, width = (round(s * side / short) for s in image.shape[:2])
        height, width = max(height, self.size), max(width, self.size)
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        top, left = rng.integers(height - self.size + 1), rng.integers(width - self.size + 1)
        crop = image[top : top + self.size, left : left + self.size]
        return crop[:, ::-1] if rng.random() < 0.5 else crop


def random_flow(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Make smooth random motion `(count, 2, size, size)` in pixels: N(0, 6) on a 3x3 grid, plus a shift of up to 8.

    The constants follow single-image temporal training (ReReVST; Recycle-GAN without video), scaled to small crops.
    """
    grid = torch.randn(count, 2, 3, 3, generator=generator) * 6
    shift = (torch.rand(count, 2, 1, 1, generator=generator) * 2 - 1) * 8
    return F.interpolate(grid, size=(size, size), mode="bicubic", align_corners=True) + shift
