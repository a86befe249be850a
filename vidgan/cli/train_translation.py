"""`vidgan train cyclegan` and `vidgan train pix2pix`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidgan.cli import values, weights
from vidgan.cli.training import FINE, RESULT, TIME, need_packages
from vidgan.cli.translation import Length, Recipe, Result, run_translation
from vidgan.errors import InputError

if TYPE_CHECKING:
    from torch import nn

    from vidgan.train.translation import TranslationConfig

_NETWORK, _WEIGHTS = "Network", "What counts"

# What both commands have in common.
HeldOut = Annotated[
    list[Path] | None,
    typer.Option(
        help="Pictures to judge by, once for each domain; else one file in 10 is kept back.", show_default=False
    ),
]
Budget = Annotated[str | None, typer.Option(help="How long it may take: 45m, 1h30m, 90s.", rich_help_panel=TIME)]
Steps = Annotated[int | None, typer.Option(min=1, help="Or how many steps.", rich_help_panel=TIME)]
Epochs = Annotated[
    float | None,
    typer.Option(min=0.01, max=1e6, help="Or how often all pictures are seen; 200, of cut 400.", rich_help_panel=TIME),
]
Width = Annotated[
    int | None,
    typer.Option(help="Channels of its first layer: fewer are faster; 64, for video 32.", rich_help_panel=_NETWORK),
]
Crop = Annotated[
    int | None,
    typer.Option(
        help="Side in pixels of the crops learnt on; 256, less spoils colours of video.", rich_help_panel=TIME
    ),
]
LoadSize = Annotated[
    int | None,
    typer.Option(help="Short side that pictures are resized to before; 286 for a crop of 256.", rich_help_panel=TIME),
]
Batch = Annotated[int | None, typer.Option(help="Crops of each domain in a step; 1.", rich_help_panel=TIME)]
Name = Annotated[
    str | None,
    typer.Option(
        help="Name of the style, such as aerial2map; made of the folders' by default.", rich_help_panel=RESULT
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", help="Folder that styles go to, each in its own; your styles folder.", rich_help_panel=RESULT
    ),
]
Description = Annotated[str, typer.Option(help="What it does to a video, for its card.", rich_help_panel=RESULT)]
Licence = Annotated[str, typer.Option(help="Of the result, for its card.", rich_help_panel=RESULT)]
Features = Annotated[str | None, typer.Option(help=f"To measure KID with. {weights.HELP}", rich_help_panel=RESULT)]
Temporal = Annotated[
    float | None, typer.Option(min=0, help="Steadiness on video; 10, 0 is off.", rich_help_panel=_WEIGHTS)
]
Average = Annotated[
    float | None, typer.Option(help="Of the old weights in the moving average; 0.999.", rich_help_panel=FINE)
]
CriticWidth = Annotated[
    int | None, typer.Option("--discriminator-width", help="Channels of a discriminator; 64.", rich_help_panel=_NETWORK)
]
Rate = Annotated[float | None, typer.Option(help="Adam's step size; 0.0002.", rich_help_panel=FINE)]
Precision = Annotated[str, typer.Option(help="bf16, or f32 on CPUs without it.", rich_help_panel=FINE)]
Seed = Annotated[int | None, typer.Option(min=0, max=2**31, help="Start of every random choice.", rich_help_panel=FINE)]
SaveEvery = Annotated[float, typer.Option(min=0, help="Seconds between two checkpoints.", rich_help_panel=FINE)]


def cyclegan(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="A B", help="Folders of images and videos of each kind; or one that holds trainA and trainB."
        ),
    ],
    held_out: HeldOut = None,
    method: Annotated[
        str, typer.Option(help="cyclegan: both directions; cut or fastcut: A to B only, in half the time.")
    ] = "cyclegan",
    generator: Annotated[
        str,
        typer.Option(help="resnet9, resnet6, unet256, unet128, or video: small and fast.", rich_help_panel=_NETWORK),
    ] = "resnet9",
    width: Width = None,
    discriminator_width: CriticWidth = None,
    budget: Budget = None,
    steps: Steps = None,
    epochs: Epochs = None,
    crop: Crop = None,
    load_size: LoadSize = None,
    batch: Batch = None,
    cycle_weight: Annotated[
        float | None, typer.Option(min=0, help="There and back is the same picture; 10.", rich_help_panel=_WEIGHTS)
    ] = None,
    identity_weight: Annotated[
        float | None,
        typer.Option(
            min=0, help="What is of the target already stays, as a part of that; 0.5.", rich_help_panel=_WEIGHTS
        ),
    ] = None,
    nce_weight: Annotated[
        float | None,
        typer.Option(min=0, help="Of cut and fastcut: patches keep their content; 1 and 10.", rich_help_panel=_WEIGHTS),
    ] = None,
    temporal_weight: Temporal = None,
    name: Name = None,
    folder: Folder = None,
    description: Description = "",
    licence: Licence = "",
    features: Features = None,
    learning_rate: Rate = None,
    average: Average = None,
    precision: Precision = "bf16",
    seed: Seed = None,
    save_every: SaveEvery = 120,
) -> None:
    """Learn to turn pictures of A into pictures of B, and back, from two folders that need no pairs.

    Several hundred pictures of each are wanted, and hours on two cores; a GPU or smaller settings shorten that. The run
    is kept in OUTPUT/NAME/training: typing the same command again goes on where it stopped, after Ctrl-C or a crash.
    Curves, pictures and warnings lie there too: tensorboard --logdir OUTPUT/NAME/training. At the end both directions
    are styles, and OUTPUT/NAME/report.html shows held-out pictures.

    For example:

    vidgan train cyclegan horses/ zebras/ --name horse2zebra

    vidgan train cyclegan maps/ --name aerial2map --generator resnet6 --width 32 --crop 128 --load-size 286 --budget 1h

    vidgan train cyclegan photos/ paintings/ --method cut --generator video --name photo2painting --budget 1h

    torchrun --standalone --nproc_per_node 4 -m vidgan.cli.main train cyclegan horses/ zebras/ --batch 4
    """
    need_packages("training")
    settings = values.given(
        cycle_weight=cycle_weight,
        identity_weight=identity_weight,
        nce_weight=nce_weight,
        temporal_weight=temporal_weight,
        learning_rate=learning_rate,
        average=average,
        seed=seed,
        width=width,
        discriminator_width=discriminator_width,
        batch=batch,
        crop=crop,
        load_size=load_size,
    )
    settings |= {"generator": generator, "precision": precision}
    result = Result(name, folder, licence, description, weights.find_features(features))
    recipe = _unpaired(method, settings)
    run_translation(recipe, sources, held_out or [], Length(budget, steps, epochs), result, save_every)


def pix2pix(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="PAIRS | A B",
            help="Folder of pictures with A on the left and B on the right; or two, where names tell the pairs.",
        ),
    ],
    held_out: HeldOut = None,
    generator: Annotated[
        str,
        typer.Option(help="unet256, unet128, resnet9, resnet6, or video: small and fast.", rich_help_panel=_NETWORK),
    ] = "unet256",
    width: Width = None,
    discriminator_width: CriticWidth = None,
    budget: Budget = None,
    steps: Steps = None,
    epochs: Epochs = None,
    crop: Crop = None,
    load_size: LoadSize = None,
    batch: Batch = None,
    l1_weight: Annotated[
        float | None, typer.Option(min=0, help="What is where: nearness to B; 100.", rich_help_panel=_WEIGHTS)
    ] = None,
    temporal_weight: Temporal = None,
    dropout: Annotated[
        bool,
        typer.Option(help="Noise while it learns, as published; short runs are better without.", rich_help_panel=FINE),
    ] = True,
    backwards: Annotated[bool, typer.Option("--backwards", help="Learn B to A.")] = False,
    name: Name = None,
    folder: Folder = None,
    description: Description = "",
    licence: Licence = "",
    features: Features = None,
    learning_rate: Rate = None,
    average: Average = None,
    precision: Precision = "bf16",
    seed: Seed = None,
    save_every: SaveEvery = 120,
) -> None:
    """Learn to turn A into B from pairs: pictures that show the same in both ways.

    The run is kept in OUTPUT/NAME/training: typing the same command again goes on where it stopped, after Ctrl-C or a
    crash. Curves, pictures and warnings lie there too: tensorboard --logdir OUTPUT/NAME/training. At the end NAME is a
    style, and OUTPUT/NAME/report.html shows held-out pictures.

    For example:

    vidgan train pix2pix facades/ --name facade

    vidgan train pix2pix aerial/ map/ --generator unet128 --width 32 --crop 128 --load-size 286 --batch 4 --budget 1h

    torchrun --standalone --nproc_per_node 4 -m vidgan.cli.main train pix2pix facades/ --batch 4
    """
    need_packages("training")
    from vidgan.train.material import read_paired
    from vidgan.train.pix2pix import Pix2PixConfig, train_pix2pix

    settings = values.given(
        l1_weight=l1_weight,
        temporal_weight=temporal_weight,
        learning_rate=learning_rate,
        average=average,
        seed=seed,
        width=width,
        discriminator_width=discriminator_width,
        batch=batch,
        crop=crop,
        load_size=load_size,
    )
    settings |= {"generator": generator, "precision": precision, "dropout": dropout, "is_backwards": backwards}

    read = partial(read_paired, is_backwards=backwards)
    recipe = Recipe("pix2pix", partial(Pix2PixConfig, **settings), read, train_pix2pix)
    result = Result(name, folder, licence, description, weights.find_features(features))
    run_translation(recipe, sources, held_out or [], Length(budget, steps, epochs), result, save_every)


def _unpaired(method: str, settings: dict[str, Any]) -> Recipe:
    from vidgan.train.cut import FAST, CutConfig, train_cut
    from vidgan.train.cyclegan import CycleGANConfig, train_cyclegan
    from vidgan.train.material import read_unpaired

    recipes: dict[str, tuple[type[TranslationConfig], dict[str, Any], Callable[..., tuple[nn.Module, ...]]]] = {
        "cyclegan": (CycleGANConfig, {}, train_cyclegan),
        "cut": (CutConfig, {}, train_cut),
        "fastcut": (CutConfig, FAST, train_cut),
    }
    if method not in recipes:
        raise InputError(f"--method {method}: choose {', '.join(recipes)}")
    config, usual, train = recipes[method]
    known = {field.name for field in fields(config)}
    foreign = ["--" + key.replace("_", "-") for key in settings if key not in known]
    if foreign:
        raise InputError(f"{', '.join(foreign)}: --method {method} has no such thing")
    configure = partial(config, **{**usual, **settings})
    is_cut = method == "cut"
    return Recipe(
        method, configure, read_unpaired, train, num_ways=1 + (train is train_cyclegan), epochs=400 if is_cut else 200
    )
