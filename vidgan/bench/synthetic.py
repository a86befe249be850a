"""A clip made on the fly: a textured picture that pans, with a disc that moves on its own, and a tone."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from vidgan.video.target import as_sink_error

RATE = 25
"""Frames per second."""
TONE_HERTZ = 440
_SAMPLE_RATE, _SAMPLES_PER_FRAME = 48_000, 1024
# At 720 rows; other sizes move in proportion, so that the picture is the same at another resolution.
_PAN, _DISC_PAN = (3.0, 1.0), (-5.0, 2.5)
_REFERENCE_HEIGHT = 720
# Like photographs: larger structures are stronger, and colours differ less than brightness.
_OCTAVES = (2, 4, 8, 16, 32, 64, 128)
_CONTRAST, _STRENGTH_BY_SIZE, _COLOURFULNESS = 40.0, 0.75, 0.4


def write_clip(path: Path, *, size: tuple[int, int], num_frames: int) -> None:
    """Write the clip: H.264 in 4:2:0 at 25 frames per second, and AAC. The same arguments make the same file.

    Args:
        path: Where; the extension says which container.
        size: Width and height in pixels, even numbers.
        num_frames: How many, 1 or more.

    Raises:
        SinkError, DiskFullError: it can't be written.
        ValueError: the size is odd, or there is no frame.
    """
    if size[0] % 2 or size[1] % 2 or min(size) < 2 or num_frames < 1:
        raise ValueError(f"{size[0]}x{size[1]}, {num_frames} frames: give even numbers of pixels, and 1 frame or more")
    with as_sink_error(path), av.open(str(path), "w") as container:
        # One thread: what x264 makes depends on their number.
        video = container.add_stream("libx264", rate=RATE, options={"crf": "18", "preset": "veryfast", "threads": "1"})
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        sound = container.add_stream("aac", rate=_SAMPLE_RATE)
        assert isinstance(sound, av.AudioStream)
        tone = _tone(Fraction(num_frames, RATE))
        for number, image_HWC in enumerate(pictures(size, num_frames)):
            frame = av.VideoFrame.from_ndarray(image_HWC, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(video.encode(frame))
            if part := next(tone, None):
                container.mux(sound.encode(part))
        for part in tone:
            container.mux(sound.encode(part))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))


def pictures(size: tuple[int, int], num_frames: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the pictures, uint8 RGB `(H, W, 3)`, new arrays.

    The texture moves by `pan(size)` pixels per frame to the left and up, and turns back where it ends.
    """
    width, height = size
    across, down = pan(size)
    scale = height / _REFERENCE_HEIGHT
    room_x, room_y = max(1, width // 4), max(1, height // 4)
    texture = _texture(width + room_x, height + room_y)
    radius = max(1, height // 6)
    for number in range(num_frames):
        x, y = _to_and_fro(number * across, room_x), _to_and_fro(number * down, room_y)
        image = texture[y : y + height, x : x + width].copy()
        centre = (
            _to_and_fro(width / 2 + number * _DISC_PAN[0] * scale, width),
            _to_and_fro(height / 2 + number * _DISC_PAN[1] * scale, height),
        )
        cv2.circle(image, centre, radius, (230, 180, 40), thickness=-1, lineType=cv2.LINE_AA)
        yield image


def pan(size: tuple[int, int]) -> tuple[int, int]:
    """Return how many pixels per frame the texture moves across and down, whole numbers of 1 or more."""
    scale = size[1] / _REFERENCE_HEIGHT
    return max(1, round(_PAN[0] * scale)), max(1, round(_PAN[1] * scale))


def _to_and_fro(position: float, room: int) -> int:
    """Fold a straight way into 0..room, there and back again."""
    return room - abs(round(position) % (2 * room) - room)


def _texture(width: int, height: int) -> NDArray[np.uint8]:
    random = np.random.default_rng(0)
    total = np.zeros((height, width, 3), np.float32)
    for step in _OCTAVES:
        rows, columns = height // step + 2, width // step + 2
        grey = random.standard_normal((rows, columns, 1), np.float32)
        noise = grey + _COLOURFULNESS * random.standard_normal((rows, columns, 3), np.float32)
        grown = cv2.resize(noise, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        total += step**_STRENGTH_BY_SIZE * grown[:height, :width]
    texture: NDArray[np.uint8] = np.clip(128 + total * (_CONTRAST / total.std()), 0, 255).astype(np.uint8)
    return texture


def _tone(seconds: Fraction) -> Iterator[av.AudioFrame]:
    count = int(seconds * _SAMPLE_RATE)
    for first in range(0, count, _SAMPLES_PER_FRAME):
        times = np.arange(first, min(first + _SAMPLES_PER_FRAME, count)) / _SAMPLE_RATE
        wave = (0.1 * np.sin(2 * np.pi * TONE_HERTZ * times)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(wave[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = _SAMPLE_RATE, first, Fraction(1, _SAMPLE_RATE)
        yield frame
