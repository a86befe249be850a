"""A float network -> the same in half precision, written into the ONNX file, as TensorRT wants it.

TensorRT 11 and TensorRT-RTX compute every node in the type that the file says. The converters of onnxconverter-common
1.16 and of ONNX Runtime 1.32 make broken files of ours (the first leaves Casts to f32 as they were, the second writes
nodes before what they read), and neither knows bf16, so this is our own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import onnx
import onnx.inliner
import onnx.version_converter
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from vidgan.errors import StyleError

_F32 = int(TensorProto.FLOAT)
HALF_VERSION = 1
"""To be raised when the same network is converted to another: engines were built from the old one."""
_TYPES = {"f16": int(TensorProto.FLOAT16), "bf16": int(TensorProto.BFLOAT16)}
_QUANTISED = frozenset({"QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger", "DynamicQuantizeLinear"})
_NORMS = frozenset(
    {
        "BatchNormalization",
        "GroupNormalization",
        "InstanceNormalization",
        "LayerNormalization",
        "LpNormalization",
        "MeanVarianceNormalization",
        "RMSNormalization",
    }
)
# What norms are written as where an exporter takes them apart: squares of what just fits overflow, and so do sums.
_PARTS_OF_NORMS = frozenset(
    {"Pow", "Sqrt", "Reciprocal", "ReduceMean", "ReduceSum", "ReduceSumSquare", "ReduceL1", "ReduceL2"}
)
# These go on in f32 where one of their operands is left in f32.
_JOINING = frozenset({"Add", "Sub", "Mul", "Div", "Neg", "Abs", "Max", "Min"})
# The 11 bits of f16 can't name every pixel of a picture larger than 2048.
_COORDINATES = frozenset({"GridSample", "AffineGrid"})
_OPSET_OF_BF16 = 22
"""The first in which convolutions take bf16."""
# Inputs that are f32 whatever the type of the others, by ONNX.
_ALWAYS_F32 = frozenset({("Resize", 2), ("Upsample", 1)})


def to_half(
    model: onnx.ModelProto, *, norms_in_f32: bool = True, dtype: Literal["f16", "bf16"] = "f16"
) -> onnx.ModelProto:
    """Return a network that computes in half precision, with inputs and outputs of the same types as before.

    Numbers that don't depend on the picture, such as sizes, stay in f32, and so does GridSample with its coordinates.
    Where a weight is beyond the largest value of f16, its node computes in f32.

    Args:
        model: Any network in f32; left as it is.
        norms_in_f32: Keep normalisations in f32, between Casts, and what they consist of where they were taken apart.
            Without it, the statistics of trained networks can overflow in f16.
        dtype: "f16", or "bf16", which has the range of f32 and 8 bits.

    Raises:
        ValueError: an unknown `dtype`, or the network is quantised: that stays as it is, since TensorRT wants the
            scales of its quantisation in f32.
        StyleError: the network has branches or loops, or can't be brought to the operators that bf16 needs.
    """
    if dtype not in _TYPES:
        raise ValueError(f"dtype is {dtype!r}; use 'f16' or 'bf16'")
    kinds = {str(node.op_type) for node in model.graph.node}
    if kinds & _QUANTISED:
        raise ValueError(f"the network is quantised ({min(kinds & _QUANTISED)}); give the float network")
    whole = onnx.inliner.inline_local_functions(model) if model.functions else model
    for node in whole.graph.node:
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            raise StyleError(f"node {node.name!r} ({node.op_type}): networks with branches can't be made {dtype}")
    if dtype == "bf16":
        whole = _with_opset(whole, _OPSET_OF_BF16)
    conversion = _Conversion(whole, norms_in_f32=norms_in_f32, half=_TYPES[dtype])
    for node in whole.graph.node:
        conversion.add(node)
    conversion.give_outputs_their_types()
    half = onnx.ModelProto()
    half.CopyFrom(whole)
    for field in ("node", "initializer", "value_info", "input"):
        half.graph.ClearField(field)
    constants = {tensor.name for tensor in whole.graph.initializer}
    half.graph.input.extend(port for port in whole.graph.input if port.name not in constants)
    half.graph.node.extend(conversion.nodes)
    half.graph.initializer.extend(conversion.initializers())
    return half


class _Conversion:
    """Nodes of the new network, made one after another.

    Every float value has one home, f32 or half; where it is wanted in the other type, a Cast is put in, once.
    """

    def __init__(self, model: Any, *, norms_in_f32: bool, half: int) -> None:  # noqa: ANN401 - onnx has no types
        self.nodes: list[Any] = []
        self._half = half
        self._islands = _COORDINATES | (_NORMS if norms_in_f32 else frozenset())
        """Kinds of nodes that compute in f32, and whose results go back to half at once."""
        self._staying = _PARTS_OF_NORMS if norms_in_f32 else frozenset()
        """Kinds whose results stay in f32."""
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._types = _types(model)
        self._outputs = [str(port.name) for port in model.graph.output]
        self._on_picture = {str(port.name) for port in model.graph.input} - self._constants.keys()
        """Values that depend on the picture."""
        self._homes: dict[str, int] = {}
        """Types of float values that aren't f32."""
        self._joined: set[str] = set()
        """Values in f32 that draw the nodes of `_JOINING` into f32."""
        self._casts: dict[tuple[str, int], str] = {}
        """Names of values in another type than their own."""
        self._taken = self._on_picture | {str(name) for node in model.graph.node for name in node.output}
        self._taken |= self._constants.keys()
        self._used: dict[str, tuple[Any, int]] = {}
        """New constants by name: what they come from, and their type."""

    def add(self, node: Any) -> None:  # noqa: ANN401
        """Convert one node."""
        if node.op_type == "Constant" and (tensor := _constant(node)) is not None:
            self._constants[tensor.name] = tensor
            self._types[tensor.name] = tensor.data_type
            return
        new = onnx.NodeProto()
        new.CopyFrom(node)
        self.nodes.append(new)
        if node.op_type in ("Shape", "Size") or not any(name in self._on_picture for name in node.input):
            self._joined.update(node.output)
            new.input[:] = [self._as(name, self._homes.get(name, _F32)) for name in node.input]
            return
        self._on_picture.update(name for name in node.output if name)
        if node.op_type == "Cast":  # from whatever it is, in one step
            new.input[0] = self._as(node.input[0], self._homes.get(node.input[0], _F32))
            if self._is_float(node.output[0]):
                next(attribute for attribute in new.attribute if attribute.name == "to").i = self._half
                self._homes[node.output[0]] = self._half
            return
        computes_in = self._type_of(node)
        inputs = enumerate(node.input)
        new.input[:] = [self._as(n, _F32 if (node.op_type, i) in _ALWAYS_F32 else computes_in) for i, n in inputs]
        # Casts of inputs have to come before what reads them.
        self.nodes.remove(new)
        self.nodes.append(new)
        self._home(node, new, computes_in)

    def give_outputs_their_types(self) -> None:
        """Cast outputs that were f32 and are half now."""
        for name in self._outputs:
            if name not in self._homes:
                self._as(name, _F32)
                continue
            inside = self._new_name(f"{name}_inside")
            for node in self.nodes:
                for names in (node.input, node.output):
                    names[:] = [inside if each == name else each for each in names]
            self._cast(inside, name, _F32)

    def initializers(self) -> Iterator[Any]:
        """Yield the constants that are used, in the types in which they are."""
        for name, (tensor, wanted) in self._used.items():
            if wanted == tensor.data_type:
                yield tensor
            else:
                yield _halved(numpy_helper.to_array(tensor), name, wanted)

    def _type_of(self, node: Any) -> int:  # noqa: ANN401
        """Decide in which type a node that depends on the picture computes."""
        stays = node.op_type in self._islands | self._staying or any(self._is_beyond_half(name) for name in node.input)
        joins = node.op_type in _JOINING and any(name in self._joined and self._is_float(name) for name in node.input)
        return _F32 if stays or joins else self._half

    def _is_beyond_half(self, name: str) -> bool:
        """Say whether a value is a constant that f16 can't hold."""
        if self._half != TensorProto.FLOAT16 or name not in self._constants or not self._is_float(name):
            return False
        return bool(np.abs(numpy_helper.to_array(self._constants[name])).max(initial=0) > np.finfo(np.float16).max)

    def _home(self, node: Any, new: Any, computes_in: int) -> None:  # noqa: ANN401
        """Note where the results of a node are, and bring those of islands back."""
        for position, name in enumerate(node.output):
            if not self._is_float(name):
                continue
            if computes_in == self._half:
                self._homes[name] = self._half
            elif node.op_type in self._islands:
                new.output[position] = self._casts[name, _F32] = self._new_name(f"{name}_f32")
                self._cast(new.output[position], name, self._half)
                self._homes[name] = self._half
            else:
                self._joined.add(name)

    def _as(self, name: str, wanted: int) -> str:
        """Return the name of a value in the type that is wanted, which matters for floats only."""
        is_float = self._is_float(name)
        if name in self._constants:
            if is_float and (name, wanted) not in self._casts:
                self._casts[name, wanted] = name if wanted == _F32 else self._new_name(f"{name}_half")
            new = self._casts[name, wanted] if is_float else name
            self._used[new] = (self._constants[name], wanted if is_float else self._types[name])
            return new
        if not is_float or self._homes.get(name, _F32) == wanted:
            return name
        if (name, wanted) not in self._casts:
            self._casts[name, wanted] = self._new_name(f"{name}_{'f32' if wanted == _F32 else 'half'}")
            self._cast(name, self._casts[name, wanted], wanted)
        return self._casts[name, wanted]

    def _new_name(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def _cast(self, given: str, made: str, to: int) -> None:
        self.nodes.append(helper.make_node("Cast", [given], [made], f"{made}_cast", to=to))

    def _is_float(self, name: str) -> bool:
        return self._types.get(name) == _F32


def _with_opset(model: onnx.ModelProto, version: int) -> onnx.ModelProto:
    if any(opset.version >= version for opset in model.opset_import if opset.domain in ("", "ai.onnx")):
        return model
    try:
        return onnx.version_converter.convert_version(model, version)
    except (RuntimeError, onnx.version_converter.ConvertError) as error:
        raise StyleError(f"the network can't be brought to opset {version}, which bf16 needs") from error


def _types(model: Any) -> dict[str, int]:  # noqa: ANN401
    """Return the type of every value whose type is known."""
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except onnx.shape_inference.InferenceError as error:
        raise StyleError(f"the network can't be made f16: {str(error).strip().splitlines()[0]}") from error
    types = {str(tensor.name): int(tensor.data_type) for tensor in graph.initializer}
    for port in (*graph.input, *graph.output, *graph.value_info):
        types.setdefault(port.name, port.type.tensor_type.elem_type)
    return types


def _constant(node: Any) -> Any:  # noqa: ANN401
    """Return the values of a Constant under the name of its output; None if they are neither floats nor whole."""
    tensor = TensorProto()
    for attribute in node.attribute:
        if attribute.name == "value":
            tensor.CopyFrom(attribute.t)
            tensor.name = node.output[0]
            return tensor
        kind = np.float32 if "float" in attribute.name else np.int64
        if attribute.name in ("value_float", "value_floats", "value_int", "value_ints"):
            return numpy_helper.from_array(np.array(helper.get_attribute_value(attribute), kind), node.output[0])
    return None


def _halved(values: NDArray[np.float32], name: str, dtype: int) -> Any:  # noqa: ANN401
    """Return a constant in half precision, rounded to even."""
    if dtype == _TYPES["f16"]:
        return numpy_helper.from_array(values.astype(np.float16), name)
    # bf16 is the upper half of f32, and NumPy doesn't know it.
    bits = np.ascontiguousarray(values).view(np.uint32)
    upper = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return TensorProto(name=name, data_type=dtype, dims=values.shape, raw_data=upper.tobytes())
