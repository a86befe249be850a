"""The page at the end of a run: what was trained, how good it is, pictures, and how it went; one file for a browser.

It needs nothing else, neither a network nor other files.
"""

from __future__ import annotations

import base64
import errno
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vidgan.errors import DiskFullError, SinkError
from vidgan.picture import resized
from vidgan.train.page_curves import Points, make_charts, number
from vidgan.train.page_curves import read_curves as read_curves
from vidgan.train.quality import FIGURES, Figure

_LARGEST_SIDE = 512
_QUALITY = 92
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

Image = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Figures of one direction beside those of its baselines."""

    title: str
    """Such as `aerial to map`."""
    rows: Mapping[str, Mapping[str, float]]
    """By what was measured, figures by their names; `vidgan.train.quality.FIGURES` says what they mean."""


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Pictures side by side."""

    title: str
    """Such as `There and back`."""
    columns: Sequence[str]
    """What each column shows, such as `A`, `A to B`, `A to B to A`."""
    rows: Sequence[Sequence[Image]]
    """RGB uint8 pictures `(H, W, 3)`, one for each column; larger ones than 512 pixels a side are reduced."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the page says, from its top to its end. What is empty is left out."""

    title: str
    """Name of the run or the style."""
    summary: Sequence[tuple[str, str]] = ()
    """What was trained: a word and what there is to say."""
    warnings: Sequence[str] = ()
    """What the watch warned of."""
    tables: Sequence[Table] = ()
    """Figures."""
    galleries: Sequence[Gallery] = ()
    """Pictures."""
    curves: Mapping[str, Points] | None = None
    """As `read_curves` returns them. None: none were kept."""
    commands: Sequence[str] = ()
    """Lines for a shell: how it was made, and how it is used."""


def write_page(path: Path, page: Page) -> Path:
    """Write a page, atomically.

    Args:
        path: the file; its folder is made where missing, an older page is replaced.
        page: what it says.

    Returns:
        `path`.

    Raises:
        ValueError: a row of a gallery that hasn't a picture for each column.
        DiskFullError: no space; an older page is still there.
        SinkError: it can't be written.
    """
    text = make_page(page)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError(f"{path}: no space left for the page") from error
        raise SinkError(f"{path}: can't be written ({error.strerror})") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


def make_page(page: Page) -> str:
    """Return a page as HTML.

    Raises:
        ValueError: a row of a gallery that hasn't a picture for each column.
    """
    style = files("vidgan.train").joinpath("page.css").read_text(encoding="utf-8")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(page.title)}</title>
<style>{style}</style>
</head>
<body>
<h1>{escape(page.title)}</h1>
{_summary(page.summary)}
{_warnings(page.warnings)}
{"".join(map(_table, page.tables))}
{"".join(map(_gallery, page.galleries))}
{_curves(page.curves)}
{_commands(page.commands)}
</body>
</html>
"""


def _summary(entries: Iterable[tuple[str, str]]) -> str:
    items = "".join(f"<dt>{escape(word)}</dt><dd>{escape(text)}</dd>" for word, text in entries)
    return f"<dl>{items}</dl>" if items else ""


def _warnings(warnings: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    return f'<section class="warnings"><h2>Warnings during the training</h2><ul>{items}</ul></section>' if items else ""


def _table(table: Table) -> str:
    """Return a line for each figure, and a column for each thing that was measured: there are more figures."""
    names = dict.fromkeys(name for figures in table.rows.values() for name in figures)
    head = "".join(f'<th scope="col">{escape(label)}</th>' for label in table.rows)
    body = "".join(_line(name, [row.get(name, math.nan) for row in table.rows.values()]) for name in names)
    return f"""<h2>{escape(table.title)}</h2>
<table>
<thead><tr><td></td>{head}</tr></thead>
<tbody>
{body}</tbody>
</table>
"""


def _line(name: str, values: Sequence[float]) -> str:
    figure = FIGURES.get(name) or Figure(title=name)
    way = {True: "more is better", False: "less is better", None: ""}[figure.is_more_better]
    notes = ", ".join(escape(note) for note in (figure.unit, way) if note)
    best = _best(values, is_more_better=figure.is_more_better)
    cells = "".join(f"<td{' class=best' if value == best else ''}>{number(value)}</td>" for value in values)
    return f'<tr><th scope="row">{escape(figure.title)}<small>{notes}</small></th>{cells}</tr>\n'


def _best(values: Sequence[float], *, is_more_better: bool | None) -> float:
    """Return the best of a line; nan where there is nothing to choose."""
    finite = [value for value in values if math.isfinite(value)]
    if is_more_better is None or len(finite) < 2:
        return math.nan
    return max(finite) if is_more_better else min(finite)


def _gallery(gallery: Gallery) -> str:
    count = len(gallery.columns)
    for row in gallery.rows:
        if len(row) != count:
            raise ValueError(f"{gallery.title}: a row of {len(row)} pictures for {count} columns; give one for each")
    head = "".join(f"<b>{escape(column)}</b>" for column in gallery.columns)
    body = "".join(
        _img(image, f"{column}, picture {index}")
        for index, row in enumerate(gallery.rows, 1)
        for column, image in zip(gallery.columns, row, strict=True)
    )
    return f"""<h2>{escape(gallery.title)}</h2>
<div class="gallery" style="--columns:{count}">{head}
{body}</div>
"""


def _img(image_HWC: Image, what: str) -> str:
    """Return an `<img>` that holds its picture."""
    height, width = image_HWC.shape[:2]
    scale = min(1.0, _LARGEST_SIDE / max(height, width))
    small = resized(image_HWC, max(1, round(width * scale)), max(1, round(height * scale)))
    # Colour at full resolution: the thin coloured lines of maps would be smeared by JPEG's usual half.
    how = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, data = cv2.imencode(".jpg", small[..., ::-1], how)
    encoded = base64.b64encode(data.tobytes()).decode()
    height, width = small.shape[:2]
    return f'<img src="data:image/jpeg;base64,{encoded}" width="{width}" height="{height}" alt="{escape(what)}">\n'


def _curves(curves: Mapping[str, Points] | None) -> str:
    charts = make_charts(curves or {})
    return f'<h2>How it went</h2>\n<div class="curves">{charts}</div>' if charts else ""


def _commands(commands: Iterable[str]) -> str:
    lines = "\n".join(map(escape, commands))
    return f"<h2>Commands</h2>\n<pre><code>{lines}</code></pre>" if lines else ""
