"""What cards of trained styles have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def title_of(name: str) -> str:
    """Make a style's title of its name."""
    return name.replace("-", " ").title()


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration as a card keeps it: what isn't set is left out, and a path's name stands for the path."""
    return {key: _without_paths(value) for key, value in config.items() if value is not None}


def figures_of(measured: Mapping[str, float]) -> dict[str, float]:
    """Return figures as a card keeps them: four digits, and only numbers."""
    return {
        key: value if isinstance(value, int) else float(f"{value:.4g}")
        for key, value in measured.items()
        if math.isfinite(value)
    }


def _without_paths(value: object) -> object:
    if isinstance(value, tuple):
        return [_without_paths(inner) for inner in value]
    return value.name if isinstance(value, Path) else value
