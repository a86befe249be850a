"""One frame in flight: a context, a stream, buffers, and a CUDA graph of the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidgan.errors import MachineError
from vidgan.runtime.lanes import enqueueing
from vidgan.runtime.plan import Profile, Size, choose_profile

_RUNS_BEFORE_RTX_IS_READY = 3


class Slot:
    """Runs one frame at a time. Used by one thread at a time.

    The network reads and writes the same buffers every time, so that a graph of it stays valid; frames are copied into
    and out of them. Where the size of the frames changes, buffers and graph are made anew.
    """

    def __init__(
        self,
        context: Any,  # noqa: ANN401 - an IExecutionContext
        tensor_names: tuple[str, str],
        profiles: tuple[Profile, ...],
        cuda: Any,  # noqa: ANN401 - `cuda.Cuda`, or what stands in for it where there is no card
        *,
        capture: bool,
    ) -> None:
        """Prepare nothing yet.

        Args:
            context: of the engine, for this slot alone.
            tensor_names: the input's and the output's.
            profiles: the engine's.
            cuda: the card.
            capture: record a graph. TensorRT-RTX does that itself.
        """
        self._context, self._profiles, self._cuda, self._captures = context, profiles, cuda, capture
        self._input_name, self._output_name = tensor_names
        self._stream = cuda.new_stream()
        self._profile: int | None = None
        self._size: Size | None = None
        self._replay: Callable[[], None] | None = None

    def fit(self, size: Size) -> None:
        """Prepare for frames of a size; nothing happens where it is the last one's.

        Raises:
            MachineError: TensorRT refuses it.
        """
        if size == self._size:
            return
        self._size = None
        with self._cuda.on(self._stream):
            self._set_shape(size)
            shape = (1, size[1], size[0], 3)
            # From the slot's own stream: nobody else ever uses them.
            self._input, self._output = self._cuda.empty(shape), self._cuda.empty(shape)
            for name, buffer in ((self._input_name, self._input), (self._output_name, self._output)):
                self._check(self._context.set_tensor_address(name, buffer.data_ptr()), f"the address of {name}")
            self._host_input, self._host_output = self._cuda.pinned(shape), self._cuda.pinned(shape)
            self._input.zero_()
            self._replay = None
            # Without recording: TensorRT allocates and compiles at the first run with a new shape. TensorRT-RTX records
            # its own graph in one of the next, which had better be while no other thread is at work on the card.
            for _ in range(1 if self._captures else _RUNS_BEFORE_RTX_IS_READY):
                self._enqueue()
                self._stream.synchronize()
        if self._captures:
            self._replay = self._cuda.capture(self._stream, self._enqueue)
        self._size = size

    def run_array(self, frame_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Restyle a picture in the host's memory; returns a new array."""
        self.fit((frame_HWC.shape[1], frame_HWC.shape[0]))
        np.copyto(self._host_input.numpy()[0], frame_HWC)
        with enqueueing(self._cuda, self._stream):
            self._input.copy_(self._host_input, non_blocking=True)
            self._launch()
            self._host_output.copy_(self._output, non_blocking=True)
        styled_HWC: NDArray[np.uint8] = self._host_output.numpy()[0].copy()
        return styled_HWC

    def run_tensor(self, frame_HWC: Any, styled_HWC: Any, ready: Any) -> Any:  # noqa: ANN401 - tensors, and an event
        """Restyle a picture on the card into `styled_HWC`, once `ready` has passed; both are free when it returns."""
        self.fit((frame_HWC.shape[1], frame_HWC.shape[0]))
        with enqueueing(self._cuda, self._stream):
            self._stream.wait_event(ready)
            self._input[0].copy_(frame_HWC)
            self._launch()
            styled_HWC.copy_(self._output[0])
        return styled_HWC

    def time_copies(self) -> float:
        """Return the milliseconds that the copies of one picture take, there and back."""
        with self._cuda.on(self._stream):
            return float(self._cuda.time_copies(self._host_input, self._input))

    def _set_shape(self, size: Size) -> None:
        index = choose_profile(self._profiles, size)
        if index is None:
            held = ", ".join(map(str, self._profiles))
            raise MachineError(f"this engine was built for {held}, not for {size[0]}x{size[1]}")
        if index != self._profile:
            self._check(self._context.set_optimization_profile_async(index, self._stream.cuda_stream), "the profile")
            self._stream.synchronize()
            self._profile = index
        shape = (1, size[1], size[0], 3)
        self._check(self._context.set_input_shape(self._input_name, shape), f"pictures of {size[0]}x{size[1]}")
        missing = self._context.infer_shapes()
        styled = tuple(self._context.get_tensor_shape(self._output_name))
        if missing or styled != shape:
            raise MachineError(f"TensorRT makes {styled} of {shape} (unknown: {', '.join(missing) or 'nothing'})")

    def _launch(self) -> None:
        (self._replay or self._enqueue)()

    def _enqueue(self) -> None:
        self._check(self._context.execute_async_v3(self._stream.cuda_stream), "to run")

    @staticmethod
    def _check(done: bool, what: str) -> None:
        if not done:
            raise MachineError(f"TensorRT refuses {what}; --verbose shows its log")
