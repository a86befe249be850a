"""ONNX operators on torch that compute value by value, reduce, multiply matrices, change types and quantise."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from vidgan.runtime.onnx_torch.table import Node, Run, numbers, operator, plain, torch_type

plain(
    {
        "Abs": torch.abs,
        "Neg": torch.neg,
        "Exp": torch.exp,
        "Log": torch.log,
        "Sqrt": torch.sqrt,
        "Reciprocal": torch.reciprocal,
        "Floor": torch.floor,
        "Ceil": torch.ceil,
        "Round": torch.round,  # halves to even, as ONNX wants
        "Sign": torch.sign,
        "Sin": torch.sin,
        "Cos": torch.cos,
        "Erf": torch.erf,
        "Relu": torch.relu,
        "Sigmoid": torch.sigmoid,
        "Tanh": torch.tanh,
        "Softplus": F.softplus,
        "Softsign": F.softsign,
        "HardSwish": F.hardswish,
        "Mish": F.mish,
        "Add": torch.add,
        "Sub": torch.sub,
        "Mul": torch.mul,
        "MatMul": torch.matmul,
        "Equal": torch.eq,
        "Less": torch.lt,
        "LessOrEqual": torch.le,
        "Greater": torch.gt,
        "GreaterOrEqual": torch.ge,
        "And": torch.logical_and,
        "Or": torch.logical_or,
        "Xor": torch.logical_xor,
        "Not": torch.logical_not,
        "Where": torch.where,
        "Min": lambda *parts: functools.reduce(torch.minimum, parts),
        "Max": lambda *parts: functools.reduce(torch.maximum, parts),
        "Sum": lambda *parts: functools.reduce(torch.add, parts),
        "Mean": lambda *parts: functools.reduce(torch.add, parts) / len(parts),
        "PRelu": lambda x, slope: torch.where(x < 0, slope * x, x),
        "CastLike": lambda x, like: x.to(like.dtype),
        "Pow": lambda x, exponent: torch.pow(x, exponent).to(x.dtype),
        # Whole numbers are cut off towards zero, as in C.
        "Div": lambda a, b: torch.div(a, b, rounding_mode=None if a.is_floating_point() else "trunc"),
    }
)


@operator("Mod")
def _mod(node: Node) -> Run:
    return torch.fmod if node.get("fmod", 0) else torch.remainder


@operator("Clip", host_inputs=(1, 2))
def _clip(_: Node) -> Run:
    def run(x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
        low, high = (None if limit is None or not limit.numel() else limit for limit in (low, high))
        if low is None and high is None:
            return x
        return torch.clamp(x, None if low is None else low.item(), None if high is None else high.item())

    return run


@operator("LeakyRelu")
def _leaky_relu(node: Node) -> Run:
    slope = node.get("alpha", 0.01)
    return lambda x: F.leaky_relu(x, slope)


@operator("Elu")
def _elu(node: Node) -> Run:
    alpha = node.get("alpha", 1.0)
    return lambda x: F.elu(x, alpha)


@operator("Selu")
def _selu(node: Node) -> Run:
    alpha, gamma = node.get("alpha", 1.67326319217681884765625), node.get("gamma", 1.05070102214813232421875)
    return lambda x: gamma * F.elu(x, alpha)


@operator("HardSigmoid")
def _hard_sigmoid(node: Node) -> Run:
    alpha, beta = node.get("alpha", 0.2), node.get("beta", 0.5)
    return lambda x: torch.clamp(alpha * x + beta, 0, 1)


@operator("Gelu")
def _gelu(node: Node) -> Run:
    approximate = node.get("approximate", "none")
    return lambda x: F.gelu(x, approximate=approximate)


@operator("Softmax", "LogSoftmax")
def _softmax(node: Node) -> Run:
    function = F.softmax if node.kind == "Softmax" else F.log_softmax
    if node.opset >= 13:
        return lambda x: function(x, node.get("axis", -1))

    def run(x: Tensor) -> Tensor:
        # Up to opset 12 all axes from this one on count as one.
        axis = node.get("axis", 1) % x.ndim
        return function(x.reshape(math.prod(x.shape[:axis]), -1), 1).reshape(x.shape)

    return run


@operator("Cast")
def _cast(node: Node) -> Run:
    dtype = torch_type(node, node.get("to"))
    return lambda x: x.to(dtype)  # to whole numbers: cut off, as ONNX wants


@operator("Gemm")
def _gemm(node: Node) -> Run:
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)

    def run(a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
        product = (a.T if node.get("transA", 0) else a) @ (b.T if node.get("transB", 0) else b)
        product = product if alpha == 1 else alpha * product
        return product if c is None else product + (c if beta == 1 else beta * c)

    return run


def _product(x: Tensor, axes: list[int], keepdim: bool) -> Tensor:
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = torch.prod(x, axis, keepdim=keepdim, dtype=x.dtype)
    return x


_REDUCTIONS: dict[str, Callable[[Tensor, list[int], bool], Tensor]] = {
    "ReduceMean": torch.mean,
    "ReduceSum": lambda x, axes, keep: torch.sum(x, axes, keep, dtype=x.dtype),
    "ReduceMax": torch.amax,
    "ReduceMin": torch.amin,
    "ReduceProd": _product,
    "ReduceL1": lambda x, axes, keep: torch.sum(x.abs(), axes, keep, dtype=x.dtype),
    "ReduceL2": lambda x, axes, keep: torch.sum(x * x, axes, keep, dtype=x.dtype).sqrt(),
    "ReduceSumSquare": lambda x, axes, keep: torch.sum(x * x, axes, keep, dtype=x.dtype),
    "ReduceLogSumExp": torch.logsumexp,
}


@operator(*_REDUCTIONS, host_inputs=(1,))
def _reduce(node: Node) -> Run:
    function, keep = _REDUCTIONS[node.kind], bool(node.get("keepdims", 1))

    def run(x: Tensor, axes: Tensor | None = None) -> Tensor:
        # An attribute up to opset 17 (of ReduceSum up to 12), an input after that.
        along = numbers(axes) or node.get("axes")
        if not along:
            if node.get("noop_with_empty_axes", 0):
                return x
            along = range(x.ndim)
        return function(x, list(along), keep) if x.ndim else x

    return run


@operator("QuantizeLinear")
def _quantize(node: Node) -> Run:
    _check_blocks(node)
    given_type = node.get("output_dtype", 0)

    def run(x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
        dtype = torch_type(node, given_type) if given_type else torch.uint8 if zero is None else zero.dtype
        scale, zero = _along(node, x, scale), None if zero is None else _along(node, x, zero)
        levels = torch.round(x / scale)
        if zero is not None:
            levels = levels + zero.to(levels.dtype)
        limits = torch.iinfo(dtype)
        return levels.clamp(limits.min, limits.max).to(dtype)

    return run


@operator("DequantizeLinear")
def _dequantize(node: Node) -> Run:
    _check_blocks(node)

    def run(levels: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
        levels = levels.to(torch.int32)
        if zero is not None:
            levels = levels - _along(node, levels, zero).to(torch.int32)
        return levels.to(scale.dtype) * _along(node, levels, scale)

    return run


def _check_blocks(node: Node) -> None:
    if node.get("block_size", 0):
        node.refuse("quantisation in blocks")


def _along(node: Node, x: Tensor, values: Tensor) -> Tensor:
    """Shape one value per channel, or a single one, so that it fits `x`."""
    if values.numel() == 1:
        return values.reshape(())
    shape = [1] * x.ndim
    shape[node.get("axis", 1)] = -1
    return values.reshape(shape)
