"""`vidgan quantise`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    style: Annotated[str, typer.Argument(metavar="STYLE", help="Name or folder of a style.", show_default=False)],
    content: Annotated[
        list[str],
        typer.Option(
            "--content", metavar="FILE|FOLDER", help="Pictures and videos to take the ranges from; repeat it."
        ),
    ],
    check: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE|FOLDER", help="Others to compare on; a third of --content without it."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FOLDER", help="Write a copy of the style there.")
    ] = None,
    least_psnr: Annotated[float, typer.Option(help="dB to the float network; below, nothing is kept.")] = 35.0,
) -> None:
    """Give a style an int8 network, which --precision auto takes where it is faster.

    The float network stays. The int8 one is compared with it on frames that it wasn't made with, and kept if it comes
    close. Needs NNCF, which comes with the extra `int8`.

    For example:

    vidgan quantise my-style --content photos/ --content holiday.mp4
    """
    from vidgan.cli import values
    from vidgan.cli.progress import Bar
    from vidgan.quantise import QuantiseOptions, quantise_style

    with values.as_input(), Bar("quantise", unit="frames") as bar:
        report = quantise_style(
            style,
            content,
            check=check or (),
            folder=folder,
            options=QuantiseOptions(least_psnr=least_psnr),
            progress=lambda what, done, of: bar.update(done, of) if what == "compare" else None,
        )
    print(
        f"{report.path}: {report.psnr_mean:.1f} dB to {report.compared_with} on {report.num_checked} frames "
        f"(worst {report.psnr_worst:.1f}), ranges from {report.num_calibrated} others",
        file=sys.stderr,
    )
