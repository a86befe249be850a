"""What machine a figure was measured on."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any

from vidgan.threads import available_cores

_PACKAGES = ("av", "numpy", "opencv-python", "openvino", "onnx", "torch", "kornia")


def cpu_name() -> str:
    """Return the processor's name, as the system tells it."""
    info = Path("/proc/cpuinfo")
    match = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return match[1] if match else platform.processor()


def describe() -> dict[str, Any]:
    """Return the facts that a figure needs beside it; docs/bench.md lists them."""
    import av

    from vidgan import __version__

    return {
        "cpu": cpu_name(),
        "cores": available_cores(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "ffmpeg": av.ffmpeg_version_info,
        "versions": {name: version for name in _PACKAGES if (version := installed_version(name))},
        "vidgan": __version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def installed_version(package: str) -> str | None:
    """Return the version of an installed package; None where it isn't installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
