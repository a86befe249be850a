"""A whole benchmark: everything measured in turn, round by round."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vidgan.bench import machine
from vidgan.bench.clip import Clip, read_clip
from vidgan.bench.material import RESULT_NAME, Material, prepare
from vidgan.bench.network import NetworkOptions, device_figures, open_all, padded, time_latency, time_throughput
from vidgan.bench.result import BenchOptions, BenchResult, ClipFigures, NetworkFigures
from vidgan.bench.stages import num_frames_of, stages_of
from vidgan.bench.synthetic import write_clip
from vidgan.bench.whole import Job, run_job, time_start_up
from vidgan.blend import resolve_style
from vidgan.errors import InputError
from vidgan.runtime.plan import file_sha256
from vidgan.styles import IDENTITY_NAME, Style
from vidgan.stylizer import Stylizer
from vidgan.threads import opencv_threads

DEFAULT_SIZE = (1280, 720)
Progress = Callable[[int, int | None, str], None]


def run_bench(options: BenchOptions, progress: Progress = lambda _done, _total, _what: None) -> BenchResult:
    """Measure everything once per round, so that a machine whose speed drifts is fair to all of it.

    Args:
        options: what to measure.
        progress: called before every measurement with how many are done, how many there are (None while that isn't
            known) and what comes now.

    Raises:
        InputError, MachineError: what was given can't be used, or this machine can't do it.
        ValueError: an option out of range.
    """
    facts = machine.describe()
    given = read_clip(options.clip, options.frames) if options.clip is not None else None
    size = _choose_size(options, given)
    style = None if options.style == IDENTITY_NAME else resolve_style(options.style)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vidgan-bench-")))
        networks = open_all(style, _network_options(options, size)) if style else {}
        for network in networks.values():
            stack.callback(network.close)
        stack.enter_context(opencv_threads())
        progress(0, None, "making the synthetic clip")
        write_clip(folder / "synthetic.mp4", size=size, num_frames=options.frames)
        clips = {"synthetic": read_clip(folder / "synthetic.mp4", None)} | ({"given": given} if given else {})
        bench = _Bench(options, size, style, folder)
        for name, clip in clips.items():
            progress(0, None, f"{name} clip: what the stages need")
            bench.add_clip(name, clip)
        bench.add_networks(networks)
        bench.add_start_up(clips["synthetic"])
        bench.measure(progress)
    return BenchResult(
        options=options,
        size=size,
        machine=facts,
        style=style,
        model_sha256=file_sha256(style.path) if style else None,
        networks=bench.networks,
        clips=bench.clips,
        start_up_seconds=bench.start_up_seconds,
    )


@dataclass(frozen=True, kw_only=True)
class _Measurement:
    """Something to measure once per round."""

    name: str
    """For people."""
    run: Callable[[], Any]
    """Measures, and returns a value."""
    values: list[Any]
    """Where the values go."""


class _Bench:
    """The measurements of one benchmark, and where their values go."""

    def __init__(self, options: BenchOptions, size: tuple[int, int], style: Style | None, folder: Path) -> None:
        self.networks: dict[str, NetworkFigures] = {}
        self.clips: dict[str, ClipFigures] = {}
        self.start_up_seconds: list[float] = []
        self._options, self._size, self._style, self._folder = options, size, style, folder
        self._materials: list[Material] = []
        self._measurements: list[_Measurement] = []

    def add_clip(self, name: str, clip: Clip) -> None:
        """Take a clip its way once, and measure its stages and its whole runs."""
        options = self._options
        with Stylizer(
            self._style or IDENTITY_NAME,
            size=self._size,
            runtime=options.runtime,
            device=options.device,
            precision=options.precision,
        ) as stylizer:
            material = prepare(clip, self._size, stylizer)
        self._materials.append(material)
        figures = self.clips[name] = ClipFigures(clip=clip, frames=num_frames_of(material))
        for stage, run in stages_of(material, self._folder, smooth=self._style is not None).items():
            self._add(f"{name} clip, {stage}", run, figures.stages[stage])
        for smooth in (True, False) if self._style else (False,):
            job, values = self._job(clip, smooth=smooth), figures.runs["smooth" if smooth else "no_smooth"]
            self._add(f"{name} clip, whole run", partial(run_job, job), values)

    def add_networks(self, networks: dict[str, Stylizer]) -> None:
        """Measure each network alone, on pictures of the first clip; the first network is what whole runs use."""
        if self._style is None:
            return
        pictures = padded(self._materials[0].scaled, self._style, self._size)
        count = self._options.network_frames
        for precision, network in networks.items():
            figures = NetworkFigures(facts=_facts(network), is_chosen=not self.networks)
            self.networks[precision] = figures
            for name, measure, values in (
                ("throughput", time_throughput, figures.throughput),
                ("latency", time_latency, figures.latencies_ms),
            ):
                self._add(f"network in {precision}, {name}", partial(measure, network, pictures, count), values)

    def add_start_up(self, clip: Clip) -> None:
        """Measure how long the command takes to its first frame."""
        job = self._job(clip, smooth=True)
        self._add("start-up", partial(time_start_up, job, clip.info.average_rate), self.start_up_seconds)

    def measure(self, progress: Progress) -> None:
        """Run all rounds. The first only warms up: caches, the processor's clock, pages of files."""
        repeats, measurements = self._options.repeats, self._measurements
        total = (repeats + 1) * len(measurements)
        for number in range(repeats + 1):
            name_of_round = f"round {number} of {repeats}" if number else "warm-up"
            for index, measurement in enumerate(measurements):
                progress(number * len(measurements) + index, total, f"{name_of_round}: {measurement.name}")
                value = measurement.run()
                if number:
                    measurement.values.append(value)
        progress(total, total, "")

    def _add(self, name: str, run: Callable[[], Any], values: list[Any]) -> None:
        self._measurements.append(_Measurement(name=name, run=run, values=values))

    def _job(self, clip: Clip, *, smooth: bool) -> Job:
        is_scaled = (clip.info.width, clip.info.height) != self._size
        return Job(
            location=clip.path,
            result=self._folder / RESULT_NAME,
            style=self._options.style,
            smooth=smooth and self._style is not None,
            runtime=self._options.runtime,
            device=self._options.device,
            precision=self._options.precision,
            size=self._size if is_scaled else None,
            end_seconds=clip.end_seconds,
        )


def _network_options(options: BenchOptions, size: tuple[int, int]) -> NetworkOptions:
    return NetworkOptions(size=size, runtime=options.runtime, device=options.device, precision=options.precision)


def _facts(network: Stylizer) -> dict[str, Any]:
    """Return what really runs, and from which file."""
    report, style = network.report, network.style
    assert report is not None
    assert style is not None
    path = style.int8_path if report.precision == "int8" and style.int8_path else style.path
    names = ("runtime", "version", "device", "device_name", "size", "depth")
    return (
        {name: getattr(report, name) for name in names} | {"model_sha256": file_sha256(path)} | device_figures(network)
    )


def _choose_size(options: BenchOptions, given: Clip | None) -> tuple[int, int]:
    if options.size:
        return options.size
    if given is None:
        return DEFAULT_SIZE
    width, height = given.info.width, given.info.height
    if width % 2 or height % 2:
        even = f"{max(2, width - width % 2)}x{max(2, height - height % 2)}"
        raise InputError(f"{given.path}: is {width}x{height}; H.264 takes even sizes: add --size {even}")
    return width, height
