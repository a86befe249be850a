"""Video in: anything that FFmpeg opens, as upright RGB frames at their exact times."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av

from vidgan.errors import SourceError
from vidgan.frame import Colour, Frame, VideoInfo
from vidgan.picture import Picture, resized_picture
from vidgan.video.colour import ToRGB, resolve, tagged_colour
from vidgan.video.copied import CopiedStreams
from vidgan.video.decoder import Decoder, open_container
from vidgan.video.deinterlace import Deinterlace, Deinterlacer
from vidgan.video.hardware import check_device, decoding_on, is_cuda, is_on_card, source_format
from vidgan.video.images import ImageSequence, find_images, is_still_format
from vidgan.video.times import TimeChooser
from vidgan.video.upright import Orientation, orientation_of

log = logging.getLogger(__name__)

_FASTEST_RATE = 480


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """How a source is read."""

    deinterlace: Deinterlace = "auto"
    """`auto` treats frames flagged as interlaced, `on` every frame, `off` none."""
    start_seconds: Fraction | None = None
    """Leave out what is shown before this time, counted from the beginning of the file."""
    end_seconds: Fraction | None = None
    """Leave out what begins at this time or later."""
    images_per_second: Fraction = Fraction(25)
    """Frame rate of a folder or pattern of images."""
    pictures_on: str | None = None
    """None: pictures are NumPy arrays. Else tensors on this torch device, cpu or cuda:N; a card decodes what it can."""

    def __post_init__(self) -> None:
        """Refuse an empty cut and an impossible rate."""
        start, end = self.start_seconds or Fraction(0), self.end_seconds
        if start < 0 or (end is not None and end <= start):
            raise ValueError(f"cut from {float(start)} to {end and float(end)} seconds: must be 0 <= start < end")
        if self.images_per_second <= 0:
            raise ValueError(f"images_per_second {self.images_per_second}: must be above 0")


def open_source(location: str | Path, options: SourceOptions | None = None) -> Source:
    """Open a video.

    Args:
        location: a file, a URL, a still image, a folder of images, a numbered pattern (`shot_%05d.png`), or `-` for
            standard input (y4m, or any other format that needs no seeking).
        options: how to read it.

    Returns:
        A source, read as far as its first frame: its `info` is known, and iterating yields each `Frame` once.

    Raises:
        SourceError: it can't be opened, holds no video, or none of its frames can be decoded.
        RuntimeUnavailableError: pictures are to lie on a device that isn't there.
    """
    return Source(str(location), options or SourceOptions())


class Source:
    """One video stream of an open file, and the other streams beside it. A context manager; iterate it once."""

    info: VideoInfo
    """What is known before the frames."""
    copied: CopiedStreams
    """The streams beside the video, for a sink to copy."""

    def __init__(self, location: str, options: SourceOptions) -> None:
        """Open `location` as `open_source` says."""
        self.location, self._options = location, options
        self._notices: Counter[str] = Counter()
        self._to_rgb = _converter(options.pictures_on)
        self._is_card_at_work = is_cuda(options.pictures_on)
        self._deinterlacer = Deinterlacer(options.deinterlace)
        self._angle: int | None = None
        self._orientation = Orientation()
        self._size: tuple[int, int] | None = None
        self._choose_time = TimeChooser()
        self._last_pts: int | None = None
        self._decoder, self._pictures = self._open()
        self.copied = self._decoder.copied if self._decoder else CopiedStreams()
        self._frames = self._cut()
        try:
            self._first = next(self._frames, None)
            if self._first is None:
                raise SourceError(self._why_empty())
            self.info = self._describe(self._first)
        except BaseException:
            self.close()
            raise

    @property
    def notices(self) -> list[str]:
        """What the user should know about how the video was read, each thing once, with its count."""
        return [text if count == 1 else f"{text} ({count} times)" for text, count in self._notices.items()]

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order."""
        if not self.copied.is_decided:
            self.copied.want(())
        if self._first is not None:
            first, self._first = self._first, None
            yield first
        yield from self._frames

    def close(self) -> None:
        """Close the file. Calling it twice is harmless."""
        if self._decoder:
            self._decoder.close()

    def __enter__(self) -> Self:
        """Enter a `with`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def _open(self) -> tuple[Decoder | None, ImageSequence | None]:
        files = find_images(self.location)
        if files is None:
            with decoding_on(self._options.pictures_on) as accelerator:
                container = open_container(self.location, accelerator)
            if not is_still_format(container.format.name) or self.location == "-":
                try:
                    return Decoder(container, self.location, self._notices), None
                except SourceError:
                    container.close()
                    raise
            container.close()
            files = [Path(self.location)]
        return None, ImageSequence(files, self._options.images_per_second, self._notices)

    def _cut(self) -> Iterator[Frame]:
        """Yield the frames between start and end, moved so that the first is at 0 if there is a start."""
        decoder, options = self._decoder, self._options
        origin = decoder.origin_seconds if decoder else Fraction(0)
        start = None if options.start_seconds is None else origin + options.start_seconds
        end = None if options.end_seconds is None else origin + options.end_seconds
        self.copied.end_seconds = end
        if decoder and start is not None:
            decoder.seek(start)
        shift = 0
        is_begun = False
        for decoded in self._deinterlaced():
            pts, time_base = self._time_of(decoded)
            if start is not None and pts * time_base < start:
                continue
            if end is not None and pts * time_base >= end:
                break
            if not is_begun and start is not None:
                shift, self.copied.start_seconds = pts, pts * time_base
            is_begun = True
            yield Frame(
                image=self._picture(decoded), pts=pts - shift, time_base=time_base, duration=decoded.duration or None
            )
        if decoder and end is not None:
            decoder.finish_copied()

    def _deinterlaced(self) -> Iterator[av.VideoFrame]:
        for decoded in self._decoder or self._pictures or ():
            # Reading a frame's side data ties it into a reference cycle: once for a stream is enough, for each would
            # keep hundreds of decoded frames until the collector comes.
            if decoded.rotation != self._angle or self._pictures:
                self._angle, self._orientation = decoded.rotation, orientation_of(decoded)
            yield from self._deinterlacer.push(decoded)
        yield from self._deinterlacer.flush()

    def _time_of(self, decoded: av.VideoFrame) -> tuple[int, Fraction]:
        """Return PTS and time base; what a broken file leaves out or repeats is put after the frame before."""
        time_base = decoded.time_base
        if time_base is None:
            raise SourceError(f"{self.location}: its frames have no time base")
        pts = self._choose_time(decoded.pts, decoded.dts)
        last = self._last_pts
        if pts is None:
            pts = 0 if last is None else last + max(1, decoded.duration)
            self._notices["a frame without a time was put after the one before"] += 1
        elif last is not None and pts <= last:
            pts = last + 1
            self._notices["a frame with a time that goes backwards was put after the one before"] += 1
        self._last_pts = pts
        return pts, time_base

    def _picture(self, decoded: av.VideoFrame) -> Picture:
        if self._is_card_at_work and not is_on_card(decoded):
            self._say_where(decoded)
        pixel_format = source_format(decoded)
        if "transparency was dropped" not in self._notices and _is_transparent(decoded):
            self._notices["transparency was dropped"] = 1
        if not self._size and any(component.bits > 8 for component in pixel_format.components):
            self._notices[f"{pixel_format.name}: more than 8 bits, reduced to 8"] = 1
        colour = resolve(
            tagged_colour(decoded), pixel_format=pixel_format.name, width=decoded.width, height=decoded.height
        )
        image = self._orientation.apply(self._to_rgb(decoded, colour))
        size = (image.shape[1], image.shape[0])
        if self._size is None:
            self._size, self._first_colour, self._first_format = size, colour, pixel_format.name
        elif size != self._size:
            self._notices[f"a frame of another size was scaled to {self._size[0]}x{self._size[1]}"] += 1
            image = resized_picture(image, *self._size)
        return image

    def _say_where(self, decoded: av.VideoFrame) -> None:
        """Once, say that something else than the graphics card is at work."""
        self._is_card_at_work = False
        codec = self._decoder.stream.codec_context.name if self._decoder else "a picture file"
        notice = (
            f"{codec} ({decoded.format.name}) was decoded or deinterlaced by the processor, "
            f"not on {self._options.pictures_on}"
        )
        self._notices[notice] = 1
        log.warning("%s: %s", self.location, notice)

    def _describe(self, first: Frame) -> VideoInfo:
        height, width = first.image.shape[:2]
        info = VideoInfo(
            width=width,
            height=height,
            time_base=first.time_base,
            colour=self._first_colour,
            pixel_format=self._first_format,
        )
        if self._pictures is not None:
            rate, count = self._options.images_per_second, len(self._pictures.files)
            is_still = count == 1 and not Path(self.location).is_dir()
            return replace(
                info, average_rate=rate, num_frames=count, duration_seconds=float(count / rate), is_still=is_still
            )
        assert self._decoder is not None
        stream = self._decoder.stream
        aspect = stream.sample_aspect_ratio or Fraction(1)
        rate_of_stream = stream.average_rate
        if rate_of_stream is None or rate_of_stream > _FASTEST_RATE:
            # Matroska files without a rate are guessed from too few frames.
            rate_of_stream = stream.guessed_rate
        length = self._length_seconds()
        estimate = round(length * rate_of_stream) if length and rate_of_stream else None
        is_cut = self._options.start_seconds is not None or self._options.end_seconds is not None
        return replace(
            info,
            sample_aspect_ratio=1 / aspect if self._orientation.transpose else aspect,
            average_rate=rate_of_stream,
            duration_seconds=None if length is None else float(length),
            num_frames=estimate if is_cut else stream.frames or estimate,
        )

    def _length_seconds(self) -> Fraction | None:
        """Return how long the part between start and end is."""
        whole = self._decoder.duration_seconds if self._decoder else None
        if whole is None:
            return None
        last = whole if self._options.end_seconds is None else min(whole, self._options.end_seconds)
        return max(last - (self._options.start_seconds or 0), Fraction(0))

    def _why_empty(self) -> str:
        if self._options.start_seconds is not None or self._options.end_seconds is not None:
            return f"{self.location}: no frame lies between start and end"
        why = f" ({'; '.join(self.notices)})" if self.notices else ""
        return f"{self.location}: none of its frames can be decoded{why}"


def _converter(device: str | None) -> Callable[[av.VideoFrame, Colour], Picture]:
    """Return what makes RGB of frames: arrays, or tensors on a device."""
    if device is None:
        return ToRGB()
    check_device(device)
    from vidgan.video.tensors import ToTensor

    return ToTensor(device)


def _is_transparent(decoded: av.VideoFrame) -> bool:
    """Say whether any pixel lets light through; GIF and WebP decode to formats with alpha, needed or not."""
    if not any(component.is_alpha for component in decoded.format.components):
        return False
    return bool(decoded.to_ndarray(format="rgba")[..., 3].min() < 255)
