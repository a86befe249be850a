"""`vidgan train`."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidgan.cli import weights
from vidgan.errors import InputError, RuntimeUnavailableError

if TYPE_CHECKING:
    from vidgan.train.style import StyleConfig

app = typer.Typer(help="Train networks: your own styles.", no_args_is_help=True)

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")
_NAME = re.compile(r"\w[\w .-]*")
_LOOK, _TIME, _RESULT, _FINE = "Look", "Time and size", "Result", "Fine tuning"


@app.callback()
def _group() -> None:
    """Keep `style` a command of its own while it is the only one."""


@app.command("style")
def style(
    paintings: Annotated[
        list[Path], typer.Argument(metavar="PAINTING...", help="Whose manner is learnt; of several, the mean.")
    ],
    content: Annotated[
        list[Path],
        typer.Option(help="Folder of images and videos, or one of them; a few dozen pictures will do. Repeatable."),
    ],
    style_weight: Annotated[
        float | None,
        typer.Option(min=0, help="More makes it wilder, less keeps the picture; 3.", rich_help_panel=_LOOK),
    ] = None,
    style_scale: Annotated[
        float | None, typer.Option(help="Size of the strokes: 0.5 finer, 2 coarser; 1.", rich_help_panel=_LOOK)
    ] = None,
    clip_weight: Annotated[
        float | None,
        typer.Option(min=0, help="Learn steadiness from the videos in --content too; try 80.", rich_help_panel=_LOOK),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(help=weights.HELP, rich_help_panel=_LOOK),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="How long it may take: 45m, 1h30m, 90s.", rich_help_panel=_TIME)
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Or how many steps; 2400.", rich_help_panel=_TIME)] = None,
    size: Annotated[
        str, typer.Option(help="tiny, small or base: faster, or closer to the painting.", rich_help_panel=_TIME)
    ] = "small",
    teacher: Annotated[
        str | None,
        typer.Option(
            help="Finished style (name, folder or ONNX file) to imitate first; such steps are several times cheaper.",
            rich_help_panel=_TIME,
        ),
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            help="Begin with the weights of another run's checkpoint: a fraction of the time.", rich_help_panel=_TIME
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the style; PAINTING's by default.", rich_help_panel=_RESULT)
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Where the style goes; your styles folder by default.", rich_help_panel=_RESULT
        ),
    ] = None,
    description: Annotated[
        str, typer.Option(help="What it does to a video, for its card.", rich_help_panel=_RESULT)
    ] = "",
    licence: Annotated[str, typer.Option(help="Of the result, for its card.", rich_help_panel=_RESULT)] = "",
    learning_rate: Annotated[float | None, typer.Option(help="Adam's step size; 0.001.", rich_help_panel=_FINE)] = None,
    batch: Annotated[int | None, typer.Option(help="Crops in a step; 4.", rich_help_panel=_FINE)] = None,
    crop: Annotated[int | None, typer.Option(help="Their side in pixels; 256.", rich_help_panel=_FINE)] = None,
    seed: Annotated[int | None, typer.Option(help="Start of every random choice.", rich_help_panel=_FINE)] = None,
    save_every: Annotated[
        float, typer.Option(min=0, help="Seconds between two checkpoints.", rich_help_panel=_FINE)
    ] = 120,
) -> None:
    """Teach a small network to repaint any picture in the manner of PAINTING.

    Under an hour on two cores gives a usable look. The run is kept in OUTPUT/training: typing the same command again
    goes on where it stopped, after Ctrl-C or a crash. Curves and pictures lie there too: tensorboard --logdir
    OUTPUT/training.

    For example:

    vidgan train style starry.jpg --content photos/ --budget 45m

    vidgan train style starry.jpg --content photos/ --content holiday.mp4 --size base --name starry-base

    vidgan train style starry.jpg --content photos/ --size tiny --teacher starry-base --budget 20m

    torchrun --standalone --nproc_per_node 4 -m vidgan.cli.main train style starry.jpg --content photos/
    """
    missing = [name for name in ("torch", "kornia", "accelerate") if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeUnavailableError(f"training needs {' and '.join(missing)}: pip install 'vidgan[train]'")
    from vidgan.cli.values import as_input
    from vidgan.train.style import SIZES, StyleConfig

    if size not in SIZES:
        raise InputError(f"--size {size}: choose {', '.join(SIZES)}")
    if budget and steps:
        raise InputError(f"--budget {budget} and --steps {steps}: give one of them")
    name = name or paintings[0].stem
    _check_name(name, folder)
    width, num_blocks = SIZES[size]
    chosen: dict[str, Any] = {
        "style_weight": style_weight,
        "style_scale": style_scale,
        "clip_weight": clip_weight,
        "learning_rate": learning_rate,
        "batch": batch,
        "crop": crop,
        "seed": seed,
        "steps": steps,
    }
    with as_input():
        seconds = duration(budget) if budget else None
        config = StyleConfig(
            styles=tuple(paintings),
            content=tuple(content),
            width=width,
            num_blocks=num_blocks,
            features=weights.find_features(features),
            start_from=start_from,
            teacher=teacher,
            **{key: value for key, value in chosen.items() if value is not None},
        )
        _train(config, _Result(name, folder, licence, description), seconds, save_every)


@dataclass(frozen=True)
class _Result:
    name: str
    folder: Path | None
    licence: str
    description: str


def _train(config: StyleConfig, result: _Result, seconds: float | None, save_every_seconds: float) -> None:
    from contextlib import ExitStack
    from dataclasses import replace

    from vidgan.cli.progress import Bar
    from vidgan.cli.signals import stop_on_signal
    from vidgan.styles import find_style, style_folders
    from vidgan.train.budget import plan_steps
    from vidgan.train.checkpoint import seconds_of
    from vidgan.train.publish import publish_style
    from vidgan.train.run import RunOptions, StepReport, TrainingInterrupted, open_accelerator
    from vidgan.train.style import family_of, train_style

    own = style_folders()[0]
    folder = result.folder or own / result.name
    checkpoint = folder / "training" / "checkpoint.pt"
    is_main = open_accelerator().is_main_process
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signal())
        try:
            if seconds is not None:
                config = replace(config, steps=plan_steps(config, seconds, checkpoint, stop))
                if is_main and checkpoint.exists():
                    print(f"going on with a run of {config.steps} steps; --budget is for new ones", file=sys.stderr)
                elif is_main:
                    print(f"{seconds:g} seconds are {config.steps} steps here", file=sys.stderr)
            bar = stack.enter_context(Bar(f"train {result.name}", unit="steps")) if is_main else None

            def show(report: StepReport) -> None:
                losses = " ".join(f"{key} {value:.3g}" for key, value in report.losses.items())
                if bar:
                    bar.update(report.step, config.steps, losses)

            options = RunOptions(report=show, save_every_seconds=save_every_seconds, stop=stop)
            network = train_style(config, checkpoint, options)
        except TrainingInterrupted as interruption:
            if is_main:
                print(f"stopped after {interruption.step} steps; the same command goes on", file=sys.stderr)
            raise typer.Exit(130) from None
    if not is_main:
        return
    print("exporting and measuring", file=sys.stderr)
    publish_style(
        network,
        config,
        folder,
        name=result.name,
        licence=result.licence,
        description=result.description,
        family=family_of(config, checkpoint),
        notes={"minutes": round(seconds_of(checkpoint) / 60, 1)} if checkpoint.exists() else None,
    )
    style = find_style(folder)
    print(f"{style.path}: use it with --style {result.name if folder.parent == own else folder}")


def _check_name(name: str, folder: Path | None) -> None:
    from vidgan.styles import style_folders

    if name == "none":
        raise InputError("--name none: this name means no style at all")
    if not _NAME.fullmatch(name):
        raise InputError(
            f"--name {name}: it becomes a folder and a word in blends; take letters, digits, dots, dashes, underscores"
        )
    own, shipped = style_folders()
    if folder is None and (shipped / name).is_dir() and not (own / name).is_dir():
        raise InputError(f"--name {name}: it would hide the style of that name that comes with vidgan; give another")


def duration(text: str) -> float:
    """Read `45m`, `1h30m` or `90s` as seconds.

    Raises:
        ValueError: it is none, or shorter than a second.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    hours, minutes, seconds = (float(part or 0) for part in match.groups()) if match else (0, 0, 0)
    total = 3600 * hours + 60 * minutes + seconds
    if total < 1:
        raise ValueError(f"--budget {text}: give hours, minutes and seconds, such as 45m, 1h30m or 90s")
    return total
