"""The few things that running an engine needs of CUDA, by way of torch: memory of frames, streams, graphs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

# torch waits for the whole card before it records, which breaks a recording in another thread.
_CAPTURE = threading.Lock()


class Cuda:
    """One card."""

    def __init__(self, device: str) -> None:
        """Take the card that torch calls `device`, such as "cuda:0"."""
        self.device = torch.device(device)

    def current(self) -> AbstractContextManager[Any]:
        """Make it the current card of this thread: libraries other than torch go by that."""
        return torch.cuda.device(self.device)

    def new_stream(self) -> torch.cuda.Stream:
        """Return a stream of its own, which doesn't wait for the default stream."""
        return torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]

    def on(self, stream: torch.cuda.Stream) -> AbstractContextManager[Any]:
        """Enqueue on `stream`, and make its card the current one."""
        return torch.cuda.stream(stream)

    def new_event(self) -> torch.cuda.Event:
        """Return an event that is recorded on this thread's current stream, now."""
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self.device))
        return event

    def empty(self, shape: tuple[int, ...]) -> Tensor:
        """Return uint8 memory on the card, which belongs to this thread's current stream."""
        return torch.empty(shape, dtype=torch.uint8, device=self.device)

    def pinned(self, shape: tuple[int, ...]) -> Tensor:
        """Return uint8 memory of the host that the card can copy from and to by itself."""
        return torch.empty(shape, dtype=torch.uint8, pin_memory=True)

    def capture(self, stream: torch.cuda.Stream, enqueue: Callable[[], None]) -> Callable[[], None]:
        """Record what `enqueue` puts on `stream` as a graph, without running it.

        Returns:
            What puts all of it on the current stream at once.
        """
        graph = torch.cuda.CUDAGraph()
        # Other threads go on allocating and copying meanwhile; only this one is watched.
        with _CAPTURE, torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            enqueue()
        return graph.replay

    def release_unused(self) -> None:
        """Give back what torch keeps for later: TensorRT allocates weights and activations by itself."""
        torch.cuda.empty_cache()

    def free_memory(self) -> int:
        """Return how many bytes of the card are free."""
        return int(torch.cuda.mem_get_info(self.device)[0])

    def time_copies(self, host: Tensor, card: Tensor) -> float:
        """Return the milliseconds that one copy there and one back take, the least of five."""
        times = []
        for _ in range(5):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            begin.record()
            card.copy_(host, non_blocking=True)
            host.copy_(card, non_blocking=True)
            end.record()
            end.synchronize()
            times.append(begin.elapsed_time(end))
        return float(min(times))
