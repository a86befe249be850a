"""Every stage of a frame's way, timed alone: nothing else runs meanwhile, and its input is ready."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import av

from vidgan.bench.clip import open_decoder
from vidgan.bench.material import ENCODER, RESULT_NAME, Material, encoded_colour
from vidgan.bench.timing import Cost, Stopwatch
from vidgan.picture import resized
from vidgan.temporal.flow import MotionEstimator
from vidgan.temporal.smoother import Smoother
from vidgan.video.colour import FromRGB, ToRGB, resolve, tagged_colour
from vidgan.video.encoder import Encoder

UNAVOIDABLE = ("decode", "network", "encode")
"""What any program must do that restyles this clip with this network: the work that efficiency counts."""
UNAVOIDABLE_UNSMOOTHED = ("decode", "network", "encode_unsmoothed")
"""The same of runs without smoothing."""
WANTED = (*UNAVOIDABLE, "motion", "smoothing")
"""The same with what smoothing needs, which is wanted work too."""

Stage = Callable[[], Cost]


def stages_of(material: Material, folder: Path, *, smooth: bool) -> dict[str, Stage]:
    """Return the stages of one clip by name, in a frame's order, each as a function that runs and times it once.

    The network isn't among them: `vidgan.bench.network` has it.

    Args:
        material: The clip's frames.
        folder: For the file that `encode` writes.
        smooth: With `motion` and `smoothing`, and with the encoder on what isn't smoothed too.
    """
    stages: dict[str, Stage] = {"decode": lambda: _decode(material), "to_rgb": lambda: _to_rgb(material)}
    if material.is_scaled:
        stages["scale"] = lambda: _scale(material)
    if smooth:
        stages |= {"motion": lambda: _motion(material), "smoothing": lambda: _smoothing(material)}
    pictures, path = material.to_encode, folder / RESULT_NAME
    stages |= {"to_yuv": lambda: _to_yuv(material), "encode": lambda: _encode(material, pictures, path)}
    if smooth:
        stages["encode_unsmoothed"] = lambda: _encode(material, material.unsmoothed, path)
    return stages


def num_frames_of(material: Material) -> dict[str, int]:
    """Return how many frames each stage takes; the others take as many as `to_rgb`."""
    held = len(material.decoded)
    counts = dict.fromkeys(("to_rgb", "scale", "motion", "smoothing", "to_yuv"), held)
    encoded = dict.fromkeys(("encode", "encode_unsmoothed"), len(material.to_encode))
    return counts | {"decode": material.clip.num_frames} | encoded


def _decode(material: Material) -> Cost:
    """Demux and decode, and throw away."""
    with open_decoder(material.clip.path) as decoder:
        watch = Stopwatch()
        count = sum(1 for _ in islice(decoder, material.clip.num_frames))
        return watch.per_frame(count)


def _to_rgb(material: Material) -> Cost:
    to_rgb = ToRGB()
    watch = Stopwatch()
    for frame in material.decoded:
        colour = resolve(tagged_colour(frame), pixel_format=frame.format.name, width=frame.width, height=frame.height)
        to_rgb(frame, colour)
    return watch.per_frame(len(material.decoded))


def _scale(material: Material) -> Cost:
    watch = Stopwatch()
    for image in material.source:
        resized(image, *material.size)
    return watch.per_frame(len(material.source))


def _motion(material: Material) -> Cost:
    estimator = MotionEstimator()
    watch = Stopwatch()
    for image in material.scaled:
        estimator(image)
    return watch.per_frame(len(material.scaled))


def _smoothing(material: Material) -> Cost:
    smoother = Smoother()
    watch = Stopwatch()
    for styled, motion in zip(material.styled, material.motion, strict=True):
        smoother(styled, motion)
    return watch.per_frame(len(material.styled))


def _to_yuv(material: Material) -> Cost:
    from_rgb = FromRGB("yuv420p", encoded_colour(material.info))
    watch = Stopwatch()
    for image in material.result:
        from_rgb(image)
    return watch.per_frame(len(material.result))


def _encode(material: Material, pictures: Sequence[av.VideoFrame], path: Path) -> Cost:
    """Encode and mux, from the first frame to the closed file."""
    with av.open(str(path), "w") as container:
        stream = Encoder(container, material.info, ENCODER).stream
        container.start_encoding()
        watch = Stopwatch()
        for picture in pictures:
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        container.close()
        return watch.per_frame(len(pictures))
