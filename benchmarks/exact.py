"""Short videos whose motion is known exactly: photographs in layers that move along given paths.

Estimated flow can't judge a smoother that follows estimated flow. Here every layer is a plane that moves by a known
homography, so the flow of every pixel, and what is hidden behind what, follow from the paths and not from the pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SUPERSAMPLING = 2
"""Every pixel is the mean of so many samples squared: a camera's pixel has an area too. Without it the pictures alias,
and fine texture twinkles as it moves, which no warp can predict."""
PURE = 3
"""A pixel counts as visible only where all pixels of a square of this side around it belong to one layer, now and
before: at the seams two layers mix, and interpolation reaches one pixel further."""
OUTLINE_BITS = 6
"""Corners of outlines are drawn to so many binary digits of a sample."""

Homography = NDArray[np.float64]
Path = Callable[[float], Homography]
"""Time in frames to a 3x3 homography from the layer's own coordinates to the screen's. The unit of both is the width of
the screen; their origins are the middle of the texture and of the screen; y points down."""

_NO_SECOND_MAP: Any = None
"""OpenCV takes None where the first map holds both coordinates; its type hints don't say so."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExactFrame:
    """One frame, and what is known about the step from the one before."""

    image: NDArray[np.uint8]
    """`(H, W, 3)` RGB."""
    flow: NDArray[np.float32] | None
    """Exact backward flow `(H, W, 2)` in pixels; None for the first frame and at cuts."""
    visible: NDArray[np.bool_]
    """`(H, W)`: the same point of the same layer is seen in both frames. All False where `flow` is None."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """A plane with a photograph on it."""

    texture: NDArray[np.uint8]
    """`(h, w, 3)` RGB; repeated in mirror image beyond its border, so that a layer never ends."""
    path: Path
    """Where it is."""
    outline: NDArray[np.float64] | None = None
    """Polygon `(n, 2)` in the layer's coordinates; None: without end."""
    texture_width: float = 1.4
    """Width of the texture in screen widths."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """Layers from back to front, between two cuts."""

    layers: tuple[Layer, ...]
    """The first one has no outline."""
    num_frames: int
    """How long it lasts."""

    def __post_init__(self) -> None:
        """Refuse a scene with a hole in it."""
        if not self.layers or self.layers[0].outline is not None:
            raise ValueError("a scene needs a first layer without an outline: nothing is behind it")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExactSequence:
    """A short video with exact flow. Iterating it twice gives the same frames."""

    name: str
    """For tables."""
    size: tuple[int, int]
    """Height and width in pixels."""
    scenes: tuple[Scene, ...]
    """Hard cuts lie between them."""
    noise: float = 0.0
    """Standard deviation of the noise in levels of 0..255."""
    gain: Callable[[float], float] = lambda _: 1.0
    """Time in frames to the factor on brightness."""
    seed: int = 0
    """Start of the noise."""

    @property
    def num_frames(self) -> int:
        """Frames of all scenes."""
        return sum(scene.num_frames for scene in self.scenes)

    @property
    def cuts(self) -> list[int]:
        """Numbers of the frames that begin a scene, without the very first one."""
        ends = np.cumsum([scene.num_frames for scene in self.scenes])
        return [int(end) for end in ends[:-1]]

    def __iter__(self) -> Iterator[ExactFrame]:
        """Render the frames, one at a time."""
        rng = np.random.default_rng(self.seed)
        number = 0
        for scene in self.scenes:
            before: _View | None = None
            for t in range(scene.num_frames):
                view = _View(scene, t, self.size)
                image = view.image * np.float32(self.gain(number))
                if self.noise:
                    image += rng.normal(0, self.noise, image.shape).astype(np.float32)
                flow, visible = view.step_from(before) if before else (None, np.zeros(self.size, np.bool_))
                yield ExactFrame(image=np.rint(image).clip(0, 255).astype(np.uint8), flow=flow, visible=visible)
                before = view
                number += 1


class _View:
    """One moment of a scene, rendered."""

    def __init__(self, scene: Scene, t: float, size: tuple[int, int]) -> None:
        height, width = size
        fine = (height * SUPERSAMPLING, width * SUPERSAMPLING)
        self.to_pixels = [_pixels(size) @ layer.path(t) for layer in scene.layers]
        self.owner = np.zeros(size, np.int8)
        """Number of the layer seen at each pixel."""
        pure = np.ones(size, np.uint8)
        image = np.zeros((*fine, 3), np.float32)
        for number, (layer, to_pixels) in enumerate(zip(scene.layers, self.to_pixels, strict=True)):
            to_fine = _samples() @ to_pixels
            picture = _draw(layer, to_fine, fine)
            if layer.outline is None:
                image[:] = picture
                continue
            inside = _fill(layer.outline, to_fine, fine)
            np.copyto(image, picture, where=inside[..., None] > 0)
            share = cv2.resize(inside.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
            self.owner[share >= 0.5] = number
            pure &= (share == 0) | (share == 1)
        self.pure = cv2.erode(pure, np.ones((PURE, PURE), np.uint8), borderValue=(1,)) > 0
        """Where no seam is near."""
        self.image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)

    def step_from(self, before: _View) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return exact backward flow and visibility."""
        height, width = self.owner.shape
        x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
        here = np.stack([x, y], axis=-1)
        source = np.empty_like(here)
        visible = np.zeros(self.owner.shape, np.bool_)
        for number, (now, then) in enumerate(zip(self.to_pixels, before.to_pixels, strict=True)):
            mine = self.owner == number
            points = cv2.perspectiveTransform(here, then @ np.linalg.inv(now))
            source[mine] = points[mine]
            # Fetched bilinearly, and 1 only where all four neighbours are the same layer; beyond the border is nothing.
            there = ((before.owner == number) & before.pure).astype(np.float32)
            same = cv2.remap(there, points.astype(np.float32), _NO_SECOND_MAP, cv2.INTER_LINEAR, borderValue=(0,))
            visible |= mine & self.pure & (same > 0.999)
        return (source - here).astype(np.float32), visible


def _pixels(size: tuple[int, int]) -> Homography:
    """From the screen's coordinates to pixels, whose centres are at whole numbers."""
    height, width = size
    return np.array([[width, 0, (width - 1) / 2], [0, width, (height - 1) / 2], [0, 0, 1]], np.float64)


def _samples() -> Homography:
    """From pixels to the finer grid of samples: (x + 1/2) s - 1/2."""
    s, shift = SUPERSAMPLING, (SUPERSAMPLING - 1) / 2
    return np.array([[s, 0, shift], [0, s, shift], [0, 0, 1]], np.float64)


def _draw(layer: Layer, to_fine: Homography, fine: tuple[int, int]) -> NDArray[np.uint8]:
    """Render a layer without its outline."""
    height, width = layer.texture.shape[:2]
    scale = layer.texture_width / width
    to_layer = np.array([[scale, 0, -scale * (width - 1) / 2], [0, scale, -scale * (height - 1) / 2], [0, 0, 1]])
    picture = cv2.warpPerspective(
        layer.texture, to_fine @ to_layer, fine[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    return picture.astype(np.uint8, copy=False)


def _fill(outline: NDArray[np.float64], to_fine: Homography, fine: tuple[int, int]) -> NDArray[np.uint8]:
    """Return 1 inside the outline, 0 outside."""
    corners = cv2.perspectiveTransform(outline[None], to_fine)[0]
    inside = np.zeros(fine, np.uint8)
    fixed = np.rint(corners * 2**OUTLINE_BITS).astype(np.int32)
    cv2.fillPoly(inside, [fixed], (1,), lineType=cv2.LINE_8, shift=OUTLINE_BITS)
    return inside
