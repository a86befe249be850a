"""Copying the other streams into an output container; converting what it can't hold; saying what is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeAlias

import av
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import AttachmentStream, Disposition, Stream
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet

from vidgan.video.containers import can_hold, codec_name
from vidgan.video.copied import CopiedStreams, is_cover_art

Convert: TypeAlias = "Callable[[av.Packet[Any] | None], list[av.Packet[Any]]]"
"""Takes a packet of the source, or None at the end; returns packets of the output."""

_TEXT_SUBTITLES = frozenset({"subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"})
_TEXT_ENCODER = {"mp4": "mov_text", "mov": "mov_text", "ipod": "mov_text", "matroska": "subrip", "webm": "webvtt"}
_AUDIO_ENCODER = {"webm": "libopus", "ogg": "libopus"}
_MOV_FAMILY = frozenset({"mp4", "mov", "ipod", "mov,mp4,m4a,3gp,3g2,mj2"})
# Written anew by the muxer, or no longer true of a re-encoded stream.
_STALE_CONTAINER_KEYS = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})
_STALE_VIDEO_KEYS = frozenset({"encoder", "duration", "vendor_id", "rotate"})
_ASS_HEADER = (
    b"[Script Info]\nScriptType: v4.00+\nPlayResX: 384\nPlayResY: 288\n\n[V4+ Styles]\n"
    b"Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, "
    b"Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, "
    b"MarginR, MarginV, Encoding\n"
    b"Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1\n\n[Events]\n"
    b"Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)


class StreamCopier:
    """The part of a sink that carries everything but the video."""

    def __init__(self, container: OutputContainer, copied: CopiedStreams, add_video: Callable[[], Stream]) -> None:
        """Add every stream that the container can hold, in the source's order, the video among them.

        Args:
            container: the output, before its header is written.
            copied: the source's other streams; told here which are wanted.
            add_video: adds the encoded stream and returns it.
        """
        self.notices: Counter[str] = Counter()
        self._container, self._copied = container, copied
        self._converts: dict[int, Convert] = {}
        position = copied.video.index if copied.video else -1
        for stream in copied.streams:
            if stream.index > position >= 0:
                self._describe_video(add_video())
                position = -1
            self._add(stream)
        if position >= 0 or copied.video is None:
            self._describe_video(add_video())
        copied.want(stream for stream in copied.streams if stream.index in self._converts)
        container.metadata.update({k: v for k, v in copied.metadata.items() if k.lower() not in _STALE_CONTAINER_KEYS})
        if chapters := copied.cut_chapters():
            container.set_chapters(chapters)

    def copy(self) -> None:
        """Mux what the source has delivered since the last call."""
        for packet in self._copied.take():
            index = packet.stream_index
            self._mux(index, self._converts[index](packet))

    def finish(self) -> None:
        """Mux the rest, and what converters hold back."""
        self.copy()
        for index, convert in self._converts.items():
            self._mux(index, convert(None))

    def _mux(self, index: int, packets: list[av.Packet[Any]]) -> None:
        for packet in packets:
            if packet.pts is not None and packet.pts < 0 and self._container.format.name == "avi":
                # A codec's run-up. Avi knows no times below 0: it would shift the pictures by a whole period instead.
                continue
            try:
                self._container.mux(packet)
            except (av.ArgumentError, av.InvalidDataError):  # a packet with an impossible time; the rest is fine
                self.notices[f"stream {index}: a packet that the container refused was left out"] += 1

    def _add(self, stream: Stream) -> None:
        name = self._container.format.name
        kept: Convert | None = None
        if isinstance(stream, AttachmentStream):
            if name == "matroska":
                attached = self._container.add_attachment(
                    stream.name or f"attachment-{stream.index}",
                    stream.mimetype or "application/octet-stream",
                    stream.data,
                )
                attached.metadata.update(stream.metadata)
                return
        elif isinstance(stream, AudioStream):
            kept = self._copy_as_is(stream) or self._convert_audio(stream)
        elif isinstance(stream, SubtitleStream):
            kept = self._copy_as_is(stream) or self._convert_subtitles(stream)
        elif stream.type == "video" and is_cover_art(stream):
            kept = self._copy_as_is(stream) if name in _MOV_FAMILY else None
        elif stream.type == "data":
            if self._copied.chapters and self._copied.container_name in _MOV_FAMILY and not codec_name(stream):
                return  # the text track that mov files keep their chapters in; chapters are copied as such
            same_family = name in _MOV_FAMILY and self._copied.container_name in _MOV_FAMILY
            kept = self._copy_as_is(stream) if same_family or name == self._copied.container_name else None
        if kept is None:
            codec = codec_name(stream) or "unknown codec"
            self.notices[f"stream {stream.index} ({stream.type}, {codec}) was left out: {name} can't hold it"] += 1
        else:
            self._converts[stream.index] = kept

    def _copy_as_is(self, stream: Stream) -> Convert | None:
        if not can_hold(self._container.format.name, stream):
            return None
        out = self._container.add_stream_from_template(stream, opaque=True)
        _describe(out, stream)

        def convert(packet: av.Packet[Any] | None) -> list[av.Packet[Any]]:
            if packet is None:
                return []
            packet.stream = out
            return [packet]

        return convert

    def _convert_audio(self, stream: AudioStream) -> Convert | None:
        name = _AUDIO_ENCODER.get(self._container.format.name, "aac")
        rate = 48000 if name == "libopus" else stream.rate
        try:
            out = self._container.add_stream(name, rate=rate)
        except ValueError:
            return None
        assert isinstance(out, AudioStream)
        out.layout = stream.layout
        _describe(out, stream)
        self.notices[f"stream {stream.index} ({codec_name(stream)}) was converted to {name}"] += 1
        resampler = AudioResampler(format=out.format, layout=out.layout, rate=rate, frame_size=_frame_size(name))

        def convert(packet: av.Packet[Any] | None) -> list[av.Packet[Any]]:
            try:
                frames = stream.codec_context.decode(packet)
            except av.InvalidDataError:
                self.notices[f"stream {stream.index}: a corrupt packet was skipped"] += 1
                frames = []
            resampled = [made for frame in frames for made in resampler.resample(frame)]
            if packet is None:
                resampled += resampler.resample(None)
            packets = [made for frame in resampled for made in out.encode(frame)]
            return packets + (out.encode(None) if packet is None else [])

        return convert

    def _convert_subtitles(self, stream: SubtitleStream) -> Convert | None:
        name = _TEXT_ENCODER.get(self._container.format.name)
        if name is None or codec_name(stream) not in _TEXT_SUBTITLES:
            return None
        out = self._container.add_stream(name)
        assert isinstance(out, SubtitleStream)
        decoder, encoder = stream.codec_context, out.codec_context
        decoder.open(strict=False)
        encoder.subtitle_header = decoder.subtitle_header or _ASS_HEADER
        encoder.time_base = Fraction(1, 1000)
        _describe(out, stream)
        self.notices[f"stream {stream.index} ({codec_name(stream)}) was converted to {name}"] += 1

        def convert(packet: av.Packet[Any] | None) -> list[av.Packet[Any]]:
            if packet is None or packet.pts is None:
                return []
            decoded = decoder.decode2(packet)
            texts = [rect.ass for rect in decoded or () if isinstance(rect, AssSubtitle)]
            packets = []
            for text in texts:
                milliseconds = round((packet.duration or 0) * packet.time_base * 1000)
                made = encoder.encode_subtitle(SubtitleSet.create(text=text, start=0, end=milliseconds))
                made.stream, made.time_base = out, Fraction(1, 1000)
                made.pts = made.dts = round(packet.pts * packet.time_base * 1000)
                made.duration = milliseconds
                packets.append(made)
            return packets

        return convert

    def _describe_video(self, out: Stream) -> None:
        if self._copied.video is not None:
            _describe(out, self._copied.video, leave_out=_STALE_VIDEO_KEYS)


def _describe(out: Stream, source: Stream, *, leave_out: frozenset[str] = frozenset()) -> None:
    """Copy metadata and disposition."""
    out.metadata.update(
        {
            key: value
            for key, value in source.metadata.items()
            if key.lower() not in leave_out and not (leave_out and key.startswith(("BPS", "NUMBER_OF", "_STATISTICS")))
        }
    )
    out.disposition = Disposition(source.disposition)


def _frame_size(encoder: str) -> int:
    """Samples in a frame: what AAC and Opus (at 48 kHz, 20 ms) take."""
    return 960 if encoder == "libopus" else 1024
