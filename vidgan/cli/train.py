"""`vidgan train`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidgan.errors import InputError, RuntimeUnavailableError

if TYPE_CHECKING:
    from vidgan.train.style import StyleConfig

app = typer.Typer(help="Train networks: your own styles.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `style` a command of its own while it is the only one."""


@app.command("style")
def style(
    painting: Annotated[Path, typer.Argument(metavar="PAINTING", help="The picture whose manner is learnt.")],
    content: Annotated[Path, typer.Option(help="Folder of photographs to learn on; a few dozen will do.")],
    name: Annotated[str | None, typer.Option(help="Name of the style; PAINTING's by default.")] = None,
    folder: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where the style goes; your styles folder by default.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(min=0.1, help="How long to train, instead of --steps.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="How many steps; 2400 by default.")] = None,
    style_weight: Annotated[float | None, typer.Option(min=0, help="More makes it wilder.")] = None,
    style_width: Annotated[int | None, typer.Option(min=64, help="Painting's width in pixels: stroke size.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0, help="Adam's step size.")] = None,
    seed: Annotated[int | None, typer.Option(help="Start of every random choice.")] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="Begin with the weights of another run's checkpoint: a fraction of the time.")
    ] = None,
    licence: Annotated[str, typer.Option(help="Of the result, for its card.")] = "",
    features: Annotated[Path | None, typer.Option(help="VGG16 weights: torchvision's .pth.")] = None,
) -> None:
    """Teach a small network to repaint any picture in the manner of PAINTING.

    An hour on two cores gives a usable look. The run is kept in OUTPUT/training: typing the same command again goes on
    where it stopped, after Ctrl-C or a crash.

    For example:

    vidgan train style starry.jpg --content photos/ --minutes 60
    """
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("kornia") is None:
        raise RuntimeUnavailableError("training needs torch and kornia: pip install 'vidgan[train]'")
    from vidgan.cli.values import as_input
    from vidgan.train.style import StyleConfig

    chosen: dict[str, Any] = {
        "style_weight": style_weight,
        "style_width": style_width,
        "learning_rate": learning_rate,
        "seed": seed,
        "steps": steps,
    }
    with as_input():
        config = StyleConfig(
            style=painting,
            content=content,
            features=features,
            start_from=start_from,
            **{k: v for k, v in chosen.items() if v is not None},
        )
        _train(config, name or painting.stem, folder, minutes=minutes if steps is None else None, licence=licence)


def _train(config: StyleConfig, name: str, folder: Path | None, *, minutes: float | None, licence: str) -> None:
    from dataclasses import replace

    from vidgan.cli.progress import Bar
    from vidgan.styles import find_style, style_folders
    from vidgan.train.publish import publish_style
    from vidgan.train.style import StepReport, plan_steps, train_style

    if name == "none":
        raise InputError("--name none: this name means no style at all")
    own = style_folders()[0]
    folder = folder or own / name
    checkpoint = folder / "training" / "checkpoint.pt"
    if minutes is not None:
        config = replace(config, steps=plan_steps(config, minutes, checkpoint))
        print(f"{minutes:g} minutes are {config.steps} steps here", file=sys.stderr)
    with Bar(f"train {name}", unit="steps") as bar:

        def show(report: StepReport) -> None:
            losses = " ".join(f"{key} {value:.3g}" for key, value in report.losses.items())
            bar.update(report.step, config.steps, losses)

        network = train_style(config, checkpoint, report=show)
    publish_style(network, config, folder, name=name, licence=licence)
    style = find_style(folder)
    print(f"{style.path}: use it with --style {name if folder.parent == own else folder}")
