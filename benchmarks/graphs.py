"""What a style's ONNX graph computes, and the same graph without its normalisation."""

from __future__ import annotations

import math
from pathlib import Path

import onnx
from onnx import helper, numpy_helper

from vidgan.runtime.openvino import read_network

_PLAIN, _GROUPED, _TRANSPOSED = "Convolution", "GroupConvolution", "ConvolutionBackpropData"
_UNCOUNTED = frozenset({"GroupConvolutionBackpropData", "DeformableConvolution", "MatMul"})


def count_gflop(path: Path, *, width: int, height: int) -> float:
    """Count the arithmetic of the convolutions for one picture: 2 for each multiplication with its addition, in 10⁹.

    Args:
        path: ONNX file of a style.
        width: of the picture as the network gets it, in pixels.
        height: likewise.

    Raises:
        StyleError: no network of a style.
        ValueError: it multiplies in other ways than by convolution, which isn't counted here.
    """
    model = read_network(path)
    # OpenVINO works out the size of every tensor; the ONNX file leaves most of them open.
    model.reshape([1, height, width, 3])
    products = 0
    for node in model.get_ops():
        kind = node.get_type_name()
        if kind in _UNCOUNTED:
            raise ValueError(f"{path}: has a {kind}; only convolutions, plain, grouped or transposed, are counted")
        if kind in (_PLAIN, _GROUPED):
            # Weights are (out, in, height, width), after the number of groups where there are some.
            kernel = list(node.input(1).get_shape())[1 if kind == _PLAIN else 2 :]
            products += math.prod(node.output(0).get_shape()) * math.prod(kernel)
        elif kind == _TRANSPOSED:
            # Each number of the input meets every weight (in, out, height, width) of its channel.
            products += math.prod(node.input(0).get_shape()) * math.prod(list(node.input(1).get_shape())[1:])
    return 2 * products / 1e9


def freeze_normalisation(path: Path, target: Path) -> int:
    """Write a copy of a network whose instance normalisation no longer looks at the picture.

    Each InstanceNormalization becomes a multiplication and an addition per channel, with the learnt scale and shift, as
    if every channel had mean 0 and variance 1: right for measuring time, not for looking at.

    Returns:
        How many there were.
    """
    model = onnx.load(path)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes, count = [], 0
    for node in model.graph.node:
        if node.op_type != "InstanceNormalization":
            nodes.append(node)
            continue
        count += 1
        x, *names = node.input
        scaled = f"{node.output[0]}_scaled"
        for name in names:
            flat = constants[name].reshape(1, -1, 1, 1)
            model.graph.initializer.append(numpy_helper.from_array(flat, f"{name}_frozen"))
        nodes.append(helper.make_node("Mul", [x, f"{names[0]}_frozen"], [scaled]))
        nodes.append(helper.make_node("Add", [scaled, f"{names[1]}_frozen"], list(node.output)))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, target)
    return count
