"""One frame through a network of torch: on the CPU, or on a card on a stream of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidgan.runtime.lanes import enqueueing
from vidgan.runtime.onnx_torch.module import OnnxModule
from vidgan.runtime.tensorrt.cuda import Cuda

Image = NDArray[np.uint8]

# They belong to the whole process, so that two threads must not change them and change them back at the same time.
_FLOAT_SETTINGS = threading.Lock()


class HostLane:
    """Works on one frame on the CPU."""

    def __init__(self, network: OnnxModule) -> None:
        self._network = network

    def run_array(self, frame_HWC: Image) -> Image:
        """Restyle an array; returns a new one."""
        # torch shares memory only with arrays that are contiguous and writeable.
        frame = torch.from_numpy(np.require(frame_HWC, requirements=("C", "W")))
        styled_HWC: Image = self.run_tensor(frame, torch.empty_like(frame), None).numpy()
        return styled_HWC

    def run_tensor(self, frame_HWC: Tensor, styled_HWC: Tensor, _ready: Any) -> Tensor:  # noqa: ANN401
        """Restyle a tensor into another."""
        with torch.no_grad():
            return styled_HWC.copy_(self._network(frame_HWC[None])[0])

    def try_shape(self, frame_HWC: Tensor) -> tuple[int, ...]:
        """Return the shape `(N, H, W, C)` of what the network makes of a picture."""
        with torch.no_grad():
            return tuple(self._network(frame_HWC[None]).shape)


class CardLane:
    """Works on one frame at a time on a card, on a stream of its own. Used by one thread at a time.

    `torch.no_grad` and not `torch.inference_mode`, whose tensors nobody could change afterwards.
    """

    def __init__(self, network: OnnxModule, cuda: Cuda, size: tuple[int, int]) -> None:
        self._network, self._cuda = network, cuda
        self._stream = cuda.new_stream()
        shape = (size[1], size[0], 3)
        self._host_input, self._host_output = cuda.pinned(shape), cuda.pinned(shape)

    def run_array(self, frame_HWC: Image) -> Image:
        """Restyle a picture in the host's memory; returns a new array."""
        np.copyto(self._host_input.numpy(), frame_HWC)
        with self._enqueueing():
            frame = self._host_input.to(self._cuda.device, non_blocking=True)
            self._host_output.copy_(self._network(frame[None])[0], non_blocking=True)
        styled_HWC: Image = self._host_output.numpy().copy()
        return styled_HWC

    def run_tensor(self, frame_HWC: Tensor, styled_HWC: Tensor, ready: Any) -> Tensor:  # noqa: ANN401 - an event
        """Restyle a picture on the card into another, once `ready` has passed; both are free when this returns."""
        with self._enqueueing():
            self._stream.wait_event(ready)
            styled_HWC.copy_(self._network(frame_HWC[None])[0])
        return styled_HWC

    def try_shape(self, frame_HWC: Tensor) -> tuple[int, ...]:
        """Return the shape `(N, H, W, C)` of what the network makes of a picture, and wait for all that came before."""
        ready = self._cuda.new_event()
        with self._enqueueing():
            self._stream.wait_event(ready)
            return tuple(self._network(frame_HWC[None]).shape)

    @contextmanager
    def _enqueueing(self) -> Iterator[None]:
        with enqueueing(self._cuda, self._stream), exact_floats(), torch.no_grad():
            yield


@contextmanager
def exact_floats() -> Iterator[None]:
    """Forbid TF32 to cuDNN and cuBLAS, and put the process's settings back at the end."""
    cudnn = torch.backends.cudnn
    with (
        _FLOAT_SETTINGS,
        cudnn.flags(
            enabled=cudnn.enabled,
            benchmark=cudnn.benchmark,
            deterministic=cudnn.deterministic,
            allow_tf32=False,
            fp32_precision="ieee",
        ),
    ):
        yield
