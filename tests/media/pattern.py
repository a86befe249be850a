"""A moving test picture that carries its own number, readable after lossy coding, scaling and a change of format."""

from __future__ import annotations

import numpy as np

_COLUMNS, _ROWS = 8, 6
_NUMBER_ROW = 1
_DARK, _BRIGHT = 30, 225


def picture(number, width=128, height=96):
    """Return RGB uint8 `(height, width, 3)`: eight blocks that spell `number` in binary over a moving wave.

    No turn or mirroring of it looks like another: one corner is red, one is blue.
    """
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    ys, xs = ys / height, xs / width
    waves = [np.sin(2 * np.pi * (xs * a + ys * b + number / 16)) for a, b in ((1, 0.5), (0.5, -1), (-1, 1))]
    image = np.stack([128 + 70 * wave for wave in waves], axis=-1)
    for bit in range(_COLUMNS):
        image[_cell(bit, _NUMBER_ROW, width, height)] = _BRIGHT if number >> bit & 1 else _DARK
    image[_cell(0, _ROWS - 1, width, height)] = (220, 30, 30)
    image[_cell(_COLUMNS - 1, _ROWS - 1, width, height)] = (30, 30, 220)
    return np.rint(image).astype(np.uint8)


def read_number(image):
    """Return the number in a picture `(H, W)` or `(H, W, 3)`, in any range; it must be upright."""
    luma = image if image.ndim == 2 else image.mean(axis=2)
    height, width = luma.shape
    bits = [luma[_cell(bit, _NUMBER_ROW, width, height, margin=0.25)].mean() > 128 for bit in range(_COLUMNS)]
    return sum(1 << bit for bit, is_set in enumerate(bits) if is_set)


def psnr(a, b):
    """Return the likeness of two uint8 pictures in dB; infinite where they are equal."""
    assert a.shape == b.shape, f"{a.shape} is not {b.shape}"
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)


def _cell(column, row, width, height, margin=0.0):
    """Return the slices of one block of the grid, less a margin on every side."""
    top, bottom = ((row + margin) * height / _ROWS, (row + 1 - margin) * height / _ROWS)
    left, right = ((column + margin) * width / _COLUMNS, (column + 1 - margin) * width / _COLUMNS)
    # Tiny pictures have blocks of one pixel, or less: then a block shares its pixel with others.
    top, left = min(round(top), height - 1), min(round(left), width - 1)
    return slice(top, max(top + 1, round(bottom))), slice(left, max(left + 1, round(right)))
