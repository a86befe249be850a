"""What a benchmark was asked for, and what it measured, round by round."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vidgan.bench.clip import Clip
from vidgan.bench.timing import Cost
from vidgan.bench.whole import Run
from vidgan.styles import Style


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What is measured, and how long."""

    clip: str | None = None
    """A video file beside the synthetic clip; None: only that."""
    style: str | Path = "starry-night"
    """A name, a path or a blend; "none" leaves the network and what belongs to it out."""
    size: tuple[int, int] | None = None
    """Width and height to work at, even numbers; None: the clip's own, or 1280x720 without a clip."""
    runtime: str = "auto"
    """As in `Stylizer`."""
    device: str = "auto"
    """As in `Stylizer`."""
    precision: str = "auto"
    """As in `Stylizer`; with "auto" the network alone is timed in every precision that runs here."""
    repeats: int = 5
    """Rounds that count; one before them warms up."""
    frames: int = 120
    """Frames of the synthetic clip; of the other clip at most so many are used."""
    network_frames: int = 24
    """Frames for each measurement of the network in each round."""

    def __post_init__(self) -> None:
        """Refuse what can't be measured."""
        for name in ("repeats", "frames", "network_frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give 1 or more")
        if self.size and (min(self.size) < 2 or self.size[0] % 2 or self.size[1] % 2):
            raise ValueError(
                f"size {self.size[0]}x{self.size[1]}: give even numbers of pixels, such as 1280x720; the H.264 that is "
                "measured stores colour for every second one"
            )


@dataclass(kw_only=True)
class ClipFigures:
    """What was measured on one clip, a value per round."""

    clip: Clip
    """The clip."""
    frames: dict[str, int]
    """How many frames each stage took in each round."""
    stages: defaultdict[str, list[Cost]] = field(default_factory=lambda: defaultdict(list))
    """By name, in a frame's order; the network is apart."""
    runs: defaultdict[str, list[Run]] = field(default_factory=lambda: defaultdict(list))
    """Whole runs, by whether they smooth: "smooth" and "no_smooth"."""


@dataclass(kw_only=True)
class NetworkFigures:
    """What was measured of the network alone in one precision."""

    facts: dict[str, Any]
    """What really ran."""
    is_chosen: bool
    """Whether whole runs use this precision."""
    throughput: list[Cost] = field(default_factory=list)
    """One per round."""
    latencies_ms: list[list[float]] = field(default_factory=list)
    """Of every frame, round by round."""


@dataclass(kw_only=True)
class BenchResult:
    """A benchmark, not yet summed up."""

    options: BenchOptions
    """What was asked for."""
    size: tuple[int, int]
    """What was worked at."""
    machine: dict[str, Any]
    """As `machine.describe` says."""
    style: Style | None
    """None for "none"."""
    model_sha256: str | None
    """Of the style's file."""
    networks: dict[str, NetworkFigures]
    """By precision; empty for the style "none"."""
    clips: dict[str, ClipFigures]
    """"synthetic", and "given" where a clip was."""
    start_up_seconds: list[float]
    """One per round."""
