"""What happens between the command and the finished styles of a translation."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from vidgan.cli import values
from vidgan.cli.names import check_free, check_name
from vidgan.cli.training import Course, minutes_of, need_one_length, run_course
from vidgan.errors import InputError

if TYPE_CHECKING:
    from torch import nn

    from vidgan.train.material import Material
    from vidgan.train.run import RunOptions
    from vidgan.train.translation import TranslationConfig


@dataclass(frozen=True)
class Recipe:
    """One way to train."""

    name: str
    configure: Callable[..., Any]
    """Makes the configuration, of places and steps."""
    read: Callable[[Any], Material]
    train: Callable[..., tuple[nn.Module, ...]]
    """Returns A to B and, where there is one, B to A."""
    num_ways: int = 1
    """How many it returns."""
    epochs: int = 200
    """As published."""


@dataclass(frozen=True)
class Length:
    """How long, as the user said it; at most one is given."""

    budget: str | None
    steps: int | None
    epochs: float | None


@dataclass(frozen=True)
class Result:
    """What shall come out, as the user said it."""

    name: str | None
    folder: Path | None
    licence: str
    description: str
    features: Path | None


def run_translation(
    recipe: Recipe,
    sources: Sequence[Path],
    held_out: Sequence[Path],
    length: Length,
    result: Result,
    save_every_seconds: float,
) -> None:
    """Read the pictures, train, measure, and write styles and a page.

    Args:
        recipe: how.
        sources: folders, as `find_places` takes them.
        held_out: likewise.
        length: how long.
        result: what comes out.
        save_every_seconds: seconds between two checkpoints.

    Raises:
        InputError: the pictures can't be used, or a checkpoint of another run is there.
        Exception: what the recipe, exporting and measuring raise.
    """
    from vidgan.styles import style_folders
    from vidgan.train.budget import plan_steps
    from vidgan.train.material import find_places
    from vidgan.train.translation_publish import names_of_ways, publishing_seconds
    from vidgan.train.weights import check_features

    check_features(result.features)
    began = time.monotonic()
    need_one_length(budget=length.budget, steps=length.steps, epochs=length.epochs)
    seconds = values.duration(length.budget, "--budget")
    places = find_places(sources, held_out)
    name = result.name or places.name
    root = result.folder or style_folders()[0]
    checkpoint = root / name / "training" / "checkpoint.pt"
    for way in names_of_ways(name)[: recipe.num_ways]:
        check_name(way, result.folder)
        check_free(root / way, checkpoint)
        if way != name and (root / way / "training").exists():
            raise InputError(f"{root / way}: a run of its own; the way back would replace it: give another --name")
    with values.as_input():
        config = recipe.configure(**asdict(places), steps=length.steps or 1)
    print("reading pictures", file=sys.stderr)
    material = recipe.read(config)
    if length.steps is None:
        config = replace(config, steps=material.steps_of(length.epochs or recipe.epochs, config.batch))
    course = Course(
        title=f"train {name}",
        checkpoint=checkpoint,
        steps=config.steps,
        seconds=seconds,
        save_every_seconds=save_every_seconds,
    )

    def train(steps: int, checkpoint: Path, options: RunOptions) -> tuple[TranslationConfig, tuple[nn.Module, ...]]:
        now = replace(config, steps=steps)
        return now, recipe.train(now, material, checkpoint, options)

    def plan(limit: float, stop: Event) -> int:
        after = publishing_seconds(config, material)
        return plan_steps(train, limit - (time.monotonic() - began), checkpoint, stop, publishing_seconds=after)

    trained = run_course(course, plan, lambda steps, options: train(steps, checkpoint, options))
    if trained is not None:
        _publish(recipe, *trained, material, root, name, result)


def _publish(
    recipe: Recipe,
    config: TranslationConfig,
    networks: tuple[nn.Module, ...],
    material: Material,
    root: Path,
    name: str,
    result: Result,
) -> None:
    from vidgan.styles import style_folders
    from vidgan.train.translation_page import Report, write_report
    from vidgan.train.translation_publish import directions_of, judge, names_of_ways, publish_direction

    training = root / name / "training"
    facts = {"recipe": recipe.name, **minutes_of(training / "checkpoint.pt")}
    directions = directions_of(networks, material, names_of_ways(name), are_pairs=recipe.name == "pix2pix")
    directions[0] = replace(directions[0], description=result.description)
    judged = [judge(direction, config.seed, result.features) for direction in directions]
    commands = []
    for direction, found in zip(directions, judged, strict=True):
        folder = root / direction.name
        publish_direction(direction, found, config, folder, training=facts, licence=result.licence)
        style = shlex.quote(direction.name if root == style_folders()[0] else str(folder))
        commands.append(f"vidgan stylize IN.mp4 -o OUT.mp4 --style {style}")
    report = Report(
        name=name,
        config=config,
        facts=facts,
        directions=directions,
        judged=judged,
        commands=[
            f"vidgan stylize IN.mp4 -o OUT.mp4 --style {shlex.quote(direction.name)}  # or its folder"
            for direction in directions
        ],
    )
    page = write_report(root / name / "report.html", report, training)
    print("\n".join([*commands, f"{page}: look at it"]))
