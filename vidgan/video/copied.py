"""Streams that pass by untouched: from the source's demuxer to the sink's muxer, in step with the frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
from av.stream import Disposition, Stream

if TYPE_CHECKING:
    from av.container.core import Chapter


@dataclass(kw_only=True)
class CopiedStreams:
    """What a source holds beside its video: the sink chooses streams with `want`, and takes their packets as they come.

    The source's thread appends and the sink's thread takes; a deque allows that without a lock.
    """

    streams: list[Stream] = field(default_factory=list)
    """Every stream of the source but the one that is decoded."""
    video: Stream | None = None
    """The stream that is decoded, for its metadata and disposition."""
    container_name: str = ""
    """FFmpeg's name of the source's container format."""
    metadata: dict[str, str] = field(default_factory=dict)
    """The source's global metadata."""
    chapters: list[Chapter] = field(default_factory=list)
    """The source's chapters, times as in the source."""
    start_seconds: Fraction = Fraction(0)
    """What the frames' times were reduced by, and packets' times are to be."""
    end_seconds: Fraction | None = None
    """Time in the source at which everything ends; None: its own end."""
    _wanted: set[int] | None = None
    _packets: deque[av.Packet[Any]] = field(default_factory=deque)

    @property
    def is_decided(self) -> bool:
        """Whether somebody has chosen. Until then, which is until the first frame is read, every packet is kept."""
        return self._wanted is not None

    def want(self, streams: Iterable[Stream]) -> None:
        """Choose the streams whose packets are kept, once, before the second frame is read."""
        self._wanted = {stream.index for stream in streams}
        for _ in range(len(self._packets)):
            self.offer(self._packets.popleft())

    def offer(self, packet: av.Packet[Any]) -> None:
        """Keep `packet` if it is of a chosen stream."""
        if packet.size and (self._wanted is None or packet.stream_index in self._wanted):
            self._packets.append(packet)

    def take(self) -> Iterator[av.Packet[Any]]:
        """Yield what came since the last call and lies within the cut, with times that fit the frames'."""
        while self._packets:
            packet = self._packets.popleft()
            timestamp = packet.pts if packet.pts is not None else packet.dts
            if timestamp is None or self._fit_into_cut(packet, timestamp * packet.time_base):
                yield packet

    def cut_chapters(self) -> list[Chapter]:
        """Return the chapters as the cut leaves them."""
        kept: list[Chapter] = []
        for chapter in self.chapters:
            base = chapter["time_base"] or Fraction(1, 1000)
            last = chapter["end"] * base if self.end_seconds is None else min(chapter["end"] * base, self.end_seconds)
            first = max(chapter["start"] * base - self.start_seconds, Fraction(0))
            last -= self.start_seconds
            if last > first:
                start, end = round(first / base), round(last / base)
                kept.append({**chapter, "start": start, "end": end, "time_base": base})
        return kept

    def _fit_into_cut(self, packet: av.Packet[Any], time: Fraction) -> bool:
        if self.end_seconds is not None and time >= self.end_seconds:
            return False
        if not self.start_seconds:
            return True
        late = self.start_seconds - time
        shift = round(self.start_seconds / packet.time_base)
        if late > 0:
            shown_for = (packet.duration or 0) * packet.time_base
            if packet.stream.type != "subtitle" or shown_for <= late:
                return False
            # A subtitle that is on the screen at the cut stays for the rest of its time.
            packet.duration = round((shown_for - late) / packet.time_base)
            packet.pts = packet.dts = shift
        if packet.pts is not None:
            packet.pts -= shift
        if packet.dts is not None:
            packet.dts -= shift
        return True


def is_cover_art(stream: Stream) -> bool:
    """Say whether a video stream is a still picture attached to the file."""
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))
