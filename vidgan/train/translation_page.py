"""The page at the end of a run of translation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vidgan.train.checkpoint import read_checkpoint
from vidgan.train.page import Gallery, Page, Table, read_curves, write_page
from vidgan.train.translation import TranslationConfig
from vidgan.train.translation_publish import Direction, Judged

MOST_ROWS = 12
"""Pictures of each direction that are shown, spread evenly over all that were judged."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the page is about."""

    name: str
    """Of the run."""
    config: TranslationConfig
    """What it was trained with."""
    facts: Mapping[str, Any]
    """What else the cards say of the training, such as `recipe` and `minutes`."""
    directions: Sequence[Direction]
    """What was published."""
    judged: Sequence[Judged]
    """How each was judged."""
    commands: Sequence[str] = ()
    """How what came out is used."""


def write_report(path: Path, report: Report, training: Path) -> Path:
    """Write the page.

    Args:
        path: the file.
        report: what it says.
        training: the run's folder, with `checkpoint.pt` and `tensorboard`, as far as they are there.

    Raises:
        DiskFullError: no space.
        SinkError: it can't be written.
    """
    checkpoint = training / "checkpoint.pt"
    warnings = read_checkpoint(checkpoint)["watch"]["warnings"] if checkpoint.exists() else []
    pairs = list(zip(report.directions, report.judged, strict=True))
    page = Page(
        title=report.name,
        summary=_summary(report),
        warnings=warnings,
        tables=[_table(direction, judged) for direction, judged in pairs],
        galleries=[_gallery(direction, judged) for direction, judged in pairs],
        curves=read_curves(training / "tensorboard"),
        commands=report.commands,
    )
    return write_page(path, page)


def _summary(report: Report) -> list[tuple[str, str]]:
    config = report.config
    network = config.generator + (f", width {config.width}" if config.width else "")
    entries = {
        "recipe": report.facts["recipe"],
        "generator": network,
        "learnt on": f"crops of {config.crop} pixels from pictures of {config.load_side} across, {config.batch} a step",
        "steps": f"{config.steps:,}",
        "minutes": report.facts.get("minutes"),
        "judged by": f"{len(report.judged[0].results)} held-out pictures, {config.judged_side} pixels across",
    }
    return [(word, str(text)) for word, text in entries.items() if text is not None]


def _table(direction: Direction, judged: Judged) -> Table:
    return Table(title=direction.name, rows={"result": judged.figures, "picture as it is": judged.untouched})


def _gallery(direction: Direction, judged: Judged) -> Gallery:
    columns = {"picture": direction.inputs, direction.name: judged.results}
    if judged.returned:
        columns["and back"] = judged.returned
    if direction.are_pairs:
        columns["truth"] = direction.targets
    count = len(judged.results)
    chosen = np.linspace(0, count - 1, min(count, MOST_ROWS)).astype(int)
    rows = [[images[index] for images in columns.values()] for index in chosen]
    return Gallery(title=f"{direction.name}: pictures that it never saw", columns=list(columns), rows=rows)
