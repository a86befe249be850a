"""Video out: encode, mux, copy the other streams. Nothing stands under its final name before it is whole."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import av
import cv2
from av.container import OutputContainer
from av.video.stream import VideoStream

from vidgan.errors import SinkError
from vidgan.frame import Frame, VideoInfo
from vidgan.picture import OPENCV_SUFFIXES, as_array
from vidgan.video.copied import CopiedStreams
from vidgan.video.encoder import Encoder, EncoderOptions
from vidgan.video.encoder_plan import plan_encoder
from vidgan.video.grid import make_grid
from vidgan.video.hardware import check_device
from vidgan.video.images import IMAGE_SUFFIXES, is_pattern
from vidgan.video.muxing import StreamCopier
from vidgan.video.target import SeriesTarget, Target, as_sink_error

_VIDEO_ONLY = frozenset({"gif", "yuv4mpegpipe", "apng"})
_PICTURE_QUALITY = {
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 95],
}


@dataclass(frozen=True, kw_only=True)
class SinkOptions:
    """How a result is written."""

    encoder: EncoderOptions = field(default_factory=EncoderOptions)
    """How the video is encoded; pictures and folders of pictures don't need it."""
    overwrite: bool = False
    """Replace what stands under the name already."""


class Sink(Protocol):
    """Takes frames in order. A context manager: leaving it finishes the work.

    Leaving it by KeyboardInterrupt keeps what there is under `NAME.partial.EXT`; by any other error, nothing.
    """

    path: Path | None
    """Where the result is, once it is finished; None on standard output."""
    max_frames: int | None
    """How many frames it can take; None: any number."""

    @property
    def notices(self) -> list[str]:
        """What the user should know about how it was written."""

    def write(self, frame: Frame) -> None:
        """Encode one frame.

        Raises:
            DiskFullError, SinkError: it can't be written.
        """

    def __enter__(self) -> Self:
        """Enter a `with`."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish, keep a part, or remove everything."""


def open_sink(
    location: str | Path, info: VideoInfo, options: SinkOptions | None = None, copied: CopiedStreams | None = None
) -> Sink:
    """Open a result for writing.

    Args:
        location: a file (the container by its extension; a picture's extension gives a single picture), a folder
            (ending in `/`, or without extension), a pattern (`shot_%05d.png`), or `-` for y4m on standard output.
        info: size, rate, aspect and colour of the frames to come.
        options: how to write.
        copied: the source's other streams.

    Raises:
        SinkError: it exists already, can't be written there, or the encoder can't do what was asked.
        RuntimeUnavailableError: pictures are to lie on a device that isn't there.
    """
    options = options or SinkOptions()
    if options.encoder.pictures_on is not None:
        check_device(options.encoder.pictures_on)
    text = str(location)
    if text == "-":
        return VideoSink(None, info, options, copied)
    path = Path(location)
    if is_pattern(path.name) or (not path.suffix and path.name) or text.endswith("/"):
        return PictureSink(path, info, options, copied, series=True)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return PictureSink(path, info, options, copied, series=False)
    return VideoSink(path, info, options, copied)


class VideoSink:
    """A file in one of FFmpeg's containers, or y4m on standard output."""

    def __init__(self, path: Path | None, info: VideoInfo, options: SinkOptions, copied: CopiedStreams | None) -> None:
        """Open the container and add its streams."""
        self.path: Path | None = None
        self.max_frames: int | None = None
        self._target = Target(path, overwrite=options.overwrite) if path else None
        self._name = str(path or "standard output")
        self._notices: Counter[str] = Counter()
        container = self._open()
        self._container = container
        try:
            self._plan = plan_encoder(container, info, options.encoder)
            self._grid = make_grid(container.format.name, self._plan.name, info, self._notices)
            info = replace(info, time_base=self._grid.time_base)
            with as_sink_error(self._name):
                self._copier = self._add_streams(container, info, options, copied)
                self._begin()
        except BaseException:
            self._abandon()
            raise
        self._notices.update(self._encoder.notices)

    @property
    def notices(self) -> list[str]:
        """What the user should know about how it was written."""
        both = self._notices + (self._copier.notices if self._copier else Counter())
        return [text if count == 1 else f"{text} ({count} times)" for text, count in both.items()]

    def write(self, frame: Frame) -> None:
        """Encode one frame, and mux what else has come."""
        with as_sink_error(self._name):
            for placed in self._grid.place(frame):
                self._container.mux(self._encoder.encode(placed))
            if self._copier:
                self._copier.copy()

    def __enter__(self) -> Self:
        """Enter a `with`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish, keep a part, or remove everything."""
        is_interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        has_header = self._encoder.stream.codec_context.is_open
        if kind is not None and not (is_interrupted and has_header):
            self._abandon()
            return
        try:
            with as_sink_error(self._name):
                self._container.mux(self._encoder.flush())
                if self._copier:
                    self._copier.finish()
                self._container.close()
        except BaseException:
            self._abandon()
            raise
        if self._target:
            self.path = self._target.commit_partial() if is_interrupted else self._target.commit()

    def _open(self) -> OutputContainer:
        if self._target is None:
            return av.open(sys.stdout.buffer, "w", format="yuv4mpegpipe")
        try:
            return av.open(str(self._target.temporary), "w")
        except ValueError:
            raise SinkError(
                f"{self._name}: unknown kind of file {self._target.path.suffix!r}; "
                "mp4, mov, mkv, webm, avi, gif, png, jpg and more are written"
            ) from None

    def _add_streams(
        self, container: OutputContainer, info: VideoInfo, options: SinkOptions, copied: CopiedStreams | None
    ) -> StreamCopier | None:
        def add_video() -> VideoStream:
            self._encoder = Encoder(container, info, options.encoder, self._plan)
            return self._encoder.stream

        if copied is not None and container.format.name not in _VIDEO_ONLY:
            return StreamCopier(container, copied, add_video)
        add_video()
        if copied is not None and copied.streams:
            self._notices[_left_out(container.format.name, copied)] += 1
        return None

    def _begin(self) -> None:
        """Open the encoders and write the header, so that what can't work fails before the work."""
        if self._encoder.is_late:
            return
        try:
            self._container.start_encoding()
        except (av.ArgumentError, av.InvalidDataError) as error:
            raise SinkError(
                f"{self._name}: {self._encoder.name} refuses these settings, or {self._container.format.name} can't "
                f"hold it ({error.strerror})"
            ) from error

    def _abandon(self) -> None:
        """Close without keeping anything."""
        with suppress(av.FFmpegError, OSError, ValueError):  # the file is about to be removed
            self._container.close()
        if self._target:
            self._target.discard()


class PictureSink:
    """A single picture, or numbered ones in a folder or after a pattern."""

    def __init__(
        self, path: Path, info: VideoInfo, options: SinkOptions, copied: CopiedStreams | None, *, series: bool
    ) -> None:
        """Check the name, and make the folder for a series."""
        self._notices = [_left_out("a picture", copied)] if copied and copied.streams else []
        self.path: Path | None = None
        self.max_frames = None if series else 1
        self._count = 0
        self._pattern = path.name if is_pattern(path.name) else "%05d.png" if series else None
        self._suffix = Path(self._pattern or path.name).suffix.lower()
        if self._suffix not in OPENCV_SUFFIXES:
            raise SinkError(f"{path}: pictures are written as {', '.join(sorted(OPENCV_SUFFIXES))}")
        self._quality = _PICTURE_QUALITY.get(self._suffix, [])
        self._target: Target | SeriesTarget
        if self._pattern is None:
            self._target = Target(path, overwrite=options.overwrite)
            if info.num_frames != 1:
                self._notices.append(f"{path.suffix} holds one picture: only the first frame was taken")
        else:
            folder = path.parent if is_pattern(path.name) else path
            self._target = SeriesTarget(folder, self._pattern, overwrite=options.overwrite)

    @property
    def notices(self) -> list[str]:
        """What the user should know about how it was written."""
        return self._notices

    def write(self, frame: Frame) -> None:
        """Write one picture."""
        self._count += 1
        draft = self._target.temporary
        file = draft if self._pattern is None else draft / (self._pattern % self._count)
        image = as_array(frame.image)
        with as_sink_error(self._target.temporary.parent):
            is_encoded, data = cv2.imencode(self._suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), self._quality)
            if not is_encoded:
                raise ValueError(f"{self._suffix} can't hold {image.shape[1]}x{image.shape[0]}")
            file.write_bytes(data.tobytes())

    def __enter__(self) -> Self:
        """Enter a `with`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish, keep a part, or remove everything."""
        if kind is None and self._count:
            self.path = self._target.commit()
        elif kind is not None and issubclass(kind, KeyboardInterrupt) and self._count:
            self.path = self._target.commit_partial()
        else:
            self._target.discard()


def _left_out(holder: str, copied: CopiedStreams) -> str:
    kinds = ", ".join(sorted({stream.type for stream in copied.streams}))
    return f"{holder} holds no other streams: left out {kinds}"
