"""Contact sheets: pictures side by side with a word beneath, for eyes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from held_out import Named, Picture

from vidgan.picture import resized

CAPTION = 18
"""Pixels for the words beneath a tile."""
PAPER, INK = 255, (40, 40, 40)


def sheet(rows: Sequence[Sequence[Named]], tile: tuple[int, int]) -> Picture:
    """Lay out pictures in rows; each is shrunk or grown until it fits into a tile, and centred there.

    Args:
        rows: pictures with what stands beneath them; all rows equally long.
        tile: width and height in pixels.

    Returns:
        RGB uint8 `(H, W, 3)`.
    """
    return np.vstack([np.hstack([_tile(picture, tile) for picture in row]) for row in rows])


def save(path: Path, image_HWC: Picture) -> Path:
    """Write an RGB picture and return where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image_HWC[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return path


def pairs(sources: Sequence[Named], results: Sequence[Named], columns: int) -> list[list[Named]]:
    """Arrange sources in rows of `columns`, each row followed by the row of its results; the rest is left out."""
    rows: list[list[Named]] = []
    for first in range(0, len(sources) - columns + 1, columns):
        rows += [list(sources[first : first + columns]), list(results[first : first + columns])]
    return rows


def _tile(picture: Named, tile: tuple[int, int]) -> Picture:
    width, height = tile
    factor = min(width / picture.image.shape[1], height / picture.image.shape[0])
    size = (round(picture.image.shape[1] * factor), round(picture.image.shape[0] * factor))
    small = resized(picture.image, *size)
    canvas = np.full((height + CAPTION, width, 3), PAPER, np.uint8)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    canvas[top : top + size[1], left : left + size[0]] = small
    where = (4, height + CAPTION - 5)
    cv2.putText(canvas, picture.name, where, cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
    return canvas
