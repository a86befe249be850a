"""What fits into which container."""

from __future__ import annotations

import io

import av
from av.stream import Stream

_MPEGTS_CODECS = frozenset(
    {"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "aac", "mp2", "mp3", "ac3", "eac3", "dts", "truehd", "opus"}
    | {"dvb_subtitle", "dvb_teletext", "hdmv_pgs_subtitle", "timed_id3", "smpte_klv", "scte_35"}
)


def can_hold(container_name: str, stream: Stream) -> bool:
    """Say whether a stream can be copied into a container.

    A header is written on trial: what a muxer says of itself beforehand isn't always what it does.
    """
    if not can_hold_codec(container_name, codec_name(stream)):
        return False
    try:
        with av.open(io.BytesIO(), "w", format=container_name) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True


def can_hold_codec(container_name: str, name: str) -> bool:
    """Say whether FFmpeg's muxer writes a codec so that it can be read again; mpegts takes any, as nameless bytes."""
    return container_name != "mpegts" or not name or name in _MPEGTS_CODECS


def codec_name(stream: Stream) -> str:
    """Return FFmpeg's name of what a stream holds; empty where it doesn't know."""
    context = stream.codec_context
    return context.codec.canonical_name if context is not None else ""
