"""Several ONNX networks as one: their weights interpolated, or else their pictures averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnx.inliner
from onnx import TensorProto, helper, numpy_helper

from vidgan.errors import StyleError
from vidgan.runtime.onnx_file import read_onnx
from vidgan.styles import Style

_FLOATS = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16})
# Shares as whole numbers of this sum: the average is then exact on devices that compute in bf16 too, which has 8 bits,
# and 255 of them still fit the 24 bits of a float, by which some runtimes divide integers.
_WHOLE = 2**15
_INPUT, _OUTPUT = "frames", "styled"


def blend_networks(parts: Sequence[tuple[Style, float]]) -> tuple[bytes, int]:
    """Blend styles into one network.

    Networks of one family (the word in their cards) and of the same graph are interpolated, weight by weight: Deep
    Network Interpolation, Wang et al., CVPR 2019. That costs as much as a single one. What differs in family or graph
    runs side by side within one graph, and the pictures are averaged, value by value, halves upwards.

    Args:
        parts: styles and their shares; each share above 0, their sum 1.

    Returns:
        An ONNX file, and how many networks run in it.

    Raises:
        StyleError: a file can't be read, isn't a style's network, or can't be joined with the others.
    """
    groups: dict[Any, list[tuple[Style, Any, float]]] = {}
    for index, (style, share) in enumerate(parts):
        model = _load(style)
        # Weights of two networks that were never one have nothing to do with each other, whatever their shapes.
        key = (style.family, _graph_identity(model)) if style.family else index
        groups.setdefault(key, []).append((style, model, share))
    merged = []
    for members in groups.values():
        share = sum(share for *_, share in members)
        model = _interpolated([model for _, model, _ in members], [part / share for *_, part in members])
        merged.append((members[0][0], model, share))
    blended = merged[0][1] if len(merged) == 1 else _averaged(merged)
    return blended.SerializeToString(), len(merged)


def _load(style: Style) -> Any:  # noqa: ANN401 - onnx comes without types
    model = read_onnx(style.path)
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    del model.metadata_props[:]
    for opset in model.opset_import:
        if opset.domain == "ai.onnx":  # the long name of the standard operators
            opset.domain = ""
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    ports = [port for port in graph.input if port.name not in constants], list(graph.output)
    for kind, found in zip(("input", "output"), ports, strict=True):
        if len(found) != 1 or found[0].type.tensor_type.elem_type != TensorProto.UINT8:
            raise StyleError(f"{style.path}: a style's network has one {kind}, of uint8; this is another network")
    return model


def _graph_identity(model: Any) -> bytes:  # noqa: ANN401
    """Return everything of a network but its floating-point weights and what is written for people."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    bare.ClearField("producer_name")
    bare.ClearField("producer_version")
    bare.ClearField("doc_string")
    graph = bare.graph
    graph.ClearField("name")
    for field in (graph, *graph.node):
        field.ClearField("doc_string")
        del field.metadata_props[:]
    for node in graph.node:
        node.ClearField("name")
        attributes = sorted(node.attribute, key=lambda attribute: str(attribute.name))
        del node.attribute[:]
        node.attribute.extend(attributes)
    del graph.value_info[:]
    tensors = sorted(graph.initializer, key=lambda tensor: str(tensor.name))
    del graph.initializer[:]
    for tensor in tensors:
        # Integers are shapes and axes, part of what the graph computes; bits of quantised weights don't interpolate.
        values = b"" if tensor.data_type in _FLOATS else numpy_helper.to_array(tensor).tobytes()
        graph.initializer.append(
            TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims, raw_data=values)
        )
    return bytes(bare.SerializeToString(deterministic=True))


def _interpolated(models: Sequence[Any], shares: Sequence[float]) -> Any:  # noqa: ANN401
    """Return the first model with the weighted mean of all models' weights; they have the same graph."""
    weights = [{tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer} for model in models]
    for tensor in models[0].graph.initializer:
        values = [of_model[tensor.name] for of_model in weights]
        if tensor.data_type in _FLOATS and any(not np.array_equal(values[0], other) for other in values[1:]):
            mean = sum(share * value.astype(np.float64) for share, value in zip(shares, values, strict=True))
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(mean).astype(values[0].dtype), tensor.name))
    return models[0]


def _averaged(parts: Sequence[tuple[Style, Any, float]]) -> Any:  # noqa: ANN401
    """Return one network of all parts, whose picture is the weighted mean of theirs."""
    models = _with_one_opset([(style, model) for style, model, _ in parts])
    wholes = [round(_WHOLE * share) for *_, share in parts]
    wholes[0] += _WHOLE - sum(wholes)
    nodes, tensors, sparse = [], [_scalar("half", _WHOLE // 2), _scalar("whole", _WHOLE)], []
    tensors += [helper.make_tensor(f"{value}", TensorProto.FLOAT, [], [value]) for value in (0.0, 255.0)]
    total = "half"
    for index, (model, whole) in enumerate(zip(models, wholes, strict=True)):
        prefix = f"part{index}"
        graph = _with_prefix(model, prefix)
        levels = _float_levels(graph)
        tensors += [*graph.initializer, _scalar(f"{prefix}_share", whole)]
        sparse += graph.sparse_initializer
        nodes += [
            *graph.node,
            helper.make_node("Cast", [levels], [f"{prefix}_float"], to=TensorProto.FLOAT),
            helper.make_node("Clip", [f"{prefix}_float", "0.0", "255.0"], [f"{prefix}_clipped"]),
            helper.make_node("Cast", [f"{prefix}_clipped"], [f"{prefix}_levels"], to=TensorProto.INT32),
            helper.make_node("Mul", [f"{prefix}_levels", f"{prefix}_share"], [f"{prefix}_scaled"]),
            helper.make_node("Add", [total, f"{prefix}_scaled"], [f"{prefix}_sum"]),
        ]
        total = f"{prefix}_sum"
    nodes += [
        helper.make_node("Div", [total, "whole"], ["mean"]),
        # By way of float, because TensorRT turns nothing else into uint8.
        helper.make_node("Cast", ["mean"], ["mean_float"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["mean_float"], [_OUTPUT], to=TensorProto.UINT8),
    ]
    ports = [helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", "h", "w", 3]) for name in (_INPUT, _OUTPUT)]
    graph = helper.make_graph(nodes, "blend", ports[:1], ports[1:], tensors, sparse_initializer=sparse)
    opsets = {opset.domain: opset.version for model in models for opset in model.opset_import}
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in opsets.items()],
        ir_version=max(model.ir_version for model in models),
    )


def _with_one_opset(parts: Sequence[tuple[Style, Any]]) -> list[Any]:
    """Bring all networks to the newest version of the operators among them."""
    newest: dict[str, int] = {}
    for _, model in parts:
        for opset in model.opset_import:
            newest[opset.domain] = max(opset.version, newest.get(opset.domain, 0))
    models = []
    for style, model in parts:
        if any(
            attribute.HasField("g") or attribute.graphs for node in model.graph.node for attribute in node.attribute
        ):
            raise StyleError(f"{style.path}: networks with branches or loops can't be blended")
        if any(opset.version != newest[opset.domain] for opset in model.opset_import):
            try:
                model = onnx.version_converter.convert_version(model, newest[""])
            except (RuntimeError, onnx.version_converter.ConvertError) as error:
                raise StyleError(
                    f"{style.path}: can't be blended with a network of newer operators; export it with opset "
                    f"{newest['']}"
                ) from error
        models.append(model)
    return models


def _with_prefix(model: Any, prefix: str) -> Any:  # noqa: ANN401
    """Return the graph with all names made unlike those of other parts, fed by the blend's own input."""
    graph = onnx.compose.add_prefix(model, f"{prefix}/").graph
    constants = {tensor.name for tensor in graph.initializer}
    own_input = next(port.name for port in graph.input if port.name not in constants)
    for node in graph.node:
        node.input[:] = [_INPUT if name == own_input else name for name in node.input]
    return graph


def _float_levels(graph: Any) -> str:  # noqa: ANN401
    """Return the value, 0..255, that becomes the graph's output, before it is made uint8 where that is its last node.

    TensorRT takes uint8 at a network's input and output only.
    """
    name = str(graph.output[0].name)
    producer = next((node for node in graph.node if name in node.output), None)
    if producer is None or producer.op_type != "Cast" or any(name in node.input for node in graph.node):
        return name
    levels = str(producer.input[0])
    graph.node.remove(producer)
    return levels


def _scalar(name: str, value: int) -> Any:  # noqa: ANN401
    return helper.make_tensor(name, TensorProto.INT32, [], [value])
