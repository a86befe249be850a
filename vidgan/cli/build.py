"""`vidgan build` and `vidgan engines`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vidgan.runtime.tensorrt.store import StoredEngine


def command(
    style: Annotated[str, typer.Argument(metavar="STYLE", help="Name, file, folder or blend.", show_default=False)],
    gpu: Annotated[
        str, typer.Option(metavar="sm86,sm89|here", help="Compute capabilities, or the card of this machine.")
    ] = "here",
    precision: Annotated[str, typer.Option(help="fp32, fp16 or int8; auto is fp16.")] = "auto",
    size: Annotated[
        list[str] | None, typer.Option(metavar="WxH", help="A video's size; repeat it. 1280x720 without any.")
    ] = None,
    dynamic: Annotated[
        tuple[str, str, str] | None,
        typer.Option(metavar="MIN OPT MAX", help="Every size between two, made for the one in the middle."),
    ] = None,
    path: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write it here, not into the cache folder.")
    ] = None,
    flavour: Annotated[str, typer.Option(help="tensorrt_rtx, tensorrt, or auto.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing FILE.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Build the TensorRT engine of a style ahead of time; `vidgan stylize` finds it in the cache folder.

    With TensorRT-RTX no card is needed: the engine is built for the compute capabilities that are named (RTX 30: sm86,
    RTX 40: sm89, RTX 50: sm120). An engine written with -o FILE works on another machine once FILE and FILE.json are
    copied into the folder that `vidgan engines` shows there.

    For example:

    vidgan build starry-night --gpu sm86,sm89,sm120 --size 1280x720 --size 1920x1080

    vidgan build scream --gpu here --dynamic 256x256 1280x720 1920x1080
    """
    from vidgan.build import EngineOptions, build_style_engine
    from vidgan.cli import values
    from vidgan.cli.progress import Bar
    from vidgan.cli.signals import stop_on_signal

    sizes = [values.size(text, "--size") for text in size or ()]
    bounds = [values.size(text, "--dynamic") for text in dynamic or ()]
    options = EngineOptions(
        gpus=tuple(name.strip().lower() for name in gpu.split(",") if name.strip()),
        precision=values.precision(precision),
        sizes=tuple(each for each in sizes if each),
        dynamic=(bounds[0], bounds[1], bounds[2]) if bounds else None,  # type: ignore[arg-type]
        flavour=flavour,
        path=path,
        overwrite=overwrite,
    )
    with stop_on_signal() as stop, values.as_input(), Bar("build", unit="steps") as bar:
        try:
            report = build_style_engine(
                style, options, progress=lambda phase, done, of: bar.update(done, of, note=phase), stop=stop
            )
        except KeyboardInterrupt:
            print("interrupted; nothing was kept", file=sys.stderr)
            raise typer.Exit(130) from None
    if as_json:
        print(json.dumps(as_object(report.engine) | {"was_there": report.was_there}))
        return
    engine, identity = report.engine, report.engine.identity
    what = "is there already" if report.was_there else f"built, {engine.num_bytes / 1e6:.1f} MB"
    print(f"{engine.path}: {what}", file=sys.stderr)
    print(
        f"{identity.flavour} {identity.version}, {identity.precision}, {', '.join(identity.compute_capabilities)}, "
        f"pictures of {', '.join(map(str, identity.profiles))} with margins",
        file=sys.stderr,
    )


def engines(
    action: Annotated[str, typer.Argument(metavar="list|clear", help="Show them, or delete all of them.")] = "list",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """List the TensorRT engines in the cache folder, or clear it. They are built again when they are needed."""
    from vidgan.errors import InputError
    from vidgan.runtime.tensorrt.engine import engine_folder
    from vidgan.runtime.tensorrt.store import clear_engines, list_engines

    folder = engine_folder()
    if action == "clear":
        count, num_bytes = clear_engines(folder)
        print(f"engines deleted: {count}, {num_bytes / 1e6:.1f} MB with what belongs to them", file=sys.stderr)
    elif action != "list":
        raise InputError(f"engines {action}: give list or clear")
    found = list_engines(folder)
    if as_json:
        print(json.dumps({"folder": str(folder), "engines": [as_object(entry) for entry in found]}))
    elif action == "list":
        _show(found, folder)


def as_object(entry: StoredEngine) -> dict[str, Any]:
    """Return an engine as what `--json` prints."""
    from vidgan.runtime.tensorrt.store import as_facts

    return as_facts(entry) | {"path": str(entry.path)}


def _show(found: list[StoredEngine], folder: Path) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("style", "TensorRT", "for", "precision", "pictures", "MB", "built"):
        table.add_column(column, overflow="fold")
    for entry in found:
        identity = entry.identity
        where = identity.gpu or ", ".join(identity.compute_capabilities)
        sizes = ", ".join(map(str, identity.profiles))
        size = f"{entry.num_bytes / 1e6:.1f}"
        version = f"{identity.flavour.removeprefix('tensorrt').strip('_')} {identity.version}".strip()
        cells = (entry.name, version, where, identity.precision, sizes, size, entry.built)
        table.add_row(*(escape(text) for text in cells))
    console = Console()
    if found:
        console.print(table)
    console.print(f"engines in {folder}: {len(found)}", markup=False)
