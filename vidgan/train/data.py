"""Training pictures: images and frames of videos as random crops, and the random motion that stands in for video."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vidgan.errors import InputError
from vidgan.picture import OPENCV_SUFFIXES, resized
from vidgan.train.moments import LARGEST_SIDE, VIDEO_SUFFIXES, Moment, read_moments

log = logging.getLogger(__name__)

PAINTING_WIDTH = 640
"""Pixels across that a painting is resized to at `style_scale` 1."""
LEAST_PAINTING = 64
"""Pixels that each side of a painting must have; fewer have no manner to speak of."""
_WHOLE_SLICE = slice(None)
_END_OF_JPEG = b"\xff\xd9"


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a picture as RGB uint8 `(H, W, 3)`.

    Raises:
        InputError: the file is missing or no picture.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    except cv2.error:  # more pixels than OpenCV takes
        image = None
    if image is None:
        raise InputError(f"{path}: not a picture that can be read")
    return image.astype(np.uint8, copy=False)


def read_painting(path: Path, width: int) -> NDArray[np.uint8]:
    """Read a painting, `width` pixels across, as RGB uint8 `(H, width, 3)`; H is at least `LEAST_PAINTING`.

    Raises:
        InputError: the file is missing, no picture, or smaller than `LEAST_PAINTING` on a side.
    """
    image = read_image(path)
    if min(image.shape[:2]) < LEAST_PAINTING:
        raise InputError(
            f"{path}: {image.shape[1]}x{image.shape[0]} pixels are too few to learn a style from; give a picture of "
            f"at least {LEAST_PAINTING} a side"
        )
    return painting_across(image, width)


def painting_across(painting_HWC: NDArray[np.uint8], width: float) -> NDArray[np.uint8]:
    """Bring a painting to a width in pixels, but no side below `LEAST_PAINTING`."""
    height = painting_HWC.shape[0] * width / painting_HWC.shape[1]
    return resized(painting_HWC, max(LEAST_PAINTING, round(width)), max(LEAST_PAINTING, round(height)))


@dataclass(frozen=True, kw_only=True)
class Content:
    """What there is to learn on, in memory."""

    images: list[NDArray[np.uint8]]
    """RGB uint8 pictures: images and single frames of videos."""
    pairs: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]
    """Neighbouring frames of videos, the earlier one first; both of one size."""


def load_content(sources: Sequence[Path], *, minimum: int) -> Content:
    """Read every picture and video of `sources`; unusable and too small ones are left out, said in the log.

    Args:
        sources: folders, searched with all their subfolders, and single files.
        minimum: pixels that each side must have.

    Raises:
        InputError: a source that isn't there, or nothing usable in all of them.
    """
    images: list[NDArray[np.uint8]] = []
    pairs: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []
    for path in (path for source in sources for path in files_of(source)):
        try:
            moments = read_moments_of(path)
        except InputError as error:
            log.warning("left out: %s", error)
            continue
        height, width = moments[0].image.shape[:2]
        if min(height, width) < minimum:
            log.warning("left out: %s: %dx%d is smaller than %d", path, width, height, minimum)
            continue
        images += [moment.image for moment in moments]
        pairs += [(moment.image, moment.following) for moment in moments if moment.following is not None]
    if not images:
        named = ", ".join(str(source) for source in sources)
        raise InputError(
            f"{named}: no pictures of at least {minimum} pixels a side; images "
            f"({', '.join(sorted(OPENCV_SUFFIXES))}) and videos are read"
        )
    return Content(images=images, pairs=pairs)


def files_of(source: Path) -> list[Path]:
    """Return the pictures and videos in a folder and its subfolders, sorted; of a file, itself.

    Raises:
        InputError: there is no such file or folder.
    """
    if source.is_dir():
        found = (p for p in source.rglob("*") if p.suffix.lower() in OPENCV_SUFFIXES | VIDEO_SUFFIXES)
        return sorted(p for p in found if p.is_file())
    if not source.exists():
        raise InputError(f"{source}: no such file or folder of pictures")
    return [source]


def read_moments_of(path: Path) -> list[Moment]:
    """Read a picture, or moments spread over a video.

    Raises:
        InputError: it can't be read.
    """
    suffix = path.suffix.lower()
    if suffix not in OPENCV_SUFFIXES:
        return read_moments(path)
    # OpenCV paints the missing part of such a file grey. A thumbnail, which ends too, stands in the first half.
    if suffix in (".jpg", ".jpeg"):
        try:
            contents = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: can't be read ({error.strerror})") from error
        if contents.rfind(_END_OF_JPEG) < len(contents) // 2:
            raise InputError(f"{path}: the file is cut short")
    return [Moment(image=read_image(path))]


def to_tensor(image_HWC: NDArray[np.uint8]) -> Tensor:
    """Turn RGB uint8 `(H, W, 3)` into float `(1, 3, H, W)` in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(image_HWC)).permute(2, 0, 1)[None].float() / 255


def to_levels(x_NCHW: Tensor) -> Tensor:
    """Turn pictures in 0..1, cut to that, into contiguous uint8 `(N, H, W, 3)`."""
    return (x_NCHW * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


@dataclass(frozen=True, kw_only=True)
class Window:
    """Where a crop comes from."""

    index: int
    """Which picture."""
    width: int
    """Width in pixels that the whole picture is resized to."""
    height: int
    """Height in pixels."""
    left: int
    """First column of the crop."""
    top: int
    """First row of the crop."""
    size: int
    """Side of the crop in pixels."""
    is_mirrored: bool
    """Left and right change places."""

    def cut(self, image_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the crop of RGB uint8 `(H, W, 3)`, a new array or a view of one."""
        size = (self.width, self.height)
        image = cv2.resize(image_HWC, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        crop = image[self.top : self.top + self.size, self.left : self.left + self.size]
        return crop[:, ::-1] if self.is_mirrored else crop


@dataclass(frozen=True, kw_only=True)
class Crops:
    """Random crops of pictures held in memory. The batch of a step depends on `seed` and the step alone."""

    images: list[NDArray[np.uint8]]
    """RGB uint8 pictures, each side at least `size`."""
    size: int
    """Side of the crops in pixels."""
    seed: int
    """Start of every random choice."""
    largest_side: int = LARGEST_SIDE
    """Pictures are first resized so that their short side lies between `size` and this (or their own, if smaller)."""

    def batch(self, step: int, count: int, share: slice = _WHOLE_SLICE) -> Tensor:
        """Return the part `share` of the `(count, 3, size, size)` float in 0..1 for `step`."""
        rng = np.random.default_rng((self.seed, step))
        shapes = [image.shape[:2] for image in self.images]
        windows = [choose_window(rng, shapes, self.size, self.largest_side) for _ in range(count)]
        return torch.cat([to_tensor(window.cut(self.images[window.index])) for window in windows[share]])


def choose_window(
    rng: np.random.Generator, shapes: Sequence[tuple[int, ...]], size: int, largest_side: int = LARGEST_SIDE
) -> Window:
    """Choose a crop of `size` pixels a side from one of the pictures of `shapes` (height, width)."""
    index = int(rng.integers(len(shapes)))
    short = min(shapes[index])
    side = rng.integers(size, max(size, min(short, largest_side)) + 1)
    height, width = (max(round(s * side / short), size) for s in shapes[index])
    top, left = int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))
    is_mirrored = bool(rng.random() < 0.5)
    return Window(index=index, width=width, height=height, left=left, top=top, size=size, is_mirrored=is_mirrored)


def random_flow(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Make smooth random motion `(count, 2, size, size)` in pixels: N(0, 6) on a 3x3 grid, plus a shift of up to 8.

    The constants follow single-image temporal training (ReReVST; Recycle-GAN without video), scaled to small crops.
    """
    grid = torch.randn(count, 2, 3, 3, generator=generator) * 6
    shift = (torch.rand(count, 2, 1, 1, generator=generator) * 2 - 1) * 8
    return F.interpolate(grid, size=(size, size), mode="bicubic", align_corners=True) + shift
