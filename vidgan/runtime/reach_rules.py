"""What each kind of node does with the soundness of places; see `reach.py`.

Sizes are those of OpenVINO's operations (docs.openvino.ai, "Operation Specifications", opsets 1 to 16).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from vidgan.runtime import reach_windows
from vidgan.runtime.reach_axis import Axis, Layout, Node, Refusal, picture, value_of

_UNARY = (
    "Abs Ceiling Clamp Convert ConvertLike Cos Elu Erf Exp Floor Gelu HSigmoid HSwish HardSigmoid Identity Log "
    "LogicalNot Mish Negative Relu Result Round Selu Sigmoid Sign Sin SoftPlus SoftSign Sqrt Swish Tanh"
)
_BINARY = (
    "Add Divide Equal FakeQuantize FloorMod Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr LogicalXor "
    "Maximum Minimum Mod Multiply NotEqual Power Select SquaredDifference Subtract"
)
_REDUCTIONS = "ReduceL1 ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum"


def follow(node: Node, inputs: Sequence[Layout | None]) -> list[Layout | None]:
    """Return the layout of every output of a node.

    Raises:
        Refusal: not known here, or it looks at the whole picture.
    """
    rule = _RULES.get(node.get_type_name())
    if rule is None:
        raise Refusal("may look at the whole picture")
    return [rule(node, inputs)] * node.get_output_size()


def is_whole_picture(node: Node, inputs: Sequence[Layout | None]) -> bool:
    """Say whether a normalisation (MVN) takes its statistics over height and width of `(N, C, H, W)`."""
    layout = inputs[0] or ()
    axes = sorted(int(axis) % len(layout) for axis in np.ravel(value_of(node, 1)))
    runs = [i for i, axis in enumerate(layout) if axis]
    if not set(axes).intersection(runs):
        return False
    if axes != [2, 3] or runs != [2, 3] or len(layout) != 4 or not node.get_attributes()["normalize_variance"]:
        raise Refusal("normalises over the whole picture in a way that isn't known here")
    return True


def _same(_: Node, inputs: Sequence[Layout | None]) -> Layout:
    """For what works on each place with numbers that don't depend on the picture."""
    if inputs[0] is None or any(inputs[1:]):
        raise Refusal("may look at the whole picture")
    return inputs[0]


def _broadcast(node: Node, inputs: Sequence[Layout | None]) -> Layout:
    """For what works on each place with the same place of other tensors, by numpy's rule."""
    rank = len(node.output(0).get_shape())
    together: list[Axis | None] = [None] * rank
    for layout in inputs:
        for back in range(1, len(layout or ()) + 1):
            axis = (layout or ())[-back]
            if axis:
                together[-back] = _both(together[-back], axis)
    for value, layout in zip(node.inputs(), inputs, strict=True):
        shape = list(value.get_shape())
        for back in range(1, len(shape) + 1):
            if together[-back] and shape[-back] != 1 and not (layout and layout[-back]):
                raise Refusal("has a number of its own for every place of the picture")
    return tuple(together)


def _both(one: Axis | None, other: Axis) -> Axis:
    if one is None:
        return other
    if (one.side, one.step, len(one.sound)) != (other.side, other.step, len(other.sound)):
        raise Refusal("joins places of the picture that don't belong together")
    return replace(one, sound=one.sound & other.sound)


def _transpose(node: Node, inputs: Sequence[Layout | None]) -> Layout:
    layout = picture(inputs)
    return tuple(layout[int(i)] for i in value_of(node, 1))


def _reshape(node: Node, inputs: Sequence[Layout | None]) -> Layout:
    layout = picture(inputs)
    before, after = list(node.input(0).get_shape()), list(node.output(0).get_shape())
    if any(axis and length == 1 for axis, length in zip(layout, before, strict=True)):
        raise Refusal("shrinks the picture to a point")
    result: list[Axis | None] = [None] * len(after)
    for old, new in _factor_groups(before, after):
        along = [i for i in old if layout[i]]
        if not along:
            continue
        axis = layout[along[0]]
        assert axis is not None
        if along != old[:1] or (len(old) > 1 and len(new) > 1):
            raise Refusal("lays rows of the picture one behind another")
        if len(new) > 1:  # a line in parts: pixel-unshuffle
            size = after[new[0]]
            parts = axis.sound.reshape(size, -1)
            axis = replace(axis, sound=np.asarray(parts.all(axis=1)), step=axis.step * parts.shape[1])
        else:  # parts make a line: pixel-shuffle
            times = after[new[0]] // len(axis.sound)
            axis = replace(axis, sound=np.repeat(axis.sound, times), step=axis.step / times)
        result[new[0]] = axis
    return tuple(result)


def _factor_groups(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Pair runs of dimensions of two shapes that hold equally many places; dimensions of 1 belong to none."""
    old, new = ([i for i, n in enumerate(shape) if n != 1] for shape in (before, after))
    groups, i, j = [], 0, 0
    while i < len(old) and j < len(new):
        here, there = [old[i]], [new[j]]
        while (a := math.prod(before[k] for k in here)) != (b := math.prod(after[k] for k in there)):
            if a < b:
                i += 1
                here.append(old[i])
            else:
                j += 1
                there.append(new[j])
        groups.append((here, there))
        i, j = i + 1, j + 1
    return groups


def _to_depth(node: Node, inputs: Sequence[Layout | None]) -> Layout:
    block = node.get_attributes()["block_size"]

    def coarser(axis: Axis) -> Axis:
        return replace(axis, sound=np.asarray(axis.sound.reshape(-1, block).all(axis=1)), step=axis.step * block)

    return tuple(axis and coarser(axis) for axis in picture(inputs))


def _to_space(node: Node, inputs: Sequence[Layout | None]) -> Layout:
    block = node.get_attributes()["block_size"]

    def finer(axis: Axis) -> Axis:
        return replace(axis, sound=np.repeat(axis.sound, block), step=axis.step / block)

    return tuple(axis and finer(axis) for axis in picture(inputs))


def _concat(node: Node, inputs: Sequence[Layout | None]) -> Layout:
    along = node.get_attributes()["axis"] % len(node.output(0).get_shape())
    joined = list(picture(inputs))
    if joined[along]:
        raise Refusal("joins pictures along a side")
    for layout in inputs[1:]:
        for i, axis in enumerate(joined):
            if axis:
                other = layout and layout[i]
                if not other:
                    raise Refusal("has a number of its own for every place of the picture")
                joined[i] = _both(axis, other)
    return tuple(joined)


def _slice(node: Node, inputs: Sequence[Layout | None]) -> Layout:
    result = list(picture(inputs))
    starts, stops, steps = (value_of(node, i).tolist() for i in (1, 2, 3))
    axes = value_of(node, 4).tolist() if len(inputs) > 4 else range(len(starts))
    for i, start, stop, step in zip(axes, starts, stops, steps, strict=True):
        axis = result[i]
        if axis:
            if step < 1:
                raise Refusal("turns the picture round")
            result[i] = replace(axis, sound=axis.sound[start:stop:step], step=axis.step * step)
    return tuple(result)


def _across(axis_of: Callable[[Node], Iterable[int]]) -> Callable[[Node, Sequence[Layout | None]], Layout]:
    """Make the rule of what works across dimensions that don't run along the picture, and keeps them."""

    def rule(node: Node, inputs: Sequence[Layout | None]) -> Layout:
        layout = picture(inputs)
        if any(layout[int(i)] for i in axis_of(node)):
            raise Refusal("looks at the whole picture")
        return layout

    return rule


def _reduce(node: Node, inputs: Sequence[Layout | None]) -> Layout:
    axes = [int(i) % len(picture(inputs)) for i in np.ravel(value_of(node, 1))]
    layout = _across(lambda _: axes)(node, inputs)
    if node.get_attributes()["keep_dims"]:
        return layout
    return tuple(axis for i, axis in enumerate(layout) if i not in axes)


def _gather(node: Node, inputs: Sequence[Layout | None]) -> Layout:
    layout = picture(inputs)
    along = int(value_of(node, 2)) % len(layout)
    if any(inputs[1:]) or layout[along] or len(node.input(1).get_shape()) > 1:
        raise Refusal("picks out places of the picture")
    keeps = len(node.input(1).get_shape()) == 1
    return tuple(axis for i, axis in enumerate(layout) if keeps or i != along)


def _multiply_matrices(node: Node, inputs: Sequence[Layout | None]) -> Layout:
    layout, given = picture(inputs), node.get_attributes()
    if any(inputs[1:]) or layout[-1] or given["transpose_a"] or len(node.input(1).get_shape()) != 2:
        raise Refusal("looks at the whole picture (attention)")
    return layout


def _normalise(node: Node, inputs: Sequence[Layout | None]) -> Layout:
    is_whole_picture(node, inputs)
    return picture(inputs)


_RULES: dict[str, Callable[[Node, Sequence[Layout | None]], Layout]] = {
    **dict.fromkeys(_UNARY.split(), _same),
    **dict.fromkeys(("PRelu", "BatchNormInference"), _same),
    **dict.fromkeys(_BINARY.split(), _broadcast),
    **dict.fromkeys(_REDUCTIONS.split(), _reduce),
    **dict.fromkeys(("Convolution", "GroupConvolution"), reach_windows.convolve),
    **dict.fromkeys(("ConvolutionBackpropData", "GroupConvolutionBackpropData"), reach_windows.convolve_back),
    **dict.fromkeys(("MaxPool", "AvgPool"), reach_windows.pool),
    **dict.fromkeys(("Reshape", "Squeeze", "Unsqueeze"), _reshape),
    **dict.fromkeys(("Softmax", "LogSoftmax"), _across(lambda node: [node.get_attributes()["axis"]])),
    **dict.fromkeys(("Split", "VariadicSplit"), _across(lambda node: np.ravel(value_of(node, 1)))),
    "Concat": _concat,
    "DepthToSpace": _to_space,
    "Gather": _gather,
    "Interpolate": reach_windows.interpolate,
    "MVN": _normalise,
    "MatMul": _multiply_matrices,
    "Pad": reach_windows.pad,
    "Slice": _slice,
    "SpaceToDepth": _to_depth,
    "Transpose": _transpose,
}
