"""`vidgan import`."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    weights: Annotated[Path, typer.Argument(metavar="WEIGHTS", help="A .pth, .pt, .safetensors or .onnx file.")],
    folder: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where the style goes; your styles folder by default.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the style; by default OUTPUT's, or else that of WEIGHTS.")
    ] = None,
    hint: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE,...",
            help="What can't be seen from outside, such as range=-1..1,channels=bgr. Repeatable.",
        ),
    ] = None,
    licence: Annotated[str, typer.Option(help="Of the weights, for the style's card.")] = "",
    description: Annotated[str, typer.Option(help="What it does to a video, for the style's card.")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a style that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Make a style of somebody else's weights; nothing in the file is executed.

    Recognised by themselves: generators of CycleGAN, pix2pix (ResNet, U-Net), CUT and FastCUT, Johnson's TransformerNet
    of PyTorch's examples, AnimeGANv2 in PyTorch, and any ONNX network from pictures to pictures of the same size.

    Hints for ONNX: layout=nchw|nhwc, range=0..1|0..255|-1..1, output_range=..., channels=rgb|bgr, multiple=32. For
    weights: range, channels, part=NAME of several networks, statistics=running|picture of batch norms,
    align_corners=yes|no of AnimeGANv2.

    For example:

    vidgan import latest_net_G.pth --name horse2zebra

    vidgan import paprika.onnx --hint layout=nhwc,range=-1..1 --licence MIT
    """
    from vidgan.cli.names import check_name
    from vidgan.cli.values import as_input
    from vidgan.importer.hints import parse_hints
    from vidgan.importer.job import ImportOptions, import_style
    from vidgan.styles import style_folders

    name = name or (folder.resolve().name if folder else weights.stem)
    check_name(name, folder)
    own = style_folders()[0]
    target = folder or own / name
    with as_input():
        options = ImportOptions(
            name=name, hints=parse_hints(hint or ()), licence=licence, description=description, overwrite=overwrite
        )
        report = import_style(weights, target, options, progress=lambda words: print(words, file=sys.stderr))
    style = name if target.parent == own else str(target)
    if as_json:
        facts = {
            "name": name,
            "path": str(report.path),
            "architecture": report.words,
            "notes": report.notes,
            "size_multiple": report.size_multiple,
            "minimum_size": report.minimum_size,
        }
        print(json.dumps(facts))
        return
    for note in report.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"vidgan stylize IN.mp4 -o OUT.mp4 --style {shlex.quote(style)}")
