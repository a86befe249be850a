"""`vidgan measure`."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidgan.cli.figures import ratio, rows, summary
from vidgan.errors import InputError

if TYPE_CHECKING:
    from vidgan.judge import Judgement
    from vidgan.temporal.measure import Measurement
    from vidgan.video.source import SourceOptions


def command(
    source: Annotated[str, typer.Argument(metavar="IN", help="The video before.")],
    result: Annotated[str, typer.Argument(metavar="OUT", help="The same video restyled, by vidgan or anything else.")],
    per_frame: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="IN restyled without smoothing: what did smoothing gain, what did it cost?"),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write a page with plot, worst moments and stills.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(help="Begin here: 12.5 or 1:02:03.5. If OUT is no longer than the cut, only IN is cut."),
    ] = None,
    end: Annotated[str | None, typer.Option(help="End here.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing report.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output at the end.")] = False,
) -> None:
    """Say how steady and how sharp a restyled video is.

    For example:

    vidgan measure holiday.mp4 starry.mp4

    vidgan measure in.mp4 smooth.mp4 --per-frame flickering.mp4 --report report.html
    """
    from vidgan.cli import values
    from vidgan.video.source import SourceOptions

    locations = [location for location in (source, result, per_frame) if location is not None]
    if locations.count("-") > 1:
        raise InputError("-: standard input holds one video, not two")
    if result == source:
        raise InputError(f"{result}: IN and OUT are the same")
    with values.as_input():
        options = SourceOptions(
            start_seconds=values.seconds(start, "--start"), end_seconds=values.seconds(end, "--end")
        )
        _run(locations, options, report, overwrite=overwrite, as_json=as_json)


def _run(locations: list[str], options: SourceOptions, report: Path | None, *, overwrite: bool, as_json: bool) -> None:
    from vidgan.cli.progress import Bar
    from vidgan.cli.report import make_page
    from vidgan.cli.signals import stop_on_signal
    from vidgan.judge import measure_video
    from vidgan.video.target import Target, as_sink_error

    _refuse_own_input(locations, report)
    # Before the work: nobody wants to hear of a missing folder after it.
    target = Target(report, overwrite=overwrite) if report else None
    began = time.monotonic()
    with stop_on_signal() as stop, Bar("measure") as bar:
        judgement = measure_video(*locations, options=options, progress=bar.update, stop=stop)
    if target:
        try:
            with as_sink_error(target.path):
                target.temporary.write_text(make_page(judgement, *locations), encoding="utf-8")
            target.commit()
        finally:
            target.discard()
    for notice in judgement.notices:
        print(f"note: {notice}", file=sys.stderr)
    if as_json:
        facts = as_object(judgement, *locations)
        facts |= {"report": str(report) if report else None, "seconds": round(time.monotonic() - began, 3)}
        print(json.dumps(facts, allow_nan=False))
        return
    _show(judgement.measurement)
    if report:
        print(f"report: {report}")


def as_object(judgement: Judgement, source: str, result: str, per_frame: str | None = None) -> dict[str, Any]:
    """Return the figures as what `--json` prints; null where a figure isn't known, or infinite."""
    found = judgement.measurement
    return {
        "source": source,
        "result": result,
        "per_frame": per_frame,
        "frames": found.num_frames,
        "steps_measured": found.num_measured,
        "steps_skipped": len(found.moments) - found.num_measured,
        "cuts_seconds": [round(seconds, 4) for seconds in found.cuts],
        "warping_error": {
            "source": found.source_error,
            "per_frame": found.per_frame_error,
            "result": found.result_error,
            "result_by_source": ratio(found.result_error, found.source_error),
            "per_frame_by_source": ratio(found.per_frame_error, found.source_error),
            "per_frame_by_result": ratio(found.per_frame_error, found.result_error),
        },
        "sharpness": {"against": "per_frame" if per_frame else "source", "ratio": found.sharpness},
        "psnr_db": found.psnr_db if found.psnr_db is not None and math.isfinite(found.psnr_db) else None,
        "ssim": found.ssim,
        "pumping_levels": {"per_frame": found.per_frame_pumping, "result": found.pumping},
        "worst": [
            {"seconds": round(w.moment.seconds, 4), "source": w.moment.source_error, "result": w.moment.result_error}
            for w in found.worst
        ],
        "notices": judgement.notices,
    }


def _show(found: Measurement) -> None:
    from rich.console import Console
    from rich.table import Table

    with_per_frame = found.per_frame_error is not None
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for name in ("source", "per frame", "result") if with_per_frame else ("source", "result"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", style="dim")
    for name, source, per_frame, result, what in rows(found):
        figures = (source, per_frame, result) if with_per_frame else (source, result)
        table.add_row(name, *figures, what)
    console = Console()
    console.print(table)
    console.print(summary(found), style="dim", highlight=False)


def _refuse_own_input(locations: list[str], report: Path | None) -> None:
    from vidgan.video.target import is_same_file

    if report and any(is_same_file(report, location) for location in locations):
        raise InputError(f"--report {report}: is one of the videos")
