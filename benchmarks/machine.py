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
    slug = re.sub(r"[^a-z0-9]+", "-", (where or f"{machine['cpu']} {machine['cores']} cores").lower()).strip("-")
    path = RESULTS / f"{name}-{slug}.json"
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps({"machine": machine, **figures}, indent=2) + "\n")
    return path
