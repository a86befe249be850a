"""Where a figure's file goes, and what machine it was measured on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from vidgan.bench.machine import describe

RESULTS = Path(__file__).parent / "results"


def write(name: str, figures: dict[str, Any], *, where: str | None = None) -> Path:
    """Write `figures` and the machine's facts to `results/<name>-<where>.json`; by default that is the processor."""
    machine = describe()
    path = _path(name, where or f"{machine['cpu']} {machine['cores']} cores")
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps({"machine": machine, **figures}, indent=2) + "\n")
    return path


def read(name: str) -> dict[str, Any]:
    """Return what `write` wrote on this kind of machine; nothing where it never did."""
    machine = describe()
    path = _path(name, f"{machine['cpu']} {machine['cores']} cores")
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def _path(name: str, where: str) -> Path:
    slug = re.sub(r"[^a-z0-9]+", "-", where.lower()).strip("-")
    return RESULTS / f"{name}-{slug}.json"
