"""The sheet: one picture in many styles, side by side, each with its name under it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vidgan.errors import MachineError, SourceError, StyleError
from vidgan.picture import resized
from vidgan.styles import Style
from vidgan.stylizer import Stylizer
from vidgan.video.source import Source, SourceOptions, open_source

logger = logging.getLogger(__name__)

Image = NDArray[np.uint8]

SOURCE_TITLE = "Original"
_PAPER, _MAT, _EDGE, _INK, _PALE_INK = (250, 249, 246), (240, 239, 235), (222, 220, 214), (32, 32, 34), (118, 116, 110)
_TITLE_WEIGHT, _NAME_WEIGHT = 500, 400
_LEAST_TILE = 96
_WIDTH = 1600
# What a page likes best, and how much worse an empty place is than another form.
_BEST_ASPECT, _EMPTY_COST = 1.4, 2.0
# Wider and taller pictures stand in a tile of this form, whole.
_WIDEST, _TALLEST = 2.4, 0.5
# Styles draw strokes of a fixed number of pixels. Twice the tile's size shows them about as fine as a video of usual
# size does, and they can still be told apart.
_WORK_FACTOR = 2
# Darker and flatter than this is a black frame, a title or a fade.
_LEAST_MEAN, _LEAST_DEVIATION = 24.0, 20.0
_FRAMES_TO_TRY = 150


@dataclass(frozen=True, kw_only=True)
class SheetOptions:
    """How a sheet looks."""

    columns: int | None = None
    """Pictures side by side; None chooses."""
    width: int = _WIDTH
    """Of the whole sheet, in pixels."""
    strength: float = 1.0
    """0 leaves the picture as it is, 1 is the style alone."""
    keep_colour: bool = False
    """Take the brightness from the style and the colours from the source."""

    def __post_init__(self) -> None:
        """Refuse what makes no picture."""
        if self.columns is not None and self.columns < 1:
            raise ValueError(f"columns is {self.columns}; give 1 or more")
        if self.width < _LEAST_TILE:
            raise ValueError(f"width is {self.width}; give {_LEAST_TILE} pixels or more")
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength is {self.strength}; give a number from 0 (the source) to 1 (the style)")


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """Where things are on a sheet, in pixels."""

    columns: int
    gap: int
    tile: tuple[int, int]
    """Width and height of the place for a picture."""
    picture: tuple[int, int]
    """Width and height of the picture in it."""
    title_size: int
    name_size: int

    @property
    def row_height(self) -> int:
        """A tile, its two lines of text, and the gap below."""
        return self.tile[1] + round(1.9 * self.title_size + 1.5 * self.name_size) + self.gap


def choose_frame(location: str | Path, at_seconds: Fraction | None = None) -> Image:
    """Read the one picture of a source that a sheet shows.

    Args:
        location: what `open_source` takes.
        at_seconds: the first frame at this time or later, of a video; None takes one from about a third of it that
            is neither dark nor flat, if there is any.

    Returns:
        uint8 RGB `(H, W, 3)`, with square pixels.

    Raises:
        SourceError: it can't be read, or has no frame at that time.
    """
    is_pipe = str(location) == "-"
    if is_pipe and at_seconds is not None:
        return _frame_from(location, at_seconds, 1)
    with open_source(location) as source:
        length = source.info.duration_seconds
        # A pipe is opened once only.
        if is_pipe or source.info.is_still or (at_seconds is None and not length):
            return _most_telling(source, _FRAMES_TO_TRY)
    if at_seconds is not None:
        if length and at_seconds >= length:
            raise SourceError(f"{location}: is {length:.2f} seconds long; there is no frame at {float(at_seconds):g}")
        return _frame_from(location, at_seconds, 1)
    try:
        return _frame_from(location, Fraction(length or 0).limit_denominator(1000) / 3, _FRAMES_TO_TRY)
    except SourceError:
        # It has one frame only, or sound that goes on after the pictures.
        return _frame_from(location, None, _FRAMES_TO_TRY)


def make_sheet(
    image_HWC: Image,
    styles: Sequence[Style],
    options: SheetOptions | None = None,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Image:
    """Lay out a picture and what each style makes of it, in a grid with titles and names.

    A style that doesn't work is left out, with a warning in the log.

    Args:
        image_HWC: uint8 RGB `(H, W, 3)` of any size. Styles get it at twice the size that it has on the sheet, or at
            its own where that is smaller.
        styles: what to show, in this order, after the picture itself.
        options: how it looks.
        progress: called before the first style and after each with the number done and the number of all.

    Returns:
        A new uint8 RGB array `(H, options.width, 3)`.

    Raises:
        ValueError: no styles, a picture of another kind, or columns too narrow to show anything.
        StyleError, MachineError: none of the styles works; the last one's reason.
    """
    options = options or SheetOptions()
    if not styles:
        raise ValueError("styles is empty; give at least one")
    if image_HWC.ndim != 3 or image_HWC.shape[2] != 3 or image_HWC.dtype != np.uint8 or not image_HWC.size:
        raise ValueError(f"picture is {image_HWC.dtype} {image_HWC.shape}; give uint8 (H, W, 3)")
    height, width = image_HWC.shape[:2]
    aspect = width / height
    grid = _plan(len(styles) + 1, aspect, options)
    scale = max(1.0, min(width / grid.picture[0], _WORK_FACTOR))
    work = resized(image_HWC, *(max(1, round(scale * length)) for length in grid.picture))
    pictures, labels = [image_HWC], [(SOURCE_TITLE, "")]
    failure: StyleError | MachineError | None = None
    progress(0, len(styles))
    for done, style in enumerate(styles, 1):
        try:
            pictures.append(_restyled(work, style, options))
            labels.append((style.title or style.name, style.name if style.title else ""))
        except (StyleError, MachineError) as error:
            failure = error
            logger.warning("left out a broken style: %s", error)
        progress(done, len(styles))
    if failure and len(pictures) == 1:
        raise failure
    return _draw(pictures, labels, _plan(len(pictures), aspect, options), options.width)


def _restyled(image_HWC: Image, style: Style, options: SheetOptions) -> Image:
    size = (image_HWC.shape[1], image_HWC.shape[0])
    with Stylizer(style, size=size, strength=options.strength, keep_colour=options.keep_colour) as stylizer:
        return stylizer(image_HWC)


def _frame_from(location: str | Path, start_seconds: Fraction | None, num_frames: int) -> Image:
    with open_source(location, SourceOptions(start_seconds=start_seconds)) as source:
        return _most_telling(source, num_frames)


def _most_telling(source: Source, num_frames: int) -> Image:
    """Return the first frame of some that is neither dark nor flat, or else the one of most contrast."""
    best, most = None, -1.0
    for frame in islice(source, num_frames):
        luma = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
        mean, deviation = float(luma.mean()), float(luma.std())
        if deviation > most:
            best, most = frame.image, deviation
        if mean >= _LEAST_MEAN and deviation >= _LEAST_DEVIATION:
            best = frame.image
            break
    assert best is not None  # a source has a first frame, or it can't be opened
    # Broken files say absurd things.
    ratio = min(max(source.info.sample_aspect_ratio, Fraction(1, 4)), Fraction(4))
    height, width = best.shape[:2]
    # Stretched, never shrunk, so that nothing is lost.
    return resized(best, round(width * max(ratio, 1)), round(height / min(ratio, 1)))


def _plan(num_tiles: int, aspect: float, options: SheetOptions) -> _Grid:
    """Choose the number of columns, and sizes that fill the width."""
    tile_aspect = min(max(aspect, _TALLEST), _WIDEST)
    columns = options.columns or _best_columns(num_tiles, tile_aspect, options.width)
    # Gaps, one more than there are columns, are a twentieth of a tile.
    tile_width = int(options.width / (columns + (columns + 1) / 20))
    if tile_width < _LEAST_TILE:
        raise ValueError(
            f"{columns} columns within {options.width} pixels leave {tile_width} for each picture; the least is "
            f"{_LEAST_TILE}: give fewer columns or more width"
        )
    tile_height = max(1, round(tile_width / tile_aspect))
    picture = (tile_width, tile_height)
    if aspect > tile_aspect:
        picture = (tile_width, max(1, round(tile_width / aspect)))
    elif aspect < tile_aspect:
        picture = (max(1, round(tile_height * aspect)), tile_height)
    title_size = round(min(max(0.055 * tile_width, 13), 34))
    return _Grid(
        columns=columns,
        gap=(options.width - columns * tile_width) // (columns + 1),
        tile=(tile_width, tile_height),
        picture=picture,
        title_size=title_size,
        name_size=max(12, round(0.75 * title_size)),
    )


def _best_columns(num_tiles: int, tile_aspect: float, width: int) -> int:
    """Weigh the form of the whole against places that stay empty in the last row."""

    def cost(columns: int) -> float:
        rows = -(-num_tiles // columns)
        # Text and gaps make a tile about a fifth higher than its picture.
        aspect = columns / rows / (1 / tile_aspect + 0.2)
        return abs(math.log(aspect / _BEST_ASPECT)) + _EMPTY_COST * (columns * rows - num_tiles) / num_tiles

    most = max(1, min(num_tiles, 2 * width // (3 * _LEAST_TILE)))
    return min(range(1, most + 1), key=cost)


def _draw(pictures: Sequence[Image], labels: Sequence[tuple[str, str]], grid: _Grid, width: int) -> Image:
    rows = -(-len(pictures) // grid.columns)
    sheet_HWC = np.full((rows * grid.row_height + grid.gap, width, 3), _PAPER, np.uint8)
    tile_width, tile_height = grid.tile
    picture_width, picture_height = grid.picture
    left = (width - grid.columns * tile_width - (grid.columns - 1) * grid.gap) // 2
    for index, (image_HWC, (title, name)) in enumerate(zip(pictures, labels, strict=True)):
        row, column = divmod(index, grid.columns)
        x, y = left + column * (tile_width + grid.gap), grid.gap + row * grid.row_height
        inset_x, inset_y = x + (tile_width - picture_width) // 2, y + (tile_height - picture_height) // 2
        cv2.rectangle(sheet_HWC, (x - 1, y - 1), (x + tile_width, y + tile_height), _EDGE)
        sheet_HWC[y : y + tile_height, x : x + tile_width] = _MAT
        place_HWC = sheet_HWC[inset_y : inset_y + picture_height, inset_x : inset_x + picture_width]
        place_HWC[:] = resized(image_HWC, picture_width, picture_height)
        baseline = y + tile_height + round(1.45 * grid.title_size)
        _write(sheet_HWC, title, (x, baseline), tile_width, grid.title_size, _TITLE_WEIGHT, _INK)
        baseline += round(1.45 * grid.name_size)
        _write(sheet_HWC, name, (x, baseline), tile_width, grid.name_size, _NAME_WEIGHT, _PALE_INK)
    return sheet_HWC


def _write(
    sheet_HWC: Image,
    text: str,
    origin: tuple[int, int],
    width: int,
    size: int,
    weight: int,
    colour: tuple[int, int, int],
) -> None:
    """Write one line from the left end of its baseline, smaller or cut short where `width` is too little for it."""
    # OpenCV brings a font of its own: Latin, Greek, Cyrillic, and Chinese and Japanese.
    font = cv2.FontFace("sans")

    def length(text: str, size: int) -> int:
        return cv2.getTextSize((0, 0), text, (0, 0), font, size, weight)[2]

    text = " ".join(text.split())
    if text and length(text, size) > width:
        size = max(round(0.8 * size), 10)
        whole = text
        while len(text) > 1 and length(text, size) > width:
            whole = whole[:-1].rstrip()
            text = f"{whole}…"
    if text:
        cv2.putText(sheet_HWC, text, origin, colour, font, size, weight)
