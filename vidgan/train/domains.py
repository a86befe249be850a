"""Domains for translation: two folders of pictures or videos, or pairs of pictures of the same things."""

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

from vidgan.errors import InputError
from vidgan.picture import resized
from vidgan.train.data import files_of, read_moments_of, to_tensor

log = logging.getLogger(__name__)

HELD_BACK_EVERY, MOST_HELD_BACK = 10, 50
"""One file in so many is kept for judging, where nothing else is given for that; and how many at most."""
_ROUNDED = 0.02
"""The two pictures of a pair may differ so much in their proportions, as a fraction."""
_LONGEST = 16
"""The long side of a picture may be so many times the short one: resized, thinner ones would fill the memory."""
_WHOLE = slice(None)

Images = list[NDArray[np.uint8]]
"""Pictures `(H, W, C)`: RGB, or six channels where the picture of domain B lies behind that of A."""


@dataclass(frozen=True, kw_only=True)
class Domain:
    """Random crops of pictures held in memory. The batch of a step depends on `seed`, `stream` and the step alone."""

    images: Images
    """Each side at least `crop`."""
    crop: int
    """Side of the crops in pixels."""
    seed: int
    """Start of every random choice."""
    stream: int = 0
    """Another number, other choices."""
    channels: tuple[int, int] = (0, 6)
    """The first channel that is wanted, and the first that isn't: for one half of pairs."""

    def batch(self, step: int, count: int, share: slice = _WHOLE) -> Tensor:
        """Return the part `share` of the `(count, C, crop, crop)` float in 0..1 for `step`."""
        rng = np.random.default_rng((self.seed, step, self.stream))
        return torch.cat([to_tensor(crop) for crop in [self._cut(rng) for _ in range(count)][share]])

    def _cut(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        image = self.images[int(rng.integers(len(self.images)))]
        top, left = (int(rng.integers(length - self.crop + 1)) for length in image.shape[:2])
        crop = image[top : top + self.crop, left : left + self.crop]
        return (crop[:, ::-1] if rng.random() < 0.5 else crop)[..., slice(*self.channels)]


@dataclass(frozen=True, kw_only=True)
class Files:
    """What was read of one file."""

    name: str
    """Its path within the domain, without its extension."""
    images: Images
    """One, or several frames of a video."""


def read_domain(source: Path, side: int, *, are_pairs: bool = False) -> list[Files]:
    """Read a folder or file; what can't be read is left out, said in the log.

    Args:
        source: pictures and videos, or one of them.
        side: the short side that all are resized to, in pixels.
        are_pairs: pictures show A on their left half and B on their right one; they become pictures of six channels.

    Raises:
        InputError: it isn't there, or nothing in it can be read.
    """
    found = []
    for path in files_of(source):
        try:
            images = [moment.image for moment in read_moments_of(path)]
            # Cut first: resized first, each half would bleed into the other.
            images = [_halved(image, path) for image in images] if are_pairs else images
            _check_proportions(images[0], path)
            images = [with_short_side(image, side) for image in images]
        except InputError as error:
            log.warning("left out: %s", error)
            continue
        name = path.relative_to(source).with_suffix("") if source.is_dir() else Path(path.stem)
        found.append(Files(name=str(name), images=images))
    if not found:
        raise InputError(f"{source}: no picture or video in it that can be read")
    return found


def read_pairs(a: Path, b: Path | None, side: int) -> list[Files]:
    """Read pairs of pictures, each as one picture of six channels.

    Args:
        a: folder of domain A; without `b` of pictures that show A on their left half and B on their right one.
        b: folder of domain B; same name, same thing.
        side: the short side that all are resized to, in pixels.

    Raises:
        InputError: a folder isn't there, or there is no pair in them.
    """
    if b is None:
        return read_domain(a, side, are_pairs=True)
    first, second = (_by_name(read_domain(source, side), source) for source in (a, b))
    for source, names in ((a, first.keys() - second.keys()), (b, second.keys() - first.keys())):
        if names:
            log.warning("left out: %s: %d without a partner, such as %s", source, len(names), min(names))
    pairs = []
    for name in sorted(first.keys() & second.keys()):
        try:
            pairs.append(_joined(first[name], second[name]))
        except InputError as error:
            log.warning("left out: %s", error)
    if not pairs:
        raise InputError(f"{a}, {b}: no pairs: the pictures of one thing must have the same name and proportions")
    return pairs


def middle_square(image_HWC: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return the middle of a picture of any number of channels, scaled so that it just covers `(side, side)`."""
    scaled = with_short_side(image_HWC, side)
    top, left = ((length - side) // 2 for length in scaled.shape[:2])
    return np.ascontiguousarray(scaled[top : top + side, left : left + side])


def _by_name(found: Sequence[Files], source: Path) -> dict[str, Files]:
    names: dict[str, Files] = {}
    for files in found:
        if files.name in names:
            log.warning("left out: %s: a second %s, of another kind of file", source, files.name)
        names.setdefault(files.name, files)
    return names


def hold_back(files: Sequence[Files]) -> tuple[list[Files], list[Files]]:
    """Split files into those to learn on and those to judge by; a single one is both, said in the log."""
    if len(files) == 1:
        log.warning("%s is all there is: results are judged by what was learnt on", files[0].name)
        return list(files), list(files)
    count = min(MOST_HELD_BACK, max(1, len(files) // HELD_BACK_EVERY))
    chosen = {int((index + 0.5) * len(files) / count) for index in range(count)}
    return (
        [item for index, item in enumerate(files) if index not in chosen],
        [item for index, item in enumerate(files) if index in chosen],
    )


def images_of(files: Sequence[Files]) -> Images:
    """Return all pictures of `files`."""
    return [image for item in files for image in item.images]


def with_short_side(image_HWC: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Resize a picture of any number of channels so that its short side has `side` pixels; the same one if it has."""
    height, width = image_HWC.shape[:2]
    scale = side / min(height, width)
    if scale == 1:
        return image_HWC
    size = (max(side, round(width * scale)), max(side, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    # OpenCV takes four channels at most.
    halves = np.split(image_HWC, image_HWC.shape[2] // 3, axis=2)
    return np.concatenate([cv2.resize(half, size, interpolation=method) for half in halves], axis=2, dtype=np.uint8)


def _halved(image_HWC: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
    height, width = image_HWC.shape[:2]
    half = width // 2
    if half < height // 2:
        raise InputError(
            f"{path}: {width}x{height}: a pair shows A on the left and B beside it; or give a folder of each"
        )
    return np.concatenate((image_HWC[:, :half], image_HWC[:, half : 2 * half]), axis=2)


def _check_proportions(image_HWC: NDArray[np.uint8], path: Path) -> None:
    height, width = image_HWC.shape[:2]
    if max(height, width) > _LONGEST * min(height, width):
        raise InputError(f"{path}: {width}x{height} is too thin to learn from")


def _joined(first: Files, second: Files) -> Files:
    images = []
    if len(first.images) != len(second.images):
        raise InputError(f"{first.name}: {len(first.images)} frames of A, {len(second.images)} of B")
    for a, b in zip(first.images, second.images, strict=True):
        (height, width), (height_b, width_b) = a.shape[:2], b.shape[:2]
        if abs(width / height / (width_b / height_b) - 1) > _ROUNDED:
            raise InputError(f"{first.name}: A is {width}x{height}, B {width_b}x{height_b}: other proportions")
        images.append(np.concatenate((a, resized(b, width, height)), axis=2))
    return Files(name=first.name, images=images)
