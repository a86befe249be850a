"""Pictures of 256 colours, for GIF."""

from __future__ import annotations

from fractions import Fraction

import av
from av.filter import Graph


class Palette:
    """Gives each frame the 256 colours that suit it best."""

    def __init__(self) -> None:
        self._graph: Graph | None = None

    def __call__(self, picture: av.VideoFrame) -> av.VideoFrame:
        """Return an RGB picture as `pal8`, dithered."""
        picture.pts, picture.time_base = 0, Fraction(1, 100)
        if self._graph is None:
            self._graph = graph = Graph()
            source = graph.add_buffer(
                width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base
            )
            split = graph.add("split")
            make = graph.add("palettegen", stats_mode="single")
            use = graph.add("paletteuse", new="1", dither="sierra2_4a")
            source.link_to(split)
            split.link_to(make, 0, 0)
            split.link_to(use, 1, 0)
            make.link_to(use, 0, 1)
            use.link_to(graph.add("buffersink"))
            graph.configure()
        self._graph.vpush(picture)
        return self._graph.vpull()
