"""How far a network looks: which part of a tile comes out as it would in the whole picture.

A tile is cut out of a picture, so what a network computes near the tile's borders lacks the neighbours beyond them.
`walk` follows that through the graph, forwards, one line of places for the height and one for the width of every
tensor: a place is *sound* where everything it is computed from lies inside. What the rules in `reach_rules.py` don't
know is refused, since a wrong guess would show as seams.

Layout of a tensor: a tuple with an `Axis` for each dimension that runs along the picture, else None. A whole layout of
None stands for a tensor that doesn't depend on the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidgan.errors import StyleError
from vidgan.runtime import reach_rules
from vidgan.runtime.openvino_import import ov
from vidgan.runtime.reach_axis import Axis, Layout, Refusal

HEIGHT, WIDTH = 0, 1
"""Sides of a picture."""
_SIZES_ONLY = frozenset({"ShapeOf"})
_TAKES_SIZES = {"Reshape": 1, "Interpolate": 1, "Pad": 1, "Slice": 1, "Broadcast": 1, "Tile": 1}
"""Kinds of nodes that may be told sizes of the picture, and the first input that tells them."""


@dataclass(frozen=True, kw_only=True)
class Norm:
    """A normalisation over the whole picture."""

    name: str
    """The node's name in the graph."""
    level: int
    """How many others it waits for, one after another."""
    height: Axis
    """Of its input."""
    width: Axis
    """Of its input."""
    epsilon: float
    """What is added to the variance."""
    inside: bool
    """Added under the root, rather than to it."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What a walk found."""

    alignment: int
    """Tiles must begin at multiples of so many pixels, and be multiples of it large."""
    halo: int
    """Pixels at a tile's border that don't come out as in the whole picture, where it isn't the picture's border."""
    norms: tuple[Norm, ...]
    """In the graph's order."""
    sizes: dict[str, tuple[tuple[int, Fraction, int], ...]]
    """For every tensor along the picture: side, pixels per place, and number of places."""


def walk(model: ov.Model, path: object) -> Reach:
    """Follow a network of one size from its input to its output.

    Args:
        model: with all sizes fixed, `(1, H, W, 3)` in and out.
        path: for messages.

    Raises:
        StyleError: it can't be computed in tiles, because something in it looks at the whole picture.
    """
    found: dict[str, list[Layout | None]] = {}
    from_sizes: set[str] = set()
    levels: dict[str, int] = {}
    norms: list[Norm] = []
    for node in model.get_ordered_ops():
        name, kind = node.get_name(), node.get_type_name()
        sources = [value.get_source_output() for value in node.inputs()]
        inputs = [found[s.get_node().get_name()][s.get_index()] for s in sources]
        names = [source.get_node().get_name() for source in sources]
        levels[name] = max((levels[n] for n in names), default=0)
        try:
            if kind in _SIZES_ONLY or not any(inputs):
                found[name] = [_parameter(node)] if kind == "Parameter" else [None] * node.get_output_size()
                # Only what is reshaped decides, not the size that it is told.
                told = names[: _TAKES_SIZES.get(kind, len(names))]
                if kind in _SIZES_ONLY or from_sizes.intersection(told):
                    from_sizes.add(name)
                continue
            if from_sizes.intersection(names[: _TAKES_SIZES.get(kind, len(names))]):
                raise Refusal("computes with the picture's size")
            if any(output.get_partial_shape().is_dynamic for output in node.outputs()):
                raise Refusal("decides by the picture how large its result is")
            found[name] = list(reach_rules.follow(node, inputs))
        except Refusal as refusal:
            raise StyleError(
                f"{path}: can't be computed in tiles: {kind} {node.get_friendly_name()!r} {refusal}; allow more memory "
                "for the whole picture, or choose a smaller --scale"
            ) from None
        if kind == "MVN" and reach_rules.is_whole_picture(node, inputs):
            _, _, height, width = inputs[0] or (None,) * 4
            assert height is not None
            assert width is not None
            given = node.get_attributes()
            epsilon, inside = given["eps"], given["eps_mode"].upper() == "INSIDE_SQRT"
            norms.append(
                Norm(name=name, level=levels[name], height=height, width=width, epsilon=epsilon, inside=inside)
            )
            levels[name] += 1
    styled = found[model.outputs[0].get_node().get_name()][0]
    return _sum_up(styled, norms, found, path)


def _parameter(node: Any) -> Layout:  # noqa: ANN401 - OpenVINO's nodes have no useful types
    _, height, width, _ = node.output(0).get_shape()
    return (
        None,
        Axis(side=HEIGHT, sound=np.ones(height, bool), step=Fraction(1)),
        Axis(side=WIDTH, sound=np.ones(width, bool), step=Fraction(1)),
        None,
    )


def _sum_up(styled: Layout | None, norms: list[Norm], found: dict[str, list[Layout | None]], path: object) -> Reach:
    layouts = {f"{name}.{i}": layout for name, several in found.items() for i, layout in enumerate(several) if layout}
    axes = [axis for layout in layouts.values() for axis in layout if axis]
    ends = [axis for axis in styled or () if axis]
    if [(axis.side, axis.step) for axis in ends] != [(HEIGHT, Fraction(1)), (WIDTH, Fraction(1))]:
        raise StyleError(f"{path}: can't be computed in tiles: what comes out doesn't lie as what went in")
    alignment = math.lcm(*(axis.step.numerator for axis in axes))
    lengths = [len(axis.sound) for axis in ends]
    # Sums over a cell must be right as well, for every norm.
    watched = [*ends, *(axis for norm in norms for axis in (norm.height, norm.width))]
    halo = max(_spoilt(axis, lengths[axis.side]) for axis in watched)
    sizes = {
        name: tuple((axis.side, axis.step, len(axis.sound)) for axis in layout if axis)
        for name, layout in layouts.items()
    }
    return Reach(alignment=alignment, halo=-(-halo // alignment) * alignment, norms=tuple(norms), sizes=sizes)


def _spoilt(axis: Axis, length: int) -> int:
    """Return how many of `length` pixels at either end aren't sound; all of them where nothing is."""
    sound: NDArray[np.intp] = np.flatnonzero(axis.sound)
    if not sound.size or not axis.sound[sound[0] : sound[-1] + 1].all():
        return length
    return math.ceil(max(int(sound[0]) * axis.step, length - (int(sound[-1]) + 1) * axis.step))
