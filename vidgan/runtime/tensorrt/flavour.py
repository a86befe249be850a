"""The two packages that are TensorRT, and the one logger that a process may have."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from vidgan.errors import RuntimeUnavailableError

RTX, CLASSIC = "tensorrt_rtx", "tensorrt"
FLAVOURS = (RTX, CLASSIC)
"""Of both, the first that supports the card is taken: RTX builds in seconds, and needs no card for it."""
OLDEST_MAJOR = {RTX: 1, CLASSIC: 11}
"""Before 11, networks weren't always strongly typed, so that f16 meant something else."""
OLDEST_CAPABILITY = 75
"""Turing: the oldest that TensorRT 11 supports."""
_PACKAGES = {
    RTX: ("tensorrt-rtx-cu13", "tensorrt-rtx-cu12", "tensorrt-rtx"),
    CLASSIC: ("tensorrt", "tensorrt-cu13", "tensorrt-cu12"),
}
"""Names under which they are installed."""
_PIP = {
    RTX: "pip install 'vidgan[tensorrt]'",
    CLASSIC: "pip install --extra-index-url https://pypi.nvidia.com 'tensorrt>=11,<12'",
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Flavour:
    """One of the packages, imported."""

    name: str
    """"tensorrt_rtx" or "tensorrt"."""
    version: str
    """Exact: engines can't be taken to another one."""
    trt: Any
    """The module."""
    logger: Any
    """An ILogger that speaks through `logging`, and keeps the latest errors as `recent_errors`."""

    @property
    def is_rtx(self) -> bool:
        """Builds ahead of time for any card, compiles kernels when it runs."""
        return self.name == RTX


def installed_flavours() -> dict[str, str]:
    """Return the versions of the packages that are installed, by module; none is imported."""
    versions = {}
    for name in FLAVOURS:
        spec = importlib.util.find_spec(name)
        if spec and spec.origin:  # any folder of that name has a spec too
            versions[name] = _version(name)
    return versions


def _version(name: str) -> str:
    for package in _PACKAGES[name]:
        with suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(package)
    return "unknown"


@functools.cache
def load_flavour(name: str) -> Flavour:
    """Import one of the packages.

    Raises:
        RuntimeUnavailableError: it isn't installed, its libraries are missing, or it is too old.
    """
    try:
        trt = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise RuntimeUnavailableError(f"{name} isn't installed: {_PIP[name]}") from error
    except (ImportError, OSError) as error:  # the package is there without its libraries
        raise RuntimeUnavailableError(f"{name} can't be loaded ({error}): {_PIP[name]}") from error
    version = str(trt.__version__)
    if int(version.split(".")[0]) < OLDEST_MAJOR[name]:
        raise RuntimeUnavailableError(f"{name} {version} is too old; {_PIP[name]}")
    return Flavour(name=name, version=version, trt=trt, logger=_make_logger(trt))


def flavour_for(compute_capability: str | None) -> Flavour:
    """Return the package to build and run with on a card; for None, the one that builds without a card.

    Raises:
        RuntimeUnavailableError: neither is installed, or none that is supports the card.
    """
    installed = installed_flavours()
    if compute_capability is None:
        return load_flavour(RTX)
    reasons = []
    for name in FLAVOURS:
        if name not in installed:
            continue
        try:
            flavour = load_flavour(name)
        except RuntimeUnavailableError as error:
            reasons.append(str(error))
            continue
        known = supported_capabilities(flavour)
        if compute_capability in known or (not known and int(compute_capability[2:]) >= OLDEST_CAPABILITY):
            return flavour
        reasons.append(f"{name} {flavour.version} doesn't support {compute_capability}")
    if not installed:
        reasons.append(f"neither tensorrt_rtx nor tensorrt is installed: {_PIP[RTX]}")
    elif CLASSIC not in installed:
        reasons.append(f"tensorrt may: {_PIP[CLASSIC]}")
    raise RuntimeUnavailableError("; ".join(reasons))


def supported_capabilities(flavour: Flavour) -> tuple[str, ...]:
    """Return the compute capabilities that engines can be built for ahead of time ("sm89"); none for `tensorrt`."""
    if not flavour.is_rtx:
        return ()
    names = flavour.trt.ComputeCapability.__members__
    return tuple(name.lower() for name in names if name.startswith("SM"))


def check_capabilities(flavour: Flavour, wanted: Sequence[str]) -> None:
    """Refuse what engines can't be built for.

    Raises:
        RuntimeUnavailableError: this flavour doesn't know one of the compute capabilities.
    """
    known = supported_capabilities(flavour)
    unknown = [name for name in wanted if known and name not in known]
    if unknown or not wanted:
        raise RuntimeUnavailableError(
            f"{flavour.name} {flavour.version} can't build for {', '.join(unknown) or 'no card at all'}; it knows "
            f"{', '.join(known)}; for others build on such a card itself, with 'vidgan[tensorrt-classic]'"
        )


def _make_logger(trt: Any) -> Any:  # noqa: ANN401 - a module, and an object of it
    severity = trt.ILogger.Severity
    errors = (severity.INTERNAL_ERROR, severity.ERROR)
    levels = {
        # They become exceptions of ours, with their text: nobody needs to read them twice.
        **dict.fromkeys(errors, logging.INFO),
        severity.WARNING: logging.WARNING,
        # TensorRT's INFO is a page for each engine.
        severity.INFO: logging.DEBUG,
        severity.VERBOSE: logging.DEBUG,
    }

    class Logger(trt.ILogger):  # type: ignore[misc]
        """TensorRT's messages, as records of `logging`."""

        def __init__(self) -> None:
            # pybind refuses an object whose own base wasn't initialised by name.
            trt.ILogger.__init__(self)
            self.recent_errors: deque[str] = deque(maxlen=3)

        def log(self, severity: Any, message: str) -> None:  # noqa: ANN401
            """Pass a message on."""
            if severity in errors:
                self.recent_errors.append(message)
            logger.log(levels.get(severity, logging.WARNING), "%s", message)

    return Logger()
