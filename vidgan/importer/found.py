"""What an import found out about a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Found:
    """A network that can become a style."""

    words: str
    """What it is, for people."""
    notes: tuple[str, ...]
    """What was found by trying, assumed, or left out."""
    size_multiple: int
    """Width and height in pixels must be multiples of this."""
    minimum_size: int
    """Width and height must be at least this many pixels."""
    make_model: Callable[[Path], Mapping[str, Any]]
    """Writes the style's network under a path, and returns what the card says about it."""
