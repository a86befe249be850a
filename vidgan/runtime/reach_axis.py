"""Places of a tensor that runs along the picture, and what a graph says without being run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidgan.runtime.openvino_import import ov

Sound = NDArray[np.bool_]


class Refusal(Exception):  # noqa: N818 - never leaves `reach.py`, which makes an error of it
    """A node that looks at the picture in a way that tiles can't give; the text goes on after its name."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A dimension of a tensor that runs along the picture."""

    side: int
    """0 along the height, 1 along the width."""
    sound: Sound
    """`(n,)`: which places are computed from nothing beyond the tile, were it cut out on both sides."""
    step: Fraction
    """Pixels of the picture from one place to the next."""


Layout = tuple[Axis | None, ...]
Node = Any  # OpenVINO's nodes have no useful types


def picture(inputs: Sequence[Layout | None]) -> Layout:
    """Return the layout of a node's first input; refuse nodes that take the picture elsewhere."""
    if inputs[0] is None:
        raise Refusal("may look at the whole picture")
    return inputs[0]


def value_of(node: Node, index: int) -> NDArray[Any]:
    """Return what an input of a node is whatever the picture shows; refuse nodes where that can't be said."""
    if index >= node.get_input_size():
        raise Refusal("may look at the whole picture")
    value = constant_value(node.input(index).get_source_output())
    if value is None:
        raise Refusal("decides by the picture where to look")
    return value


def constant_value(output: Node) -> NDArray[Any] | None:
    """Return what a node's output is whatever the picture shows; None where that can't be said."""
    if output.get_node().get_type_name() != "Constant":
        # In a copy, because folding replaces nodes.
        copy = ov.Model([ov.opset13.result(output)], _parameters(output.get_node())).clone()
        manager = ov.passes.Manager()
        manager.register_pass(ov.passes.ConstantFolding())
        manager.run_passes(copy)
        output = copy.outputs[0].get_node().input(0).get_source_output()
    node = output.get_node()
    return np.asarray(node.data) if node.get_type_name() == "Constant" else None


def _parameters(node: Node) -> list[Node]:
    """Return the inputs of the network that a node depends on."""
    found, seen, waiting = [], {node.get_name()}, [node]
    while waiting:
        node = waiting.pop()
        if node.get_type_name() == "Parameter":
            found.append(node)
        for value in node.inputs():
            source = value.get_source_output().get_node()
            if source.get_name() not in seen:
                seen.add(source.get_name())
                waiting.append(source)
    return found
