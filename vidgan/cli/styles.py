"""`vidgan styles`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vidgan.styles import Style


def command(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on standard output.")] = False,
) -> None:
    """List the styles that can be used by name: shipped ones, and your own.

    Steadiness is the warping error without smoothing, divided by the source's own; lower is steadier. It and the speed
    are as the style's card has them. Styles can be blended too: --style starry-night:0.7+scream:0.3.
    """
    from vidgan.styles import list_styles

    found = list_styles()
    if as_json:
        # A card may hold dates, which JSON knows nothing of.
        print(json.dumps([as_object(style) for style in found], default=str))
    else:
        _show(found)


def as_object(style: Style) -> dict[str, Any]:
    """Return a style as what `--json` prints."""
    return {
        "name": style.name,
        "title": style.title,
        "description": style.description,
        "path": str(style.path),
        "size_bytes": style.path.stat().st_size,
        "licence": style.licence,
        "family": style.family,
        "size_multiple": style.size_multiple,
        "minimum_size": style.minimum_size,
        "margin": style.margin,
        "measured": style.card.get("measured", {}),
        "int8": style.card.get("int8") if style.int8_path else None,
    }


def _show(found: list[Style]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from vidgan.cli.figures import number
    from vidgan.styles import style_folders

    table = Table("name", "what it is", box=None, pad_edge=False)
    figures = {
        "MB": [f"{style.path.stat().st_size / 1e6:.1f}" for style in found],
        "fps": [number(measured(style, "fps")) for style in found],
        "steadiness": [number(measured(style, "floors")) for style in found],
    }
    figures = {name: column for name, column in figures.items() if any(column)}
    for name in figures:
        table.add_column(name, justify="right")
    table.add_column("licence")
    for row, style in enumerate(found):
        words = escape(style.description or style.title)
        numbers = (column[row] for column in figures.values())
        table.add_row(f"[bold]{escape(style.name)}[/bold]", words, *numbers, escape(style.licence))
    table.add_row("[bold]none[/bold]", "the pictures untouched")
    console = Console()
    console.print(table)
    places = ", ".join(str(folder) for folder in style_folders())
    console.print(f"\nSearched in: {places}", style="dim", markup=False)


def measured(style: Style, word: str) -> float | None:
    """Return the first number in the card's `[measured]` whose key holds `word`."""
    numbers = {key: value for key, value in style.card.get("measured", {}).items() if type(value) in (int, float)}
    return next((float(value) for key, value in numbers.items() if word in key), None)
