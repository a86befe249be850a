"""`vidgan styles`."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def command(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on standard output.")] = False,
) -> None:
    """List the styles that can be used by name: shipped ones, and your own."""
    from rich.console import Console
    from rich.table import Table

    from vidgan.styles import list_styles, style_folders

    found = list_styles()
    if as_json:
        print(
            json.dumps([{"name": s.name, "title": s.title, "path": str(s.path), "licence": s.licence} for s in found])
        )
        return
    table = Table("name", "what it is", "licence", box=None, pad_edge=False)
    for style in found:
        table.add_row(f"[bold]{style.name}[/bold]", style.description or style.title, style.licence)
    table.add_row("[bold]none[/bold]", "the pictures untouched", "")
    console = Console()
    console.print(table)
    console.print("\nSearched in: " + ", ".join(str(folder) for folder in style_folders()), style="dim")
