"""Luma and chroma to RGB and back on tensors, on any device, as `colour.py` has it done to arrays by swscale.

Chroma is replicated on the way to RGB and averaged over the same pixels on the way back. The formulas are equations
E-1 to E-14 of ITU-T H.273 with the luma weights of its table 4, in float32, rounded once at the end. kornia.color.yuv
has one fixed matrix and no ranges.

Suffixes: H, W the picture's height and width; h, w those of its chroma, half of them and rounded up.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vidgan.frame import Colour

# Kr and Kb. Like swscale, an unknown matrix is taken as BT.601.
_LUMA_WEIGHTS = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
_BT601_WEIGHTS = (0.299, 0.114)
# Of a row in memory, in bytes: what FFmpeg gives its own CUDA frames.
_PITCH = 256


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How FFmpeg stores a 4:2:0 picture."""

    bits: int = 8
    """Significant ones of a sample."""
    shift: int = 0
    """Zero bits below them."""
    is_interleaved: bool = False
    """Cb and Cr alternate in one plane, rather than lie in two."""

    @property
    def dtype(self) -> torch.dtype:
        """Of a plane."""
        return torch.uint8 if self.bits == 8 else torch.uint16


LAYOUTS = {
    "yuv420p": Layout(),
    "yuvj420p": Layout(),
    "yuv420p10le": Layout(bits=10),
    "nv12": Layout(is_interleaved=True),
    "p010le": Layout(bits=10, shift=6, is_interleaved=True),
    "p016le": Layout(bits=16, is_interleaved=True),
}
"""By FFmpeg's names."""


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """What the numbers of a plane mean: sample = offset + range * value, luma 0..1 and chroma -0.5..0.5."""

    luma_offset: float
    luma_range: float
    chroma_offset: float
    chroma_range: float
    peak: float
    """The largest sample."""


def rgb_from_planes(planes: tuple[Tensor, ...], layout: Layout, colour: Colour) -> Tensor:
    """Return planes as a new contiguous RGB uint8 `(H, W, 3)` on the same device.

    Args:
        planes: Y `(H, W)` and CbCr `(h, w, 2)`, or Y, Cb `(h, w)` and Cr `(h, w)`, of the layout's dtype, any strides.
            PyAV rounds the chroma of interleaved layouts down: a row or column that lacks is taken from the one before.
        layout: how they are stored.
        colour: resolved; only its matrix and range count.
    """
    luma_HW, (blue_hw, red_hw) = planes[0], _chroma(planes)
    height, width = luma_HW.shape
    rows, columns = -(-height // 2), -(-width // 2)
    kr, kb = _luma_weights(colour)
    scale = _scale(layout, colour, unit=1 << layout.shift)
    per_luma, per_chroma = 255 / scale.luma_range, 255 / scale.chroma_range
    cb, cr = (_at_zero(plane, rows, columns, scale) for plane in (blue_hw, red_hw))
    # What chroma adds to luma, with luma's own offset and the half that makes truncation rounding.
    added_hw3 = cb.new_empty((rows, columns, 3))
    torch.mul(cr, 2 * (1 - kr) * per_chroma, out=added_hw3[..., 0])
    torch.mul(cb, -2 * (1 - kb) * kb / (1 - kr - kb) * per_chroma, out=added_hw3[..., 1])
    added_hw3[..., 1].sub_(cr, alpha=2 * (1 - kr) * kr / (1 - kr - kb) * per_chroma)
    torch.mul(cb, 2 * (1 - kb) * per_chroma, out=added_hw3[..., 2])
    added_hw3.add_(0.5 - scale.luma_offset * per_luma)
    if layout.bits > 8:
        luma_HW = luma_HW.to(torch.float32)  # uint16 takes part in no arithmetic
    if (height, width) != (2 * rows, 2 * columns):
        luma_HW = F.pad(luma_HW, (0, 2 * columns - width, 0, 2 * rows - height))
    rgb_h2w23 = cb.new_empty((rows, 2, columns, 2, 3))
    luma_h2w2 = luma_HW.view(rows, 2, columns, 2)
    torch.add(added_hw3[:, None, :, None], luma_h2w2[..., None], alpha=per_luma, out=rgb_h2w23)
    rgb_HW3 = rgb_h2w23.clamp_(0, 255).to(torch.uint8).reshape(2 * rows, 2 * columns, 3)
    return rgb_HW3[:height, :width].contiguous()


def planes_from_rgb(image_HWC: Tensor, layout: Layout, colour: Colour, planes: tuple[Tensor, ...]) -> None:
    """Write RGB uint8 `(H, W, 3)` into planes on the same device.

    Args:
        image_HWC: 0..255; where a side is odd, its last row or column counts twice in the chroma.
        layout: how to store it.
        colour: only its matrix and range count.
        planes: as `rgb_from_planes` takes them, of `planes_in`, for example.
    """
    height, width = image_HWC.shape[:2]
    kr, kb = _luma_weights(colour)
    scale = _scale(layout, colour, unit=1)
    per_level = scale.luma_range / 255
    luma_HW = torch.mul(image_HWC[..., 0], kr * per_level)
    luma_HW.add_(image_HWC[..., 1], alpha=(1 - kr - kb) * per_level).add_(image_HWC[..., 2], alpha=kb * per_level)
    _store(luma_HW.add_(scale.luma_offset + 0.5), planes[0], layout, scale.peak)
    blocks_h2w23 = padded(image_HWC, height % 2, width % 2).view(-(-height // 2), 2, -(-width // 2), 2, 3)
    red_hw, green_hw, blue_hw = blocks_h2w23.sum((1, 3), dtype=torch.float32).unbind(-1)
    luma_hw = (red_hw * kr).add_(green_hw, alpha=1 - kr - kb).add_(blue_hw, alpha=kb)
    for primary_hw, weight, plane_hw in zip((blue_hw, red_hw), (kb, kr), _chroma(planes), strict=True):
        chroma_hw = (primary_hw - luma_hw).mul_(scale.chroma_range / (2 * (1 - weight)) / (4 * 255))
        _store(chroma_hw.add_(scale.chroma_offset + 0.5), plane_hw, layout, scale.peak)


def plane_memory(
    height: int, width: int, layout: Layout, device: torch.device | str, *, is_aligned: bool = False
) -> Tensor:
    """Allocate memory for the planes of a picture, all in one piece, as a flat tensor.

    Args:
        height: of the picture.
        width: of the picture.
        layout: how it is stored.
        device: where.
        is_aligned: rows begin at multiples of 256 bytes. For interleaved layouts.
    """
    pitch, pitch_of_chroma = _pitches(width, layout, is_aligned=is_aligned)
    return torch.empty(height * pitch + -(-height // 2) * pitch_of_chroma, dtype=layout.dtype, device=device)


def planes_in(
    memory: Tensor, height: int, width: int, layout: Layout, *, is_aligned: bool = False
) -> tuple[Tensor, ...]:
    """Return the planes in memory of `plane_memory` as views: luma first, and chroma right behind it."""
    rows, columns = -(-height // 2), -(-width // 2)
    pitch, pitch_of_chroma = _pitches(width, layout, is_aligned=is_aligned)
    luma, chroma = memory[: height * pitch], memory[height * pitch :]
    luma_HW = luma.view(height, pitch)[:, :width]
    if layout.is_interleaved:
        return luma_HW, chroma.view(rows, pitch_of_chroma)[:, : 2 * columns].view(rows, columns, 2)
    return luma_HW, *chroma.view(2, rows, columns).unbind()


def padded(image_HWC: Tensor, down: int, across: int) -> Tensor:
    """Return a picture with its last row repeated `down` times and its last column `across` times."""
    if down:
        image_HWC = torch.cat((image_HWC, image_HWC[-1:].expand(down, -1, -1)))
    if across:
        image_HWC = torch.cat((image_HWC, image_HWC[:, -1:].expand(-1, across, -1)), 1)
    return image_HWC


def _chroma(planes: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Return Cb and Cr, each `(h, w)`."""
    return (planes[1][..., 0], planes[1][..., 1]) if len(planes) == 2 else (planes[1], planes[2])


def _pitches(width: int, layout: Layout, *, is_aligned: bool) -> tuple[int, int]:
    """Return how many samples a row of luma and a row of all chroma take."""
    columns = -(-width // 2)
    if not is_aligned:
        return width, 2 * columns
    unit = _PITCH // layout.dtype.itemsize
    pitch = -(-2 * columns // unit) * unit
    return pitch, pitch


def _luma_weights(colour: Colour) -> tuple[float, float]:
    return _LUMA_WEIGHTS.get(colour.matrix, _BT601_WEIGHTS)


def _scale(layout: Layout, colour: Colour, *, unit: int) -> _Scale:
    """Return the scale of samples that count in steps of `unit`."""
    peak = ((1 << layout.bits) - 1) * unit
    middle = (1 << (layout.bits - 1)) * unit
    if colour.full_range:
        return _Scale(luma_offset=0, luma_range=peak, chroma_offset=middle, chroma_range=peak, peak=peak)
    step = (1 << (layout.bits - 8)) * unit
    return _Scale(
        luma_offset=16 * step, luma_range=219 * step, chroma_offset=middle, chroma_range=224 * step, peak=peak
    )


def _at_zero(plane_hw: Tensor, rows: int, columns: int, scale: _Scale) -> Tensor:
    """Return chroma as float32 `(rows, columns)`, 0 where there is no colour."""
    chroma_hw = plane_hw.to(torch.float32)
    missing = (0, columns - plane_hw.shape[1], 0, rows - plane_hw.shape[0])
    if any(missing):
        chroma_hw = F.pad(chroma_hw[None], missing, "replicate")[0]
    return chroma_hw.sub_(scale.chroma_offset)


def _store(samples: Tensor, plane: Tensor, layout: Layout, peak: float) -> None:
    """Truncate `samples`, which are overwritten, into `plane`."""
    samples.clamp_(max=peak)
    if layout.shift:
        samples.floor_().mul_(1 << layout.shift)
    plane.copy_(samples)
