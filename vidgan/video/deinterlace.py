"""Deinterlacing with bwdif, through libavfilter."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

import av
from av.filter import Graph

from vidgan.video.hardware import downloaded

Deinterlace = Literal["auto", "on", "off"]


class Deinterlacer:
    """Passes decoded frames on, deinterlaced where needed: one frame out for each frame in, at the same PTS.

    `auto` starts at the first frame flagged as interlaced and touches flagged frames only; `on` treats every frame.
    """

    def __init__(self, mode: Deinterlace) -> None:
        """Make one for a stream.

        Raises:
            ValueError: an unknown mode.
        """
        if mode not in ("auto", "on", "off"):
            raise ValueError(f"deinterlace {mode!r}: must be auto, on or off")
        self._mode = mode
        self._graph: Graph | None = None
        self._key: tuple[int, int, str] | None = None
        self._time_base = Fraction(1, 1000)

    def push(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Yield what is ready after `frame`; bwdif looks one frame ahead."""
        wanted = self._mode == "on" or (self._mode == "auto" and frame.interlaced_frame)
        if self._graph is None and not wanted:
            yield frame
            return
        frame = downloaded(frame)
        key = (frame.width, frame.height, frame.format.name)
        if self._key != key:
            yield from self.flush()
            self._graph, self._key = self._make_graph(frame), key
        assert self._graph is not None
        self._graph.vpush(frame)
        yield from self._drain()

    def flush(self) -> Iterator[av.VideoFrame]:
        """Yield the last frames."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._drain()
            self._key = None

    def _make_graph(self, frame: av.VideoFrame) -> Graph:
        assert frame.time_base is not None
        self._time_base = frame.time_base
        graph = Graph()
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        bwdif = graph.add("bwdif", mode="send_frame", deint="all" if self._mode == "on" else "interlaced")
        source.link_to(bwdif)
        bwdif.link_to(graph.add("buffersink"))
        graph.configure()
        return graph

    def _drain(self) -> Iterator[av.VideoFrame]:
        assert self._graph is not None
        while True:
            try:
                frame = self._graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
            # bwdif counts in half units so that it could double the rate; every frame of ours lies on a whole one.
            if frame.pts is not None and frame.time_base is not None:
                frame.pts = round(frame.pts * frame.time_base / self._time_base)
                frame.duration = round(frame.duration * frame.time_base / self._time_base)
            frame.time_base = self._time_base
            yield frame
