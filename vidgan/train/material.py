"""What a run of translation learns on and what it is judged by, read from where its configuration says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vidgan.errors import InputError
from vidgan.train.domains import Domain, Files, Images, hold_back, images_of, middle_square, read_domain, read_pairs
from vidgan.train.translation import TranslationConfig

LEARNT, HELD_OUT = "train", ("val", "test")
"""How the folders of published sets are called: `trainA` and `trainB` beside `valA` and `valB` or `testA` and `testB`;
where A and B are in one picture, `train` beside `val` or `test`."""
MOST_JUDGED = 400
"""Pictures of a domain that results are judged by at most; more are thinned out evenly."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the pictures of a run lie."""

    a: Path
    """Of domain A, or of pairs in one picture."""
    b: Path | None
    """Of domain B; None: `a` holds pairs."""
    held_out_a: Path | None = None
    """To judge by; None holds a part of the others back."""
    held_out_b: Path | None = None
    """The same of domain B."""

    @property
    def name(self) -> str:
        """What a run on them may be called: after the folders, such as `aerial2map`."""
        if self.a.name in (LEARNT, f"{LEARNT}A"):
            return self.a.absolute().parent.name
        return self.a.absolute().stem + (f"2{self.b.absolute().stem}" if self.b else "")


def find_places(sources: Sequence[Path], held_out: Sequence[Path] = ()) -> Places:
    """Make out what the folders that a user gave are.

    Args:
        sources: two domains; or one folder that holds `trainA` and `trainB`; or one of pairs, A on the left and B on
            the right, itself or in its folder `train`.
        held_out: as many folders to judge by as there are domains; none takes `valA` and `valB`, or `testA` and
            `testB`, or `val` or `test`, where they lie in the one folder of `sources`.

    Raises:
        InputError: too few or too many, or not there.
    """
    for path in (*sources, *held_out):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder of pictures")
    # The same folder typed in another way is the same run.
    sources, held_out = ([Path(os.path.normpath(path.absolute())) for path in paths] for paths in (sources, held_out))
    if len(sources) == 1:
        root = sources[0]
        if (root / f"{LEARNT}A").is_dir() and (root / f"{LEARNT}B").is_dir():
            sources = [root / f"{LEARNT}A", root / f"{LEARNT}B"]
            held_out = held_out or _first([[root / f"{name}A", root / f"{name}B"] for name in HELD_OUT])
        elif (root / LEARNT).is_dir():
            sources = [root / LEARNT]
            held_out = held_out or _first([[root / name] for name in HELD_OUT])
    if len(sources) not in (1, 2):
        raise InputError(f"{len(sources)} folders: give domain A and domain B, or one folder that holds both")
    if held_out and len(held_out) != len(sources):
        raise InputError(
            f"--held-out is given {len(held_out)} times: once for each of {len(sources)} folders, or never"
        )
    second = sources[1] if len(sources) == 2 else None
    held_a, held_b = [*held_out, None, None][:2]
    return Places(a=sources[0], b=second, held_out_a=held_a, held_out_b=held_b)


def _first(choices: Sequence[list[Path]]) -> list[Path]:
    return next((paths for paths in choices if all(path.is_dir() for path in paths)), [])


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """Pictures in memory."""

    learnt: tuple[Images, Images]
    """Of A and of B. Of pairs the first has six channels, and the second is empty."""
    judged: tuple[Images, Images]
    """Squares `(S, S, 3)` of A and of B, S being the configuration's `judged_side`. Of pairs, in the same order."""

    def domains(self, config: TranslationConfig) -> dict[str, Domain]:
        """Return crops of the pictures to learn on, of domains `a` and `b`."""
        named = zip("ab", self.learnt, strict=True)
        return {
            name: Domain(images=images, crop=config.crop, seed=config.seed, stream=stream)
            for stream, (name, images) in enumerate(named)
        }

    def steps_of(self, epochs: float, batch: int) -> int:
        """Return how many steps show every picture of the larger domain so often."""
        return max(1, round(epochs * max(map(len, self.learnt)) / batch))


def read_unpaired(config: TranslationConfig) -> Material:
    """Read both domains.

    Raises:
        InputError: a domain is missing, or nothing in it can be read.
    """
    if config.b is None:
        raise InputError(f"{config.a}: one folder; give domain A and domain B, or one that holds trainA and trainB")
    learnt, judged = [], []
    for source, held_out in ((config.a, config.held_out_a), (config.b, config.held_out_b)):
        files = read_domain(source, config.load_side)
        files, kept = (files, read_domain(held_out, config.judged_side)) if held_out else hold_back(files)
        learnt.append(images_of(files))
        judged.append(_squares(kept, config.judged_side))
    return Material(learnt=(learnt[0], learnt[1]), judged=(judged[0], judged[1]))


def read_paired(config: TranslationConfig, *, is_backwards: bool = False) -> Material:
    """Read pairs.

    Args:
        config: says where they are.
        is_backwards: A and B change places.

    Raises:
        InputError: a folder is missing, or there are no pairs in it.
    """
    files = read_pairs(config.a, config.b, config.load_side)
    if config.held_out_a:
        kept = read_pairs(config.held_out_a, config.held_out_b, config.judged_side)
    else:
        files, kept = hold_back(files)
    learnt, squares = images_of(files), _squares(kept, config.judged_side)
    if is_backwards:
        learnt, squares = ([np.roll(pair, 3, axis=2) for pair in pairs] for pairs in (learnt, squares))
    return Material(
        learnt=(learnt, []), judged=([pair[..., :3] for pair in squares], [pair[..., 3:] for pair in squares])
    )


def _squares(files: Sequence[Files], side: int) -> Images:
    images = images_of(files)
    chosen = np.linspace(0, len(images) - 1, min(len(images), MOST_JUDGED)).astype(int)
    return [middle_square(images[index], side) for index in chosen]
