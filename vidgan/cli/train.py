"""`vidgan train`."""

from __future__ import annotations

import typer

from vidgan.cli import train_style, train_translation

app = typer.Typer(
    help="Train networks: your own styles, and translations between two kinds of pictures.", no_args_is_help=True
)
app.command("style")(train_style.command)
app.command("cyclegan")(train_translation.cyclegan)
app.command("pix2pix")(train_translation.pix2pix)
