"""Encoding on NVIDIA's cards (NVENC) from pictures that lie there."""

from __future__ import annotations

from collections import deque
from contextlib import nullcontext
from fractions import Fraction

import av
import torch
from av.video.frame import CudaContext
from torch import Tensor

from vidgan.frame import Colour
from vidgan.picture_tensor import default_stream
from vidgan.video.colour import tag
from vidgan.video.colour_tensor import LAYOUTS, plane_memory, planes_from_rgb, planes_in
from vidgan.video.hardware import is_cuda

# An encoder reads B-frames after the frames that follow them: how much longer than FFmpeg memory is kept for it.
_SPARE = 5


class CardFrames:
    """Turns RGB tensors into frames that an encoder reads where they lie, from memory that is used in turns.

    NVENC takes luma and chroma in one piece of memory, rows 256 bytes apart or multiples of it, and remembers the
    addresses that it has read from: the memory stays allocated as long as this object.
    """

    def __init__(self, pixel_format: str, colour: Colour, device: str) -> None:
        """Prepare for a `pixel_format` of two planes in `LAYOUTS`, with the matrix and range of `colour`."""
        self._pixel_format, self._colour = pixel_format, colour
        self._device = torch.device(device)
        self._context = CudaContext(self._device.index or 0, False, True) if self._device.type == "cuda" else None
        self._memory: deque[Tensor] = deque()
        self._num_lent = 0

    def __call__(self, image_HWC: Tensor) -> av.VideoFrame:
        """Return RGB uint8 `(H, W, 3)` of even sides as a tagged frame on the device; it is complete there."""
        height, width = image_HWC.shape[:2]
        layout = LAYOUTS[self._pixel_format]
        with torch.cuda.device(self._device) if self._context else nullcontext():
            with default_stream(image_HWC):
                memory = self._take(height, width)
                planes = planes_in(memory, height, width, layout, is_aligned=True)
                planes_from_rgb(image_HWC, layout, self._colour, planes)
                if self._context:
                    # The encoder is no stream of torch's: what it is given must be there.
                    written = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
                    written.record()
                    written.synchronize()
            frame = av.VideoFrame.from_dlpack(planes, format=self._pixel_format, cuda_context=self._context)
        return tag(frame, self._colour)

    def give_back(self, num_packets: int) -> None:
        """Count frames as read: FFmpeg lets go of the oldest with each packet that the encoder gives."""
        self._num_lent -= num_packets

    def _take(self, height: int, width: int) -> Tensor:
        """Return the memory that was lent longest ago, or new where too much of it is in use."""
        if len(self._memory) >= self._num_lent + _SPARE:
            memory = self._memory.popleft()
        else:
            memory = plane_memory(height, width, LAYOUTS[self._pixel_format], self._device, is_aligned=True)
        self._memory.append(memory)
        self._num_lent += 1
        return memory


def why_not(name: str, *, width: int, height: int, pixel_format: str, settings: dict[str, str], device: str) -> str:
    """Return why an encoder doesn't take pictures on a device, in one line; empty where it has encoded one.

    Args:
        name: FFmpeg's.
        width: of the pictures, even.
        height: of the pictures, even.
        pixel_format: nv12 or p010le.
        settings: the encoder's.
        device: where the pictures lie.
    """
    try:
        context = av.CodecContext.create(name, "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height, context.options = width, height, settings
        context.pix_fmt = "cuda" if is_cuda(device) else pixel_format
        context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
        frame = CardFrames(pixel_format, Colour(), device)(
            torch.zeros((height, width, 3), dtype=torch.uint8, device=device)
        )
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        packets = context.encode(frame) + context.encode(None)
    except (av.FFmpegError, ValueError, NotImplementedError, RuntimeError) as error:
        return str(error).partition("\n")[0] or type(error).__name__
    return "" if packets else "it gives nothing back"
