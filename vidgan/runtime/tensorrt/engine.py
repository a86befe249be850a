"""From a style's file to a loaded engine: from the store, or built, and built anew where it doesn't load."""

from __future__ import annotations

import hashlib
import logging
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidgan.errors import MachineError, RuntimeUnavailableError
from vidgan.runtime.cache import default_cache_folder
from vidgan.runtime.gpu import Card
from vidgan.runtime.plan import PRECISIONS, EngineIdentity, Profile, file_sha256, take_network
from vidgan.runtime.tensorrt.build import BuildOptions, Progress, build_engine, no_progress
from vidgan.runtime.tensorrt.flavour import Flavour, check_capabilities
from vidgan.runtime.tensorrt.store import StoredEngine, discard_engine, get_or_build, write_whole

logger = logging.getLogger(__name__)

TENSORRT_PRECISIONS = ("f32", "f16", "int8")


@dataclass(frozen=True, kw_only=True)
class Network:
    """A style's network, in the precision to compute in."""

    path: Path
    """The ONNX file that it comes from."""
    precision: str
    """One of `TENSORRT_PRECISIONS`."""

    @property
    def name(self) -> str:
        """A name for people: that of the file's folder, which for a style is the style's."""
        return self.path.parent.name

    def sha256(self) -> str:
        """Return the file's."""
        return file_sha256(self.path)

    def model(self) -> bytes:
        """Return the ONNX model to build from.

        Raises:
            StyleError: the file can't be read.
        """
        from vidgan.runtime.half import to_half
        from vidgan.runtime.onnx_file import read_picture_network

        model = read_picture_network(self.path)
        return bytes((to_half(model) if self.precision == "f16" else model).SerializeToString())


def choose_network(style_path: Path, int8_path: Path | None, precision: str) -> Network:
    """Return the network to build; "auto" is f16, which every card since Turing computes natively.

    Raises:
        ValueError: an unknown precision.
        RuntimeUnavailableError: TensorRT isn't used in this precision.
        StyleError: int8 is asked for, and the style has none.
    """
    precision = "f16" if precision == "auto" else precision
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; use auto, {', '.join(TENSORRT_PRECISIONS)}")
    if precision not in TENSORRT_PRECISIONS:
        raise RuntimeUnavailableError(
            f"TensorRT isn't used in {precision}: it can't compile transposed convolutions in it; use f16"
        )
    return Network(path=take_network(style_path, int8_path, precision), precision=precision)


def identify(
    network: Network,
    flavour: Flavour,
    profiles: tuple[Profile, ...],
    *,
    card: Card | None = None,
    compute_capabilities: tuple[str, ...] = (),
) -> EngineIdentity:
    """Say what an engine is, before it is built: for a card, or ahead of time for compute capabilities.

    Raises:
        RuntimeUnavailableError: the flavour can't build for one of them.
    """
    capabilities = (
        (card.compute_capability,) if card else tuple(sorted(set(compute_capabilities), key=lambda sm: int(sm[2:])))
    )
    check_capabilities(flavour, capabilities)
    flags: tuple[str, ...] = ()
    if network.precision == "f16":
        from vidgan.runtime.half import HALF_VERSION

        flags = (f"half-{HALF_VERSION}",)
    return EngineIdentity(
        model_sha256=network.sha256(),
        precision=network.precision,
        profiles=profiles,
        flavour=flavour.name,
        version=flavour.version,
        compute_capabilities=capabilities,
        gpu=card.name if card else None,
        driver=card.driver if card else None,
        flags=flags,
    )


def engine_folder(cache_dir: Path | None = None) -> Path:
    """Return where engines are kept: in the user's cache folder by default."""
    return (cache_dir or default_cache_folder()) / "tensorrt"


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """What is the same for all builds of one network."""

    network: Network
    """What to build."""
    flavour: Flavour
    """With what."""
    folder: Path
    """Where engines and timing caches are kept."""
    progress: Progress = no_progress
    """Told how far a build is."""
    stop: threading.Event | None = None
    """Set from elsewhere to end a build."""

    def build(self, identity: EngineIdentity) -> bytes:
        """Build an engine; of `tensorrt` the measurements are kept for the next one on this card."""
        timing = self._timing_path(identity)
        options = BuildOptions(
            profiles=identity.profiles,
            compute_capabilities=identity.compute_capabilities,
            timing_cache=read_kept(timing) if timing else None,
        )
        # Of the two, `tensorrt` tries many kernels, which takes minutes.
        level = logging.INFO if self.flavour.is_rtx else logging.WARNING
        sizes = ", ".join(map(str, identity.profiles))
        logger.log(level, "building an engine of %s for pictures of %s, once", self.network.name, sizes)
        built = build_engine(
            self.flavour,
            self.network.model(),
            str(self.network.path),
            options,
            progress=self.progress,
            stop=self.stop,
        )
        if timing and built.timing_cache:
            keep(timing, built.timing_cache)
        return built.plan

    def load(self, trt_runtime: Any, wanted: EngineIdentity) -> tuple[Any, StoredEngine | None, bool]:  # noqa: ANN401
        """Return a loaded engine that serves `wanted`, where it lies, and whether it was there.

        One that TensorRT doesn't take (of another driver, say, or damaged before its sum was taken) is built once more.

        Raises:
            MachineError: TensorRT doesn't take the new one either.
        """
        for anew in (False, True):
            plan, entry, was_there = get_or_build(
                self.folder, wanted, self.network.name, lambda: self.build(wanted), anew=anew
            )
            engine = self._deserialize(trt_runtime, plan)
            if engine is not None:
                return engine, entry, was_there
            if not was_there or entry is None:
                break
            logger.warning("TensorRT doesn't take the engine %s; it is built anew", entry.path)
            with suppress(OSError):  # in a folder that can only be read it stays, and the new one isn't kept
                discard_engine(entry)
        raise MachineError(
            f"{self.flavour.name} {self.flavour.version} doesn't load the engine that it has just built: "
            f"{'; '.join(self.flavour.logger.recent_errors) or 'no reason given'}"
        )

    def _deserialize(self, trt_runtime: Any, plan: bytes) -> Any:  # noqa: ANN401
        if self.flavour.is_rtx:
            validity, diagnostics = trt_runtime.get_engine_validity(plan)
            if validity == self.flavour.trt.EngineValidity.INVALID:
                logger.warning("this engine isn't valid here (diagnostics %s)", diagnostics)
                return None
        return trt_runtime.deserialize_cuda_engine(plan)

    def _timing_path(self, identity: EngineIdentity) -> Path | None:
        if self.flavour.is_rtx:
            return None
        return (
            self.folder / f"timing-{_digest(identity.flavour, identity.version, identity.gpu, identity.driver)}.cache"
        )


def runtime_cache_path(folder: Path, wanted: EngineIdentity) -> Path:
    """Return where TensorRT-RTX's compiled kernels of an engine are kept."""
    return folder / f"kernels-{wanted.key}.cache"


def keep(path: Path, content: bytes) -> None:
    """Write what only saves time; a failure is only warned about."""
    try:
        write_whole(path, content)
    except OSError as error:
        logger.warning("can't keep %s (%s)", path, error)


def read_kept(path: Path) -> bytes | None:
    """Return what `keep` wrote; None where there is nothing."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def _digest(*facts: str | None) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:20]
