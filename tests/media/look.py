"""What is in a file, as plain values: read with PyAV alone, so that it can judge vidgan's results."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np

from media.pattern import read_number


@dataclass(frozen=True, kw_only=True)
class LookedPacket:
    seconds: Fraction | None
    duration_seconds: Fraction | None
    data: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class LookedStream:
    kind: str
    codec: str
    metadata: dict[str, str]
    disposition: int
    packets: list[LookedPacket]

    @property
    def data(self):
        return [packet.data for packet in self.packets]

    @property
    def times(self):
        return [packet.seconds for packet in self.packets]


@dataclass(frozen=True, kw_only=True)
class LookedFrame:
    number: int
    seconds: Fraction
    duration_seconds: Fraction
    luma: np.ndarray = field(repr=False)
    """The first plane, as stored; RGB for packed RGB."""
    tags: tuple[int, int, int, int]
    """Matrix, primaries, transfer, range."""
    interlaced: bool


@dataclass(frozen=True, kw_only=True)
class Look:
    streams: list[LookedStream]
    frames: list[LookedFrame]
    metadata: dict[str, str]
    chapters: list[tuple[float, float, str]]
    attachments: list[tuple[str, str, bytes]]
    size: tuple[int, int]
    rate: Fraction | None
    time_base: Fraction | None
    aspect: Fraction
    end_seconds: float | None
    """When the last picture ends, as the container says."""
    pixel_format: str

    def of_kind(self, kind):
        return [stream for stream in self.streams if stream.kind == kind]

    @property
    def numbers(self):
        return [frame.number for frame in self.frames]

    @property
    def times(self):
        return [frame.seconds for frame in self.frames]

    @property
    def durations(self):
        return [frame.duration_seconds for frame in self.frames]


def look(path):
    """Read everything in a file."""
    streams, attachments = [], []
    with av.open(str(path)) as container:
        by_index: dict[int, list[LookedPacket]] = {stream.index: [] for stream in container.streams}
        for packet in container.demux():
            if packet.size:
                by_index[packet.stream.index].append(_packet(packet))
        for stream in container.streams:
            if stream.type == "attachment":
                attachments.append((stream.name, stream.mimetype, stream.data))
                continue
            context = stream.codec_context
            streams.append(
                LookedStream(
                    kind=stream.type,
                    codec=context.codec.canonical_name if context else "",
                    metadata=dict(stream.metadata),
                    disposition=int(stream.disposition),
                    packets=by_index[stream.index],
                )
            )
        shared: dict[str, Any] = {
            "metadata": dict(container.metadata),
            "chapters": [
                (
                    float(chapter["start"] * chapter["time_base"]),
                    float(chapter["end"] * chapter["time_base"]),
                    chapter["metadata"].get("title", ""),
                )
                for chapter in container.chapters()
            ],
        }
    return Look(streams=streams, attachments=attachments, **shared, **_look_at_video(path))


def first_picture(path):
    """Return the first frame as FFmpeg's own default RGB `(H, W, 3)`."""
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def planes(path):
    """Return the planes of every frame, cropped to the picture, as stored."""
    with av.open(str(path)) as container:
        return [[plane_array(plane) for plane in frame.planes] for frame in container.decode(video=0)]


def plane_array(plane):
    """Return one 8-bit plane `(H, W)` as a copy."""
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width].copy()


def onset_seconds(path, track=0):
    """Return when sound first becomes loud, to the sample, on the file's clock."""
    with av.open(str(path)) as container:
        for frame in container.decode(audio=track):
            wave = frame.to_ndarray().astype(np.float64)
            wave = wave / 32768 if frame.format.name.startswith("s16") else wave
            loud = np.flatnonzero(np.abs(wave[0]) > 0.25)
            if loud.size:
                return frame.pts * frame.time_base + Fraction(int(loud[0]), frame.sample_rate)
    raise AssertionError(f"{path}: all is quiet")


def flash_seconds(path):
    """Return when the picture is first bright, on the file's clock."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if plane_array(frame.planes[0]).mean() > 128:
                return frame.pts * frame.time_base
    raise AssertionError(f"{path}: all is dark")


def subtitle_lines(path, track=0):
    """Return `(start, end, text)` of every subtitle, without markup."""
    lines = []
    with av.open(str(path)) as container:
        for packet in container.demux(container.streams.subtitles[track]):
            if not packet.size or packet.pts is None:
                continue
            for rect in packet.decode():
                text = re.sub(r"\{[^}]*\}|<[^>]*>", "", rect.dialogue.decode()).strip()
                start = packet.pts * packet.time_base
                lines.append((float(start), float(start + packet.duration * packet.time_base), text))
    return [line for line in lines if line[2]]


def audio_seconds(path, track=0):
    """Return how much sound there is, from the first to the last sample."""
    with av.open(str(path)) as container:
        frames = [
            (frame.pts * frame.time_base, Fraction(frame.samples, frame.sample_rate))
            for frame in container.decode(audio=track)
        ]
    return frames[-1][0] + frames[-1][1] - frames[0][0] if frames else Fraction(0)


def _packet(packet):
    base = packet.time_base
    stamp = packet.pts if packet.pts is not None else packet.dts
    return LookedPacket(
        seconds=None if stamp is None else stamp * base,
        duration_seconds=None if not packet.duration else packet.duration * base,
        data=bytes(packet),
    )


def _look_at_video(path):
    with av.open(str(path)) as container:
        stream = next(
            (s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic), None
        )
        if stream is None:
            return {
                "frames": [], "size": (0, 0), "rate": None, "time_base": None, "aspect": None, "end_seconds": None,
                "pixel_format": "",
            }  # fmt: skip
        frames = [_frame(frame) for frame in container.decode(stream)]
        return {
            "frames": frames,
            "size": (stream.width, stream.height),
            "rate": stream.average_rate,
            "time_base": stream.time_base,
            "aspect": stream.sample_aspect_ratio or Fraction(1),
            "end_seconds": _end_seconds(stream),
            "pixel_format": stream.pix_fmt,
        }


def _end_seconds(stream):
    if "DURATION" in stream.metadata:  # Matroska's, counted from 0
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    if stream.duration:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    return None


def _frame(frame):
    is_planar_luma = frame.format.components[0].plane == 0 and not frame.format.is_rgb and frame.format.name != "pal8"
    eight_bits = is_planar_luma and frame.format.components[0].bits == 8
    luma = plane_array(frame.planes[0]) if eight_bits else frame.to_ndarray(format="rgb24")
    return LookedFrame(
        number=read_number(luma),
        seconds=frame.pts * frame.time_base,
        duration_seconds=frame.duration * frame.time_base,
        luma=luma,
        tags=(int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc), int(frame.color_range)),
        interlaced=bool(frame.interlaced_frame),
    )
