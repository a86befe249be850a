"""ONNX operators on torch that look up values at other places: Pad, Resize, GridSample."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from vidgan.runtime.onnx_torch.table import Node, Run, numbers, operator


@operator("Pad", host_inputs=(1, 2, 3))
def _pad(node: Node) -> Run:
    mode = node.get("mode", "constant")
    if mode not in ("constant", "reflect", "edge", "wrap"):
        node.refuse(f"mode {mode!r}")

    def run(x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None) -> Tensor:
        given, along = numbers(pads) or [], numbers(axes) or range(x.ndim)
        before, after = [0] * x.ndim, [0] * x.ndim
        for position, axis in enumerate(along):
            before[axis], after[axis] = given[position], given[position + len(given) // 2]
        order = [pad for axis in reversed(range(x.ndim)) for pad in (before[axis], after[axis])]
        if mode == "constant":
            return F.pad(x, order, value=0 if value is None or not value.numel() else value.item())
        if mode == "reflect" and x.ndim == 4 and not any(order[4:]) and min(order) >= 0 and x.is_floating_point():
            return F.pad(x, order[:4], mode="reflect")
        for axis in range(x.ndim):
            if before[axis] or after[axis]:
                x = x.index_select(axis, _beyond(mode, x.shape[axis], before[axis], after[axis], x.device))
        return x

    return run


def _beyond(mode: str, length: int, before: int, after: int, device: torch.device) -> Tensor:
    """Return which places of a side of `length` stand at each place of the padded one."""
    places = torch.arange(-before, length + after, device=device)
    if mode == "edge":
        return places.clamp(0, length - 1)
    if mode == "wrap":
        return places % length
    period = max(2 * (length - 1), 1)
    folded = places % period
    return torch.minimum(folded, period - folded) if length > 1 else torch.zeros_like(places)


_HALF_PIXEL = ("half_pixel", "pytorch_half_pixel")


@operator("Resize", host_inputs=(1, 2, 3))
def _resize(node: Node) -> Run:
    mode, nearest_mode = node.get("mode", "nearest"), node.get("nearest_mode", "round_prefer_floor")
    where = node.get("coordinate_transformation_mode", "half_pixel")
    if where == "tf_crop_and_resize":
        node.refuse("cropping")
    if node.get("antialias", 0) or node.get("exclude_outside", 0):
        node.refuse("antialias or exclude_outside")
    if node.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        node.refuse("keep_aspect_ratio_policy")
    interpolate = _interpolation(mode, nearest_mode, node.get("cubic_coeff_a", -0.75))

    def run(x: Tensor, _roi: Tensor | None = None, scales: Tensor | None = None, sizes: Tensor | None = None) -> Tensor:
        shape, factors = _target(x, node.get("axes"), numbers(scales), numbers(sizes))
        if x.ndim == 4 and shape[:2] == list(x.shape[:2]) and x.is_floating_point():
            is_exact = all(new == old * factor for new, old, factor in zip(shape, x.shape, factors, strict=True))
            if is_exact and mode == "nearest" and _repeats(where, nearest_mode, factors):
                return _repeated(x, int(factors[2]), int(factors[3]))
            if is_exact and mode == "linear" and (where in _HALF_PIXEL or where == "align_corners") and min(shape) > 1:
                return F.interpolate(x, shape[2:], mode="bilinear", align_corners=where == "align_corners")
        for axis, (new, factor) in enumerate(zip(shape, factors, strict=True)):
            if new != x.shape[axis] or factor != 1:
                x = interpolate(x, axis, _coordinates(where, x.shape[axis], new, factor, x.device))
        return x

    return run


def _target(
    x: Tensor, axes: list[int] | None, scales: list[float] | None, sizes: list[int] | None
) -> tuple[list[int], list[float]]:
    """Return the new shape, and by which factor each axis grows."""
    along = range(x.ndim) if axes is None else axes
    shape, factors = list(x.shape), [1.0] * x.ndim
    for position, axis in enumerate(along):
        if scales:
            factors[axis] = scales[position]
            shape[axis] = int(x.shape[axis] * scales[position])
        elif sizes:
            shape[axis] = sizes[position]
            factors[axis] = sizes[position] / x.shape[axis]
    return shape, factors


def _repeats(where: str, nearest_mode: str, factors: list[float]) -> bool:
    """Say whether every value is simply repeated."""
    if any(factor != int(factor) or factor < 1 for factor in factors):
        return False
    return (where == "asymmetric" and nearest_mode == "floor") or (
        where in _HALF_PIXEL and nearest_mode.startswith("round")
    )


def _repeated(x_NCHW: Tensor, rows: int, columns: int) -> Tensor:
    n, c, h, w = x_NCHW.shape
    return x_NCHW[:, :, :, None, :, None].expand(n, c, h, rows, w, columns).reshape(n, c, h * rows, w * columns)


def _coordinates(where: str, old: int, new: int, factor: float, device: torch.device) -> Tensor:
    """Return where each place of the new side lies on the old one: float64 of `new` values (ONNX's Resize)."""
    places = torch.arange(new, dtype=torch.float64, device=device)
    if where == "asymmetric":
        return places / factor
    if where == "align_corners":
        return places * ((old - 1) / (new - 1)) if new > 1 else torch.zeros_like(places)
    if where == "pytorch_half_pixel" and new == 1:
        return torch.zeros_like(places)
    centred = (places + 0.5) / factor - 0.5
    if where == "half_pixel_symmetric":
        return centred + old / 2 * (1 - new / (old * factor))
    return centred


def _interpolation(mode: str, nearest_mode: str, a: float) -> Callable[[Tensor, int, Tensor], Tensor]:
    """Return a function of a tensor, an axis and coordinates on it."""
    if mode == "nearest":
        roundings: dict[str, Callable[[Tensor], Tensor]] = {
            "round_prefer_floor": lambda at: torch.ceil(at - 0.5),
            "round_prefer_ceil": lambda at: torch.floor(at + 0.5),
            "floor": torch.floor,
            "ceil": torch.ceil,
        }
        return lambda x, axis, at: _pick(x, axis, roundings[nearest_mode](at))
    weigh = _linear_weights if mode == "linear" else lambda t: _cubic_weights(t, a)
    first = 0 if mode == "linear" else -1

    def interpolate(x: Tensor, axis: int, at: Tensor) -> Tensor:
        low = torch.floor(at)
        shape = [1] * x.ndim
        shape[axis] = -1
        total: Tensor | None = None
        for offset, weight in enumerate(weigh(at - low), start=first):
            part = _pick(x, axis, low + offset) * weight.to(x.dtype).reshape(shape)
            total = part if total is None else total + part
        assert total is not None
        return total

    return interpolate


def _pick(x: Tensor, axis: int, places: Tensor) -> Tensor:
    return x.index_select(axis, places.clamp(0, x.shape[axis] - 1).to(torch.int64))


def _linear_weights(t: Tensor) -> list[Tensor]:
    return [1 - t, t]


def _cubic_weights(t: Tensor, a: float) -> list[Tensor]:
    """Return the weights of four neighbours (Keys 1981, as ONNX's Resize states them)."""

    def near(d: Tensor) -> Tensor:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: Tensor) -> Tensor:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


@operator("GridSample")
def _grid_sample(node: Node) -> Run:
    # The names of opset 16 and those since opset 20.
    modes = {"linear": "bilinear", "bilinear": "bilinear", "nearest": "nearest", "cubic": "bicubic"}
    mode = (modes | {"bicubic": "bicubic"})[node.get("mode", "linear")]
    padding, aligned = node.get("padding_mode", "zeros"), bool(node.get("align_corners", 0))
    return lambda x, grid: F.grid_sample(x, grid, mode=mode, padding_mode=padding, align_corners=aligned)
