"""OpenVINO: networks on any CPU, and on Intel's GPUs and NPUs."""

from __future__ import annotations

import functools
import logging
import queue
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidgan.errors import MachineError, RuntimeUnavailableError, StyleError
from vidgan.runtime import DeviceReport, RuntimeReport
from vidgan.runtime.cache import cache_entry, default_cache_folder
from vidgan.runtime.openvino_import import frontend, ov
from vidgan.runtime.plan import PRECISIONS, BuildIdentity, choose_precision, file_sha256
from vidgan.runtime.slots import Slots
from vidgan.threads import available_cores, plan_threads

logger = logging.getLogger(__name__)

# The ONNX front end's errors derive from Exception only; the rest of OpenVINO raises RuntimeError.
OPENVINO_ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    frontend.GeneralFailure,
    frontend.InitializationFailure,
    frontend.NotImplementedFailure,
    frontend.OpConversionFailure,
    frontend.OpValidationFailure,
)


class OpenVINORuntime:
    """A network compiled by OpenVINO for pictures of one size. A context manager.

    Every frame in flight has its own inference request and its own waiting thread. OpenVINO's completion callbacks
    would need no threads, but they are not called when an inference fails, and the future would never complete.
    One thread may submit while others wait for the results.
    """

    def __init__(
        self,
        style_path: Path,
        *,
        device: str = "auto",
        precision: str = "auto",
        size: tuple[int, int],
        cache_dir: Path | None = None,
        depth: int | None = None,
        num_threads: int | None = None,
    ) -> None:
        """Compile `style_path`; arguments and errors are those of `vidgan.runtime.open_runtime`."""
        device, options = choose_options(device, precision, depth=depth, num_threads=num_threads)
        model = read_network(style_path)
        fix_size(model, style_path, size)
        compiled = compile_cached(model, style_path, device, options, size=size, cache_dir=cache_dir)
        # One more than there are streams: the next frame is there already when one of them has finished.
        self.depth = depth or 1 + compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self.report = RuntimeReport(
            runtime="openvino",
            version=ov.get_version().split("-")[0],
            device=device,
            device_name=device_name(device),
            precision=reported_precision(precision, options),
            size=size,
            depth=self.depth,
            from_cache=bool(compiled.get_property("LOADED_FROM_CACHE")),
        )
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(self.depth):
            self._requests.put(compiled.create_infer_request())
        self._slots = Slots(size, self.depth, self.depth, "vidgan-openvino")

    def __enter__(self) -> OpenVINORuntime:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def submit(self, frame_HWC: NDArray[np.uint8]) -> Future[NDArray[np.uint8]]:
        """Start one frame, as `vidgan.runtime.Runtime.submit` says. A frame that can't be written to is copied."""
        return self._slots.submit(frame_HWC, self._infer)

    def close(self) -> None:
        """Finish what is in flight and free the network. Calling it twice is harmless."""
        self._slots.close()
        while not self._requests.empty():
            self._requests.get()

    def _infer(self, frame_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
        # OpenVINO shares memory with arrays only where they are contiguous and writeable.
        frame_NHWC = np.require(frame_HWC, requirements=("C", "W"))[np.newaxis]
        styled_NHWC = np.empty_like(frame_NHWC)
        request = self._requests.get()
        try:
            request.set_input_tensor(ov.Tensor(frame_NHWC, shared_memory=True))
            request.set_output_tensor(ov.Tensor(styled_NHWC, shared_memory=True))
            request.start_async()
            request.wait()
        except RuntimeError as error:
            raise MachineError(f"inference failed on {self.report.device}: {reason_of(error)}") from error
        finally:
            self._requests.put(request)
        styled_HWC: NDArray[np.uint8] = styled_NHWC[0]
        return styled_HWC


def openvino_devices() -> list[DeviceReport]:
    """Return every device that OpenVINO finds on this machine."""
    reports = []
    for device in _core().available_devices:
        precision, reason = choose_precision(device, _capabilities(device))
        reports.append(
            DeviceReport(
                runtime="openvino", device=device, device_name=device_name(device), precision=precision, reason=reason
            )
        )
    return reports


def read_network(path: Path) -> ov.Model:
    """Read an ONNX file and check that it is one of ours: `(N, H, W, 3)` uint8 in, the same out.

    Raises:
        StyleError: it can't be read, or has other inputs or outputs.
    """
    try:
        # Asked for by name, since OpenVINO would otherwise try its other readers on a broken file, some of which
        # write to standard error.
        reader = frontend.FrontEndManager().load_by_framework("onnx")
        model = reader.convert(reader.load(str(path)))
    except OPENVINO_ERRORS as error:
        raise StyleError(f"{path}: not a readable ONNX file: {reason_of(error)}") from error
    for kind, ports in (("input", model.inputs), ("output", model.outputs)):
        if len(ports) != 1:
            raise StyleError(f"{path}: has {len(ports)} {kind}s; a style's network has one")
        shape, dtype = ports[0].get_partial_shape(), ports[0].get_element_type()
        fits = shape.compatible(ov.PartialShape([-1, -1, -1, 3]))
        # Free channels last would let (N, 3, H, W) pass; of an output not everything may be known before it has a size.
        if dtype != ov.Type.u8 or not fits or (kind == "input" and shape[3].is_dynamic):
            raise StyleError(f"{path}: its {kind} is {dtype.get_type_name()} {shape}; a style's is u8 [N,H,W,3]")
    return model


def compile_any_size(path: Path) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """Compile an ONNX file on the CPU, in f32, for batches of all sizes: slow, for comparisons.

    Returns:
        A function from `(N, H, W, 3)` uint8 to a new array of the same kind.

    Raises:
        StyleError: the file is not a network of the kind that vidgan uses, or can't run.
    """
    compiled = _core().compile_model(read_network(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def infer(frames_NHWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
        try:
            # Shared inputs have crashed a network that only copies, at its second size.
            return np.array(compiled([frames_NHWC], share_inputs=False)[0])
        except OPENVINO_ERRORS as error:
            raise StyleError(f"{path}: doesn't run on pictures {frames_NHWC.shape}: {reason_of(error)}") from error

    return infer


def fix_size(model: ov.Model, path: Path, size: tuple[int, int]) -> None:
    """Give the network, made from `path`, one width and height: compiled so, it is faster than one that takes all.

    Raises:
        StyleError: it doesn't take pictures of that size, or changes it.
    """
    width, height = size
    hint = "give a size that it takes, or correct size_multiple and minimum_size in its card"
    shape = [1, height, width, 3]
    try:
        model.reshape(shape)
    except OPENVINO_ERRORS as error:
        raise StyleError(f"{path}: doesn't take pictures of {width}x{height} ({reason_of(error)}); {hint}") from error
    styled = model.outputs[0].get_partial_shape()
    if not styled.compatible(ov.PartialShape(shape)):
        raise StyleError(f"{path}: makes {styled} of {shape}; a style keeps the size of the picture; {hint}")


def _compile_options(precision: str, *, device: str, depth: int | None, num_threads: int | None) -> dict[str, str]:
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    if device.startswith("CPU"):
        plan = plan_threads(num_threads)
        streams = min(plan.network_streams, depth or plan.network_streams)
        # Pinned to cores, the network's threads would wait for the other stages' instead of changing places.
        options |= {
            "NUM_STREAMS": str(streams),
            "INFERENCE_NUM_THREADS": str(num_threads or available_cores()),
            "ENABLE_CPU_PINNING": "NO",
        }
    return options


def choose_options(
    device: str, precision: str, *, depth: int | None, num_threads: int | None
) -> tuple[str, dict[str, str]]:
    """Return OpenVINO's name of the device that was asked for, and the options to compile for it.

    Raises:
        ValueError: an unknown precision.
        RuntimeUnavailableError: no such device.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; use one of {', '.join(PRECISIONS)}")
    device = _find_device(device)
    if precision in ("auto", "int8"):  # of an int8 network too, some layers compute in floats
        precision = choose_precision(device, _capabilities(device))[0]
    return device, _compile_options(precision, device=device, depth=depth, num_threads=num_threads)


def reported_precision(precision: str, options: dict[str, str]) -> str:
    """Return what a report says of a network that was compiled with these options, when `precision` was asked for."""
    return "int8" if precision == "int8" else options["INFERENCE_PRECISION_HINT"]


def compile_cached(
    model: ov.Model,
    path: Path,
    device: str,
    options: dict[str, str],
    *,
    size: tuple[int, int],
    cache_dir: Path | None,
    part: str = "",
) -> ov.CompiledModel:
    """Compile a network of one size, or take it from the cache.

    Args:
        model: made from `path`, with all sizes fixed.
        path: The ONNX file.
        device: As `choose_options` gives it, like the next one.
        options: What OpenVINO is told.
        size: Width and height in pixels.
        cache_dir: Where compiled networks are kept; by default the user's cache folder.
        part: Says which part of the network `model` is, where it isn't the whole.

    Raises:
        RuntimeUnavailableError: the device can't compile it, or not in this precision.
    """
    identity = BuildIdentity(
        model_sha256=file_sha256(path),
        runtime=f"openvino {ov.get_version()}",
        device=f"{device} {device_name(device)}",
        precision=options["INFERENCE_PRECISION_HINT"],
        size=size,
        options=repr(sorted(options.items())) + part,
    )
    with cache_entry((cache_dir or default_cache_folder()) / "openvino", identity.key) as entry:
        cached_options = {**options, "CACHE_DIR": str(entry)} if entry else options
        try:
            compiled = _core().compile_model(model, device, cached_options)
        except OPENVINO_ERRORS as error:
            raise RuntimeUnavailableError(f"{device} can't compile {path}: {reason_of(error)}") from error
    _check_precision(compiled, device, options["INFERENCE_PRECISION_HINT"])
    return compiled


def _check_precision(compiled: ov.CompiledModel, device: str, precision: str) -> None:
    """Refuse a precision that OpenVINO replaced by another one without saying so."""
    actual = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if actual != precision:
        raise RuntimeUnavailableError(
            f"{device} ({device_name(device)}) can't compute in {precision}; use precision 'auto' or {actual!r}"
        )


def _find_device(device: str) -> str:
    present = _core().available_devices
    wanted = "CPU" if device == "auto" else device.upper()
    # "GPU" is what people type; with several of them OpenVINO lists "GPU.0", "GPU.1".
    if wanted in present or f"{wanted}.0" in present:
        return wanted
    raise RuntimeUnavailableError(f"OpenVINO finds no device {device!r} on this machine; present: {', '.join(present)}")


def _capabilities(device: str) -> list[str]:
    return list(_core().get_property(device, "OPTIMIZATION_CAPABILITIES"))


def device_name(device: str) -> str:
    """Return the maker's name of a device."""
    return str(_core().get_property(device, "FULL_DEVICE_NAME")).strip()


@functools.cache
def _core() -> ov.Core:
    return ov.Core()


def reason_of(error: Exception) -> str:
    """Return the one line of OpenVINO's message that is about the matter, not about its source files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("Exception from", "FrontEnd API failed"))] or lines
    return lines[-1][:200] if lines else type(error).__name__
