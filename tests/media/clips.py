"""Writers of real files with PyAV: any mix of video, sound, subtitles, chapters and attachments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np

from media.pattern import picture

FRAME_RATE = Fraction(25)
FONT = b"\0\1\0\0not really a font, but its bytes must arrive" * 20


@dataclass(frozen=True, kw_only=True)
class Video:
    codec: str = "libx264"
    size: tuple[int, int] = (128, 96)
    pixel_format: str = "yuv420p"
    rate: Fraction = FRAME_RATE
    time_base: Fraction | None = None
    """None: 1 / rate."""
    pts: Sequence[int] = tuple(range(12))
    """One for each frame."""
    durations: Sequence[int] | None = None
    options: dict[str, str] = field(default_factory=lambda: {"crf": "10", "preset": "ultrafast", "bf": "0"})
    aspect: Fraction | None = None
    orientation: tuple[int, bool, bool] | None = None
    """Degrees counter-clockwise, mirrored across, mirrored down."""
    tags: tuple[int, int, int, int] | None = None
    """Matrix, primaries, transfer, range (1 limited, 2 full)."""
    metadata: dict[str, str] = field(default_factory=dict)
    draw: Callable[[int, int, int], np.ndarray] = picture
    """Makes frame number n of a width and a height: RGB, or whatever `drawn_format` says."""
    drawn_format: str = "rgb24"


@dataclass(frozen=True, kw_only=True)
class Sound:
    codec: str = "aac"
    sample_rate: int = 48000
    seconds: float = 0.5
    offset_seconds: float = 0.0
    beeps: Sequence[float] = ()
    """Onsets on the clip's clock; silence otherwise. None given: a quiet tone throughout."""
    hertz: float = 440.0
    metadata: dict[str, str] = field(default_factory=dict)
    disposition: int | None = None
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Subtitles:
    codec: str = "srt"
    """srt, ass or vtt."""
    lines: Sequence[tuple[float, float, str]] = ((0.08, 0.28, "First words"), (0.32, 0.44, "Last words"))
    metadata: dict[str, str] = field(default_factory=dict)
    disposition: int | None = None


def write_clip(
    path,
    *tracks,
    metadata=None,
    chapters=(),
    attachments=(),
    options=None,
    interleaved=True,
):
    """Write a file and return its path.

    Args:
        path: the container goes by its extension.
        tracks: `Video`, `Sound` and `Subtitles`, in the order of the streams.
        metadata: the file's own.
        chapters: `(start seconds, end seconds, title)`.
        attachments: `(name, type, bytes)`, for Matroska.
        options: the muxer's.
        interleaved: False puts one track after the other; for Matroska.
    """
    options = dict(options or {}) if interleaved else {"max_interleave_delta": "1"}
    with av.open(str(path), "w", container_options=options) as container:
        writers = [_WRITERS[type(track)](container, track, path) for track in tracks]
        for name, kind, data in attachments:
            container.add_attachment(name, kind, data)
        container.metadata.update(metadata or {})
        if chapters:
            container.set_chapters([_chapter(number, *chapter) for number, chapter in enumerate(chapters, 1)])
        # Encoders first: their headers must be known before the container's is written.
        packets = [packet for writer in writers for packet in writer()]
        if interleaved:
            packets.sort(key=lambda packet: packet.dts * packet.time_base)
        container.mux(packets)
    return path


def dark_with_flash(at):
    """Return a drawer of dark frames of which number `at` is white."""

    def draw(number, width, height):
        return np.full((height, width, 3), 250 if number == at else 10, np.uint8)

    return draw


def samples(sound):
    """Return mono float32 samples of a `Sound`, from its own beginning."""
    times = np.arange(round(sound.seconds * sound.sample_rate)) / sound.sample_rate + sound.offset_seconds
    if not sound.beeps:
        return (0.1 * np.sin(2 * np.pi * sound.hertz * times)).astype(np.float32)
    is_on = np.zeros(len(times), bool)
    for onset in sound.beeps:
        is_on |= (times >= onset) & (times < onset + 0.1)
    return np.where(is_on, 0.7 * np.sign(np.sin(2 * np.pi * 1000 * times + 0.1)), 0).astype(np.float32)


def _chapter(number, start, end, title):
    return {
        "id": number,
        "start": round(start * 1000),
        "end": round(end * 1000),
        "time_base": Fraction(1, 1000),
        "metadata": {"title": title},
    }


def _video_writer(container, video, _path):
    time_base = video.time_base or 1 / video.rate
    stream = container.add_stream(video.codec, rate=video.rate, options=dict(video.options))
    stream.width, stream.height = video.size
    stream.pix_fmt = video.pixel_format
    stream.time_base = stream.codec_context.time_base = time_base
    stream.codec_context.flags |= 1 << 3  # AV_CODEC_FLAG_FRAME_DURATION
    if video.aspect:
        stream.codec_context.sample_aspect_ratio = video.aspect
    if video.orientation:
        stream.set_display_rotation(video.orientation[0], hflip=video.orientation[1], vflip=video.orientation[2])
    context = stream.codec_context
    if video.tags:
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = video.tags
    stream.metadata.update(video.metadata)

    def write():
        for number, pts in enumerate(video.pts):
            frame = av.VideoFrame.from_ndarray(video.draw(number, *video.size), format=video.drawn_format)
            if video.drawn_format != video.pixel_format:
                frame = frame.reformat(format=video.pixel_format)
            if video.tags:
                frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range = video.tags
            frame.pts, frame.time_base = pts, time_base
            frame.duration = video.durations[number] if video.durations else 1
            yield from stream.encode(frame)
        yield from stream.encode(None)

    return write


def _sound_writer(container, sound, _path):
    stream = container.add_stream(sound.codec, rate=sound.sample_rate, options=dict(sound.options))
    stream.layout = "mono"
    stream.metadata.update(sound.metadata)
    if sound.disposition is not None:
        stream.disposition = sound.disposition
    data = samples(sound)

    def write():
        resampler = av.AudioResampler(
            format=stream.format, layout="mono", rate=sound.sample_rate, frame_size=stream.frame_size or 1024
        )
        frame = av.AudioFrame.from_ndarray(data[None], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = sound.sample_rate, Fraction(1, sound.sample_rate)
        frame.pts = round(sound.offset_seconds * sound.sample_rate)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            yield from stream.encode(part)
        yield from stream.encode(None)

    return write


def _subtitle_writer(container, subtitles, path):
    """Text files are what people have: FFmpeg's own reader makes the packets."""
    script = path.with_name(f"{path.stem}.script.{subtitles.codec}")
    script.write_text(_SCRIPTS[subtitles.codec](subtitles.lines))
    with av.open(str(script)) as source:
        template = source.streams.subtitles[0]
        stream = container.add_stream_from_template(template)
        read = [
            (bytes(packet), packet.pts, packet.duration, packet.time_base)
            for packet in source.demux(template)
            if packet.size
        ]
    script.unlink()
    stream.metadata.update(subtitles.metadata)
    if subtitles.disposition is not None:
        stream.disposition = subtitles.disposition

    def write():
        for data, pts, duration, time_base in read:
            packet = av.Packet(data)
            packet.pts = packet.dts = pts
            packet.duration, packet.time_base, packet.stream = duration, time_base, stream
            yield packet

    return write


_WRITERS = {Video: _video_writer, Sound: _sound_writer, Subtitles: _subtitle_writer}


def _clock(seconds, mark):
    milliseconds = round(seconds * 1000)
    return f"00:00:{milliseconds // 1000:02}{mark}{milliseconds % 1000:03}"


def _srt(lines):
    return "".join(
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text}\n\n"
        for number, (start, end, text) in enumerate(lines, 1)
    )


def _vtt(lines):
    return "WEBVTT\n\n" + "".join(
        f"{_clock(start, '.')} --> {_clock(end, '.')}\n{text}\n\n" for start, end, text in lines
    )


def _ass(lines):
    head = (
        "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\n"
        "Style: Default,Fancy,20\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    )
    return head + "".join(
        f"Dialogue: 0,0:{_clock(start, '.')[3:-1]},0:{_clock(end, '.')[3:-1]},Default,,0,0,0,,{text}\n"
        for start, end, text in lines
    )


_SCRIPTS = {"srt": _srt, "vtt": _vtt, "ass": _ass}
