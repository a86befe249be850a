"""`vidgan paint`."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidgan.cli import weights
from vidgan.errors import InputError, RuntimeUnavailableError

if TYPE_CHECKING:
    from vidgan.frame import VideoInfo
    from vidgan.paint.job import PaintReport
    from vidgan.paint.options import PaintOptions, PaintProgress
    from vidgan.video.sink import SinkOptions
    from vidgan.video.source import SourceOptions

_LOOK, _WORK, _VIDEO = "Look", "Work", "Video"


def command(
    content: Annotated[str, typer.Argument(metavar="CONTENT", help="Picture or video to paint.")],
    styles: Annotated[list[Path], typer.Argument(metavar="STYLE...", help="Paintings; of several, the mean manner.")],
    result: Annotated[str, typer.Option("-o", "--output", metavar="OUT", help="Picture or video to write.")],
    content_weight: Annotated[
        float | None, typer.Option(help="More keeps CONTENT clearer.", rich_help_panel=_LOOK)
    ] = None,
    style_weight: Annotated[float | None, typer.Option(help="More makes it wilder.", rich_help_panel=_LOOK)] = None,
    variation_weight: Annotated[
        float | None, typer.Option(help="More makes it smoother.", rich_help_panel=_LOOK)
    ] = None,
    style_scale: Annotated[
        float | None, typer.Option(help="Size of the strokes, 0.1..4.", rich_help_panel=_LOOK)
    ] = None,
    keep_colour: Annotated[
        bool,
        typer.Option("--keep-colour", help="Brightness as painted, colours from CONTENT.", rich_help_panel=_LOOK),
    ] = False,
    iterations: Annotated[
        int | None, typer.Option(help="Looks at the picture, over all scales; 300.", rich_help_panel=_WORK)
    ] = None,
    optimiser: Annotated[str | None, typer.Option(help="lbfgs or adam.", rich_help_panel=_WORK)] = None,
    scales: Annotated[int | None, typer.Option(help="Sizes from coarse to fine; 3.", rich_help_panel=_WORK)] = None,
    longest_side: Annotated[
        int | None, typer.Option(help="Paint with at most so many pixels across; 1024.", rich_help_panel=_WORK)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Start of every random choice.", rich_help_panel=_WORK)] = None,
    features: Annotated[str | None, typer.Option(help=weights.HELP, rich_help_panel=_WORK)] = None,
    frame_iterations: Annotated[
        int | None, typer.Option(help="Looks at every frame after a shot's first; 60.", rich_help_panel=_VIDEO)
    ] = None,
    temporal_weight: Annotated[
        float | None, typer.Option(help="More holds frames together.", rich_help_panel=_VIDEO)
    ] = None,
    start: Annotated[str | None, typer.Option(help="Begin here: 12.5 or 1:02:03.5.", rich_help_panel=_VIDEO)] = None,
    end: Annotated[str | None, typer.Option(help="End here.", rich_help_panel=_VIDEO)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing OUT.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output at the end.")] = False,
) -> None:
    """Paint CONTENT in the manner of STYLE by optimising the picture itself: minutes for each, and the best look.

    Ctrl-C ends it with what is painted so far.

    For example:

    vidgan paint bridge.jpg starry-night.jpg -o painted.png

    vidgan paint holiday.mp4 scream.jpg wave.jpg -o painted.mp4 --end 2 --longest-side 480
    """
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("kornia") is None:
        raise RuntimeUnavailableError("painting needs torch and kornia: pip install 'vidgan[train]'")
    from vidgan.cli import values
    from vidgan.paint.options import PaintOptions
    from vidgan.video.sink import SinkOptions
    from vidgan.video.source import SourceOptions

    if as_json and result == "-":
        raise InputError("--json: standard output is taken by -o -")
    chosen: dict[str, Any] = {
        "content_weight": content_weight,
        "style_weight": style_weight,
        "variation_weight": variation_weight,
        "style_scale": style_scale,
        "iterations": iterations,
        "optimiser": optimiser,
        "num_scales": scales,
        "longest_side": longest_side,
        "seed": seed,
        "features": weights.find_features(features),
        "frame_iterations": frame_iterations,
        "temporal_weight": temporal_weight,
    }
    with values.as_input():
        options = PaintOptions(keep_colour=keep_colour, **{k: v for k, v in chosen.items() if v is not None})
        source = SourceOptions(start_seconds=values.seconds(start, "--start"), end_seconds=values.seconds(end, "--end"))
        _run(content, styles, result, options, source, SinkOptions(overwrite=overwrite), as_json=as_json)


def _run(
    content: str,
    styles: list[Path],
    result: str,
    options: PaintOptions,
    source: SourceOptions,
    sink: SinkOptions,
    *,
    as_json: bool,
) -> None:
    from vidgan.cli.progress import Bar
    from vidgan.cli.signals import stop_on_signal
    from vidgan.paint.job import paint_file

    with stop_on_signal() as stop, Bar("paint", unit="iterations") as bar:
        show = _Show(bar, options)
        report = paint_file(
            content,
            styles,
            result,
            options,
            source_options=source,
            sink_options=sink,
            report=show,
            stop=stop,
        )
    _say(report, as_json=as_json)
    if report.interrupted:
        raise typer.Exit(130)


class _Show:
    """Puts what painting tells on the bar."""

    def __init__(self, bar: Any, options: PaintOptions) -> None:  # noqa: ANN401
        self._bar, self._options, self._done = bar, options, 0

    def __call__(self, progress: PaintProgress, info: VideoInfo) -> None:
        self._done += 1
        total = None
        if info.is_still:
            total = progress.iterations
        elif info.num_frames:
            # Cuts take more: they aren't known yet.
            total = self._options.iterations + (info.num_frames - 1) * self._options.frame_iterations
        losses = " ".join(f"{key} {value:.3f}" for key, value in progress.losses.items() if key != "total")
        where = "" if info.is_still else f"frame {progress.frame} "
        self._bar.update(self._done, total, f"{where}{losses}")


def _say(report: PaintReport, *, as_json: bool) -> None:
    for notice in report.notices:
        print(f"note: {notice}", file=sys.stderr)
    if as_json:
        print(json.dumps(as_object(report)))
        return
    losses = ", ".join(f"{key} {value:.3f}" for key, value in report.losses.items())
    frames = "" if report.frames == 1 else f"{report.frames} frames, "
    where = report.path or "standard output"
    if report.interrupted:
        print(f"interrupted after {report.iterations} iterations; what was painted is in {where}", file=sys.stderr)
    else:
        print(f"{where}: {frames}{report.iterations} iterations in {report.seconds:.0f} s; {losses}", file=sys.stderr)


def as_object(report: PaintReport) -> dict[str, Any]:
    """Return the report as what `--json` prints."""
    return {
        "output": str(report.path) if report.path else None,
        "interrupted": report.interrupted,
        "frames": report.frames,
        "iterations": report.iterations,
        "seconds": round(report.seconds, 3),
        "losses": {name: round(value, 6) for name, value in report.losses.items()},
        "notices": report.notices,
    }
