"""One run from file to file: what is asked for, how it goes, and what it did."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

from vidgan.errors import SinkError
from vidgan.frame import Frame, VideoInfo
from vidgan.picture import resized_picture
from vidgan.pipeline import Clock, background, stylize
from vidgan.road import Road, choose_road, make_smoother, open_flow
from vidgan.runtime import RuntimeReport
from vidgan.styles import IDENTITY_NAME
from vidgan.stylizer import Stylizer
from vidgan.temporal.meter import Steadiness, SteadinessMeter
from vidgan.temporal.still import StillDetector
from vidgan.video.sink import Sink, SinkOptions, open_sink
from vidgan.video.source import Source, SourceOptions, open_source
from vidgan.video.target import is_same_file

# In frames of RGB. Decoders keep references in 4:2:0, half as large; the smoother has 13 planes of float32; encoders
# look ahead.
_DECODER_FRAMES, _QUEUED_FRAMES, _SMOOTHER_FRAMES, _ENCODER_FRAMES = 5, 5, 19, 18


@dataclass(frozen=True, kw_only=True)
class StylizeOptions:
    """What `stylize_video` does beside the style."""

    strength: float = 1.0
    """0 leaves the picture as it is, 1 is the style alone."""
    keep_colour: bool = False
    """Take the brightness from the style and the colours from the source."""
    smooth: bool = True
    """Blend along the optical flow against flicker."""
    smooth_strength: float | None = None
    """0 none to 1 most; None is the smoother's own default."""
    flow: str | Path = "dis"
    """What finds the motion that smoothing follows: `dis`, or the ONNX file of a network (see `open_flow_network`), on
    the style's NVIDIA card where it has one, and else on the CPU."""
    skip_still: bool = False
    """Give frames the last result again where no 8x8 pixels differ in their mean by more than 4 levels of 255, and no
    64x64 by more than 1.5, from the frame that was last restyled (see `StillDetector`). Not with the style `none`."""
    runtime: str = "auto"
    """auto, openvino, tensorrt or torch."""
    device: str = "auto"
    """auto, or the runtime's name: CPU, GPU or NPU, cuda:0, cpu."""
    frames_on: str = "auto"
    """Where pictures lie from decoder to encoder: `auto` is the graphics card where the network runs on one with torch
    or TensorRT, and else main memory; `array` is always main memory; or, with these runtimes, the name of the device on
    which the network runs. With the style `none` always main memory."""
    precision: str = "auto"
    """auto, int8, bf16, f16 or f32."""
    max_memory: int | None = None
    """Bytes that the process may have. Pictures that don't fit are computed in tiles; None computes them whole. With
    openvino only."""
    scale: tuple[int, int] | None = None
    """Width and height to work at; None is the source's own."""
    compare: bool = False
    """Write source and result side by side."""
    measure_every: int | None = None
    """Measure the steadiness on every so-manieth pair of frames; None doesn't."""
    source: SourceOptions = field(default_factory=SourceOptions)
    """How the video is read."""
    sink: SinkOptions = field(default_factory=SinkOptions)
    """How the result is written."""


@dataclass(frozen=True, kw_only=True)
class StylizeReport:
    """What a run did."""

    path: Path | None
    """Where the result is; None on standard output."""
    frames: int
    """Frames written."""
    skipped: int
    """Frames that were given the last result again, by `skip_still`; of an interrupted run a few more than are written
    may be counted."""
    seconds: float
    """From the first frame asked for to the finished file; opening and compiling are not in it."""
    setup_seconds: float
    """Opening the video and compiling the network."""
    stage_seconds: dict[str, float]
    """Time each stage was at work; stages overlap, so the sum exceeds `seconds`."""
    runtime: RuntimeReport | None
    """What really ran; None for the style `none`."""
    steadiness: Steadiness | None
    """Where measured."""
    notices: list[str]
    """What the user should know."""

    @property
    def fps(self) -> float:
        """Frames written per second."""
        return self.frames / self.seconds if self.seconds else 0.0


class StylizeInterrupted(KeyboardInterrupt):
    """A run was stopped; `report.path` says where the usable part is."""

    def __init__(self, report: StylizeReport) -> None:
        super().__init__("interrupted")
        self.report = report


def stylize_video(
    location: str | Path,
    result: str | Path,
    *,
    style: str | Path = "starry-night",
    options: StylizeOptions | None = None,
    progress: Callable[[int, VideoInfo], None] = lambda _frames, _info: None,
    stop: threading.Event | None = None,
) -> StylizeReport:
    """Restyle a video: the same frames at the same times, and every other stream, in another look.

    Args:
        location: see `open_source`.
        result: see `open_sink`.
        style: a name (`vidgan styles` lists them), an ONNX file, a folder, or `none` for an untouched copy.
        options: everything else.
        progress: called after every frame with the number written and what is known of the video.
        stop: set it from elsewhere to end the run early, as Ctrl-C does.

    Returns:
        What was done.

    Raises:
        SourceError, SinkError, StyleError: what was given can't be used.
        RuntimeUnavailableError, DiskFullError: this machine can't do it.
        StylizeInterrupted: stopped; the part that exists is kept as `NAME.partial.EXT`.
        ValueError: an option out of range.
    """
    options = options or StylizeOptions()
    _refuse_same(location, result)
    began = time.monotonic()
    clock = Clock()
    if options.flow != "dis" and not options.smooth:
        raise ValueError(f"flow {options.flow}: only smoothing follows motion; leave it out, or smooth")
    # The style "none" runs nothing, so it doesn't matter where.
    road = None if style == IDENTITY_NAME else choose_road(options.runtime, options.device, options.frames_on)
    options = _with_pictures_on(options, road.pictures_on if road else None)
    with ExitStack() as stack:
        smoother = make_smoother(road, options.smooth_strength) if road and options.smooth else None
        flow = open_flow(road, options.flow) if road and smoother else None
        still = StillDetector() if options.skip_still and road else None
        meter = SteadinessMeter(options.measure_every) if options.measure_every else None
        source = stack.enter_context(open_source(location, options.source))
        info = _scaled(source.info, options.scale)
        sink = open_sink(result, _beside(info) if options.compare else info, options.sink, source.copied)
        # The source closes last, the sink before it: packets on their way to the sink belong to the source.
        run = _Run(sink=sink, source=source, info=info, clock=clock, meter=meter, still=still)
        try:
            with sink:
                stylizer = stack.enter_context(_open_stylizer(style, options, road, run))
                run.setup_seconds, run.began = time.monotonic() - began, time.monotonic()
                frames = _resized(clock.iterate("decode", islice(source, sink.max_frames)), info)
                styled = stylize(
                    frames,
                    stylizer,
                    smoother,
                    flow=flow,
                    meter=meter,
                    still=still,
                    compare=options.compare,
                    clock=clock,
                )
                with closing(background(styled)) as ready:
                    run.write_all(ready, progress, stop or threading.Event())
        except KeyboardInterrupt:
            raise StylizeInterrupted(run.report()) from None
        return run.report()


@dataclass(kw_only=True)
class _Run:
    """A run's counters."""

    sink: Sink
    source: Source
    info: VideoInfo
    clock: Clock
    meter: SteadinessMeter | None
    still: StillDetector | None
    runtime: RuntimeReport | None = None
    frames: int = 0
    setup_seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def write_all(
        self, frames: Iterable[Frame], progress: Callable[[int, VideoInfo], None], stop: threading.Event
    ) -> None:
        """Write until the end, or until `stop` is set: between two frames, so that the file stays whole."""
        for frame in frames:
            with self.clock.measure("encode"):
                self.sink.write(frame)
            self.frames += 1
            progress(self.frames, self.info)
            if stop.is_set():
                raise KeyboardInterrupt

    def report(self) -> StylizeReport:
        """Sum up, after the sink is closed."""
        return StylizeReport(
            path=self.sink.path,
            frames=self.frames,
            skipped=self.still.num_still if self.still else 0,
            seconds=time.monotonic() - self.began,
            setup_seconds=self.setup_seconds,
            stage_seconds=self.clock.seconds,
            runtime=self.runtime,
            steadiness=self.meter.report() if self.meter else None,
            notices=[*self.source.notices, *self.sink.notices],
        )


def _open_stylizer(style: str | Path, options: StylizeOptions, road: Road | None, run: _Run) -> Stylizer:
    """Open the style for a run's pictures, and note in the run what really runs."""
    is_still = run.sink.max_frames == 1
    stylizer = Stylizer(
        style,
        size=(run.info.width, run.info.height),
        runtime=road.choice.runtime if road else "auto",
        device=road.choice.device if road else "auto",
        precision=options.precision,
        max_memory=options.max_memory,
        reserved_memory=_stage_memory(run.source.info, run.info, options, is_still=is_still),
        strength=options.strength,
        keep_colour=options.keep_colour,
    )
    if road and stylizer.report:
        # To the stylizer, what was chosen here is what was asked for.
        run.runtime = replace(stylizer.report, reason=road.choice.reason)
    return stylizer


def _with_pictures_on(options: StylizeOptions, device: str | None) -> StylizeOptions:
    """Tell reader and writer where pictures are."""
    if device is None:
        return options
    encoder = replace(options.sink.encoder, pictures_on=device)
    return replace(
        options, source=replace(options.source, pictures_on=device), sink=replace(options.sink, encoder=encoder)
    )


def _stage_memory(source: VideoInfo, info: VideoInfo, options: StylizeOptions, *, is_still: bool) -> int:
    """Return about how many bytes all stages but the network hold at once, for `source` worked on as `info` says.

    Measured with H.264 in and libx264 out at their defaults; other encoders may take more.
    """
    read, worked = 3 * source.width * source.height, 3 * info.width * info.height
    written = worked * (2 if options.compare else 1)
    if is_still:
        return 3 * read + 2 * worked + 3 * written
    total = _DECODER_FRAMES * read + _QUEUED_FRAMES * (worked + written) + _ENCODER_FRAMES * written
    return total + (_SMOOTHER_FRAMES * worked if options.smooth else 0)


def _resized(frames: Iterator[Frame], info: VideoInfo) -> Iterator[Frame]:
    for frame in frames:
        yield replace(frame, image=resized_picture(frame.image, info.width, info.height))


def _scaled(info: VideoInfo, size: tuple[int, int] | None) -> VideoInfo:
    """Return `info` at another size, with pixels that keep the picture's proportions."""
    if size is None:
        return info
    width, height = size
    if width < 1 or height < 1:
        raise ValueError(f"scale {width}x{height}: both must be at least 1")
    aspect = info.sample_aspect_ratio * Fraction(info.width * height, info.height * width)
    return replace(info, width=width, height=height, sample_aspect_ratio=aspect.limit_denominator(10_000))


def _beside(info: VideoInfo) -> VideoInfo:
    return replace(info, width=2 * info.width)


def _refuse_same(location: str | Path, result: str | Path) -> None:
    if is_same_file(location, result):
        raise SinkError(f"{result}: source and result are the same file")
