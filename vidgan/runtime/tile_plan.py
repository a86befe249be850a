"""Where tiles lie, and how large they should be. Pure Python: no runtime is imported here.

Two kinds of rectangle: a *tile* is what the network gets; its *cell* is the part of it that is used. Cells cover the
picture without overlap; a tile reaches beyond its cell by a halo on all sides but those at the picture's border.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

_SLACK = 1.05
"""A tiling that computes so many times the least number of pixels is as good, if it takes less memory."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """One tile along one side, in pixels of the picture."""

    origin: int
    """Where the tile begins."""
    begin: int
    """Where its cell begins."""
    end: int
    """Where its cell ends."""


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """Tiles of one size that cover a picture."""

    picture: tuple[int, int]
    """Width and height in pixels, like all sizes here."""
    tile: tuple[int, int]
    """Not larger than the picture."""
    halo: int
    """How far tiles reach beyond their cells."""

    @cached_property
    def columns(self) -> list[Span]:
        """The tiles from left to right."""
        return place(self.picture[0], self.tile[0], self.halo)

    @cached_property
    def rows(self) -> list[Span]:
        """The tiles from top to bottom."""
        return place(self.picture[1], self.tile[1], self.halo)

    @property
    def count(self) -> int:
        """How many tiles there are."""
        return len(self.columns) * len(self.rows)

    @property
    def computed_pixels(self) -> int:
        """Pixels of all tiles together."""
        return self.count * self.tile[0] * self.tile[1]


def place(length: int, tile: int, halo: int) -> list[Span]:
    """Place tiles along one side. The last one is shifted inwards, so that all have the same size.

    Args:
        length: of the picture, in pixels.
        tile: length of a tile; more than two halos, unless it is the whole picture.
        halo: how far tiles reach beyond their cells.

    Raises:
        ValueError: the tile is too small or too large.
    """
    if tile > length or (tile < length and tile <= 2 * halo):
        raise ValueError(f"tile is {tile}; give more than {2 * halo} pixels (two halos), at most {length}")
    spans = [Span(origin=0, begin=0, end=length if tile == length else tile - halo)]
    while (begin := spans[-1].end) < length:
        origin = min(begin - halo, length - tile)
        end = length if origin + tile == length else origin + tile - halo
        spans.append(Span(origin=origin, begin=begin, end=end))
    return spans


def choose_tiling(
    picture: tuple[int, int], *, halo: int, alignment: int, fits: Callable[[int], bool]
) -> tuple[Tiling | None, Tiling]:
    """Choose the tiling that computes the fewest pixels, or nearly so, within a limit of memory.

    Args:
        picture: width and height in pixels, multiples of `alignment`.
        halo: how far tiles reach beyond their cells, a multiple of `alignment`.
        alignment: tiles begin at multiples of so many pixels.
        fits: whether a tile of so many pixels fits into memory; if one does, smaller ones do.

    Returns:
        That tiling, None where nothing fits; and the one with the smallest tiles that make sense.
    """
    sides = [_lengths(length, halo, alignment) for length in picture]
    tilings = [Tiling(picture=picture, tile=(w, h), halo=halo) for w in sides[0] for h in sides[1]]
    smallest = min(tilings, key=_tile_pixels)
    usable = [tiling for tiling in tilings if fits(_tile_pixels(tiling))]
    if not usable:
        return None, smallest
    least = min(tiling.computed_pixels for tiling in usable)
    good = [tiling for tiling in usable if tiling.computed_pixels <= _SLACK * least]
    return min(good, key=lambda tiling: (_tile_pixels(tiling), tiling.computed_pixels)), smallest


def _lengths(length: int, halo: int, alignment: int) -> list[int]:
    """Return the lengths of tile worth a look: those that make 1, 2, 3 ... tiles of a side without waste."""
    # A cell smaller than its halo costs nine times its own work and more.
    least = max(3 * halo, alignment)
    lengths, number = [length], 2
    while True:
        needed = -(-(length + 2 * halo * (number - 1)) // number)
        tile = -(-needed // alignment) * alignment
        if tile >= length or tile < least or tile <= 2 * halo:
            return lengths
        if tile != lengths[-1]:
            lengths.append(tile)
        number += 1


def _tile_pixels(tiling: Tiling) -> int:
    return tiling.tile[0] * tiling.tile[1]
