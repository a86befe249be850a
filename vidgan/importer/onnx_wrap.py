"""Foreign ONNX networks made into ours: uint8 pictures with red first in, the same out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.compose
import onnx.inliner
import onnx.version_converter
from onnx import TensorProto, helper, numpy_helper

from vidgan.errors import InputError
from vidgan.importer.hints import Layout, Range
from vidgan.runtime.onnx_file import read_onnx

_COLOURS = 3
_INPUT, _OUTPUT, _PREFIX = "frames", "styled", "network/"
TYPES = {TensorProto.FLOAT: "f32", TensorProto.FLOAT16: "f16", TensorProto.UINT8: "u8"}
"""Of pictures, by ONNX's numbers."""
# Since then Clip and Squeeze take what they need as inputs, and converters between versions hold.
_LEAST_OPSET, _CONVERT_TO = 13, 17


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The one input and the one output of a network."""

    input: str
    """Name of the input."""
    output: str
    """Name of the output."""
    input_type: int
    """ONNX's number of the type that it takes."""
    output_type: int
    """ONNX's number of the type that it makes."""
    shape: tuple[int | None, ...]
    """Of the input; None where it is free."""


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What a network wants and makes."""

    input_layout: Layout
    """The order of axes that it takes."""
    output_layout: Layout
    """The order of axes that it makes."""
    input_range: Range
    """What black and white are for it."""
    output_range: Range
    """What black and white are in what it makes."""
    is_bgr: bool
    """Blue first, in and out."""


def read_foreign(path: Path) -> tuple[Any, Ports]:
    """Read an ONNX file of one input and one output of pictures; functions in it are resolved, old operators replaced.

    Raises:
        StyleError: it can't be read.
        InputError: it isn't a network from pictures to pictures.
    """
    model = read_onnx(path)
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [port for port in graph.input if port.name not in constants]
    for kind, found in (("input", inputs), ("output", list(graph.output))):
        if len(found) != 1:
            raise InputError(
                f"{path}: has {len(found)} {kind}s ({', '.join(port.name for port in found)}); a network from pictures "
                "to pictures has one"
            )
        number = found[0].type.tensor_type.elem_type
        if number not in TYPES:
            raise InputError(
                f"{path}: its {kind} is of type {TensorProto.DataType.Name(number).lower()}; that of a network from "
                f"pictures to pictures is {', '.join(TYPES.values())}"
            )
    tensor = inputs[0].type.tensor_type
    shape = tuple(dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim)
    if len(shape) != 4:
        raise InputError(f"{path}: its input has {len(shape)} axes; pictures in a batch have 4")
    ports = Ports(
        input=inputs[0].name,
        output=graph.output[0].name,
        input_type=tensor.elem_type,
        output_type=graph.output[0].type.tensor_type.elem_type,
        shape=shape,
    )
    return _tidy(path, model), ports


def freed(model: Any, ports: Ports, *, batch: bool) -> Any:  # noqa: ANN401
    """Return a copy that declares its height and width as free, and the number of pictures too if `batch` says so."""
    free = onnx.ModelProto()
    free.CopyFrom(model)
    graph = free.graph
    # What is said about sizes within is no longer true.
    del graph.value_info[:]
    port = next(port for port in graph.input if port.name == ports.input)
    for kind, dims in (("in", port.type.tensor_type.shape.dim), ("out", graph.output[0].type.tensor_type.shape.dim)):
        for axis, dim in enumerate(dims):
            if (axis or batch) and dim.dim_value != _COLOURS:
                dim.dim_param = f"{kind}{axis}"
    return free


def wrapped(model: Any, ports: Ports, contract: Contract, *, batch: bool) -> Any:  # noqa: ANN401
    """Return the network with the house's contract: `(N, H, W, 3)` uint8 in and out; N is 1 unless `batch`.

    To float comes first and to uint8 last, with rounding and clamping before it, as `vidgan.runtime.export` does it.
    """
    inner = onnx.compose.add_prefix(freed(model, ports, batch=batch), _PREFIX)
    graph = inner.graph
    graph.node.extend(_behind(ports, contract))
    before = _before(ports, contract)
    for node in reversed(before):
        graph.node.insert(0, node)
    graph.initializer.extend(_constants(contract))
    constants = {tensor.name for tensor in graph.initializer}
    others = [port for port in graph.input if port.name in constants]
    del graph.input[:], graph.output[:]
    size = ("n" if batch else 1, "h", "w", 3)
    graph.input.extend([helper.make_tensor_value_info(_INPUT, TensorProto.UINT8, size), *others])
    graph.output.append(helper.make_tensor_value_info(_OUTPUT, TensorProto.UINT8, size))
    return inner


def _before(ports: Ports, contract: Contract) -> list[Any]:
    """Return nodes from the frames to the network's input."""
    chain = _Chain(_INPUT, "in")
    chain.add("Cast", to=TensorProto.FLOAT)
    if contract.is_bgr:
        chain.add("Gather", "order", axis=3)
    if contract.input_layout == "nchw":
        chain.add("Transpose", perm=[0, 3, 1, 2])
    chain.add("Mul", "in_scale")
    chain.add("Add", "in_shift")
    return chain.ending("Cast", _PREFIX + ports.input, to=ports.input_type)


def _behind(ports: Ports, contract: Contract) -> list[Any]:
    """Return nodes from the network's output to the styled frames."""
    chain = _Chain(_PREFIX + ports.output, "out")
    chain.add("Cast", to=TensorProto.FLOAT)
    chain.add("Sub", "out_shift")
    chain.add("Mul", "out_scale")
    if contract.output_layout == "nchw":
        chain.add("Transpose", perm=[0, 2, 3, 1])
    if contract.is_bgr:
        chain.add("Gather", "order", axis=3)
    chain.add("Round")
    chain.add("Clip", "black", "white")
    return chain.ending("Cast", _OUTPUT, to=TensorProto.UINT8)


class _Chain:
    """Nodes that each take what the one before made."""

    def __init__(self, start: str, name: str) -> None:
        self.nodes: list[Any] = []
        self.value, self.name = start, name

    def add(self, kind: str, *constants: str, output: str | None = None, **attributes: Any) -> None:  # noqa: ANN401
        """Append a node."""
        made = output or f"{self.name}_{len(self.nodes)}"
        node = helper.make_node(kind, [self.value, *constants], [made], name=f"{self.name}_{kind}", **attributes)
        self.nodes.append(node)
        self.value = made

    def ending(self, kind: str, output: str, **attributes: Any) -> list[Any]:  # noqa: ANN401
        """Append the last node, and return all."""
        self.add(kind, output=output, **attributes)
        return self.nodes


def _constants(contract: Contract) -> list[Any]:
    (in_black, in_white), (out_black, out_white) = contract.input_range, contract.output_range
    numbers = {
        "in_scale": (in_white - in_black) / 255,
        "in_shift": in_black,
        "out_shift": out_black,
        "out_scale": 255 / (out_white - out_black),
        "black": 0.0,
        "white": 255.0,
    }
    tensors = [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in numbers.items()]
    if contract.is_bgr:
        tensors.append(numpy_helper.from_array(np.array([2, 1, 0], np.int64), "order"))
    return tensors


def _tidy(path: Path, model: Any) -> Any:  # noqa: ANN401
    """Return the model with operators that ours can be joined with, and without notes of whoever made it."""
    for opset in model.opset_import:
        if opset.domain == "ai.onnx":  # the long name of the standard operators
            opset.domain = ""
    version = next((opset.version for opset in model.opset_import if not opset.domain), _LEAST_OPSET)
    if version < _LEAST_OPSET:
        try:
            model = onnx.version_converter.convert_version(model, _CONVERT_TO)
        except (RuntimeError, onnx.version_converter.ConvertError) as error:
            raise InputError(
                f"{path}: has operators of version {version}, which can't be brought up to date; export it again with "
                f"opset {_CONVERT_TO}"
            ) from error
    # Paths of the machine that it was made on don't belong into a style.
    graph = model.graph
    owners = (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer)
    for owner in owners:
        owner.ClearField("doc_string")
        del owner.metadata_props[:]
    return model
