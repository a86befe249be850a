"""What `smoother.py` does, on tensors: on CUDA, and in training, where gradients flow through it.

The method and its constants are described there. kornia warps. Differences between the two: see the table of tolerances
in `tests/unit/temporal/test_smoother_tensor.py`. Nothing here makes the host wait for a graphics card.
"""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vidgan.temporal.flow import Motion
from vidgan.temporal.luma import check_rgb
from vidgan.temporal.smoother import (
    BLUE_SHARE,
    DEFAULT_STRENGTH,
    LEAST_DETAIL,
    LEAST_GAIN,
    LOW_PASS,
    MOST_GAIN,
    MOST_SHARPNESS,
    MOST_WEIGHT,
    RED_SHARE,
    ROW_STEP,
    SOFT_LOW_PASS,
    averaged_share,
    check_strength,
    flicker_size,
    least_sharpness,
)
from vidgan.temporal.warp import warp_tensor


class TensorSmoother:
    """`Smoother` for float tensors, on any device. Several videos may run side by side as a batch.

    Nothing is changed in place, so gradients reach every styled frame since the last `reset`: the graph grows with
    each call. For long videos call it under `torch.inference_mode()`.
    """

    def __init__(self, strength: float = DEFAULT_STRENGTH) -> None:
        """Make a smoother.

        Args:
            strength: 0 returns every frame as it came, 1 is steadiest.

        Raises:
            ValueError: `strength` is outside 0..1.
        """
        self.strength = check_strength(strength)
        self._state: Tensor | None = None
        self._flicker: Tensor | None = None

    def __call__(self, styled_N3HW: Tensor, flow_N2HW: Tensor | None, visibility_N1HW: Tensor) -> Tensor:
        """Steady the next frame of each video.

        Args:
            styled_N3HW: the styled frames, `(N, 3, H, W)` RGB, floating point, 0..1.
            flow_N2HW: backward flow `(N, 2, h, w)` in pixels of its own grid, which needn't be the frames'; None for
                the first frame and at cuts.
            visibility_N1HW: `(N, 1, h, w)`, 0..1. See `motion_tensors`.

        Returns:
            A new tensor of the shape of `styled_N3HW`, 0..1.

        Raises:
            TypeError: the frame isn't floating point.
            ValueError: sizes don't fit each other or the previous frame's.
        """
        _check(styled_N3HW, flow_N2HW, visibility_N1HW)
        if self.strength == 0:
            return styled_N3HW.clone()
        state, flicker = self._state, self._flicker
        if state is None or flicker is None or flow_N2HW is None:
            return self._start(styled_N3HW, visibility_N1HW)
        if state.shape != styled_N3HW.shape:
            raise ValueError(
                f"styled frame {tuple(styled_N3HW.shape)} after frames of {tuple(state.shape)}: call reset() where the "
                "size changes"
            )
        styled, weight = _split(styled_N3HW), visibility_N1HW * (MOST_WEIGHT * self.strength)
        self._flicker = _follow(flicker, flow_N2HW, weight)
        self._state = _blend(styled, state, flow_N2HW, weight)
        averaged = averaged_share(self._flicker, self.strength)
        return _restore(self._state, styled, averaged, least_sharpness(self.strength))

    def reset(self) -> None:
        """Forget the previous frame, and the graph that led to it: the next one is returned as it comes."""
        self._state = self._flicker = None

    def _start(self, styled: Tensor, visibility: Tensor) -> Tensor:
        self._state = _split(styled)
        self._flicker = styled.new_ones(len(styled), 1, *flicker_size(*visibility.shape[2:]))
        return styled.clone()


class PictureSmoother:
    """`Smoother` for uint8 pictures that are tensors, on any device: computed there in float32 by a `TensorSmoother`.

    Flow and visibility are small and come from the CPU: on a graphics card they are copied in passing, without waiting.
    """

    def __init__(self, strength: float = DEFAULT_STRENGTH) -> None:
        """Make a smoother.

        Args:
            strength: 0 returns every frame as it came, 1 is steadiest.

        Raises:
            ValueError: `strength` is outside 0..1.
        """
        self._smoother = TensorSmoother(strength)

    def __call__(self, styled_HWC: Tensor, motion: Motion) -> Tensor:
        """Steady the next frame.

        Args:
            styled_HWC: the styled frame, `(H, W, 3)` RGB uint8. Not kept, not changed.
            motion: the step from the previous source frame to this one.

        Returns:
            A new contiguous tensor `(H, W, 3)` uint8, on the device of `styled_HWC`; see `Smoother`.

        Raises:
            TypeError: the frame isn't uint8.
            ValueError: the frame isn't `(H, W, 3)`, or its size differs from the previous one's within a shot.
        """
        check_rgb(styled_HWC)
        with torch.inference_mode():
            x_13HW = styled_HWC.permute(2, 0, 1)[None].contiguous().float() / 255
            steady_13HW = self._smoother(x_13HW, *motion_tensors(motion, x_13HW))
            # torch rounds halves to even, as OpenCV does; the range is 0..1 already.
            return (steady_13HW[0] * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()

    def reset(self) -> None:
        """Forget the previous frame: the next one is returned as it comes."""
        self._smoother.reset()


def motion_tensors(motion: Motion, like: Tensor) -> tuple[Tensor | None, Tensor]:
    """Bring a `Motion` to where a tensor is.

    Args:
        motion: the step of one video.
        like: gives device and dtype.

    Returns:
        Flow `(1, 2, h, w)` or None, and visibility `(1, 1, h, w)`: what `TensorSmoother` takes.
    """
    flow = None if motion.flow is None else _upload(motion.flow, like).permute(2, 0, 1)[None]
    return flow, _upload(motion.visibility, like)[None, None]


def _upload(array: NDArray[Any], like: Tensor) -> Tensor:
    host = torch.from_numpy(array)
    if like.is_cuda:
        # From pageable memory the copy would wait for all that is queued on the card. The pinned copy may go out of
        # scope before it is read: torch's allocator of pinned memory gives a block to others only when the copies from
        # it, which it knows, are done.
        host = host.pin_memory()
    return host.to(like, non_blocking=True)


def _check(styled: Tensor, flow: Tensor | None, visibility: Tensor) -> None:
    if not styled.is_floating_point():
        raise TypeError(f"frame is {styled.dtype}: expected floating point, 0..1")
    if styled.ndim != 4 or styled.shape[1] != 3 or styled.numel() == 0:
        raise ValueError(f"frame {tuple(styled.shape)}: expected (N, 3, H, W) with at least one pixel")
    num, grid = len(styled), visibility.shape[2:]
    if visibility.shape != (num, 1, *grid) or (flow is not None and flow.shape != (num, 2, *grid)):
        raise ValueError(
            f"visibility {tuple(visibility.shape)} and flow {None if flow is None else tuple(flow.shape)} don't fit "
            f"{num} frames: expected (N, 1, h, w) and (N, 2, h, w)"
        )


def _split(rgb_N3HW: Tensor) -> Tensor:
    """R, G, B to G, R - G, B - G."""
    red, green, blue = rgb_N3HW[:, :1], rgb_N3HW[:, 1:2], rgb_N3HW[:, 2:]
    return torch.cat((green, red - green, blue - green), dim=1)


def _luma(planes_N3HW: Tensor) -> Tensor:
    return planes_N3HW[:, :1] + RED_SHARE * planes_N3HW[:, 1:2] + BLUE_SHARE * planes_N3HW[:, 2:]


def _resize(x_NCHW: Tensor, size: tuple[int, int]) -> Tensor:
    if x_NCHW.shape[2:] == size:
        return x_NCHW
    return F.interpolate(x_NCHW, size=size, mode="bilinear", align_corners=False)


def _resize_flow(flow_N2HW: Tensor, size: tuple[int, int]) -> Tensor:
    height, width = flow_N2HW.shape[2:]
    # Plain numbers, not a tensor of two: making one on a graphics card waits for it.
    u, v = flow_N2HW[:, :1] * (size[1] / width), flow_N2HW[:, 1:] * (size[0] / height)
    return _resize(torch.cat((u, v), dim=1), size)


def _follow(flicker: Tensor, flow: Tensor, weight: Tensor) -> Tensor:
    height, width = flicker.shape[2:]
    small = _resize(weight, (height, width))
    return (1 - small) ** 2 + small**2 * warp_tensor(flicker, _resize_flow(flow, (height, width)))


def _blend(styled: Tensor, state: Tensor, flow: Tensor, weight: Tensor) -> Tensor:
    height, width = styled.shape[2:]
    full = _resize_flow(flow, (height, width))
    moved = torch.cat((warp_tensor(state[:, :1], full, cubic=True), warp_tensor(state[:, 1:], full)), dim=1)
    return styled + _resize(weight, (height, width)) * (moved - styled)


def _restore(state: Tensor, styled: Tensor, averaged: Tensor, least: float) -> Tensor:
    height, width = state.shape[2:]
    luma = _luma(state)
    curved = _curvature(luma)
    styled_energy = _curvature(_luma(styled)).square().sum((1, 2, 3))
    is_too_sharp = curved.square().sum((1, 2, 3)) > MOST_SHARPNESS * styled_energy
    detail = torch.where(is_too_sharp.view(-1, 1, 1, 1), _band(luma, SOFT_LOW_PASS), _band(luma, LOW_PASS))
    detail = detail * _resize(averaged, (height, width))
    gain = _gain(curved, _curvature(detail), styled_energy, least)
    green = state[:, :1] + gain.view(-1, 1, 1, 1) * detail
    return torch.cat((green + state[:, 1:2], green, green + state[:, 2:]), dim=1).clamp(0, 1)


def _band(luma_N1HW: Tensor, low_pass: tuple[float, ...]) -> Tensor:
    """Return what a separable, symmetric low pass leaves out."""
    return luma_N1HW - _low_passed(_low_passed(luma_N1HW, low_pass, 3), low_pass, 2)


def _low_passed(x_N1HW: Tensor, low_pass: tuple[float, ...], dim: int) -> Tensor:
    # Sums of shifted pictures: graphics cards may compute convolutions with 10 bits (TF32), which shows once the band
    # is amplified, and forbidding that is a setting of the whole process.
    radius, length = len(low_pass) // 2, x_N1HW.shape[dim]
    padded = F.pad(x_N1HW, (radius, radius, 0, 0) if dim == 3 else (0, 0, radius, radius), mode="replicate")
    total = low_pass[radius] * x_N1HW
    for distance in range(1, radius + 1):
        pair = padded.narrow(dim, radius - distance, length) + padded.narrow(dim, radius + distance, length)
        total = total + low_pass[radius + distance] * pair
    return total


def _curvature(x_N1HW: Tensor) -> Tensor:
    here, above, below = x_N1HW[:, :, 1:-1:ROW_STEP], x_N1HW[:, :, :-2:ROW_STEP], x_N1HW[:, :, 2::ROW_STEP]
    return above[..., 1:-1] + below[..., 1:-1] + here[..., :-2] + here[..., 2:] - 4 * here[..., 1:-1]


def _gain(luma: Tensor, detail: Tensor, styled_energy: Tensor, least: float) -> Tensor:
    """Return k of each picture, `(N,)`."""
    have, cross, most = (x.sum((1, 2, 3)) for x in (luma.square(), luma * detail, detail.square()))
    wanted = have.clamp(least * styled_energy, MOST_SHARPNESS * styled_energy)
    useful = (wanted != have) & (most > LEAST_DETAIL / 255**2 * detail[0].numel())
    square = cross.square() + most * (wanted - have)
    # The square root of 0 and division by 0 have no gradient, even where their result isn't chosen.
    root = torch.where(square > 0, torch.where(square > 0, square, 1.0).sqrt(), 0.0)
    gain = (root - cross) / torch.where(useful, most, 1.0)
    return torch.where(useful, gain.clamp(LEAST_GAIN, MOST_GAIN), 0.0)
