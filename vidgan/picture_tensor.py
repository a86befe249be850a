"""What `picture.py` and the stylizer do with arrays, on torch tensors of any device. Imports nothing of ours.

Pictures are uint8 RGB `(H, W, 3)`, 0..255. Everything runs on the device of the picture, on torch's current stream, and
never waits for the device, but for the tables of a size that is seen for the first time.

How far the results may lie from OpenCV's and why: see the tolerances in `tests/unit/test_picture_tensor.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Taps = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Of each of n results along one axis: which k pixels it is made of, `(n, k)`, and their weights, `(n, k)`."""

_CUBIC = -0.75
"""OpenCV's parameter of the bicubic kernel (Keys 1981)."""
# BT.601 in fixed point, as OpenCV computes it: luma alone with 15 bits, and YCrCb with 14.
_GREY, _GREY_BITS = (9798, 19235, 3735), 15
_LUMA, _CR, _CB, _BITS = (4899, 9617, 1868), 11682, 9241, 14
_RED_OF_CR, _GREEN_OF_CR, _GREEN_OF_CB, _BLUE_OF_CB = 22987, -11698, -5636, 29049
_MIDDLE = 128


def resized_tensor(image_HWC: Tensor, width: int, height: int) -> Tensor:
    """Bring a picture to a size as `picture.resized` does: averaged over areas, bicubic where it grows.

    Args:
        image_HWC: uint8 `(H, W, C)` of any number of channels.
        width: of the result, at least 1.
        height: of the result, at least 1.

    Returns:
        A new contiguous uint8 tensor `(height, width, C)`; `image_HWC` itself where it has that size already.
    """
    old_height, old_width = image_HWC.shape[:2]
    if (old_height, old_width) == (height, width):
        return image_HWC
    shrinks = width * height < old_width * old_height
    # Where one side grows, OpenCV takes neighbours instead of areas along both.
    areas = area_taps if width <= old_width and height <= old_height else linear_taps
    make = areas if shrinks else cubic_taps
    rows = _gather(image_HWC, 0, _on_device(make, old_height, height, image_HWC.device))
    return _to_uint8(_gather(rows, 1, _on_device(make, old_width, width, image_HWC.device)))


def with_colour_of_tensor(source_HWC: Tensor, styled_HWC: Tensor) -> Tensor:
    """Return the luma of `styled_HWC` with the chroma of `source_HWC`, as `picture.with_colour_of` does.

    Args:
        source_HWC: uint8 `(H, W, 3)`.
        styled_HWC: the same shape, on the same device.

    Returns:
        A new contiguous uint8 tensor.
    """
    red, green, blue = (plane.int() for plane in source_HWC.unbind(2))
    source_luma = _luma(source_HWC, _LUMA, _BITS)
    # Kept as the difference from grey, which has no part in what follows; clipped to a byte as it would be stored.
    cr = _fixed((red - source_luma) * _CR, _BITS).clamp(-_MIDDLE, 255 - _MIDDLE)
    cb = _fixed((blue - source_luma) * _CB, _BITS).clamp(-_MIDDLE, 255 - _MIDDLE)
    luma = _luma(styled_HWC, _LUMA, _BITS)
    red = luma + _fixed(cr * _RED_OF_CR, _BITS)
    green = luma + _fixed(cr * _GREEN_OF_CR + cb * _GREEN_OF_CB, _BITS)
    blue = luma + _fixed(cb * _BLUE_OF_CB, _BITS)
    return torch.stack((red, green, blue), dim=2).clamp(0, 255).to(torch.uint8)


def luma_tensor(image_HWC: Tensor) -> Tensor:
    """Return the BT.601 luma of a uint8 picture `(H, W, 3)`: a new `(H, W)` uint8 tensor, OpenCV's to the bit."""
    return _luma(image_HWC, _GREY, _GREY_BITS).to(torch.uint8)


def pad_tensor(image_HWC: Tensor, *, width: int, height: int, margin: int = 0) -> Tensor:
    """Extend a picture by mirroring, as `stylizer.pad` does.

    Args:
        image_HWC: uint8 `(H, W, 3)`.
        width: of the result.
        height: of the result.
        margin: how much of it is added at the left and at the top; the rest goes to the right and the bottom.

    Returns:
        A new contiguous tensor; `image_HWC` itself where it has that size already.
    """
    old_height, old_width = image_HWC.shape[:2]
    if (old_height, old_width, margin) == (height, width, 0):
        return image_HWC
    rows = _mirrored(old_height, height, margin, cv2.BORDER_REFLECT_101, image_HWC.device)
    columns = _mirrored(old_width, width, margin, cv2.BORDER_REFLECT_101, image_HWC.device)
    return image_HWC.index_select(0, rows).index_select(1, columns)


def blended_tensor(first_HWC: Tensor, share: float, second_HWC: Tensor) -> Tensor:
    """Return `share` of one picture and the rest of the other, as `cv2.addWeighted` does: a new uint8 tensor.

    Args:
        first_HWC: uint8 `(H, W, 3)`.
        share: 0..1.
        second_HWC: the same shape, on the same device.
    """
    return _to_uint8(first_HWC.float() * share + second_HWC.float() * (1 - share))


def beside_tensor(left_HWC: Tensor, right_HWC: Tensor) -> Tensor:
    """Return two pictures of one height side by side: a new tensor."""
    return torch.cat((left_HWC, right_HWC), dim=1)


def means_of_squares_tensor(image_HWC: Tensor, side: int) -> Tensor:
    """Return the means over squares from the top left corner on, OpenCV's to the bit.

    Args:
        image_HWC: uint8 `(H, W, 3)`. Squares that the right or bottom edge cuts are made whole by mirroring.
        side: of the squares, in pixels; a power of 2 up to 256.

    Returns:
        A new uint8 tensor `(ceil(H / side), ceil(W / side), 3)`.
    """
    height, width = image_HWC.shape[:2]
    down, across = -(-height // side), -(-width // side)
    if height % side:
        rows = _mirrored(height, down * side, 0, cv2.BORDER_REFLECT, image_HWC.device)
        image_HWC = image_HWC.index_select(0, rows)
    if width % side:
        columns = _mirrored(width, across * side, 0, cv2.BORDER_REFLECT, image_HWC.device)
        image_HWC = image_HWC.index_select(1, columns)
    # Sums of bytes are whole numbers: exact in any order.
    sums = image_HWC.reshape(down, side, across, side, 3).sum(dim=(1, 3), dtype=torch.float32)
    return _to_uint8(sums / side**2)


@contextmanager
def default_stream(x: Tensor) -> Iterator[None]:
    """Put what is begun in the block on torch's default stream of the tensor's device; nothing changes on the CPU.

    The memory of `x` isn't given to anybody else before that work is done, whichever stream it was taken for.
    """
    if not x.is_cuda:
        yield
        return
    stream = torch.cuda.default_stream(x.device)
    x.record_stream(stream)
    with torch.cuda.stream(stream):
        yield


def area_taps(old: int, new: int) -> Taps:
    """Return how `new` pixels are averaged from `old` >= `new`: each over what it covers (OpenCV's INTER_AREA)."""
    scale = old / new
    begin = np.arange(new)[:, None] * scale
    end = np.minimum(begin + scale, old)
    pixels = np.floor(begin + 1e-9).astype(np.int64) + np.arange(int(np.ceil(scale)) + 1)
    covered = np.minimum(end, pixels + 1) - np.maximum(begin, pixels)
    # What isn't covered but by rounding isn't covered, as in OpenCV.
    weights = np.where(covered > 1e-3, covered, 0)
    return _pruned(pixels, weights / weights.sum(1, keepdims=True), old)


def linear_taps(old: int, new: int) -> Taps:
    """Return what OpenCV makes of INTER_AREA where one side of a picture grows: neighbours, kept as sharp as can be."""
    scale = old / new
    left = np.floor(np.arange(new) * scale).astype(np.int64)
    share = (np.arange(new) + 1) - (left + 1) / scale
    share = np.where(share <= 0, 0, share - np.floor(share))
    return _pruned(left[:, None] + np.arange(2), np.stack((1 - share, share), 1), old)


def cubic_taps(old: int, new: int) -> Taps:
    """Return how `new` pixels are interpolated from `old` (Keys 1981), the border pixels repeated."""
    place = (np.arange(new) + 0.5) * (old / new) - 0.5
    first = np.floor(place).astype(np.int64) - 1
    pixels = first[:, None] + np.arange(4)
    x = np.abs(place[:, None] - pixels)
    near = ((_CUBIC + 2) * x - (_CUBIC + 3)) * x * x + 1
    far = _CUBIC * (((x - 5) * x + 8) * x - 4)
    return _pruned(pixels, np.where(x <= 1, near, far), old)


def _pruned(pixels: NDArray[np.int64], weights: NDArray[np.float64], old: int) -> Taps:
    """Leave out taps that nothing is made of, and put those beyond the border onto it."""
    used = (weights != 0).any(0)
    return pixels[:, used].clip(0, old - 1), weights[:, used].astype(np.float32)


def _gather(x_HWC: Tensor, dim: int, taps: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Sum weighted pixels along an axis; a tap at a time, so that memory doesn't grow with their number."""
    total: Tensor | None = None
    for pixels, weights in taps:
        part = x_HWC.index_select(dim, pixels) * (weights[None, :, None] if dim else weights[:, None, None])
        total = part if total is None else total.add_(part)
    assert total is not None
    return total


def _luma(image_HWC: Tensor, weights: tuple[int, int, int], bits: int) -> Tensor:
    red, green, blue = (plane.int() * weight for plane, weight in zip(image_HWC.unbind(2), weights, strict=True))
    return _fixed(red + green + blue, bits)


def _fixed(x: Tensor, bits: int) -> Tensor:
    """Round fixed point to whole numbers, halves up."""
    return (x + (1 << (bits - 1))) >> bits


def _to_uint8(x: Tensor) -> Tensor:
    # torch rounds halves to even, as OpenCV does.
    return x.round().clamp(0, 255).to(torch.uint8)


@lru_cache(maxsize=32)
def _on_device(
    make: Callable[[int, int], Taps], old: int, new: int, device: torch.device
) -> list[tuple[Tensor, Tensor]]:
    pixels, weights = make(old, new)
    # Tables made under inference mode could never be used where gradients are wanted.
    with torch.inference_mode(mode=False):
        return [
            (torch.from_numpy(index).to(device), torch.from_numpy(weight).to(device))
            for index, weight in zip(pixels.T.copy(), weights.T.copy(), strict=True)
        ]


@lru_cache(maxsize=32)
def _mirrored(old: int, new: int, before: int, border: int, device: torch.device) -> Tensor:
    """Return which of `old` pixels lies at each of `new`, `before` of them in front of the first."""
    places = [cv2.borderInterpolate(place - before, old, border) for place in range(new)]
    with torch.inference_mode(mode=False):
        return torch.tensor(places, dtype=torch.int64, device=device)
