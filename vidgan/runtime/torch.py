"""PyTorch: networks run node by node, on the CPU and on NVIDIA cards. Slow, and what the others are compared with."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import torch

from vidgan.errors import MachineError, RuntimeUnavailableError, StyleError
from vidgan.picture import Picture
from vidgan.runtime import RuntimeReport
from vidgan.runtime.gpu import cuda_index, list_cards
from vidgan.runtime.half import to_half
from vidgan.runtime.lanes import Lanes
from vidgan.runtime.onnx_file import read_picture_network
from vidgan.runtime.onnx_torch.module import OnnxModule
from vidgan.runtime.plan import PRECISIONS
from vidgan.runtime.tensorrt.cuda import Cuda
from vidgan.runtime.torch_lanes import CardLane, HostLane

DEFAULT_DEPTH = 2


class TorchRuntime:
    """A network run by PyTorch, for pictures of one size. A context manager.

    Frames are arrays in the host's memory, or torch tensors on the runtime's device, which don't leave it. On a card
    every frame in flight has a stream of its own. On the CPU one frame is worked on after another, each by all threads.

    On a card nothing in f32 is rounded to TF32, since this is a reference: that is forbidden to the whole process while
    a frame is enqueued.

    Has not run on a card yet: see the README's limits.
    """

    def __init__(
        self,
        style_path: Path,
        *,
        device: str = "auto",
        precision: str = "auto",
        size: tuple[int, int],
        depth: int | None = None,
        num_threads: int | None = None,
    ) -> None:
        """Read `style_path`, and run it once to see that it takes pictures of this size.

        Args:
            style_path: The ONNX file; for "int8" the quantised one.
            device: "cpu", "cuda", "cuda:1"; "auto" is the first card, or the CPU where there is none.
            precision: "f32", "f16", "bf16", or "int8" for a quantised file, which runs as it stands: torch computes in
                floats what was rounded to int8's levels. "auto" is "int8" for such a file; for others f16 on a card,
                f32 on the CPU.
            size: Width and height in pixels.
            depth: How many frames may be in flight; 2 by default.
            num_threads: CPU threads. torch has one number of them for the whole process; it stays set.

        Raises:
            ValueError: an unknown precision.
            RuntimeUnavailableError: no such device.
            MachineError: the device's memory is full.
            StyleError: the file is not a network of the kind that vidgan uses, doesn't take this size, or can't be
                run in this precision.
        """
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}; use one of {', '.join(PRECISIONS)}")
        self._device = find_torch_device(device)
        self._cuda = Cuda(str(self._device)) if self._device.type == "cuda" else None
        if num_threads is not None:
            torch.set_num_threads(num_threads)
        model = read_picture_network(style_path)
        precision = _choose_precision(model, style_path, precision, self._device)
        if precision in ("f16", "bf16"):
            model = to_half(model, dtype="f16" if precision == "f16" else "bf16")
        self.depth = depth or DEFAULT_DEPTH
        free = self._cuda.free_memory() if self._cuda else 0
        lanes = self._make_lanes(OnnxModule(model), style_path, size)
        cards, _ = list_cards() if self._cuda else ((), "")
        self.report = RuntimeReport(
            runtime="torch",
            version=str(torch.__version__),
            device=str(self._device),
            device_name=_device_name(self._device),
            precision=precision,
            size=size,
            depth=self.depth,
            from_cache=False,
            driver=cards[0].driver if cards else None,
            memory_bytes=max(free - self._cuda.free_memory(), 0) if self._cuda else None,
        )
        self._lanes = Lanes(
            lanes,
            device=self._device,
            cuda=self._cuda,
            where=str(self._device),
            size=size,
            depth=self.depth,
            name="vidgan-torch",
        )

    def __enter__(self) -> TorchRuntime:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def submit(self, frame_HWC: Picture) -> Future[Picture]:
        """Start one frame, as `vidgan.runtime.Runtime.submit` says. An array that can't be written to is copied.

        Raises:
            ValueError: wrong shape or dtype, or a tensor on another device.
            RuntimeError: the runtime is closed.
        """
        return self._lanes.submit(frame_HWC)

    def close(self) -> None:
        """Finish what is in flight and free the network. Calling it twice is harmless."""
        self._lanes.close()

    def _make_lanes(self, network: OnnxModule, path: Path, size: tuple[int, int]) -> list[HostLane | CardLane]:
        try:
            network.to(self._device)
            if self._cuda is None:
                lanes: list[HostLane | CardLane] = [HostLane(network)]
            else:
                lanes = [CardLane(network, self._cuda, size) for _ in range(self.depth)]
            # On the stream that the weights were copied on, and waited for: from here on any stream may read them.
            frame_HWC = torch.zeros(size[1], size[0], 3, dtype=torch.uint8, device=self._device)
            styled_shape = lanes[0].try_shape(frame_HWC)
        except torch.OutOfMemoryError as error:
            raise MachineError(f"{self._device} hasn't enough memory for {path} at {size[0]}x{size[1]}") from error
        except torch.AcceleratorError as error:
            raise MachineError(f"{self._device} can't run {path}: {str(error).splitlines()[0]}") from error
        except RuntimeError as error:
            raise StyleError(f"{path}: doesn't take pictures of {size[0]}x{size[1]} ({error}); {_SIZE_HINT}") from error
        shape = (1, *frame_HWC.shape)
        if styled_shape != shape:
            raise StyleError(
                f"{path}: makes {styled_shape} of {shape}; a style keeps the size of the picture; {_SIZE_HINT}"
            )
        return lanes


_SIZE_HINT = "give a size that it takes, or correct size_multiple and minimum_size in its card"


def find_torch_device(device: str) -> torch.device:
    """Return the device of a name as in `TorchRuntime`.

    Raises:
        RuntimeUnavailableError: torch doesn't find it on this machine.
    """
    name = device.lower()
    if name == "auto":
        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    present = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    index = cuda_index(name)
    if index is None or f"cuda:{index}" not in present:
        raise RuntimeUnavailableError(
            f"torch {torch.__version__} finds no device {device!r} on this machine; present: {', '.join(present)}"
        )
    return torch.device("cuda", index)


def _choose_precision(model: Any, path: Path, precision: str, device: torch.device) -> str:  # noqa: ANN401
    is_quantised = any(node.op_type == "QuantizeLinear" for node in model.graph.node)
    if precision == "auto":
        return "int8" if is_quantised else "f16" if device.type == "cuda" else "f32"
    if is_quantised and precision in ("f16", "bf16"):
        raise StyleError(f"{path}: is quantised, and runs in int8 only; give the float network for {precision}")
    if precision == "int8" and not is_quantised:
        raise StyleError(f"{path}: isn't quantised; `vidgan quantise` makes an int8 network")
    return precision


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    from vidgan.runtime.openvino import device_name  # torch knows no names of CPUs

    return device_name("CPU")
