"""What sliding windows do with the soundness of places: convolution, pooling, padding and scaling; see `reach.py`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidgan.runtime.reach_axis import Axis, Layout, Node, Refusal, Sound, picture, value_of


def convolve(node: Node, inputs: Sequence[Layout | None]) -> Layout:
    """A convolution, plain or grouped."""
    kernel = list(node.input(1).get_shape())[3 if node.get_type_name().startswith("Group") else 2 :]
    return _windows(node, inputs, kernel)


def pool(node: Node, inputs: Sequence[Layout | None]) -> Layout:
    """The most or the mean of a window."""
    return _windows(node, inputs, node.get_attributes()["kernel"])


def _windows(node: Node, inputs: Sequence[Layout | None], kernel: Sequence[int]) -> Layout:
    layout, given = picture(inputs), node.get_attributes()
    strides, dilations = given["strides"], given.get("dilations") or [1] * len(kernel)
    sizes = list(node.output(0).get_shape())[2:]
    result: list[Axis | None] = [None, None]
    for i, axis in enumerate(layout[2:]):
        if axis is None:
            raise Refusal("slides over something else than the picture")
        span = dilations[i] * (kernel[i] - 1) + 1
        begin = _pad_begin(given, i, len(axis.sound), sizes[i], strides[i], span)
        first = np.arange(sizes[i]) * strides[i] - begin
        sound = _all_sound(axis.sound, (first + dilations[i] * tap for tap in range(kernel[i])))
        result.append(replace(axis, sound=sound, step=axis.step * strides[i]))
    return tuple(result)


def _pad_begin(given: dict[str, Any], i: int, length: int, size: int, stride: int, span: int) -> int:
    kind = given["auto_pad"].lower()
    if kind == "valid":
        return 0
    if kind not in ("same_upper", "same_lower"):
        return int(given["pads_begin"][i])
    total = max((size - 1) * stride + span - length, 0)
    return total // 2 if kind == "same_upper" else total - total // 2


def convolve_back(node: Node, inputs: Sequence[Layout | None]) -> Layout:
    """A transposed convolution."""
    layout, given = picture(inputs), node.get_attributes()
    if len(inputs) > 2 or given["auto_pad"].lower() not in ("explicit", "notset"):
        raise Refusal("is told the size of its result")
    kernel = list(node.input(1).get_shape())[3 if node.get_type_name().startswith("Group") else 2 :]
    sizes = list(node.output(0).get_shape())[2:]
    result: list[Axis | None] = [None, None]
    for i, axis in enumerate(layout[2:]):
        if axis is None:
            raise Refusal("slides over something else than the picture")
        stride, sound = given["strides"][i], np.ones(sizes[i], bool)
        for tap in range(kernel[i]):
            # Place p of the input adds to place p stride - pad + tap dilation of the result.
            from_start = np.arange(sizes[i]) + given["pads_begin"][i] - tap * given["dilations"][i]
            hit = from_start % stride == 0
            sound[hit] &= _all_sound(axis.sound, [from_start[hit] // stride])
        result.append(replace(axis, sound=sound, step=axis.step / stride))
    return tuple(result)


def pad(node: Node, inputs: Sequence[Layout | None]) -> Layout:
    """Places added at the borders: none of them is sound, whatever they are filled with."""
    layout = picture(inputs)
    begins, ends = value_of(node, 1), value_of(node, 2)
    result: list[Axis | None] = []
    for axis, begin, end in zip(layout, begins.tolist(), ends.tolist(), strict=True):
        if axis:
            kept = axis.sound[max(0, -begin) : len(axis.sound) - max(0, -end)]
            axis = replace(axis, sound=np.pad(kept, (max(0, begin), max(0, end))))
        result.append(axis)
    return tuple(result)


def interpolate(node: Node, inputs: Sequence[Layout | None]) -> Layout:
    """Scaling up or down."""
    layout, given = picture(inputs), node.get_attributes()
    if given["coordinate_transformation_mode"] == "align_corners":
        raise Refusal("scales by the size of the whole picture (align_corners)")
    if any(given["pads_begin"]) or any(given["pads_end"]):
        raise Refusal("pads while it scales")
    # Since opset 11 sizes and scales share an input; before, each had its own.
    is_old = node.get_type_info().version_id != "opset11"
    by_scales = given["shape_calculation_mode"] == "scales"
    last = 3 if is_old else 2
    axes = value_of(node, last).tolist() if len(inputs) > last else list(range(len(layout)))
    scales = dict(zip(axes, value_of(node, 2 if is_old else 1).tolist(), strict=True)) if by_scales else {}
    sizes = list(node.output(0).get_shape())
    result: list[Axis | None] = []
    for i, axis in enumerate(layout):
        if axis and i in axes:
            scale = Fraction(scales[i]).limit_denominator(1000) if scales else Fraction(sizes[i], len(axis.sound))
            sound = _all_sound(axis.sound, _looked_at(sizes[i], scale, given))
            axis = replace(axis, sound=sound, step=axis.step / scale)
        result.append(axis)
    return tuple(result)


def _looked_at(size: int, scale: Fraction, given: dict[str, Any]) -> list[NDArray[np.intp]]:
    """Return every place that may be read for each place of the result, as a list of index arrays."""
    half = 0.0 if given["coordinate_transformation_mode"] == "asymmetric" else 0.5
    back = 0.0 if given["coordinate_transformation_mode"] == "tf_half_pixel_for_nn" else half
    at = (np.arange(size) + half) / float(scale) - back
    # Below and above is more than a nearest neighbour reads: tiles get a little larger, never wrong.
    reach = {"nearest": 1, "linear": 1, "linear_onnx": 1, "cubic": 2}.get(given["mode"], 3)
    if given["antialias"] or given["mode"].endswith("_pillow"):
        reach = math.ceil(reach * max(1.0, 1 / float(scale)))
    if reach == 1:
        return [np.floor(at).astype(np.intp), np.ceil(at).astype(np.intp)]
    low = np.floor(at).astype(np.intp)
    return [low + tap for tap in range(1 - reach, reach + 1)]


def _all_sound(sound: Sound, places: Iterable[NDArray[np.intp]]) -> Sound:
    """Return where every one of `places` lies inside and is sound."""
    padded = np.append(sound, False)
    each = [padded[np.where((at >= 0) & (at < len(sound)), at, -1)] for at in places]
    return np.asarray(np.logical_and.reduce(each), np.bool_)
