"""`vidgan bench`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from vidgan.errors import InputError

if TYPE_CHECKING:
    from vidgan.bench.result import BenchOptions


def command(
    clip: Annotated[
        str | None, typer.Argument(metavar="[CLIP]", help="A video file, measured beside the synthetic clip.")
    ] = None,
    style: Annotated[str, typer.Option(help="Name, file, folder or blend; none leaves the network out.")] = (
        "starry-night"
    ),
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Work at this size; without it CLIP's own, or 1280x720.")
    ] = None,
    runtime: Annotated[str, typer.Option(help="auto, openvino, tensorrt or torch.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, CPU, GPU, NPU, cuda:0, cpu (torch).")] = "auto",
    precision: Annotated[str, typer.Option(help="auto measures the network in every precision that runs here.")] = (
        "auto"
    ),
    repeats: Annotated[int, typer.Option(help="Rounds that count; one before them warms up.")] = 5,
    frames: Annotated[int, typer.Option(help="Length of the synthetic clip, and the most of CLIP.")] = 120,
    json_file: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write every figure; - writes to standard output, alone."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing FILE.")] = False,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A.json B.json", help="Measure nothing: print the ratios B/A of two such files."),
    ] = None,
) -> None:
    """Measure how fast this machine restyles: the network alone, every stage alone, and whole runs.

    Takes a few minutes. Nothing else should run meanwhile.

    For example:

    vidgan bench

    vidgan bench holiday.mp4 --style scream --json today.json

    vidgan bench --compare before.json after.json
    """
    if compare:
        if clip is not None or json_file is not None:
            raise InputError("--compare reads two results and prints; it goes with neither CLIP nor --json")
        _compare(*compare)
        return
    from vidgan.bench.result import BenchOptions
    from vidgan.cli import values

    with values.as_input():
        options = BenchOptions(
            clip=clip,
            style=style,
            size=values.size(size, "--size"),
            runtime=runtime,
            device=device,
            precision=values.precision(precision),
            repeats=repeats,
            frames=frames,
        )
        _run(options, json_file, overwrite=overwrite)


def _run(options: BenchOptions, json_file: str | None, *, overwrite: bool) -> None:
    from vidgan.bench.report import as_object, to_json, write
    from vidgan.bench.run import run_bench
    from vidgan.cli.bench_table import show
    from vidgan.cli.progress import Bar
    from vidgan.video.target import Target, as_sink_error, is_same_file

    if json_file and json_file != "-" and options.clip is not None and is_same_file(json_file, options.clip):
        raise InputError(f"--json {json_file}: is the clip")
    target = Target(Path(json_file), overwrite=overwrite) if json_file and json_file != "-" else None
    if target:
        # Nobody wants to hear after some minutes of work that its result can't be written.
        with as_sink_error(target.path):
            target.temporary.touch()
        target.discard()
    with _interrupted_by_signals(), Bar("bench", unit="measurements") as bar:
        found = as_object(run_bench(options, bar.update))
    if target:
        write(found, target)
    if json_file == "-":
        print(to_json(found), end="")
        return
    show(found)
    if target:
        print(f"written: {target.path}")


def _compare(before: Path, after: Path) -> None:
    from vidgan.bench.compare import compare_results
    from vidgan.bench.report import read
    from vidgan.cli.bench_table import show_comparison

    show_comparison(compare_results(read(before), read(after)), before, after)


@contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C, so that the runs in other processes and the temporary files end with this one."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
