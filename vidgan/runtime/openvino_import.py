"""OpenVINO, imported without its telemetry.

`import openvino` reports to Google Analytics through the package openvino_telemetry, unasked, from a process that it
forks. A video tool has no business doing that, and forking disturbs libraries that hold locks. OpenVINO runs without
that package, so it is hidden from it while it is imported. Where a program has imported OpenVINO before vidgan, that is
its own decision, and nothing is changed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["frontend", "ov"]


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Let imports of `package` fail, unless it is imported already."""
    if package in sys.modules:
        yield
        return
    # Documented in "The import system": None stands for a module that can't be imported.
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]


with _hidden("openvino_telemetry"):
    import openvino as ov
    from openvino import frontend
