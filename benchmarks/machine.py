"""What machine a figure was measured on, and where its file goes."""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
from pathlib import Path
from typing import Any

from vidgan import __version__
from vidgan.cli.doctor import examine

RESULTS = Path(__file__).parent / "results"


def cpu_name() -> str:
    """Return the processor's name, as the system tells it."""
    info = Path("/proc/cpuinfo")
    match = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return match[1] if match else platform.processor()


def describe() -> dict[str, Any]:
    """Return the facts that a figure needs beside it."""
    facts = examine()
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "system": facts["system"],
        "python": facts["python"],
        "versions": {name: version for name, version in facts["versions"].items() if version},
        "vidgan": __version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def write(name: str, figures: dict[str, Any]) -> Path:
    """Write `figures` and the machine's facts to `results/<name>-<machine>.json`."""
    machine = describe()
    slug = re.sub(r"[^a-z0-9]+", "-", machine["cpu"].lower()).strip("-")
    path = RESULTS / f"{name}-{slug}-{machine['cores']}-cores.json"
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps({"machine": machine, **figures}, indent=2) + "\n")
    return path
