"""The runtime: frames in, frames out, several in flight on one card."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from vidgan.errors import MachineError
from vidgan.picture import Picture
from vidgan.runtime import RuntimeReport
from vidgan.runtime.gpu import Card, cuda_index, find_card
from vidgan.runtime.lanes import Lanes
from vidgan.runtime.plan import EngineIdentity, Profile, choose_profile
from vidgan.runtime.tensorrt.engine import (
    Workshop,
    choose_network,
    engine_folder,
    identify,
    keep,
    read_kept,
    runtime_cache_path,
)
from vidgan.runtime.tensorrt.flavour import Flavour, flavour_for
from vidgan.runtime.tensorrt.slot import Slot

logger = logging.getLogger(__name__)

DEFAULT_DEPTH = 3
"""One frame on its way to the card, one in the network, one on its way back."""


def open_tensorrt(
    style_path: Path,
    *,
    int8_path: Path | None = None,
    device: str = "cuda:0",
    precision: str = "auto",
    size: tuple[int, int],
    cache_dir: Path | None = None,
    depth: int | None = None,
) -> TensorRTRuntime:
    """Load the engine for a card and a size, or build it first; arguments and errors as in `open_runtime`."""
    from vidgan.runtime.tensorrt.cuda import Cuda

    card = find_card(cuda_index(device) or 0)
    flavour = flavour_for(card.compute_capability)
    network = choose_network(style_path, int8_path, precision)
    workshop = Workshop(network=network, flavour=flavour, folder=engine_folder(cache_dir))
    wanted = identify(network, flavour, (Profile.static(size),), card=card)
    return TensorRTRuntime(Cuda(card.device), card, workshop, wanted, depth=depth or DEFAULT_DEPTH)


class TensorRTRuntime:
    """A network compiled by TensorRT. A context manager; one thread submits, others wait for the results.

    Frames are arrays in the host's memory, or torch tensors on the runtime's card, which don't leave it. Beyond what
    `vidgan.runtime.Runtime` promises, frames may have any size that the engine was built for.

    Has not run on a card yet: see the README's limits.
    """

    def __init__(
        self,
        cuda: Any,  # noqa: ANN401 - `cuda.Cuda`, or what stands in for it where there is no card
        card: Card,
        workshop: Workshop,
        wanted: EngineIdentity,
        *,
        depth: int,
    ) -> None:
        """Load the engine that serves `wanted`, which has one size, or build it; prepare `depth` slots for that size.

        Raises:
            MachineError: TensorRT doesn't load its own engine, or the card's memory is full.
            StyleError, RuntimeUnavailableError: it has to be built, and can't be.
        """
        flavour, size = workshop.flavour, wanted.profiles[0].optimum
        self._cuda, self.depth = cuda, depth
        try:
            with cuda.current():
                cuda.release_unused()
                free = cuda.free_memory()
                was_there = self._load(workshop, wanted)
                for slot in self._all:
                    slot.fit(size)
                copy_ms, taken = self._all[0].time_copies(), max(free - cuda.free_memory(), 0)
        except RuntimeError as error:  # torch's, and pybind's for TensorRT's: of memory, for the most part
            where = f"{card.name} can't run {workshop.network.path} at {size[0]}x{size[1]}"
            raise MachineError(f"{where}: {str(error).splitlines()[0]}") from error
        if self._kernels:
            self._kernels.save()
        self.report = RuntimeReport(
            runtime="tensorrt",
            version=f"{flavour.name} {flavour.version}",
            device=card.device,
            device_name=card.name,
            precision=wanted.precision,
            size=size,
            depth=depth,
            from_cache=was_there,
            driver=card.driver,
            memory_bytes=taken,
            copy_ms=copy_ms,
        )
        self._lanes = Lanes(
            self._all,
            device=cuda.device,
            cuda=cuda,
            where=card.name,
            size=None,
            depth=depth,
            name="vidgan-tensorrt",
        )

    def _load(self, workshop: Workshop, wanted: EngineIdentity) -> bool:
        """Load the engine and make the slots; returns whether the engine was there."""
        flavour = workshop.flavour
        # All of these must live for as long as the contexts do.
        self._trt_runtime: Any = flavour.trt.Runtime(flavour.logger)
        engine, entry, was_there = workshop.load(self._trt_runtime, wanted)
        self._engine: Any = engine
        self._profiles = entry.identity.profiles if entry else wanted.profiles
        kernels = _Kernels(flavour, self._engine, runtime_cache_path(workshop.folder, wanted))
        self._all = [self._make_slot(flavour, kernels) for _ in range(self.depth)]
        self._kernels: _Kernels | None = kernels
        return was_there

    def _make_slot(self, flavour: Flavour, kernels: _Kernels) -> Slot:
        context = kernels.new_context()
        if context is None:
            raise MachineError(
                f"TensorRT makes no context ({'; '.join(flavour.logger.recent_errors)}): is the card's memory full?"
            )
        names = self._engine.get_tensor_name(0), self._engine.get_tensor_name(1)
        if self._engine.get_tensor_mode(names[0]) != flavour.trt.TensorIOMode.INPUT:
            names = names[1], names[0]
        return Slot(context, names, self._profiles, self._cuda, capture=not flavour.is_rtx)

    def __enter__(self) -> TensorRTRuntime:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def submit(self, frame_HWC: Picture) -> Future[Picture]:
        """Start one frame, as `vidgan.runtime.Runtime.submit` says."""
        self._check(frame_HWC)
        return self._lanes.submit(frame_HWC)

    def close(self) -> None:
        """Finish what is in flight and free the card. Calling it twice is harmless."""
        with self._cuda.current():
            # Graphs and contexts first, then what they were made from and with.
            self._lanes.close()
            self._all.clear()
            self._kernels = self._engine = self._trt_runtime = None

    def _check(self, frame: Picture) -> None:
        is_picture = frame.ndim == 3 and frame.shape[2] == 3 and str(frame.dtype).removeprefix("torch.") == "uint8"
        if not is_picture or choose_profile(self._profiles, (frame.shape[1], frame.shape[0])) is None:
            sizes = ", ".join(map(str, self._profiles))
            raise ValueError(
                f"frame is {frame.dtype} {tuple(frame.shape)}; this network was built for uint8 (H, W, 3) of {sizes}"
            )


class _Kernels:
    """How contexts are made; of TensorRT-RTX, the kernels that it compiled for this card, kept on disk."""

    def __init__(self, flavour: Flavour, engine: Any, path: Path) -> None:  # noqa: ANN401
        self._engine, self._path = engine, path
        self._config = self._cache = None
        if not flavour.is_rtx:
            return
        trt = flavour.trt
        self._config = engine.create_runtime_config()
        # It knows better than we when kernels for a new shape are ready to be recorded.
        self._config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        strategies = trt.DynamicShapesKernelSpecializationStrategy
        self._config.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
        self._cache = self._config.create_runtime_cache()
        self._found = read_kept(path)
        if self._found and not self._cache.deserialize(self._found):
            logger.info("the kernels in %s don't fit this card and driver; they are compiled anew", path)
        if not self._config.set_runtime_cache(self._cache):
            raise MachineError("TensorRT-RTX refuses its own cache of kernels")

    def new_context(self) -> Any:  # noqa: ANN401
        """Return an execution context; None where TensorRT makes none."""
        if self._config is None:
            return self._engine.create_execution_context()
        return self._engine.create_execution_context(self._config)

    def save(self) -> None:
        """Keep what was compiled, unless it was all there before."""
        memory = self._cache.serialize() if self._cache is not None else None
        if memory is not None and bytes(memory) != self._found:
            keep(self._path, bytes(memory))
