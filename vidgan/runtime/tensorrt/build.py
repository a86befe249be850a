"""ONNX -> a serialized TensorRT engine. Whatever can fail in TensorRT says so by what it returns: all of it is checked.

TensorRT 11 and TensorRT-RTX compute each layer in the precision that the ONNX file gives it, so f16 is a matter of the
file (`half.py`), and int8 of its QuantizeLinear and DequantizeLinear.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vidgan.errors import MachineError, RuntimeUnavailableError, StyleError
from vidgan.runtime.plan import Profile
from vidgan.runtime.tensorrt.flavour import Flavour, check_capabilities

logger = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]
"""Called with the name of the outermost phase, its steps done, and how many it has."""


def no_progress(_phase: str, _done: int, _of: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What an engine is built for."""

    profiles: tuple[Profile, ...]
    """The sizes it takes."""
    compute_capabilities: tuple[str, ...]
    """Such as ("sm86", "sm89"). `tensorrt` builds for the card that is there, whatever this says."""
    timing_cache: bytes | None = None
    """What `tensorrt` measured on this card before; `tensorrt_rtx` measures nothing."""


@dataclass(frozen=True, kw_only=True)
class BuiltEngine:
    """What comes out of a build."""

    plan: bytes
    """The serialized engine. Two builds of the same network differ in their bytes."""
    timing_cache: bytes | None
    """To be given to the next build on this card; None from `tensorrt_rtx`."""


def build_engine(
    flavour: Flavour,
    model: bytes,
    name: str,
    options: BuildOptions,
    *,
    progress: Progress = no_progress,
    stop: threading.Event | None = None,
) -> BuiltEngine:
    """Parse a style's network and build its engine.

    Args:
        flavour: which TensorRT.
        model: the ONNX file's bytes, in the precision to compute in.
        name: of the file, for messages.
        options: what to build for.
        progress: told how far it is.
        stop: set it from elsewhere to end the build early.

    Raises:
        StyleError: TensorRT can't parse the network, or it isn't one of ours: `(N, H, W, 3)` uint8 in, the same out.
        RuntimeUnavailableError: this flavour can't build for these cards.
        MachineError: the build failed.
        KeyboardInterrupt: it was stopped.
    """
    check_capabilities(flavour, options.compute_capabilities)
    trt = flavour.trt
    flavour.logger.recent_errors.clear()
    # All of these must live until the build returns.
    builder = trt.Builder(flavour.logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, flavour.logger)
    if not parser.parse(model):
        raise StyleError(f"{name}: {flavour.name} can't read it: {_parser_errors(parser)}")
    input_name = _check_tensors(trt, network, name)
    _check_sizes(network.get_input(0).shape, options.profiles, name)
    config = builder.create_builder_config()
    # f32 is the reference: TF32 would round what convolutions take to 10 bits.
    config.clear_flag(trt.BuilderFlag.TF32)
    for profile in options.profiles:
        _add_profile(builder, config, input_name, profile)
    if flavour.is_rtx:
        _set_capabilities(trt, config, options.compute_capabilities)
    timing = None if flavour.is_rtx else _set_timing_cache(config, options.timing_cache)
    monitor = _make_monitor(trt, progress, stop)
    config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    if monitor.error is not None:
        raise monitor.error
    if plan is None:
        raise MachineError(f"{name}: {flavour.name} {flavour.version} built no engine ({_latest_error(flavour)})")
    kept = None if timing is None else bytes(timing.serialize())
    return BuiltEngine(plan=bytes(plan), timing_cache=kept)


def _parser_errors(parser: Any) -> str:  # noqa: ANN401 - of a module that is chosen when it runs, as below
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    told = [
        f"node {error.node_name()!r} ({error.node_operator()}): {error.desc()}" if error.node_name() else error.desc()
        for error in errors
    ]
    # The lines after the first tell of TensorRT's own source files.
    return "; ".join(text.strip().splitlines()[0] for text in told[:3] if text.strip()) or "the parser gives no reason"


def _check_tensors(trt: Any, network: Any, name: str) -> str:  # noqa: ANN401
    """Return the input's name, if input and output are as a style's."""
    for kind, count, get in (
        ("input", network.num_inputs, network.get_input),
        ("output", network.num_outputs, network.get_output),
    ):
        if count != 1:
            raise StyleError(f"{name}: has {count} {kind}s; a style's network has one")
        tensor = get(0)
        shape = tuple(tensor.shape)
        # Of the output TensorRT may not know the channels before it runs.
        if (
            tensor.dtype != trt.DataType.UINT8
            or len(shape) != 4
            or shape[3] not in ((3,) if kind == "input" else (3, -1))
        ):
            raise StyleError(f"{name}: its {kind} is {tensor.dtype.name} {shape}; a style's is UINT8 (N, H, W, 3)")
    return str(network.get_input(0).name)


def _check_sizes(shape_NHWC: Sequence[int], profiles: Sequence[Profile], name: str) -> None:
    """Refuse other sizes than a network's own, where it has only one."""
    fixed = (shape_NHWC[2], shape_NHWC[1])
    for profile in profiles:
        for size in (profile.minimum, profile.maximum):
            if any(own not in (-1, asked) for own, asked in zip(fixed, size, strict=True)):
                own_size = "x".join("any" if own < 0 else str(own) for own in fixed)
                raise StyleError(f"{name}: takes pictures of {own_size} only, not of {size[0]}x{size[1]}")


def _add_profile(builder: Any, config: Any, input_name: str, profile: Profile) -> None:  # noqa: ANN401
    wanted = builder.create_optimization_profile()
    shapes = [(1, height, width, 3) for width, height in (profile.minimum, profile.optimum, profile.maximum)]
    # It returns nothing, and raises ValueError on shapes that contradict each other.
    wanted.set_shape(input_name, *shapes)
    if config.add_optimization_profile(wanted) < 0:
        raise MachineError(f"TensorRT refuses the sizes {profile}")


def _set_capabilities(trt: Any, config: Any, wanted: Sequence[str]) -> None:  # noqa: ANN401
    config.num_compute_capabilities = len(wanted)
    for index, name in enumerate(wanted):
        if not config.set_compute_capability(getattr(trt.ComputeCapability, name.upper()), index):
            raise RuntimeUnavailableError(f"TensorRT-RTX refuses to build for {name}")


def _set_timing_cache(config: Any, blob: bytes | None) -> Any:  # noqa: ANN401
    """Return the cache that the build will use; None where TensorRT takes none, which only costs time."""
    for content in (blob, b"") if blob else (b"",):
        timing = config.create_timing_cache(content)
        if timing is not None and config.set_timing_cache(timing, ignore_mismatch=False):
            return timing
        logger.info("a timing cache of %d bytes doesn't fit this card and driver", len(content))
    return None


def _make_monitor(trt: Any, progress: Progress, stop: threading.Event | None) -> Any:  # noqa: ANN401
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        """Passes progress on; what is raised in it is kept until the build has returned."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.error: BaseException | None = None
            self._outermost: tuple[str, int] | None = None

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if not parent_phase:
                self._outermost = (phase_name, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            try:
                if stop is not None and stop.is_set():
                    raise KeyboardInterrupt
                if self._outermost and self._outermost[0] == phase_name:
                    progress(phase_name, step + 1, self._outermost[1])
            except BaseException as error:  # noqa: BLE001 - raised again once TensorRT's own frames are gone
                self.error = error
            return self.error is None

        def phase_finish(self, phase_name: str) -> None:
            pass

    return Monitor()


def _latest_error(flavour: Flavour) -> str:
    return "; ".join(flavour.logger.recent_errors) or "it gives no reason; --verbose shows its log"
