"""Demuxing and decoding one video stream; everything else in the file goes to `CopiedStreams`."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import Any

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from vidgan.errors import SourceError
from vidgan.video.copied import CopiedStreams, is_cover_art

log = logging.getLogger(__name__)

# How far, in seconds, sound may lie behind the video in a file: how long a cut waits for the rest of it.
_INTERLEAVE_SECONDS = 10
# How far it may lie before the video: transport streams pack tenths of a second of sound at once.
_PREROLL_SECONDS = 2


def open_container(location: str, accelerator: HWAccel | None = None) -> InputContainer:
    """Open a file, a URL, or `-` (standard input).

    Args:
        location: where it is.
        accelerator: what decodes its videos where it can; None is the processor.

    Raises:
        SourceError: it isn't there, can't be read, or is nothing that FFmpeg knows.
    """
    try:
        name = "pipe:0" if location == "-" else location
        container = av.open(name, mode="r", metadata_errors="replace", hwaccel=accelerator)
    except av.FileNotFoundError:
        raise SourceError(f"{location}: no such file") from None
    except av.PermissionError:
        raise SourceError(f"{location}: no permission to read it") from None
    except (av.InvalidDataError, av.EOFError):
        raise SourceError(f"{location}: not a video or picture, or damaged beyond reading") from None
    except (av.FFmpegError, OSError) as error:
        raise SourceError(f"{location}: can't be opened ({error.strerror or error})") from error
    if container.format.name == "tty":  # FFmpeg would play any .txt as a terminal recording
        container.close()
        raise SourceError(f"{location}: a text file, not a video")
    return container


class Decoder:
    """The best video stream of an open file."""

    def __init__(self, container: InputContainer, location: str, notices: Counter[str]) -> None:
        """Choose the stream.

        Raises:
            SourceError: there is none.
        """
        self._container, self._location, self._notices = container, location, notices
        self.stream = self._choose_stream()
        # Slices rather than frames: frame threads would lose the neighbours of a corrupt packet.
        self.stream.thread_type = "SLICE"
        self.copied = CopiedStreams(
            streams=[s for s in container.streams if s is not self.stream],
            video=self.stream,
            container_name=container.format.name,
            metadata=dict(container.metadata),
            chapters=container.chapters(),
        )
        self.origin_seconds = Fraction(container.start_time or 0, av.time_base)
        """Where the file's own clock begins."""
        self._packets: Generator[av.Packet[Any], None, None] = self._demux()

    @property
    def duration_seconds(self) -> Fraction | None:
        """Length of the video as the file says; None where it doesn't."""
        stream, container = self.stream, self._container
        if stream.duration and stream.time_base:
            return stream.duration * stream.time_base
        return Fraction(container.duration, av.time_base) if container.duration else None

    def seek(self, seconds: Fraction) -> None:
        """Go well before `seconds` on the file's clock; stays at the beginning where it can't be searched."""
        target = seconds - _PREROLL_SECONDS
        if target <= self.origin_seconds:
            return
        try:
            self._container.seek(int(target * av.time_base), backward=True)
        except av.FFmpegError:
            log.info("%s can't be searched: it is read from the beginning", self._location)

    def __iter__(self) -> Iterator[av.VideoFrame]:
        """Yield every frame in order, flushed at the end."""
        for packet in self._packets:
            # Not `stream_index`: the packets that flush a decoder carry 0 there.
            if packet.stream.index == self.stream.index:
                yield from self._decode(packet)
            else:
                self.copied.offer(packet)

    def finish_copied(self) -> None:
        """After the last wanted frame, read on for packets of the other streams that lie within the cut."""
        end = self.copied.end_seconds
        for packet in self._packets:
            if packet.stream.index != self.stream.index:
                self.copied.offer(packet)
            time = packet.dts if packet.dts is not None else packet.pts
            if end is not None and time is not None and time * packet.time_base > end + _INTERLEAVE_SECONDS:
                return

    def close(self) -> None:
        """Close the file."""
        try:
            self._packets.close()
        except ValueError:  # a thread that never came back from reading holds it still: closing would crash there
            log.warning("%s is still being read and stays open", self._location)
            return
        self._container.close()

    def _choose_stream(self) -> VideoStream:
        container = self._container
        usable = [s for s in container.streams.video if s.codec_context is not None and s.width and s.height]
        streams = [s for s in usable if not is_cover_art(s)]
        if not streams and not container.streams.audio:
            streams = usable  # a picture file whose only picture is flagged as a cover
        if not streams:
            kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
            raise SourceError(f"{self._location}: no video in it (it holds {kinds})")
        return max(streams, key=lambda s: (bool(s.disposition & Disposition.default), s.width * s.height, -s.index))

    def _demux(self) -> Generator[av.Packet[Any], None, None]:
        """Yield every packet; an unreadable end becomes a notice, and the decoder is flushed all the same."""
        try:
            yield from self._container.demux()
        except av.FFmpegError as error:
            self._notices[f"the file is damaged or ends early ({error.strerror})"] += 1
            flush: av.Packet[Any] = av.Packet()
            flush.stream = self.stream
            yield flush

    def _decode(self, packet: av.Packet[Any]) -> list[av.VideoFrame]:
        try:
            return packet.decode()
        except av.FFmpegError:
            self._notices["a corrupt packet was skipped"] += 1
            return []
