"""`vidgan sheet`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidgan.errors import InputError, SinkError

if TYPE_CHECKING:
    from vidgan.styles import Style


def command(
    location: Annotated[
        str, typer.Argument(metavar="IN", help="A picture, or a video of which one frame is taken.", show_default=False)
    ],
    result: Annotated[
        Path, typer.Option("-o", "--output", metavar="OUT", help="The picture to write: .png, .jpg, .webp ...")
    ],
    at: Annotated[
        str | None, typer.Option(metavar="T", help="Time of the frame: 12.5 or 1:02:03.5; chosen without it.")
    ] = None,
    styles: Annotated[
        str | None,
        typer.Option(metavar="A,B,...", help="Names, paths, blends (A:0.7+B:0.3); all styles without it."),
    ] = None,
    columns: Annotated[int | None, typer.Option(help="Pictures side by side.")] = None,
    width: Annotated[int, typer.Option(help="Of the whole sheet, in pixels.")] = 1600,
    strength: Annotated[float, typer.Option(help="0 source, 1 style.")] = 1.0,
    keep_colour: Annotated[
        bool, typer.Option("--keep-colour", help="Brightness from the style, colours from IN.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing OUT.")] = False,
) -> None:
    """Show one picture in every style, side by side, with their names.

    For example:

    vidgan sheet photo.jpg -o sheet.png

    vidgan sheet holiday.mp4 --at 1:20 --styles starry-night,scream,starry-night+scream -o sheet.png
    """
    from vidgan.cli import values
    from vidgan.cli.progress import Bar
    from vidgan.frame import Frame, VideoInfo
    from vidgan.sheet import SheetOptions, choose_frame, make_sheet
    from vidgan.video.sink import SinkOptions, open_sink

    with values.as_input():
        options = SheetOptions(columns=columns, width=width, strength=strength, keep_colour=keep_colour)
        at_seconds = values.seconds(at, "--at")
        _check_result(location, result, overwrite=overwrite)
        chosen = _find(styles)
        image = choose_frame(location, at_seconds)
        with Bar("sheet", unit="styles") as bar:
            sheet = make_sheet(image, chosen, options, progress=bar.update)
        info = VideoInfo(width=sheet.shape[1], height=sheet.shape[0], num_frames=1)
        with open_sink(result, info, SinkOptions(overwrite=overwrite)) as sink:
            sink.write(Frame(image=sheet, pts=0, time_base=info.time_base))
    print(f"{result}: {sheet.shape[1]}x{sheet.shape[0]}", file=sys.stderr)


def _check_result(location: str, result: Path, *, overwrite: bool) -> None:
    """Refuse before the work what would fail after it."""
    from vidgan.picture import OPENCV_SUFFIXES
    from vidgan.video.target import Target, is_same_file

    if result.suffix.lower() not in OPENCV_SUFFIXES:
        raise SinkError(f"{result}: a sheet is a picture; write it as {', '.join(sorted(OPENCV_SUFFIXES))}")
    if is_same_file(location, result):
        raise SinkError(f"{result}: source and result are the same file")
    Target(result, overwrite=overwrite)


def _find(styles: str | None) -> list[Style]:
    from vidgan.blend import resolve_style
    from vidgan.styles import list_styles, style_folders

    if styles is not None:
        names = [name.strip() for name in styles.split(",") if name.strip()]
        if not names:
            raise InputError(f"--styles {styles!r}: give names with commas between, such as starry-night,scream")
        return [resolve_style(name) for name in names]
    found = list_styles()
    if not found:
        raise InputError(f"there are no styles in {' or '.join(str(folder) for folder in style_folders())}")
    return found
