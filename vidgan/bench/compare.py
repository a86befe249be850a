"""Two benchmarks side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_SPREAD_KEYS = {"median", "lowest", "highest"}
_MUST_AGREE = (
    *(("machine", key) for key in ("cpu", "cores", "system", "python", "ffmpeg", "vidgan")),
    *(("settings", key) for key in ("style", "model_sha256", "size", "runtime", "device", "precision", "frames")),
    *(("clips", "given", key) for key in ("name", "size", "frames")),
)


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """One figure that both have."""

    name: str
    """The names of its fields, with dots between."""
    before: float
    """Median in A."""
    after: float
    """Median in B."""
    overlaps: bool
    """Whether the two ranges, lowest to highest, have values in common: then the ratio may be chance."""

    @property
    def ratio(self) -> float | None:
        """B by A; None where A is 0."""
        return self.after / self.before if self.before else None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two benchmarks, A before and B after."""

    ratios: list[Ratio]
    """Every figure that both have, in A's order."""
    differences: list[str]
    """What was not the same, a line each: reasons why a ratio may mean something else than progress."""
    left_out: list[str]
    """Figures that only one of the two has."""


def compare_results(before: dict[str, Any], after: dict[str, Any]) -> Comparison:
    """Compare two results that `vidgan.bench.report.read` returned."""
    old, new = dict(_figures(before)), dict(_figures(after))
    shared = [name for name in old if name in new]
    return Comparison(
        ratios=[
            Ratio(
                name=name,
                before=old[name]["median"],
                after=new[name]["median"],
                overlaps=old[name]["lowest"] <= new[name]["highest"] and new[name]["lowest"] <= old[name]["highest"],
            )
            for name in shared
        ],
        differences=_differences(before, after),
        left_out=[name for name in (*old, *new) if name not in shared],
    )


def _figures(found: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, dict[str, float]]]:
    for key, value in found.items():
        if isinstance(value, dict):
            if value.keys() == _SPREAD_KEYS:
                yield ".".join((*path, key)), value
            else:
                yield from _figures(value, (*path, key))


def _differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    packages = sorted({*before["machine"].get("versions", {}), *after["machine"].get("versions", {})})
    paths = (*_MUST_AGREE, *(("machine", "versions", package) for package in packages))
    lines = []
    for path in paths:
        old, new = _value(before, path), _value(after, path)
        if old != new:
            lines.append(f"{' '.join(path[1:])}: {_text(old)} in A, {_text(new)} in B")
    chosen = [
        next((name for name, network in found["network"].items() if network["is_chosen"]), None)
        for found in (before, after)
    ]
    if chosen[0] != chosen[1]:
        lines.append(f"precision of whole runs: {_text(chosen[0])} in A, {_text(chosen[1])} in B")
    return lines


def _value(found: dict[str, Any], path: tuple[str, ...]) -> Any:  # noqa: ANN401 - any value of JSON
    for key in path:
        found = found.get(key, {})
    return found


def _text(value: Any) -> str:  # noqa: ANN401
    if value in (None, {}):
        return "none"
    return "x".join(str(part) for part in value) if isinstance(value, list) else str(value)
