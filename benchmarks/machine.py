"""Where a figure's file goes, and what machine it was measured on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from vidgan.bench.machine import describe

RESULTS = Path(__file__).parent / "results"


def write(name: str, figures: dict[str, Any]) -> Path:
    """Write `figures` and the machine's facts to `results/<name>-<machine>.json`."""
    machine = describe()
    slug = re.sub(r"[^a-z0-9]+", "-", machine["cpu"].lower()).strip("-")
    path = RESULTS / f"{name}-{slug}-{machine['cores']}-cores.json"
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps({"machine": machine, **figures}, indent=2) + "\n")
    return path
