"""Backward warp on pictures with OpenCV and on tensors with kornia: one contract.

Flow is backward: `flow[y, x] = (u, v)` in pixels says that what is seen at (x, y) now was at (x + u, y + v) before.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

_NO_SECOND_MAP: Any = None
"""OpenCV takes None where the first map holds both coordinates; its type hints don't say so."""


def warp(
    image: NDArray[Any], flow_HW2: NDArray[np.float32], *, cubic: bool = False, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Fetch every pixel from where the flow says it was; beyond the border the border pixel counts.

    Args:
        image: `(H, W)` or `(H, W, C)`, uint8 or float32, up to 4 channels.
        flow_HW2: backward flow in pixels. Zero flow returns an equal picture.
        cubic: False: bilinear, never outside the range of `image`. True: bicubic (Keys
            1981, a = -0.75), 2.7 times the cost: keeps detail that bilinear blurs, and overshoots at hard edges.
        out: where to write: shape and dtype of `image`, not `image` itself. None: a new array.

    Returns:
        `out` or the new array, of the shape and dtype of `image`.

    Raises:
        ValueError: the sizes differ, or `out` doesn't fit.
    """
    if flow_HW2.shape != (*image.shape[:2], 2):
        raise ValueError(f"flow {flow_HW2.shape} doesn't fit image {image.shape}: expected (H, W, 2) of the same H, W")
    if out is not None and (out.shape != image.shape or out.dtype != image.dtype or out is image):
        raise ValueError(f"out is {out.dtype} {out.shape}: expected another array of {image.dtype} {image.shape}")
    interpolation = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    # Float positions: converting them to OpenCV's fixed-point maps first was measured to be no faster.
    sources: NDArray[Any] = positions(flow_HW2)
    warped = cv2.remap(image, sources, _NO_SECOND_MAP, interpolation, dst=out, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped).reshape(image.shape)


def warp_tensor(x_NCHW: Tensor, flow_N2HW: Tensor, *, cubic: bool = False) -> Tensor:
    """Do what `warp` does on float tensors of any device; differentiable in both arguments.

    Args:
        x_NCHW: `(N, C, H, W)`.
        flow_N2HW: `(N, 2, H, W)` backward flow in pixels, u first.
        cubic: False: bilinear. True: bicubic, with OpenCV's kernel (a = -0.75 in torch too).

    Returns:
        A new tensor of the shape of `x_NCHW`.

    Raises:
        ValueError: the sizes differ.
    """
    import torch
    from kornia.geometry.transform import remap

    height, width = x_NCHW.shape[2:]
    if flow_N2HW.shape != (x_NCHW.shape[0], 2, height, width):
        raise ValueError(
            f"flow {tuple(flow_N2HW.shape)} doesn't fit image {tuple(x_NCHW.shape)}: expected (N, 2, H, W) of the same "
            "N, H, W"
        )
    ys, xs = torch.meshgrid(
        torch.arange(height, device=x_NCHW.device, dtype=flow_N2HW.dtype),
        torch.arange(width, device=x_NCHW.device, dtype=flow_N2HW.dtype),
        indexing="ij",
    )
    # kornia's own defaults (zeros beyond the border, corners not aligned) would make zero flow something else, and its
    # own normalising makes tensors of plain numbers, for which the host waits until a graphics card has caught up.
    warped: Tensor = remap(
        x_NCHW,
        _normalised(xs + flow_N2HW[:, 0], width),
        _normalised(ys + flow_N2HW[:, 1], height),
        mode="bicubic" if cubic else "bilinear",
        align_corners=True,
        padding_mode="border",
        normalized_coordinates=True,
    )
    return warped


def positions(flow_HW2: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn flow into where every pixel comes from.

    Args:
        flow_HW2: backward flow in pixels, `(H, W, 2)` float32.

    Returns:
        A new array `(H, W, 2)`: x + u and y + v in pixels.
    """
    height, width = flow_HW2.shape[:2]
    # numpy's addition: OpenCV takes a grid of two or four rows for a scalar of the other array.
    return flow_HW2 + _grid(height, width)


def resize_flow(flow_HW2: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Bring flow to another size of the same picture: bilinear between its vectors, which grow as the picture does.

    Args:
        flow_HW2: `(h, w, 2)` float32 in pixels of the h by w grid.
        height: H, at least 1.
        width: W, at least 1.

    Returns:
        `(H, W, 2)` float32 in pixels of the H by W grid; the input itself where the size is the same already.
    """
    old_height, old_width = flow_HW2.shape[:2]
    if (old_height, old_width) == (height, width):
        return flow_HW2
    # Scaled while it is small, and as whole rows: numpy is ten times slower along an axis of two.
    row = np.tile(np.array([width / old_width, height / old_height], np.float32), old_width)
    scaled = (flow_HW2.reshape(old_height, -1) * row).reshape(flow_HW2.shape)
    return cv2.resize(scaled, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)


def _normalised(places: Tensor, length: int) -> Tensor:
    """Bring places in 0..length - 1 to -1..1; those along a single pixel to 0."""
    return places * (2 / (length - 1)) - 1 if length > 1 else places * 0


@lru_cache(maxsize=4)
def _grid(height: int, width: int) -> NDArray[np.float32]:
    grid = np.empty((height, width, 2), np.float32)
    grid[..., 0] = np.arange(width, dtype=np.float32)
    grid[..., 1] = np.arange(height, dtype=np.float32)[:, None]
    grid.flags.writeable = False
    return grid
