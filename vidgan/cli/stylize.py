"""`vidgan stylize`."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidgan.errors import InputError

if TYPE_CHECKING:
    from vidgan.job import StylizeOptions, StylizeReport

_INPUT, _OUTPUT, _LOOK, _MACHINE = "Input", "Output", "Look", "Machine"


def command(
    location: Annotated[
        str,
        typer.Argument(metavar="IN", help="File, URL, still image, folder or %05d pattern of images, or - for y4m."),
    ],
    result: Annotated[
        str,
        typer.Option("-o", "--output", metavar="OUT", help="File (container by extension), folder, pattern, or -."),
    ],
    style: Annotated[
        str, typer.Option(help="Name, file, folder or blend (A:0.7+B:0.3); none copies.", rich_help_panel=_LOOK)
    ] = "starry-night",
    strength: Annotated[float, typer.Option(help="0 source, 1 style.", rich_help_panel=_LOOK)] = 1.0,
    keep_colour: Annotated[
        bool, typer.Option("--keep-colour", help="Brightness from the style, colours from IN.", rich_help_panel=_LOOK)
    ] = False,
    smooth: Annotated[
        bool, typer.Option("--smooth/--no-smooth", help="Blend along the optical flow.", rich_help_panel=_LOOK)
    ] = True,
    smooth_strength: Annotated[float | None, typer.Option(help="0 none, 1 most.", rich_help_panel=_LOOK)] = None,
    flow: Annotated[
        str, typer.Option(help="Motion for --smooth: dis, or an ONNX network's file.", rich_help_panel=_LOOK)
    ] = "dis",
    skip_still: Annotated[
        bool,
        typer.Option(
            "--skip-still",
            help="Repeat the last result where nothing changed: no 8x8 pixels differ in their mean by more than 4 of "
            "255 levels, no 64x64 by more than 1.5, from the frame that was last restyled.",
            rich_help_panel=_LOOK,
        ),
    ] = False,
    start: Annotated[str | None, typer.Option(help="Begin here: 12.5 or 1:02:03.5.", rich_help_panel=_INPUT)] = None,
    end: Annotated[str | None, typer.Option(help="End here.", rich_help_panel=_INPUT)] = None,
    scale: Annotated[str | None, typer.Option(metavar="WxH", help="Work at this size.", rich_help_panel=_INPUT)] = None,
    fps: Annotated[float, typer.Option(help="Rate of a series of images.", rich_help_panel=_INPUT)] = 25.0,
    deinterlace: Annotated[str, typer.Option(help="auto, on or off.", rich_help_panel=_INPUT)] = "auto",
    codec: Annotated[
        str | None, typer.Option(help="libx264, libx265, libsvtav1, h264_nvenc, ffv1 ...", rich_help_panel=_OUTPUT)
    ] = None,
    crf: Annotated[
        float | None, typer.Option(help="Constant quality, lower is better.", rich_help_panel=_OUTPUT)
    ] = None,
    preset: Annotated[str | None, typer.Option(help="The encoder's speed.", rich_help_panel=_OUTPUT)] = None,
    pix_fmt: Annotated[str | None, typer.Option(help="Such as yuv444p.", rich_help_panel=_OUTPUT)] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="IN and OUT side by side.", rich_help_panel=_OUTPUT)
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing OUT.", rich_help_panel=_OUTPUT)
    ] = False,
    runtime: Annotated[str, typer.Option(help="auto, openvino, tensorrt or torch.", rich_help_panel=_MACHINE)] = "auto",
    device: Annotated[
        str, typer.Option(help="auto, CPU, GPU, NPU (openvino), cuda:0, cpu (torch).", rich_help_panel=_MACHINE)
    ] = "auto",
    precision: Annotated[str, typer.Option(help="auto, int8, bf16, f16 or f32.", rich_help_panel=_MACHINE)] = "auto",
    max_memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Of the whole program, such as 2GiB; 8K in tiles.", rich_help_panel=_MACHINE),
    ] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Say how steady the result is.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output at the end.")] = False,
) -> None:
    """Restyle a video: same frames, same times, same sound, another look.

    For example:

    vidgan stylize holiday.mp4 -o starry.mp4

    vidgan stylize shots/ -o restyled/ --style scream --no-smooth

    ffmpeg -i in.mov -f yuv4mpegpipe - | vidgan stylize - -o - | ffplay -
    """
    from fractions import Fraction

    from vidgan.cli import values
    from vidgan.job import StylizeOptions
    from vidgan.video.encoder import EncoderOptions
    from vidgan.video.sink import SinkOptions
    from vidgan.video.source import SourceOptions

    with values.as_input():
        source = SourceOptions(
            deinterlace=deinterlace,  # type: ignore[arg-type]
            start_seconds=values.seconds(start, "--start"),
            end_seconds=values.seconds(end, "--end"),
            images_per_second=Fraction(fps).limit_denominator(1001),
        )
    if as_json and result == "-":
        raise InputError("--json: standard output is taken by -o -")
    encoder = EncoderOptions(codec=codec, crf=crf, preset=preset, pixel_format=pix_fmt)
    options = StylizeOptions(
        strength=strength,
        keep_colour=keep_colour,
        smooth=smooth,
        smooth_strength=smooth_strength,
        flow=flow,
        skip_still=skip_still,
        runtime=runtime,
        device=device,
        precision=values.precision(precision),
        max_memory=values.num_bytes(max_memory, "--max-memory"),
        scale=values.size(scale, "--scale"),
        compare=compare,
        measure_every=8 if measure else None,
        source=source,
        sink=SinkOptions(encoder=encoder, overwrite=overwrite),
    )
    _run(location, result, style, options, as_json=as_json)


def _run(location: str, result: str, style: str, options: StylizeOptions, *, as_json: bool) -> None:
    from vidgan.cli import values
    from vidgan.cli.progress import Bar
    from vidgan.cli.signals import stop_on_signal
    from vidgan.job import StylizeInterrupted, stylize_video

    with stop_on_signal() as stop, values.as_input():
        try:
            with Bar("stylize") as bar:
                report = stylize_video(
                    location,
                    result,
                    style=style,
                    options=options,
                    progress=lambda done, info: bar.update(done, info.num_frames),
                    stop=stop,
                )
        except StylizeInterrupted as interruption:
            report = interruption.report
            _say(report, as_json=as_json, interrupted=True)
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # Whoever read our standard output has gone; nothing more can be said there, not even at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(141) from None
    _say(report, as_json=as_json, interrupted=False)


def _say(report: StylizeReport, *, as_json: bool, interrupted: bool) -> None:
    for notice in report.notices:
        print(f"note: {notice}", file=sys.stderr)
    if as_json:
        print(json.dumps(as_object(report, interrupted=interrupted)))
        return
    ran = report.runtime
    where = f"{ran.runtime} {ran.precision} on {ran.device_name}" if ran else "no network"
    if ran and ran.tile_size:
        where += f", {ran.tiles} tiles of {ran.tile_size[0]}x{ran.tile_size[1]}"
    if interrupted:
        kept = f"what was done is in {report.path}" if report.path else "nothing was kept"
        print(f"interrupted after {report.frames} frames; {kept}", file=sys.stderr)
        return
    skipped = f" ({report.skipped} still, not restyled)" if report.skipped else ""
    print(
        f"{report.path or 'standard output'}: {report.frames} frames{skipped} in {report.seconds:.1f} s, "
        f"{report.fps:.1f} fps ({where})",
        file=sys.stderr,
    )
    if report.steadiness:
        steady = report.steadiness
        print(
            f"warping error (lower is steadier): the video itself {steady.source_error:.6f}, restyled frame by frame "
            f"{steady.per_frame_error:.6f}, result {steady.result_error:.6f}; over {steady.pairs} pairs of frames",
            file=sys.stderr,
        )


def as_object(report: StylizeReport, *, interrupted: bool) -> dict[str, Any]:
    """Return the report as what `--json` prints."""
    return {
        "output": str(report.path) if report.path else None,
        "interrupted": interrupted,
        "frames": report.frames,
        "skipped": report.skipped,
        "seconds": round(report.seconds, 4),
        "fps": round(report.fps, 3),
        "setup_seconds": round(report.setup_seconds, 4),
        "stage_seconds": {name: round(value, 4) for name, value in report.stage_seconds.items()},
        "runtime": dataclasses.asdict(report.runtime) if report.runtime else None,
        "steadiness": dataclasses.asdict(report.steadiness) if report.steadiness else None,
        "notices": report.notices,
    }
