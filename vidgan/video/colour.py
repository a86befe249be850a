"""The one place that decides matrix, range, primaries and transfer, and converts between YUV and RGB.

Chroma is replicated on the way to RGB and averaged over the same pixels on the way back: each is the inverse of the
other, so a picture that nothing touched comes back within one level (where 8-bit RGB can hold its colours).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from vidgan.frame import Colour

_UNSAID = 2
_RGB = 0
_BT709 = 1
_BT601 = 6
_BT601_625 = 5
# swscale knows these by the same numbers as H.273.
_MATRICES = frozenset({1, 4, 5, 6, 7, 9})
_BT2020_CONSTANT_LUMINANCE = 10
_TAGGED_CONTAINERS = frozenset({"mp4", "mov", "matroska", "webm"})
_TAGGING_ENCODERS = ("264", "265", "hevc", "av1", "vp9", "mpeg2", "prores")
_LIMITED_ENCODERS = ("mpeg", "prores", "dnxhd")
_LIMITED, _FULL = 1, 2
_EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
_TO_RGB = Interpolation.POINT | _EXACT
_FROM_RGB = Interpolation.AREA | _EXACT


def is_rgb(pixel_format: str) -> bool:
    """Say whether FFmpeg's `pixel_format` holds RGB (or a palette of it) rather than luma and chroma."""
    return av.VideoFormat(pixel_format).is_rgb or pixel_format == "pal8"


def is_grey(pixel_format: str) -> bool:
    """Say whether `pixel_format` holds luma alone."""
    return pixel_format.startswith(("gray", "ya", "mono"))


def tagged_colour(frame: av.VideoFrame) -> Colour:
    """Read what a decoded frame says of its own colour."""
    ranges = {_LIMITED: False, _FULL: True}
    return Colour(
        matrix=int(frame.colorspace),
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
        full_range=ranges.get(int(frame.color_range)),
    )


def resolve(colour: Colour, *, pixel_format: str, width: int, height: int) -> Colour:
    """Replace what a file doesn't say by what players take: the matrix by size, limited range for YUV.

    Primaries and transfer stay unsaid: no number depends on them here.

    Args:
        colour: as tagged.
        pixel_format: FFmpeg's name.
        width: pixels across, before any rotation.
        height: pixels down, before any rotation.
    """
    if is_rgb(pixel_format):
        return replace(colour, matrix=_RGB, full_range=True)
    full = colour.full_range
    if full is None:
        full = pixel_format.startswith("yuvj") or is_grey(pixel_format)
    matrix = 9 if colour.matrix == _BT2020_CONSTANT_LUMINANCE else colour.matrix
    if matrix not in _MATRICES:
        matrix = _BT709 if width >= 1280 or height > 576 else _BT601
    return replace(colour, matrix=matrix, full_range=full)


def encoding_colour(
    colour: Colour, *, pixel_format: str, width: int, height: int, container_name: str, encoder_name: str
) -> Colour:
    """Decide the colour to encode and tag with: the source's, where the file can say so, else what players take.

    Args:
        colour: the source's, resolved.
        pixel_format: the encoder's.
        width: pixels across.
        height: pixels down.
        container_name: FFmpeg's.
        encoder_name: FFmpeg's.
    """
    if is_rgb(pixel_format):
        return replace(colour, matrix=_RGB, full_range=True)
    if encoder_name == "mjpeg":  # JFIF knows no other
        return replace(colour, matrix=_BT601_625, full_range=True)
    if container_name not in _TAGGED_CONTAINERS and not any(name in encoder_name for name in _TAGGING_ENCODERS):
        colour = Colour()
    can_be_full = colour.matrix != _RGB and not encoder_name.startswith(_LIMITED_ENCODERS)
    full = pixel_format.startswith("yuvj") or (bool(colour.full_range) and can_be_full)
    if colour.matrix == _RGB:
        colour = replace(colour, matrix=_UNSAID)
    return resolve(replace(colour, full_range=full), pixel_format=pixel_format, width=width, height=height)


class ToRGB:
    """Turns decoded frames into RGB arrays. One for each stream: it keeps swscale's tables."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame, colour: Colour) -> NDArray[np.uint8]:
        """Return `frame` as new RGB uint8 `(H, W, 3)`, decoded with the matrix and range of the resolved `colour`."""
        matrix, range_ = _for_swscale(colour)
        rgb = self._reformatter.reformat(
            _without_chroma_place(frame),
            format="rgb24",
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=range_,
            dst_color_range=_FULL,
            interpolation=int(_TO_RGB),
            threads=1,
        )
        return rgb.to_ndarray().astype(np.uint8, copy=False)


class FromRGB:
    """Turns RGB arrays into frames for an encoder. One for each stream: it keeps swscale's tables."""

    def __init__(self, pixel_format: str, colour: Colour) -> None:
        """Prepare for `pixel_format`, with the matrix and range of `colour`."""
        self._reformatter = VideoReformatter()
        self._pixel_format, self._colour = pixel_format, colour

    def __call__(self, image_HWC: NDArray[np.uint8]) -> av.VideoFrame:
        """Return RGB uint8 `(H, W, 3)` as a tagged frame. 4:2:0 and 4:2:2 round odd sizes up, as FFmpeg does."""
        image_HWC = np.ascontiguousarray(image_HWC)
        matrix, range_ = _for_swscale(self._colour)
        if self._pixel_format == "rgb24":
            frame = av.VideoFrame.from_ndarray(image_HWC, format="rgb24")
        else:
            frame = self._reformatter.reformat(
                # Without a copy: it is read here and now.
                av.VideoFrame.from_numpy_buffer(image_HWC, format="rgb24"),
                format=self._pixel_format,
                src_colorspace=matrix,
                dst_colorspace=matrix,
                src_color_range=_FULL,
                dst_color_range=range_,
                interpolation=int(_FROM_RGB),
                threads=1,
            )
        return tag(frame, self._colour)


def tag(frame: av.VideoFrame, colour: Colour) -> av.VideoFrame:
    """Write a decided colour into a frame, which is returned."""
    frame.colorspace, frame.color_range = colour.matrix, _FULL if colour.full_range else _LIMITED
    frame.color_primaries, frame.color_trc = colour.primaries, colour.transfer
    return frame


def square_pixel_size(width: int, height: int, sample_aspect_ratio: Fraction) -> tuple[int, int]:
    """Return the size at which a picture of non-square pixels looks right on square ones."""
    return max(1, round(width * sample_aspect_ratio)), height


def _without_chroma_place(frame: av.VideoFrame) -> av.VideoFrame:
    """Return a frame of the same planes that doesn't say where chroma lies between the pixels.

    H.264, HEVC and MPEG say "left", and swscale would take the next sample for every second pixel.
    """
    try:
        return av.VideoFrame.from_dlpack(frame.planes, format=frame.format.name)
    except (NotImplementedError, TypeError, ValueError):  # packed, odd or upside down: swscale takes it as it is
        return frame


def _for_swscale(colour: Colour) -> tuple[int, int]:
    matrix = colour.matrix if colour.matrix in _MATRICES else _BT601
    return matrix, _FULL if colour.full_range else _LIMITED
