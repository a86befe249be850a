"""`vidgan train style`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidgan.cli import values, weights
from vidgan.cli.names import check_free, check_name
from vidgan.cli.training import FINE, LOOK, RESULT, TIME, Course, minutes_of, need_one_length, need_packages, run_course
from vidgan.errors import InputError

if TYPE_CHECKING:
    from vidgan.train.style import StyleConfig


def command(
    paintings: Annotated[
        list[Path], typer.Argument(metavar="PAINTING...", help="Whose manner is learnt; of several, the mean.")
    ],
    content: Annotated[
        list[Path],
        typer.Option(help="Folder of images and videos, or one of them; a few dozen pictures will do. Repeatable."),
    ],
    style_weight: Annotated[
        float | None,
        typer.Option(min=0, help="More makes it wilder, less keeps the picture; 3.", rich_help_panel=LOOK),
    ] = None,
    style_scale: Annotated[
        float | None, typer.Option(help="Size of the strokes: 0.5 finer, 2 coarser; 1.", rich_help_panel=LOOK)
    ] = None,
    clip_weight: Annotated[
        float | None,
        typer.Option(min=0, help="Learn steadiness from the videos in --content too; try 80.", rich_help_panel=LOOK),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(help=weights.HELP, rich_help_panel=LOOK),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="How long it may take: 45m, 1h30m, 90s.", rich_help_panel=TIME)
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Or how many steps; 2400.", rich_help_panel=TIME)] = None,
    size: Annotated[
        str, typer.Option(help="tiny, small or base: faster, or closer to the painting.", rich_help_panel=TIME)
    ] = "small",
    teacher: Annotated[
        str | None,
        typer.Option(
            help="Finished style (name, folder or ONNX file) to imitate first; such steps are several times cheaper.",
            rich_help_panel=TIME,
        ),
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            help="Begin with the weights of another run's checkpoint: a fraction of the time.", rich_help_panel=TIME
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the style; PAINTING's by default.", rich_help_panel=RESULT)
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Where the style goes; your styles folder by default.", rich_help_panel=RESULT
        ),
    ] = None,
    description: Annotated[
        str, typer.Option(help="What it does to a video, for its card.", rich_help_panel=RESULT)
    ] = "",
    licence: Annotated[str, typer.Option(help="Of the result, for its card.", rich_help_panel=RESULT)] = "",
    learning_rate: Annotated[float | None, typer.Option(help="Adam's step size; 0.001.", rich_help_panel=FINE)] = None,
    batch: Annotated[int | None, typer.Option(help="Crops in a step; 4.", rich_help_panel=FINE)] = None,
    crop: Annotated[int | None, typer.Option(help="Their side in pixels; 256.", rich_help_panel=FINE)] = None,
    seed: Annotated[int | None, typer.Option(help="Start of every random choice.", rich_help_panel=FINE)] = None,
    save_every: Annotated[
        float, typer.Option(min=0, help="Seconds between two checkpoints.", rich_help_panel=FINE)
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
    need_packages("training")
    from vidgan.train.style import SIZES, StyleConfig

    if size not in SIZES:
        raise InputError(f"--size {size}: choose {', '.join(SIZES)}")
    need_one_length(budget=budget, steps=steps)
    name = name or paintings[0].stem
    check_name(name, folder)
    width, num_blocks = SIZES[size]
    chosen = values.given(
        style_weight=style_weight,
        style_scale=style_scale,
        clip_weight=clip_weight,
        learning_rate=learning_rate,
        batch=batch,
        crop=crop,
        seed=seed,
        steps=steps,
    )
    with values.as_input():
        seconds = values.duration(budget, "--budget")
        config = StyleConfig(
            styles=values.absolute(paintings),
            content=values.absolute(content),
            width=width,
            num_blocks=num_blocks,
            features=weights.find_features(features),
            start_from=start_from,
            teacher=teacher,
            **chosen,
        )
        _train(config, _Result(name, folder, licence, description), seconds, save_every)


@dataclass(frozen=True)
class _Result:
    name: str
    folder: Path | None
    licence: str
    description: str


def _train(config: StyleConfig, result: _Result, seconds: float | None, save_every_seconds: float) -> None:
    from dataclasses import replace

    from vidgan.styles import find_style, style_folders
    from vidgan.train.publish import publish_style
    from vidgan.train.style import family_of, train_style
    from vidgan.train.style_budget import plan_style

    own = style_folders()[0]
    folder = result.folder or own / result.name
    checkpoint = folder / "training" / "checkpoint.pt"
    check_free(folder, checkpoint)
    course = Course(
        title=f"train {result.name}",
        checkpoint=checkpoint,
        steps=config.steps,
        seconds=seconds,
        save_every_seconds=save_every_seconds,
    )
    trained = run_course(
        course,
        lambda limit, stop: plan_style(config, limit, checkpoint, stop),
        lambda steps, options: (now := replace(config, steps=steps), train_style(now, checkpoint, options)),
    )
    if trained is None:
        return
    config, network = trained
    publish_style(
        network,
        config,
        folder,
        name=result.name,
        licence=result.licence,
        description=result.description,
        family=family_of(config, checkpoint),
        notes=minutes_of(checkpoint),
    )
    style = find_style(folder)
    print(f"{style.path}: use it with --style {result.name if folder.parent == own else folder}")
