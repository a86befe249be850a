"""ONNX networks run on torch, node by node, on any device: the plain reference for the other runtimes.

The packages that do this, onnx2torch and onnx2pytorch, need torchvision, so this is our own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import onnx.inliner
import torch
from torch import Tensor, nn

from vidgan.errors import StyleError
from vidgan.runtime.onnx_file import read_onnx
from vidgan.runtime.onnx_torch import (
    arithmetic,  # noqa: F401 - importing these fills the table
    layers,  # noqa: F401
    resize,  # noqa: F401
    shapes,  # noqa: F401
)
from vidgan.runtime.onnx_torch.table import OPERATORS, Run, read_node, read_tensor

_LEAST_OPSET = 11
_SHAPE_READERS = frozenset({"Shape", "Size"})

Key = tuple[str, bool]
"""A value's name, and whether it is meant on the CPU (True) or on the network's device."""


@dataclass(frozen=True, kw_only=True)
class _Step:
    """One node, or one value brought from the CPU to the device or back."""

    label: str
    run: Run | None
    """None: move the first input."""
    inputs: tuple[Key | None, ...]
    outputs: tuple[Key | None, ...]
    depends_on_shapes_only: bool
    """It gives the same for all pictures of one size."""
    unneeded_after: tuple[Key, ...] = ()


class OnnxModule(nn.Module):
    """An ONNX graph as a module: `forward` takes the graph's inputs, in order, and returns its output, or a tuple.

    Weights are buffers, so that `.to(device)` moves them. Values that say something about shapes are computed on the
    CPU, so that nothing waits for the device, and kept for the next pictures of the same size. A tensor is let go as
    soon as nobody needs it.
    """

    _anchor: Tensor

    def __init__(self, source: onnx.ModelProto | Path) -> None:
        """Read a model or a file.

        Raises:
            StyleError: the file can't be read, or holds what isn't supported here; the node is named.
        """
        super().__init__()
        model = read_onnx(source) if isinstance(source, Path) else source
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
        graph, opset = model.graph, _opset(model)
        if graph.sparse_initializer:
            raise StyleError("sparse weights aren't supported on torch; use --runtime openvino")
        constants = {tensor.name: read_tensor(tensor, f"weight {tensor.name!r}") for tensor in graph.initializer}
        self._inputs = [port.name for port in graph.input if port.name not in constants]
        outputs: list[Key] = [(port.name, False) for port in graph.output]
        plan = _Plan(constants, self._inputs)
        for proto in graph.node:
            plan.add(proto, opset)
        for name, _ in outputs:
            plan.want(name, on_host=False)
        self._outputs, self._steps = outputs, _with_ends(plan.steps, outputs)
        self._host_constants = {key: constants[key[0]] for key in plan.wanted_constants if key[1]}
        self._device_constants: dict[Key, str] = {}
        for number, key in enumerate(sorted(key for key in plan.wanted_constants if not key[1])):
            self._device_constants[key] = f"constant{number}"
            self.register_buffer(f"constant{number}", constants[key[0]])
        self.register_buffer("_anchor", torch.empty(0), persistent=False)
        self._can_keep = not plan.reads_back
        self._kept: tuple[Any, dict[Key, Tensor]] | None = None

    def forward(self, *inputs: Tensor) -> Any:  # noqa: ANN401
        """Run the graph.

        Args:
            inputs: As the graph declares them, on the device of this module.

        Returns:
            The output, or a tuple where there are several.

        Raises:
            RuntimeError: a node fails; the text names it.
        """
        device = self._anchor.device
        identity = (device, [x.shape for x in inputs])
        last = self._kept  # read once, since another thread may be running too
        kept = last[1] if last and last[0] == identity else None
        values: dict[Key, Tensor] = dict(self._host_constants)
        values |= {key: getattr(self, name) for key, name in self._device_constants.items()}
        values |= {(name, False): x for name, x in zip(self._inputs, inputs, strict=True)}
        values |= kept or {}
        found: dict[Key, Tensor] = {}
        for step in self._steps:
            if not (kept is not None and step.depends_on_shapes_only):
                made = _run(step, values, device)
                values |= made
                if step.depends_on_shapes_only:
                    found |= made
            for key in step.unneeded_after:
                del values[key]
        if kept is None and self._can_keep:
            self._kept = (identity, found)
        results = tuple(values[key] for key in self._outputs)
        return results[0] if len(results) == 1 else results


class _Plan:
    """What is run in which order, and where."""

    def __init__(self, constants: dict[str, Tensor], inputs: Iterable[str]) -> None:
        self.constants = constants
        """By name; grows by what is computed from constants only."""
        self.steps: list[_Step] = []
        self.wanted_constants: set[Key] = set()
        self.reads_back = False
        """Whether a shape depends on what the picture shows."""
        self._places: dict[Key, bool] = {(name, False): False for name in inputs}
        """Every value made so far, and whether it depends on shapes only."""

    def add(self, proto: Any, opset: int) -> None:  # noqa: ANN401
        """Plan one node."""
        node = read_node(proto, opset)
        if proto.op_type not in OPERATORS or proto.domain not in ("", "ai.onnx"):
            node.refuse(f"operator {proto.domain + '.' if proto.domain else ''}{proto.op_type}")
        kind = OPERATORS[proto.op_type]
        run = kind.make(node)
        given = [name for name in proto.input if name]
        if all(name in self.constants for name in given):
            self._fold(node.label, run, proto)
            return
        reads_shape = proto.op_type in _SHAPE_READERS
        on_host = reads_shape or all(name in self.constants or (name, True) in self._places for name in given)
        inputs: list[Key | None] = []
        for position, name in enumerate(proto.input):
            wants_host = (on_host or position in kind.host_inputs) and not reads_shape
            inputs.append(self.want(name, on_host=wants_host) if name else None)
        outputs: tuple[Key | None, ...] = tuple((name, on_host) if name else None for name in proto.output)
        self._append(node.label, run, tuple(inputs), outputs, shapes_only=on_host)

    def want(self, name: str, *, on_host: bool) -> Key:
        """Make sure that a value is where it is wanted, and return its key."""
        key = (name, on_host)
        if name in self.constants:
            self.wanted_constants.add(key)
        elif key not in self._places:
            other = (name, not on_host)
            if other not in self._places:
                raise StyleError(f"value {name!r} is used before it is made: the ONNX file is broken")
            self.reads_back |= on_host
            self._append(f"value {name!r}", None, (other,), (key,), shapes_only=self._places[other])
        return key

    def _append(
        self,
        label: str,
        run: Run | None,
        inputs: tuple[Key | None, ...],
        outputs: tuple[Key | None, ...],
        *,
        shapes_only: bool,
    ) -> None:
        self.steps.append(
            _Step(label=label, run=run, inputs=inputs, outputs=outputs, depends_on_shapes_only=shapes_only)
        )
        self._places |= {key: shapes_only for key in outputs if key}

    def _fold(self, label: str, run: Run, proto: Any) -> None:  # noqa: ANN401
        """Compute what depends on constants only, once for all."""
        inputs: list[Key | None] = [(name, True) if name else None for name in proto.input]
        outputs: list[Key | None] = [(name, True) if name else None for name in proto.output]
        step = _Step(label=label, run=run, inputs=tuple(inputs), outputs=tuple(outputs), depends_on_shapes_only=True)
        values = {(name, True): value for name, value in self.constants.items() if name in proto.input}
        try:
            made = _run(step, values, torch.device("cpu"))
        except RuntimeError as error:
            raise StyleError(str(error)) from error
        self.constants.update({name: value for (name, _), value in made.items()})


def _opset(model: onnx.ModelProto) -> int:
    version = max((opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")), default=0)
    if version < _LEAST_OPSET:
        raise StyleError(f"its ONNX operators are of version {version}; export it with opset {_LEAST_OPSET} or later")
    return int(version)


def _run(step: _Step, values: dict[Key, Tensor], device: torch.device) -> dict[Key, Tensor]:
    inputs = [values[key] if key else None for key in step.inputs]
    if step.run is None:
        (moved,), (key,) = inputs, step.outputs
        assert moved is not None
        assert key is not None
        return {key: moved.to("cpu" if key[1] else device)}
    try:
        made = step.run(*inputs)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, IndexError, TypeError, KeyError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise RuntimeError(f"{step.label} fails: {reason[0]}") from error
    made = made if isinstance(made, tuple) else (made,)
    return {key: value for key, value in zip(step.outputs, made, strict=False) if key}


def _with_ends(steps: Sequence[_Step], outputs: Sequence[Key]) -> list[_Step]:
    """Note after which step each value isn't needed any more; kept values and outputs stay."""
    made = {key for step in steps for key in step.outputs if key}
    needed: set[Key] = set(outputs)
    reversed_steps = []
    for step in reversed(steps):
        involved = {key for key in (*step.inputs, *step.outputs) if key and key in made}
        ended = tuple(sorted(involved - needed))
        needed |= involved
        reversed_steps.append(
            _Step(
                label=step.label,
                run=step.run,
                inputs=step.inputs,
                outputs=step.outputs,
                depends_on_shapes_only=step.depends_on_shapes_only,
                unneeded_after=ended,
            )
        )
    return reversed_steps[::-1]
