"""Judge translations: between aerial photographs and maps, on pairs that no training saw; and photograph to painting.

    python benchmarks/translation.py --maps FOLDER --photos FOLDER --paintings FOLDER --styles FOLDER

`--maps` holds `trainB`, `valA` and `valB` (and `trainA`), 256x256, the same name for the same place. `--styles` holds
what these commands wrote, each about an hour on two cores or less:

    vidgan train cyclegan FOLDER --name aerial2map --generator resnet6 --width 32 --crop 128 --load-size 286
        --identity-weight 0 --steps 8000 -o STYLES
    vidgan train pix2pix FOLDER --name aerial2map-paired --generator unet128 --width 32 --crop 128 --load-size 286
        --batch 4 --no-dropout --steps 7000 -o STYLES
    vidgan train pix2pix FOLDER --name aerial2map-small-alone --generator video --batch 2 --steps 1500 -o STYLES
    vidgan distil STYLES/aerial2map-paired --content FOLDER/trainA --held-out FOLDER/valA --batch 2 --steps 1500
        --name aerial2map-small -o STYLES/aerial2map-small

    vidgan train cyclegan PHOTOS PAINTINGS --held-out HELD_OUT --held-out PAINTINGS --method fastcut --nce-weight 1
        --generator resnet6 --width 32 --crop 192 --load-size 480 --temporal-weight 5 --name van-gogh-teacher
        --steps 6000 -o STYLES
    vidgan distil STYLES/van-gogh-teacher --content PHOTOS --held-out HELD_OUT --batch 2 --steps 1500
        --name van-gogh -o STYLES/van-gogh

`--photos` are all photographs, of which each third was held out (`held_out.py`); `--paintings` the five learnt
from. With so few, `kid_vgg` compares squares of 192 pixels of the pictures at 480 across.

Their cards are kept beside the figures, in `results/cards`. Styles are run as users run them, by OpenVINO. Each is
compared with two baselines, the picture as it is and the mean of all training pictures of the target:

- `l1` (0..1), `psnr` (dB) and `ssim` to the true picture of the same place, means over all pairs;
- `kid_vgg` against all true pictures: do they look like such pictures at all, whatever the place (near 0 is best);
- `unsteadiness`: what doesn't move along when the picture is moved and made noisy, as a part of the contrast (0 best);
- `cycle_psnr`: there and back again, where the style of the other direction is known;
- `fps_1280x720`: inference alone, all styles in turn, medians.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import cv2
import machine
import numpy as np
import torch
from held_out import held_out
from numpy.typing import NDArray
from torch import Tensor

from vidgan.picture import resized
from vidgan.styles import CARD_NAME, find_style
from vidgan.stylizer import Stylizer
from vidgan.train.data import files_of, read_image, to_levels, to_tensor
from vidgan.train.domains import with_short_side
from vidgan.train.quality import Likeness, pair_figures, steadiness

Picture = NDArray[np.uint8]
Translate = Callable[[Picture], Picture]

TO_MAP = {
    "aerial2map": "CycleGAN",
    "aerial2map-paired": "pix2pix (the teacher)",
    "aerial2map-small-alone": "small, alone",
    "aerial2map-small": "small, distilled",
}
TO_AERIAL = {"map2aerial": "CycleGAN"}
TO_PAINTING = {"van-gogh-teacher": "CUT (the teacher)", "van-gogh": "small, distilled"}
THERE_AND_BACK = {"aerial2map": "map2aerial", "map2aerial": "aerial2map"}
SIZE, ROUNDS, FRAMES = (1280, 720), 5, 12
SHOWN = (3, 40, 87, 120, 165)
STEADIED = 24
ACROSS, SQUARE = 480, 192


def main() -> None:
    """Measure, print, and write figures and pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=Path, required=True, help="folder with trainA, trainB, valA and valB")
    parser.add_argument("--photos", type=Path, required=True, help="folder of all photographs")
    parser.add_argument("--paintings", type=Path, required=True, help="folder of the paintings learnt from")
    parser.add_argument("--styles", type=Path, required=True, help="folder of the trained styles")
    arguments = parser.parse_args()
    aerial, maps = (read_folder(arguments.maps / name) for name in ("valA", "valB"))
    shown = {"aerial photograph": [aerial[index] for index in SHOWN]}
    figures = {}
    for key, (inputs, targets, names, source) in {
        "aerial to map": (aerial, maps, TO_MAP, "trainB"),
        "map to aerial": (maps, aerial, TO_AERIAL, "trainA"),
    }.items():
        mean = mean_picture(read_folder(arguments.maps / source))
        found = judge_all(inputs, targets, mean, {name: arguments.styles / name for name in names})
        figures[key] = {names.get(name, name): row for name, (row, _) in found.items()}
        if names is TO_MAP:
            shown |= {
                names[name]: [made[index] for index in SHOWN] for name, (_, made) in found.items() if name in names
            }
    shown["map"] = [maps[index] for index in SHOWN]
    figures["photograph to painting"], shown_paintings = judge_painting(
        held_out(arguments.photos),
        arguments.paintings,
        {label: arguments.styles / name for name, label in TO_PAINTING.items()},
    )
    for key, names in {"aerial to map": TO_MAP, "photograph to painting": TO_PAINTING}.items():
        speeds = compare_speed({label: arguments.styles / name for name, label in names.items()})
        for label, fps in speeds.items():
            figures[key][label]["fps_1280x720"] = fps
    print(json.dumps(figures, indent=2))
    print(machine.write("translation", {"definitions": __doc__, "pictures": len(aerial), "styles": figures}))
    for name in (*TO_MAP, *TO_AERIAL, *TO_PAINTING):
        target = machine.RESULTS / "cards" / f"{name}.toml"
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(arguments.styles / name / CARD_NAME, target)
    for name, columns in (("translation", shown), ("painting", shown_paintings)):
        picture = machine.RESULTS / f"{name}.jpg"
        cv2.imwrite(str(picture), sheet(columns)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
        print(picture)


def read_folder(folder: Path) -> list[Picture]:
    """Read all pictures of a folder, by name."""
    return [read_image(path) for path in files_of(folder)]


def mean_picture(pictures: list[Picture]) -> Picture:
    """Return the mean of pictures of one size."""
    return np.asarray(np.mean(pictures, axis=0).round(), np.uint8)


def judge_all(
    inputs: list[Picture], targets: list[Picture], mean: Picture, styles: dict[str, Path]
) -> dict[str, tuple[dict[str, float], list[Picture]]]:
    """Return figures and pictures of both baselines and of every style."""
    likeness = Likeness(targets)
    ways: dict[str, AbstractContextManager[Translate]] = {"the picture as it is": nothing(), "mean": always(mean)}
    ways |= {name: opened(folder, inputs[0]) for name, folder in styles.items()}
    found = {}
    for name, way in ways.items():
        with way as translate:
            made = [translate(picture) for picture in inputs]
            row = pair_figures(made, targets) | likeness.of(made)
            if name in styles:
                row |= steadiness(as_network(translate), torch.cat([to_tensor(each) for each in inputs[:STEADIED]]), 1)
        back = THERE_AND_BACK.get(name)
        if back in {folder.name for folder in (styles[name].parent.iterdir() if back else ())}:
            with opened(styles[name].parent / str(back), inputs[0]) as translate:
                returned = pair_figures([translate(picture) for picture in made], inputs)
            row |= {f"cycle_{key}": value for key, value in returned.items()}
        found[name] = ({key: float(f"{value:.4g}") for key, value in row.items()}, made)
    return found


def judge_painting(
    photos: list[Path], paintings: Path, styles: dict[str, Path]
) -> tuple[dict[str, dict[str, float]], dict[str, list[Picture]]]:
    """Return figures of styles that paint photographs, beside the photographs', and pictures to look at."""
    pictures, targets = (
        [with_short_side(read_image(path), ACROSS) for path in paths] for paths in (photos, files_of(paintings))
    )
    likeness = Likeness(squares_of(targets))
    middles = torch.cat([to_tensor(np.ascontiguousarray(each[:ACROSS, :ACROSS])) for each in pictures])
    shown, figures = {"photograph": pictures}, {"the picture as it is": likeness.of(squares_of(pictures))}
    for name, style in styles.items():
        shown[name] = []
        for picture in pictures:
            with opened(style, picture) as translate:
                shown[name].append(translate(picture))
        figures[name] = likeness.of(squares_of(shown[name]))
        with opened(style, np.zeros((ACROSS, ACROSS, 3), np.uint8)) as translate:
            figures[name] |= steadiness(as_network(translate), middles, 1)
    rounded = {name: {key: float(f"{value:.4g}") for key, value in row.items()} for name, row in figures.items()}
    rows = [index for index, picture in enumerate(pictures) if picture.shape[1] > picture.shape[0]][::3]
    return rounded, {name: [resized(images[row], 480, 320) for row in rows] for name, images in shown.items()}


def squares_of(pictures: list[Picture]) -> list[Picture]:
    """Cut pictures into squares of the size that was learnt on, without what is left over."""
    return [
        picture[top : top + SQUARE, left : left + SQUARE]
        for picture in pictures
        for top in range(0, picture.shape[0] - SQUARE + 1, SQUARE)
        for left in range(0, picture.shape[1] - SQUARE + 1, SQUARE)
    ]


@contextmanager
def nothing() -> Iterator[Translate]:
    """Leave pictures as they are."""
    yield lambda picture: picture


@contextmanager
def always(answer: Picture) -> Iterator[Translate]:
    """Give one answer to everything."""
    yield lambda _picture: answer


@contextmanager
def opened(folder: Path, example: Picture) -> Iterator[Translate]:
    """Run a style on pictures of the example's size, in f32 so that figures don't depend on the processor."""
    height, width = example.shape[:2]
    with Stylizer(find_style(folder), size=(width, height), precision="f32") as stylizer:
        yield stylizer


def as_network(translate: Translate) -> Callable[[Tensor], Tensor]:
    """Make a function of tensors `(1, 3, H, W)` in 0..1 of one of pictures."""

    def network(x_NCHW: Tensor) -> Tensor:
        return to_tensor(translate(to_levels(x_NCHW)[0].numpy()))

    return network


def compare_speed(styles: dict[str, Path]) -> dict[str, float]:
    """Return frames per second at 1280x720 in the precision that "auto" takes, medians of rounds in turn."""
    coarse = np.random.default_rng(0).integers(0, 256, (9, 16, 3), dtype=np.uint8)
    frame = cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)
    seconds: dict[str, list[float]] = {name: [] for name in styles}
    with ExitStack() as stack:
        opened = {name: stack.enter_context(Stylizer(find_style(folder), size=SIZE)) for name, folder in styles.items()}
        for _ in range(ROUNDS + 1):
            for name, stylizer in opened.items():
                began = time.perf_counter()
                for future in [stylizer.submit(frame) for _ in range(FRAMES)]:
                    future.result()
                seconds[name].append((time.perf_counter() - began) / FRAMES)
    return {name: round(1 / statistics.median(values[1:]), 1) for name, values in seconds.items()}


def sheet(columns: dict[str, list[Picture]]) -> Picture:
    """Put lists of pictures side by side, one column each, under their names."""
    drawn = []
    for name, pictures in columns.items():
        head = np.full((28, pictures[0].shape[1], 3), 255, np.uint8)
        cv2.putText(head, name, (6, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
        drawn.append(np.vstack([head, *pictures]))
    return np.hstack(drawn)


if __name__ == "__main__":
    main()
