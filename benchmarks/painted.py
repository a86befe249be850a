"""The shipped networks beside painting by optimisation, on the same pictures at the same size."""

from __future__ import annotations

import hashlib
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
from held_out import Named, Picture, shrunk
from likeness import Eye, Restyle, content_between, style_between

import vidgan.paint
import vidgan.train.criterion
from vidgan.paint.options import PaintOptions, PaintProgress
from vidgan.paint.picture import paint_picture
from vidgan.train.data import read_image

ITERATIONS, QUICK_ITERATIONS = 300, 20
SIDE, QUICK_SIDE = 384, 128
"""Longer side, in pixels, of what is painted and restyled for the comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One photograph, by the network and by painting."""

    picture: str
    """Its name."""
    size: tuple[int, int]
    """Width and height that both worked at, in pixels."""
    unstyled: float
    """Style distance of the photograph itself."""
    network_style: float
    """Style distance of the network's result."""
    paint_style: float
    """Style distance of the painted picture."""
    network_content: float
    """Content distance of the network's result to the photograph."""
    paint_content: float
    """Content distance of the painted picture."""

    @property
    def style_ratio(self) -> float:
        """How many times further from the painting the network's result is."""
        return self.network_style / self.paint_style


def compare(
    eye: Eye,
    pictures: Sequence[Named],
    styles: Mapping[str, Restyle],
    paintings: Mapping[str, Picture],
    *,
    quick: bool,
) -> tuple[dict[str, Any], dict[str, list[list[Named]]]]:
    """Restyle and paint every picture in every style.

    Args:
        eye: judges.
        pictures: shrunk first.
        styles: by name.
        paintings: of each style, as the recipe resizes it.
        quick: paint small and short: the figures mean nothing then.

    Returns:
        The figures of each style, and for each style rows of picture, restyled and painted for a contact sheet.
    """
    options = PaintOptions(iterations=QUICK_ITERATIONS if quick else ITERATIONS)
    contents = [Named(name=each.name, image=shrunk(each.image, QUICK_SIDE if quick else SIDE)) for each in pictures]
    sources = [eye(content.image) for content in contents]
    figures: dict[str, Any] = {}
    rows: dict[str, list[list[Named]]] = {}
    for name, restyle in styles.items():
        target = eye(paintings[name])
        found, rows[name] = [], []
        for content, source in zip(contents, sources, strict=True):
            by_network, by_paint = restyle(content.image), painted(content.image, paintings[name], options)
            network, paint = eye(by_network), eye(by_paint)
            found.append(
                Comparison(
                    picture=content.name,
                    size=(content.image.shape[1], content.image.shape[0]),
                    unstyled=style_between(source, target),
                    network_style=style_between(network, target),
                    paint_style=style_between(paint, target),
                    network_content=content_between(network, source),
                    paint_content=content_between(paint, source),
                )
            )
            rows[name].append([content, Named(name="network", image=by_network), Named(name="paint", image=by_paint)])
        figures[name] = {
            "iterations": options.iterations,
            "style_ratio_mean": statistics.fmean(each.style_ratio for each in found),
            "style_ratio_worst": max(each.style_ratio for each in found),
            "style_ratio_of_means": sum(e.network_style for e in found) / sum(e.paint_style for e in found),
            "pictures": [{**asdict(each), "style_ratio": each.style_ratio} for each in found],
        }
    return figures, rows


def painted(content_HWC: Picture, painting_HWC: Picture, options: PaintOptions) -> Picture:
    """Return the painted picture, from the folder of temporary files where the same was painted already."""
    digest = hashlib.sha256(repr(options).encode())
    for picture in (content_HWC, painting_HWC):
        digest.update(repr(picture.shape).encode() + picture.tobytes())
    # What was painted by other code is painted again.
    for source in (*sorted(Path(vidgan.paint.__path__[0]).glob("*.py")), Path(vidgan.train.criterion.__file__)):
        digest.update(source.read_bytes())
    kept = Path(tempfile.gettempdir()) / "vidgan-benchmark" / f"{digest.hexdigest()[:32]}.png"
    if kept.exists():
        return read_image(kept)
    result = paint_picture(content_HWC, [painting_HWC], options, report=_show)
    kept.parent.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=kept.parent, suffix=".png", delete=False) as file:
        file.write(cv2.imencode(".png", result[..., ::-1])[1].tobytes())
    Path(file.name).replace(kept)
    return result


def _show(progress: PaintProgress) -> None:
    if progress.iteration % 20 == 0:
        losses = " ".join(f"{name} {value:.3g}" for name, value in progress.losses.items())
        print(f"  painting: {progress.iteration} of {progress.iterations}: {losses}", file=sys.stderr, flush=True)
