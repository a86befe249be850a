"""Colour by the book: ITU-R BT.601, BT.709 and BT.2020 in floating point, to judge what swscale is told to do."""

from __future__ import annotations

import itertools

import numpy as np

from media.clips import Video

LUMA_WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
"""Kr and Kb by H.273's number of the matrix."""
LIMITED, FULL = 1, 2
PATCHES = np.array(
    [*itertools.product((10, 128, 245), repeat=3), (255, 255, 255), (0, 0, 0), (60, 180, 90)], np.float64
)
"""RGB; what a limited-range file can hold too."""
_COLUMNS, _EDGE = 6, 32


def to_yuv(rgb, matrix, range_):
    """Return float Y, Cb, Cr of float RGB `(..., 3)`."""
    kr, kb = LUMA_WEIGHTS[matrix]
    red, green, blue = np.moveaxis(rgb, -1, 0)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    scale = (219 / 255, 224 / 255, 16) if range_ == LIMITED else (1, 1, 0)
    return np.stack([luma * scale[0] + scale[2], cb * scale[1] + 128, cr * scale[1] + 128], axis=-1)


def to_rgb(yuv, matrix, range_):
    """Return float RGB of Y, Cb, Cr `(..., 3)`, not clipped."""
    kr, kb = LUMA_WEIGHTS[matrix]
    scale = (219 / 255, 224 / 255, 16) if range_ == LIMITED else (1, 1, 0)
    luma, cb, cr = np.moveaxis(yuv.astype(np.float64), -1, 0)
    luma, cb, cr = (luma - scale[2]) / scale[0], (cb - 128) / scale[1], (cr - 128) / scale[1]
    red, blue = luma + 2 * (1 - kr) * cr, luma + 2 * (1 - kb) * cb
    return np.stack([red, (luma - kr * red - kb * blue) / (1 - kr - kb), blue], axis=-1)


def patch_size():
    """Return width and height of the picture of patches."""
    return _COLUMNS * _EDGE, -(-len(PATCHES) // _COLUMNS) * _EDGE


def patch_picture():
    """Return the patches as one float RGB picture."""
    width, height = patch_size()
    image = np.zeros((height, width, 3))
    for number, patch in enumerate(PATCHES):
        row, column = divmod(number, _COLUMNS)
        image[row * _EDGE : (row + 1) * _EDGE, column * _EDGE : (column + 1) * _EDGE] = patch
    return image


def read_patches(image_HWC):
    """Return the mean of the middle of each patch."""
    middles = []
    for number in range(len(PATCHES)):
        row, column = divmod(number, _COLUMNS)
        top, left = row * _EDGE + _EDGE // 4, column * _EDGE + _EDGE // 4
        middles.append(image_HWC[top : top + _EDGE // 2, left : left + _EDGE // 2].mean(axis=(0, 1)))
    return np.array(middles)


def packed_planes(yuv, pixel_format):
    """Return rounded 8-bit planes as PyAV takes them: 4:4:4, or 4:2:0 and 4:2:2 with chroma averaged."""
    planes = np.moveaxis(yuv, -1, 0)
    if pixel_format.endswith("444p"):
        return np.rint(planes).astype(np.uint8)
    down = 2 if pixel_format.endswith("420p") else 1
    height, width = planes[0].shape
    chroma = [plane.reshape(height // down, down, width // 2, 2).mean(axis=(1, 3)) for plane in planes[1:]]
    flat = np.concatenate([planes[0].ravel(), *(plane.ravel() for plane in chroma)])
    rows = height * 3 // 2 if down == 2 else height * 2
    return np.rint(flat).astype(np.uint8).reshape(rows, width)


def planes_to_yuv(planes):
    """Return Y, Cb, Cr `(H, W, 3)` of separate planes, chroma repeated to full size."""
    height, width = planes[0].shape
    full = [
        np.repeat(np.repeat(plane, -(-height // plane.shape[0]), axis=0), -(-width // plane.shape[1]), axis=1)
        for plane in planes
    ]
    return np.stack([plane[:height, :width] for plane in full], axis=-1)


def patch_video(matrix, range_, pixel_format="yuv444p", *, codec="libx264", tags=None, options=None):
    """Return a lossless track of the patches, encoded and tagged by the book."""
    planes = packed_planes(to_yuv(patch_picture(), matrix, range_), pixel_format)
    return Video(
        codec=codec,
        size=patch_size(),
        pixel_format=pixel_format,
        pts=(0, 1),
        options={"qp": "0", "preset": "ultrafast"} if options is None else options,
        tags=(matrix, matrix, matrix, range_) if tags is None else tags,
        draw=lambda *_: planes,
        drawn_format=pixel_format,
    )
