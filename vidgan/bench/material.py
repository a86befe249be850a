"""What the stages work on: the frames of a clip as they are before and after each stage, made beforehand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from vidgan.bench.clip import Clip, open_decoder
from vidgan.frame import Colour, Frame, VideoInfo
from vidgan.picture import resized
from vidgan.stylizer import Stylizer
from vidgan.temporal.flow import Motion, MotionEstimator
from vidgan.temporal.smoother import Smoother
from vidgan.video.colour import FromRGB, encoding_colour
from vidgan.video.encoder import EncoderOptions
from vidgan.video.source import SourceOptions, open_source

Image = NDArray[np.uint8]

ENCODER = EncoderOptions(codec="libx264", crf=18, preset="veryfast", pixel_format="yuv420p")
"""What every run encodes with: vidgan's own default for MP4."""
PICTURE_BYTES, ENCODED_BYTES = 400_000_000, 300_000_000
"""How much memory the frames held for the stages may take, and how much those that wait for the encoder."""
_BYTES_PER_PIXEL = 1.5 + 4 * 3 + 3  # YUV, four RGB pictures, motion
_LEAST_FRAMES = 4


@dataclass(kw_only=True)
class Material:
    """Frames of one clip at every point of their way. The lists but the last two are the first frames, equally many."""

    clip: Clip
    """Where they come from."""
    size: tuple[int, int]
    """Width and height, in pixels, that the network sees."""
    info: VideoInfo
    """The source's, at that size."""
    decoded: list[av.VideoFrame] = field(default_factory=list)
    """As the decoder gives them."""
    source: list[Image] = field(default_factory=list)
    """RGB at the source's own size."""
    scaled: list[Image] = field(default_factory=list)
    """RGB at `size`: the same arrays where that is the source's."""
    motion: list[Motion] = field(default_factory=list)
    """Estimated from `scaled`."""
    styled: list[Image] = field(default_factory=list)
    """The network's results."""
    result: list[Image] = field(default_factory=list)
    """Smoothed."""
    to_encode: list[av.VideoFrame] = field(default_factory=list)
    """Results in YUV, of as many frames as fit into memory."""
    unsmoothed: list[av.VideoFrame] = field(default_factory=list)
    """The network's results in YUV, as many: noisier pictures, which cost the encoder more. Empty without a network."""

    @property
    def is_scaled(self) -> bool:
        """Whether the source has another size."""
        return (self.clip.info.width, self.clip.info.height) != self.size


def prepare(clip: Clip, size: tuple[int, int], stylizer: Stylizer) -> Material:
    """Take a clip the whole way once, and keep what the stages need."""
    info = replace(clip.info, width=size[0], height=size[1])
    material = Material(clip=clip, size=size, info=info)
    pixels = max(size[0] * size[1], clip.info.width * clip.info.height)
    num_held = max(_LEAST_FRAMES, int(PICTURE_BYTES / (_BYTES_PER_PIXEL * pixels)))
    num_encoded = max(num_held, int(ENCODED_BYTES / (2 * 1.5 * pixels)))
    with open_decoder(clip.path) as decoder:
        material.decoded.extend(islice(decoder, min(num_held, clip.num_frames)))
    estimator, smoother = MotionEstimator(), Smoother()
    from_rgb = FromRGB("yuv420p", encoded_colour(info))
    with open_source(clip.path, SourceOptions(end_seconds=clip.end_seconds)) as source:
        for number, frame in enumerate(islice(source, min(num_encoded, clip.num_frames))):
            scaled = resized(frame.image, *size)
            motion, styled = estimator(scaled), stylizer(scaled)
            result = smoother(styled, motion) if stylizer.style else styled
            if number < len(material.decoded):
                material.source.append(frame.image)
                material.scaled.append(scaled)
                material.motion.append(motion)
                material.styled.append(styled)
                material.result.append(result)
            material.to_encode.append(_timed(from_rgb(result), frame))
            if stylizer.style:
                material.unsmoothed.append(_timed(from_rgb(styled), frame))
    return material


def encoded_colour(info: VideoInfo) -> Colour:
    """Return the colour in which the result is encoded."""
    return encoding_colour(
        info.colour,
        pixel_format="yuv420p",
        width=info.width,
        height=info.height,
        container_name=Path(RESULT_NAME).suffix[1:],
        encoder_name="libx264",
    )


RESULT_NAME = "result.mp4"
"""What runs write, in a folder of temporary files."""


def _timed(picture: av.VideoFrame, frame: Frame) -> av.VideoFrame:
    picture.pts, picture.time_base, picture.duration = frame.pts, frame.time_base, frame.duration or 0
    return picture
