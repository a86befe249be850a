"""Decoded frames to RGB tensors, and RGB tensors to frames for an encoder: what `ToRGB` and `FromRGB` do to arrays."""

from __future__ import annotations

import av
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from vidgan.frame import Colour
from vidgan.picture_tensor import default_stream
from vidgan.video.colour import ToRGB, tag
from vidgan.video.colour_tensor import LAYOUTS, plane_memory, planes_from_rgb, planes_in, rgb_from_planes
from vidgan.video.hardware import downloaded


class ToTensor:
    """Turns decoded frames into RGB tensors on a device. One for each stream.

    Frames on a card, and 4:2:0 of 8 and 10 bits, are converted there; the rest is converted by swscale first.
    """

    def __init__(self, device: str) -> None:
        """Prepare for a device, which is there."""
        self._device, self._to_rgb = torch.device(device), ToRGB()

    def __call__(self, frame: av.VideoFrame, colour: Colour) -> Tensor:
        """Return `frame` as new RGB uint8 `(H, W, 3)`, decoded with the matrix and range of the resolved `colour`.

        Nothing of `frame` is needed any more when this returns: FFmpeg fills a surface that it was given back on the
        same stream that reads it here, and so after it.
        """
        layout = LAYOUTS.get((frame.sw_format or frame.format).name)
        if layout is None or any(plane.line_size < 0 for plane in frame.planes):
            return torch.from_numpy(self._to_rgb(downloaded(frame), colour)).to(self._device)
        planes = tuple(plane.to(self._device) for plane in planes_of(frame))
        with default_stream(planes[0]):
            return rgb_from_planes(planes, layout, colour)


class FromTensor:
    """Turns RGB tensors into frames in main memory; luma and chroma are made on the device, and only they travel."""

    def __init__(self, pixel_format: str, colour: Colour) -> None:
        """Prepare for a `pixel_format` of `LAYOUTS`, with the matrix and range of `colour`."""
        self._pixel_format, self._colour = pixel_format, colour

    def __call__(self, image_HWC: Tensor) -> av.VideoFrame:
        """Return RGB uint8 `(H, W, 3)` as a tagged frame. Odd sizes are rounded up; interleaved formats have none."""
        height, width = image_HWC.shape[:2]
        layout = LAYOUTS[self._pixel_format]
        with default_stream(image_HWC):
            memory = plane_memory(height, width, layout, image_HWC.device)
            planes_from_rgb(image_HWC, layout, self._colour, planes_in(memory, height, width, layout))
            fetched = planes_in(memory.cpu(), height, width, layout)
        frame = av.VideoFrame(width, height, self._pixel_format)
        for plane, values in zip(planes_of(frame), fetched, strict=True):
            plane.copy_(values)
        return tag(frame, self._colour)


def planes_of(frame: av.VideoFrame) -> tuple[Tensor, ...]:
    """Return the planes of a frame as tensors that share its memory, where it lies."""
    # As a capsule: of an object torch would ask to order streams, which PyAV refuses. Nothing is to be ordered, since
    # FFmpeg writes surfaces on the default stream of the context that it shares with torch.
    return tuple(from_dlpack(plane.__dlpack__()) for plane in frame.planes)
