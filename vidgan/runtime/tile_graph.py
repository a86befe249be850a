"""A network cut at its normalisations, so that whole-picture statistics can be gathered tile by tile.

InstanceNormalization takes mean and variance of every channel over the whole picture. `cut` makes one graph for each
level of such normalisations, which ends in sums over a tile's rows, and one that ends in the picture; in all of them
the normalisations of lower levels are a multiplication and an addition of numbers given as inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidgan.runtime.openvino_import import ov
from vidgan.runtime.reach import Norm

Numbers = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One graph of a network that was cut."""

    model: ov.Model
    """Its first input is a tile of the picture."""
    uses: tuple[int, ...]
    """Numbers of the normalisations that are x * scale + shift in it, by the inputs `scale_0`, `shift_0` ..."""
    sums: tuple[int, ...]
    """Numbers of those whose sums it gives, as outputs `sum_0`, `squares_0` ...; empty where it gives the picture. For
    these it takes `columns_0` (1 where a column counts, else 0) and `share_0` (1 / how many count)."""


def cut(model: ov.Model, norms: Sequence[Norm]) -> list[Part]:
    """Cut a network of one size; it shares its nodes with the parts and is of no further use.

    Args:
        model: with all sizes fixed.
        norms: what `reach.walk` found in it.

    Returns:
        A part for every level, in order, and then the one that gives the picture.
    """
    opset = ov.opset13
    frames, results = model.get_parameters()[0], list(model.get_results())
    nodes = {node.get_name(): node for node in model.get_ordered_ops()}
    parameters: dict[str, Any] = {}
    ends: dict[int, list[Any]] = {}

    def number(name: str, shape: Sequence[int]) -> Any:  # noqa: ANN401 - OpenVINO's nodes have no useful types
        parameters[name] = opset.parameter(list(shape), np.float32, name=name)
        parameters[name].output(0).get_tensor().set_names({name})
        return parameters[name]

    for i, norm in enumerate(norms):
        node = nodes[norm.name]
        x = node.input(0).get_source_output()
        _, channels, _, width = x.get_shape()
        columns, share = number(f"columns_{i}", (1, 1, 1, width)), number(f"share_{i}", (1, 1, 1, 1))
        sums, squares = _row_sums(x, columns, share)
        ends.setdefault(norm.level, []).extend((_named(sums, f"sum_{i}"), _named(squares, f"squares_{i}")))
        scale, shift = (number(f"{name}_{i}", (1, channels, 1, 1)) for name in ("scale", "shift"))
        # In this form OpenVINO computes it in float32 and in one go with what follows, in bf16 too: (x - mean) * scale
        # was rounded to bf16 in between, and differed twice as often from the whole picture.
        node.output(0).replace(opset.add(opset.multiply(x, scale), shift).output(0))
    parts = []
    for level in range(len(ends) + 1):
        uses = tuple(i for i, norm in enumerate(norms) if norm.level < level)
        sums = tuple(i for i, norm in enumerate(norms) if norm.level == level)
        wanted = [f"{name}_{i}" for i in uses for name in ("scale", "shift")]
        wanted += [f"{name}_{i}" for i in sums for name in ("columns", "share")]
        part = ov.Model(ends.get(level, results), [frames, *(parameters[name] for name in wanted)], f"level {level}")
        parts.append(Part(model=part, uses=uses, sums=sums))
    return parts


def _row_sums(x: Any, columns: Any, share: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Sum each row of `(1, C, h, w)`, and the squared distances from the row's own mean: both `(1, C, h, 1)`.

    From the row's mean rather than from 0, since float32 has too few digits for the difference of two large squares.
    """
    opset, along = ov.opset13, np.array([3])
    sums = opset.reduce_sum(opset.multiply(x, columns), along, keep_dims=True)
    distance = opset.multiply(opset.subtract(x, opset.multiply(sums, share)), columns)
    return sums, opset.reduce_sum(opset.multiply(distance, distance), along, keep_dims=True)


def _named(node: Any, name: str) -> Any:  # noqa: ANN401
    result = ov.opset13.result(node)
    result.output(0).get_tensor().set_names({name})
    return result


class Statistics:
    """Mean and variance of every channel of one normalisation, from the row sums of all tiles.

    Chan, Golub and LeVeque, "Algorithms for computing the sample variance" (1983): the squared distances of parts from
    their own means, and what the means of the parts differ. Sums of rows are float32, all else float64.
    """

    def __init__(self, channels: int) -> None:
        self._count = 0
        self._sum, self._squares = np.zeros(channels), np.zeros(channels)

    def add(self, sums_CR: Numbers, squares_CR: Numbers, *, columns: int) -> None:
        """Add rows of `columns` numbers each: their sums and squared distances, `(channels, rows)` both."""
        sums = sums_CR.astype(np.float64)
        self._count += columns * sums.shape[1]
        self._sum += sums.sum(axis=1)
        self._squares += squares_CR.sum(axis=1, dtype=np.float64) + (sums * sums).sum(axis=1) / columns

    def finish(self, epsilon: float, *, inside: bool = True) -> tuple[Numbers, Numbers]:
        """Return scale and shift, `(1, channels, 1, 1)` float32 both, that make x * scale + shift normalised.

        The variance is the biased one, as InstanceNormalization in ONNX has it; `inside` is False where epsilon is
        added to the root instead.
        """
        mean = self._sum / self._count
        variance = np.maximum(self._squares / self._count - mean * mean, 0)
        scale = 1 / (np.sqrt(variance + epsilon) if inside else np.sqrt(variance) + epsilon)
        shape = (1, -1, 1, 1)
        return scale.astype(np.float32).reshape(shape), (-mean * scale).astype(np.float32).reshape(shape)
