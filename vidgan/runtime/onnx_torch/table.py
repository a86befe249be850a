"""The table of ONNX operators that `onnx_torch.py` runs on torch tensors, and what one node says about itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from vidgan.errors import StyleError

Run = Callable[..., Any]
"""From tensors, None where an optional input is left out, to a tensor, or to a tuple of them."""

TORCH_TYPES: Mapping[int, torch.dtype] = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.BFLOAT16: torch.bfloat16,
    TensorProto.INT8: torch.int8,
    TensorProto.INT16: torch.int16,
    TensorProto.INT32: torch.int32,
    TensorProto.INT64: torch.int64,
    TensorProto.UINT8: torch.uint8,
    TensorProto.BOOL: torch.bool,
}


@dataclass(frozen=True, kw_only=True)
class Node:
    """One node of a graph, as the makers of its function see it."""

    kind: str
    """The operator."""
    label: str
    """The operator and the node's name, for messages."""
    opset: int
    """Version of the operators."""
    num_outputs: int
    """How many outputs somebody may read."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Numbers, lists, text and torch tensors by their names."""

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401
        """Return an attribute."""
        return self.attributes.get(name, default)

    def refuse(self, what: str) -> NoReturn:
        """Raise a StyleError that says that this node wants something that isn't there."""
        raise StyleError(f"{self.label}: {what} isn't supported on torch; use --runtime openvino")


@dataclass(frozen=True, kw_only=True)
class Operator:
    """How to run one kind of node."""

    make: Callable[[Node], Run]
    """Makes the function once, so that nothing is looked up per frame."""
    host_inputs: frozenset[int] = frozenset()
    """Positions of inputs that say something about shapes: they are wanted on the CPU, as Python numbers."""


OPERATORS: dict[str, Operator] = {}


def operator(*kinds: str, host_inputs: Iterable[int] = ()) -> Callable[[Callable[[Node], Run]], Callable[[Node], Run]]:
    """Enter a maker into the table, under the names of ONNX's operators."""

    def enter(make: Callable[[Node], Run]) -> Callable[[Node], Run]:
        for kind in kinds:
            OPERATORS[kind] = Operator(make=make, host_inputs=frozenset(host_inputs))
        return make

    return enter


def plain(functions: Mapping[str, Run]) -> None:
    """Enter functions without attributes."""
    for kind, function in functions.items():
        OPERATORS[kind] = Operator(make=lambda _, function=function: function)  # type: ignore[misc]


def read_node(proto: Any, opset: int) -> Node:  # noqa: ANN401 - onnx comes without types
    """Read a NodeProto."""
    label = f"node {proto.name!r} ({proto.op_type})"
    attributes = {}
    for attribute in proto.attribute:
        value = helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            value = value.decode()
        elif isinstance(value, TensorProto):
            value = read_tensor(value, label)
        attributes[attribute.name] = value
    return Node(kind=proto.op_type, label=label, opset=opset, num_outputs=len(proto.output), attributes=attributes)


def read_tensor(proto: Any, label: str) -> Tensor:  # noqa: ANN401
    """Return a TensorProto's values, copied.

    Raises:
        StyleError: torch has no such type; `label` says where.
    """
    if proto.data_type not in TORCH_TYPES:
        name = TensorProto.DataType.Name(proto.data_type)
        raise StyleError(f"{label}: values of type {name} aren't supported on torch; use --runtime openvino")
    array = numpy_helper.to_array(proto)
    if proto.data_type == TensorProto.BFLOAT16:
        array = array.astype(np.float32)  # NumPy has no such type, torch can't read that of ml_dtypes
    return torch.from_numpy(np.array(array)).to(TORCH_TYPES[proto.data_type])


def torch_type(node: Node, onnx_type: int) -> torch.dtype:
    """Return torch's name of an ONNX type."""
    if onnx_type not in TORCH_TYPES:
        node.refuse(f"type {TensorProto.DataType.Name(onnx_type)}")
    return TORCH_TYPES[onnx_type]


def numbers(tensor: Tensor | None) -> list[Any] | None:
    """Return the numbers of a tensor on the CPU; None for an input that is left out."""
    return None if tensor is None else tensor.reshape(-1).tolist()
