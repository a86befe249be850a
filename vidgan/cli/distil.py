"""`vidgan distil`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidgan.cli import values
from vidgan.cli.names import check_free, check_name
from vidgan.cli.training import FINE, RESULT, TIME, Course, minutes_of, need_one_length, need_packages, run_course
from vidgan.errors import InputError

if TYPE_CHECKING:
    from vidgan.train.distil import DistilConfig

_WEIGHTS = "What counts"


def command(
    teacher: Annotated[
        str,
        typer.Argument(metavar="TEACHER", help="The style to learn from: a name, a folder, an ONNX file or a blend."),
    ],
    content: Annotated[
        list[Path],
        typer.Option(help="Folder of images and videos, or one of them; a few dozen pictures will do. Repeatable."),
    ],
    held_out: Annotated[
        list[Path] | None,
        typer.Option(help="The same to judge by; by default some files of --content are kept back. Repeatable."),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="How long it may take: 45m, 1h30m, 90s.", rich_help_panel=TIME)
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Or how many steps; 4000.", rich_help_panel=TIME)] = None,
    size: Annotated[
        str, typer.Option(help="tiny, small or base: faster, or closer to the teacher.", rich_help_panel=TIME)
    ] = "small",
    name: Annotated[
        str | None, typer.Option(help="Name of the style; TEACHER's and the size by default.", rich_help_panel=RESULT)
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Where the style goes; your styles folder by default.", rich_help_panel=RESULT
        ),
    ] = None,
    description: Annotated[
        str, typer.Option(help="What it does to a video, for its card; TEACHER's by default.", rich_help_panel=RESULT)
    ] = "",
    licence: Annotated[
        str, typer.Option(help="Of the result, for its card; TEACHER's by default.", rich_help_panel=RESULT)
    ] = "",
    output_weight: Annotated[
        float | None, typer.Option(min=0, help="The same colours; 1.", rich_help_panel=_WEIGHTS)
    ] = None,
    structure_weight: Annotated[
        float | None, typer.Option(min=0, help="The same strokes and edges (SSIM); 0.3.", rich_help_panel=_WEIGHTS)
    ] = None,
    feature_weight: Annotated[
        float | None,
        typer.Option(min=0, help="The same features within the network; 0.1.", rich_help_panel=_WEIGHTS),
    ] = None,
    channel_weight: Annotated[
        float | None,
        typer.Option(min=0, help="The same strength of each of their channels; 0.1.", rich_help_panel=_WEIGHTS),
    ] = None,
    temporal_weight: Annotated[
        float | None,
        typer.Option(min=0, help="Steadiness: more is steadier, and soon softer; 0.2.", rich_help_panel=_WEIGHTS),
    ] = None,
    variation_weight: Annotated[
        float | None, typer.Option(min=0, help="Smoothness of each picture; 0.", rich_help_panel=_WEIGHTS)
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Adam's step size; 0.002.", rich_help_panel=FINE)] = None,
    batch: Annotated[int | None, typer.Option(help="Crops in a step; 4.", rich_help_panel=FINE)] = None,
    crop: Annotated[
        int | None, typer.Option(help="Their side in pixels; 256, less spoils colours.", rich_help_panel=FINE)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Start of every random choice.", rich_help_panel=FINE)] = None,
    save_every: Annotated[
        float, typer.Option(min=0, help="Seconds between two checkpoints.", rich_help_panel=FINE)
    ] = 120,
) -> None:
    """Teach a small, fast network to paint as a big, slow one does.

    TEACHER is any style: one of your own, one that was imported, a blend. Pictures of anything do as --content, best of
    the kind that the style will be used on. The run is kept in OUTPUT/training: typing the same command again goes on
    where it stopped, after Ctrl-C or a crash. Curves and pictures lie there too: tensorboard --logdir OUTPUT/training.
    How close the result came to TEACHER, how steady and how fast both are, stands in its card.

    For example:

    vidgan distil imported-cyclegan --content photos/ --budget 1h

    vidgan distil engines/starry-night --content photos/ --content holiday.mp4 --size tiny --name starry-tiny

    vidgan distil starry-night:0.5+scream:0.5 --content photos/ --held-out more-photos/ -o styles/night-scream

    torchrun --standalone --nproc_per_node 4 -m vidgan.cli.main distil imported-cyclegan --content photos/
    """
    need_packages("distilling")
    from vidgan.blend import resolve_style
    from vidgan.train.distil import SIZES, DistilConfig

    if size not in SIZES:
        raise InputError(f"--size {size}: choose {', '.join(SIZES)}")
    need_one_length(budget=budget, steps=steps)
    # A blend's name holds signs that no style's may.
    name = name or re.sub(r"[^\w.-]+", "-", f"{resolve_style(teacher).name}-{size}")
    check_name(name, folder)
    width, num_blocks = SIZES[size]
    chosen = values.given(
        output_weight=output_weight,
        structure_weight=structure_weight,
        feature_weight=feature_weight,
        channel_weight=channel_weight,
        temporal_weight=temporal_weight,
        variation_weight=variation_weight,
        learning_rate=learning_rate,
        batch=batch,
        crop=crop,
        seed=seed,
        steps=steps,
    )
    with values.as_input():
        config = DistilConfig(
            teacher=teacher,
            content=values.absolute(content),
            held_out=values.absolute(held_out or ()),
            width=width,
            num_blocks=num_blocks,
            **chosen,
        )
        seconds = values.duration(budget, "--budget")
        _distil(config, _Result(name, folder, licence, description), seconds, save_every)


@dataclass(frozen=True)
class _Result:
    name: str
    folder: Path | None
    licence: str
    description: str


def _distil(config: DistilConfig, result: _Result, seconds: float | None, save_every_seconds: float) -> None:
    import threading
    from dataclasses import replace

    from vidgan.styles import find_style, style_folders
    from vidgan.train.budget import plan_steps
    from vidgan.train.distil import train_distil
    from vidgan.train.distil_publish import PUBLISHING_SECONDS, publish_distilled

    own = style_folders()[0]
    folder = result.folder or own / result.name
    checkpoint = folder / "training" / "checkpoint.pt"
    check_free(folder, checkpoint)

    def plan(limit: float, stop: threading.Event) -> int:
        return plan_steps(
            lambda steps, path, options: train_distil(replace(config, steps=steps), path, options),
            limit,
            checkpoint,
            stop,
            publishing_seconds=PUBLISHING_SECONDS,
        )

    course = Course(
        title=f"distil {result.name}",
        checkpoint=checkpoint,
        steps=config.steps,
        seconds=seconds,
        save_every_seconds=save_every_seconds,
    )
    trained = run_course(
        course,
        plan,
        lambda steps, options: (now := replace(config, steps=steps), train_distil(now, checkpoint, options)),
    )
    if trained is None:
        return
    config, network = trained
    publish_distilled(
        network,
        config,
        folder,
        name=result.name,
        licence=result.licence,
        description=result.description,
        notes=minutes_of(checkpoint),
    )
    found = find_style(folder).card["measured"]
    print(
        f"{found['psnr']:.1f} dB and SSIM {found['ssim']:.2f} to its teacher, on {found['pictures']} held-out pictures"
    )
    print(f"vidgan stylize IN.mp4 -o OUT.mp4 --style {result.name if folder.parent == own else folder}")
