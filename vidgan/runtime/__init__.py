"""One compiled network on any hardware: uint8 frames in, uint8 frames out."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from vidgan.errors import InputError
from vidgan.picture import Picture
from vidgan.runtime.auto import choose_runtime
from vidgan.runtime.plan import take_network


@dataclass(frozen=True, kw_only=True)
class RuntimeReport:
    """What really runs, as opposed to what was asked for."""

    runtime: str
    """"openvino", "tensorrt" or "torch"."""
    version: str
    """The runtime library's own version."""
    device: str
    """The runtime's name of the device, such as "CPU", "GPU.0" or "cuda:0"."""
    device_name: str
    """The maker's name of the device."""
    precision: str
    """"f32", "f16", "bf16" or "int8", as compiled."""
    size: tuple[int, int]
    """Width and height, in pixels, that the network was compiled for."""
    depth: int
    """How many frames may be in flight."""
    from_cache: bool
    """Loaded from an earlier compilation."""
    tiles: int = 1
    """How many parts every picture is computed in, to save memory."""
    tile_size: tuple[int, int] | None = None
    """Their width and height in pixels; None where pictures are computed whole."""
    reason: str = ""
    """Why this runtime was taken."""
    driver: str | None = None
    """The version of an NVIDIA card's driver."""
    memory_bytes: int | None = None
    """What opening it took of such a card's memory."""
    copy_ms: float | None = None
    """Milliseconds that the copies of one frame to such a card and back take."""


@dataclass(frozen=True, kw_only=True)
class DeviceReport:
    """One device that a runtime can use on this machine."""

    runtime: str
    """"openvino" or "tensorrt"."""
    device: str
    """What to pass as `device`."""
    device_name: str
    """The maker's name."""
    precision: str
    """What `precision="auto"` takes."""
    reason: str
    """Why it takes that."""


class Runtime(Protocol):
    """One compiled network: uint8 frames in, uint8 frames out.

    Every runtime sees the same bytes, so any two can be compared on the same input. What goes in comes out: arrays in
    the host's memory, or, on runtimes of CUDA and torch, tensors on the runtime's device, which don't leave it.
    """

    depth: int
    """How many frames may be in flight before `submit` waits."""
    report: RuntimeReport
    """What really runs."""

    def submit(self, frame_HWC: Picture) -> Future[Picture]:
        """Start one frame; wait first while `depth` frames are in flight.

        Args:
            frame_HWC: RGB, 0..255, `(height, width, 3)` as the runtime was opened for. It is not copied where that can
                be avoided: nobody may write into it until the future is done. A tensor may still be in the making on
                this thread's current stream.

        Returns:
            A future of a new array or tensor of the same shape, which nothing else refers to; a tensor's is done when
            every stream may read it. Futures complete in any order.

        Raises:
            ValueError: wrong shape or dtype.
            RuntimeError: the runtime is closed.
        """

    def close(self) -> None:
        """Finish what is in flight and free the device. Calling it twice is harmless."""


def open_runtime(
    style_path: Path,
    *,
    int8_path: Path | None = None,
    runtime: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    size: tuple[int, int],
    cache_dir: Path | None = None,
    depth: int | None = None,
    num_threads: int | None = None,
    max_memory: int | None = None,
    reserved_memory: int = 0,
) -> Runtime:
    """Compile a network for pictures of one size.

    Args:
        style_path: The ONNX file.
        int8_path: The same network quantised, with QuantizeLinear and DequantizeLinear nodes; None where there is none.
        runtime: "openvino", "tensorrt" or "torch"; "auto" is TensorRT where it can run, and else OpenVINO (see
            `choose_runtime`).
        device: The runtime's name of a device, such as "CPU", "GPU" or "cuda:0"; "auto" is the first NVIDIA card with
            TensorRT, the CPU with OpenVINO.
        precision: "f32", "f16", "bf16" or "int8". "auto" is the fastest that the device computes natively: with
            OpenVINO int8 where there is an int8 network and it is faster, which is measured once on each machine; with
            TensorRT f16.
        size: Width and height in pixels; they must follow the style's size rule.
        cache_dir: Where compiled networks are kept; by default the user's cache folder.
        depth: How many frames may be in flight; by default what the device needs to stay busy, at least 2.
        num_threads: CPU threads; by default the runtime decides.
        max_memory: Bytes that the process may have, all in all. Pictures that don't fit are computed in tiles, which
            gives the same result and takes longer. By default pictures are computed whole. With OpenVINO only.
        reserved_memory: How many of these the caller will take later.

    Raises:
        ValueError: an unknown runtime or precision, or a size, depth, number of threads or of bytes below 1.
        InputError: not even tiles fit into `max_memory`, or the runtime knows none.
        RuntimeUnavailableError: the runtime, the device or the precision is not to be had here.
        StyleError: the file is not a network of the kind that vidgan uses, or int8 is asked for and there is none.
    """
    _check_options(size=size, depth=depth, num_threads=num_threads, max_memory=max_memory)
    choice = choose_runtime(runtime, device)
    if choice.runtime != "openvino" and max_memory is not None:
        raise InputError(f"a limit of memory works with the runtime openvino, not with {choice.runtime}")
    opened: Runtime
    if choice.runtime == "tensorrt":
        from vidgan.runtime.tensorrt.runtime import open_tensorrt

        opened = open_tensorrt(
            style_path,
            int8_path=int8_path,
            device=choice.device,
            precision=precision,
            size=size,
            cache_dir=cache_dir,
            depth=depth,
        )
    elif choice.runtime == "torch":
        from vidgan.runtime.torch import TorchRuntime

        opened = TorchRuntime(
            take_network(style_path, int8_path, precision),
            device=choice.device,
            precision=precision,
            size=size,
            depth=depth,
            num_threads=num_threads,
        )
    else:
        opened = _open_openvino(
            style_path,
            int8_path,
            device=choice.device,
            precision=precision,
            size=size,
            cache_dir=cache_dir,
            depth=depth,
            num_threads=num_threads,
            max_memory=max_memory,
            reserved_memory=reserved_memory,
        )
    opened.report = replace(opened.report, reason=choice.reason)
    return opened


def _open_openvino(
    style_path: Path,
    int8_path: Path | None,
    *,
    device: str,
    precision: str,
    size: tuple[int, int],
    cache_dir: Path | None,
    depth: int | None,
    num_threads: int | None,
    max_memory: int | None,
    reserved_memory: int,
) -> Runtime:
    from vidgan.runtime.choice import choose_network
    from vidgan.runtime.openvino import OpenVINORuntime

    path, precision = choose_network(style_path, int8_path, device=device, precision=precision, cache_dir=cache_dir)
    if max_memory is None:
        return OpenVINORuntime(
            path,
            device=device,
            precision=precision,
            size=size,
            cache_dir=cache_dir,
            depth=depth,
            num_threads=num_threads,
        )
    from vidgan.runtime.limited import open_within

    return open_within(
        path,
        max_memory=max_memory,
        reserved_memory=reserved_memory,
        device=device,
        precision=precision,
        size=size,
        cache_dir=cache_dir,
        depth=depth,
        num_threads=num_threads,
    )


def list_devices() -> list[DeviceReport]:
    """Return every device on this machine that vidgan can use, and what "auto" would do on it."""
    from vidgan.runtime.auto import card_for_tensorrt
    from vidgan.runtime.openvino import openvino_devices

    card, _ = card_for_tensorrt()
    if card is None:
        return openvino_devices()
    device = DeviceReport(
        runtime="tensorrt",
        device=card.device,
        device_name=card.name,
        precision="f16",
        reason=f"{card.compute_capability} computes f16 natively",
    )
    return [device, *openvino_devices()]


def _check_options(*, size: tuple[int, int], **counts: int | None) -> None:
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"size is {size!r}; give width and height in pixels, each 1 or more")
    for name, value in counts.items():
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}; give 1 or more, or None to let vidgan decide")
