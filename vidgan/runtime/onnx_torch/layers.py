"""ONNX operators on torch that networks call layers: convolutions, poolings, normalisations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from vidgan.runtime.onnx_torch.table import Node, Run, operator, plain

_CONV: dict[int, Callable[..., Tensor]] = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}
_CONV_TRANSPOSE: dict[int, Callable[..., Tensor]] = {
    3: F.conv_transpose1d,
    4: F.conv_transpose2d,
    5: F.conv_transpose3d,
}
_MAX_POOL: dict[int, Callable[..., Tensor]] = {3: F.max_pool1d, 4: F.max_pool2d, 5: F.max_pool3d}
_AVERAGE_POOL: dict[int, Callable[..., Tensor]] = {3: F.avg_pool1d, 4: F.avg_pool2d, 5: F.avg_pool3d}

plain(
    {
        "GlobalAveragePool": lambda x: x.mean(list(range(2, x.ndim)), keepdim=True),
        "GlobalMaxPool": lambda x: x.amax(list(range(2, x.ndim)), keepdim=True),
    }
)


@operator("Conv")
def _conv(node: Node) -> Run:
    groups = node.get("group", 1)

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        sides = x.ndim - 2
        stride, dilation = node.get("strides", [1] * sides), node.get("dilations", [1] * sides)
        before, after = _padding(node, x, list(weight.shape[2:]), stride, dilation)
        if before != after:
            x, before = F.pad(x, _interleaved(before, after)), [0] * sides
        return _CONV[x.ndim](x, weight, bias, stride, before, dilation, groups)

    return run


@operator("ConvTranspose")
def _conv_transpose(node: Node) -> Run:
    if node.get("output_shape") or node.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        node.refuse("output_shape or auto_pad")
    groups = node.get("group", 1)

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        sides = x.ndim - 2
        ones, zeros = [1] * sides, [0] * sides
        stride, dilation, extra = node.get("strides", ones), node.get("dilations", ones), list(zeros)
        extra = node.get("output_padding", extra)
        pads = node.get("pads", zeros * 2)
        before, after = pads[:sides], pads[sides:]
        if before == after:
            return _CONV_TRANSPOSE[x.ndim](x, weight, bias, stride, before, extra, groups, dilation)
        y = _CONV_TRANSPOSE[x.ndim](x, weight, bias, stride, 0, extra, groups, dilation)
        return F.pad(y, [-pad for pad in _interleaved(before, after)])

    return run


@operator("MaxPool")
def _max_pool(node: Node) -> Run:
    if node.num_outputs > 1:
        node.refuse("the places of the largest values")
    size, ceil = node.get("kernel_shape"), bool(node.get("ceil_mode", 0))

    def run(x: Tensor) -> Tensor:
        ones = [1] * (x.ndim - 2)
        stride, dilation = node.get("strides", ones), node.get("dilations", ones)
        before, after = _padding(node, x, size, stride, dilation)
        # torch adds as much at both ends, and no more than half of the size.
        if before != after or any(2 * pad > length for pad, length in zip(before, size, strict=True)):
            x, before = F.pad(x, _interleaved(before, after), value=_lowest(x)), [0] * len(size)
        return _MAX_POOL[x.ndim](x, size, stride, before, dilation, ceil)

    return run


@operator("AveragePool")
def _average_pool(node: Node) -> Run:
    size, ceil = node.get("kernel_shape"), bool(node.get("ceil_mode", 0))
    counts_padding = bool(node.get("count_include_pad", 0))

    def run(x: Tensor) -> Tensor:
        ones = [1] * (x.ndim - 2)
        stride, dilation = node.get("strides", ones), node.get("dilations", ones)
        before, after = _padding(node, x, size, stride, dilation)
        if before != after or dilation != ones:
            node.refuse("dilation, or other padding at the end than at the beginning,")
        return _AVERAGE_POOL[x.ndim](x, size, stride, before, ceil, counts_padding)

    return run


@operator("BatchNormalization")
def _batch_norm(node: Node) -> Run:
    if node.get("training_mode", 0):
        node.refuse("training")
    epsilon = node.get("epsilon", 1e-5)
    return lambda x, scale, bias, mean, variance: F.batch_norm(x, mean, variance, scale, bias, eps=epsilon)


@operator("InstanceNormalization")
def _instance_norm(node: Node) -> Run:
    epsilon = node.get("epsilon", 1e-5)
    return lambda x, scale, bias: F.instance_norm(x, weight=scale, bias=bias, eps=epsilon)


@operator("GroupNormalization")
def _group_norm(node: Node) -> Run:
    groups, epsilon = node.get("num_groups"), node.get("epsilon", 1e-5)

    def run(x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        if node.opset < 21:  # one value per group then, one per channel since
            scale, bias = (values.repeat_interleave(x.shape[1] // groups) for values in (scale, bias))
        return F.group_norm(x, groups, scale, bias, epsilon)

    return run


@operator("LayerNormalization")
def _layer_norm(node: Node) -> Run:
    if node.num_outputs > 1:
        node.refuse("the mean and the deviation of a norm")
    axis, epsilon = node.get("axis", -1), node.get("epsilon", 1e-5)

    def run(x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
        shape = list(x.shape[axis % x.ndim :])
        return F.layer_norm(x, shape, scale.expand(shape), None if bias is None else bias.expand(shape), epsilon)

    return run


def _padding(
    node: Node, x: Tensor, size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Return the padding at the beginning and at the end of each side, as `pads` or `auto_pad` say."""
    sides, automatic = x.ndim - 2, node.get("auto_pad", "NOTSET")
    if automatic in ("NOTSET", "VALID"):
        pads = node.get("pads", [0] * 2 * sides) if automatic == "NOTSET" else [0] * 2 * sides
        return pads[:sides], pads[sides:]
    before, after = [], []
    for length, kernel, step, gap in zip(x.shape[2:], size, stride, dilation, strict=True):
        total = max((-(-length // step) - 1) * step + gap * (kernel - 1) + 1 - length, 0)
        less, more = total // 2, total - total // 2
        before.append(less if automatic == "SAME_UPPER" else more)
        after.append(more if automatic == "SAME_UPPER" else less)
    return before, after


def _interleaved(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """Return pads in the order of `F.pad`: the last side first, beginning and end in turn."""
    return [pad for pair in zip(reversed(before), reversed(after), strict=True) for pad in pair]


def _lowest(x: Tensor) -> float:
    return -torch.inf if x.is_floating_point() else torch.iinfo(x.dtype).min
