"""ONNX operators on torch that move values, cut and join tensors, or ask for shapes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vidgan.runtime.onnx_torch.table import Node, Run, numbers, operator, plain


def _first(x: Tensor, *_: Tensor | None) -> Tensor:
    return x


plain(
    {
        "Identity": _first,
        "Size": lambda x: torch.tensor(x.numel()),
        "Dropout": _first,  # only the picture is asked for, and nothing is trained here
    }
)


@operator("Constant")
def _constant(node: Node) -> Run:
    value = node.get("value")
    if value is None:
        for name, dtype in (("value_float", torch.float32), ("value_int", torch.int64)):
            for given in (node.get(name), node.get(f"{name}s")):
                if given is not None:
                    value = torch.tensor(given, dtype=dtype)
    if value is None:
        node.refuse("a constant of this type")
    return lambda: value


@operator("ConstantOfShape", host_inputs=(0,))
def _constant_of_shape(node: Node) -> Run:
    value = node.get("value", torch.zeros(1))
    return lambda shape: torch.full(numbers(shape) or [], value.item(), dtype=value.dtype)


@operator("Range", host_inputs=(0, 1, 2))
def _range(_: Node) -> Run:
    def run(start: Tensor, limit: Tensor, step: Tensor) -> Tensor:
        return torch.arange(start.item(), limit.item(), step.item(), dtype=start.dtype)

    return run


@operator("Shape")
def _shape(node: Node) -> Run:
    start, end = node.get("start", 0), node.get("end")
    return lambda x: torch.tensor(list(x.shape)[start:end], dtype=torch.int64)


@operator("Reshape", host_inputs=(1,))
def _reshape(node: Node) -> Run:
    keeps_zero = bool(node.get("allowzero", 0))

    def run(x: Tensor, shape: Tensor) -> Tensor:
        wanted = numbers(shape) or []
        if not keeps_zero:
            wanted = [x.shape[i] if size == 0 else size for i, size in enumerate(wanted)]
        return x.reshape(wanted)

    return run


@operator("Flatten")
def _flatten(node: Node) -> Run:
    axis = node.get("axis", 1)

    def run(x: Tensor) -> Tensor:
        rows = math.prod(x.shape[: axis if axis >= 0 else axis + x.ndim])
        return x.reshape(rows, x.numel() // rows)

    return run


@operator("Transpose")
def _transpose(node: Node) -> Run:
    order = node.get("perm")
    return lambda x: x.permute(order or list(range(x.ndim))[::-1])


@operator("Squeeze", host_inputs=(1,))
def _squeeze(node: Node) -> Run:
    def run(x: Tensor, axes: Tensor | None = None) -> Tensor:
        along = numbers(axes) or node.get("axes")
        return x.squeeze(tuple(along)) if along else x.squeeze()

    return run


@operator("Unsqueeze", host_inputs=(1,))
def _unsqueeze(node: Node) -> Run:
    def run(x: Tensor, axes: Tensor | None = None) -> Tensor:
        along = numbers(axes) or node.get("axes") or []
        for axis in sorted(axis % (x.ndim + len(along)) for axis in along):
            x = x.unsqueeze(axis)
        return x

    return run


@operator("Concat")
def _concat(node: Node) -> Run:
    axis = node.get("axis")
    return lambda *parts: torch.cat(parts, axis)


@operator("Split", host_inputs=(1,))
def _split(node: Node) -> Run:
    axis = node.get("axis", 0)

    def run(x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
        given = numbers(sizes) or node.get("split")
        # In equal parts, of which the last may be smaller.
        return torch.split(x, given or -(-x.shape[axis] // node.num_outputs), axis)

    return run


@operator("Slice", host_inputs=(1, 2, 3, 4))
def _slice(_: Node) -> Run:
    def run(x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None) -> Tensor:
        first, last = numbers(starts) or [], numbers(ends) or []
        along = numbers(axes) or range(len(first))
        for axis, start, end, step in zip(along, first, last, numbers(steps) or [1] * len(first), strict=True):
            # ONNX counts and clamps as Python does.
            places = range(*slice(start, end, step).indices(x.shape[axis]))
            if step > 0:
                x = x.narrow(axis, places.start, max(places.stop - places.start, 0))
                x = x[(slice(None),) * (axis % x.ndim) + (slice(None, None, step),)] if step > 1 else x
            else:
                x = x.index_select(axis, torch.tensor(places, dtype=torch.int64, device=x.device))
        return x

    return run


@operator("Gather")
def _gather(node: Node) -> Run:
    axis = node.get("axis", 0)

    def run(x: Tensor, indices: Tensor) -> Tensor:
        along = axis % x.ndim
        places = torch.where(indices < 0, indices + x.shape[along], indices).reshape(-1)
        return x.index_select(along, places).reshape((*x.shape[:along], *indices.shape, *x.shape[along + 1 :]))

    return run


@operator("Expand", host_inputs=(1,))
def _expand(_: Node) -> Run:
    return lambda x, shape: x.expand(torch.broadcast_shapes(x.shape, numbers(shape) or []))  # type: ignore[no-untyped-call]


@operator("Tile", host_inputs=(1,))
def _tile(_: Node) -> Run:
    return lambda x, repeats: x.repeat(numbers(repeats) or [])


@operator("DepthToSpace")
def _depth_to_space(node: Node) -> Run:
    size, mode = node.get("blocksize"), node.get("mode", "DCR")

    def run(x_NCHW: Tensor) -> Tensor:
        n, c, h, w = x_NCHW.shape
        if mode == "CRD":
            return torch.pixel_shuffle(x_NCHW, size)
        depth = c // size**2
        parts = x_NCHW.reshape(n, size, size, depth, h, w).permute(0, 3, 4, 1, 5, 2)
        return parts.reshape(n, depth, h * size, w * size)

    return run


@operator("SpaceToDepth")
def _space_to_depth(node: Node) -> Run:
    size = node.get("blocksize")

    def run(x_NCHW: Tensor) -> Tensor:
        n, c, h, w = x_NCHW.shape
        parts = x_NCHW.reshape(n, c, h // size, size, w // size, size).permute(0, 3, 5, 1, 2, 4)
        return parts.reshape(n, c * size**2, h // size, w // size)

    return run
