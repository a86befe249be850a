"""Choosing an encoder's pixel format, and encoding frames with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vidgan.errors import MachineError, SinkError
from vidgan.frame import Colour, Frame, VideoInfo
from vidgan.picture import Picture, as_array
from vidgan.video.colour import FromRGB, encoding_colour, is_rgb, square_pixel_size
from vidgan.video.containers import can_hold_codec
from vidgan.video.encoder_plan import EncoderPlan, chroma_family, encoder_settings, plan_encoder
from vidgan.video.hardware import is_cuda
from vidgan.video.palette import Palette

if TYPE_CHECKING:
    from vidgan.video.nvenc import CardFrames

_LOSSLESS = frozenset({"ffv1", "png", "apng", "huffyuv", "ffvhuff", "libx264rgb", "qtrle", "rawvideo", "utvideo"})
_TAKES_ODD_SIZES = _LOSSLESS | {"libvpx", "libvpx-vp9", "mpeg4", "mjpeg", "gif", "wrapped_avframe", "prores_ks"}
_NEEDS_HARDWARE = 3 << 18  # AV_CODEC_CAP_HARDWARE, AV_CODEC_CAP_HYBRID
_SAYS_ASPECT = frozenset({"mp4", "mov", "ipod", "gif"})
_ENCODERS_THAT_SAY_ASPECT = ("264", "265", "hevc", "mpeg")
_NEAREST = {
    "420": ("yuv420p", "nv12", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"),
    "422": ("yuv422p", "yuv444p", "yuv420p", "nv12", "yuv422p10le", "yuv444p10le", "yuv420p10le"),
    "444": ("yuv444p", "yuv422p", "yuv420p", "nv12", "yuv444p10le", "yuv422p10le", "yuv420p10le"),
    "rgb": ("gbrp", "rgb24", "bgr0", "bgra", "rgba"),
}


@dataclass(frozen=True, kw_only=True)
class EncoderOptions:
    """How the video is encoded. None: what suits the container and the encoder."""

    codec: str | None = None
    """Any encoder of FFmpeg's libraries: libx264, libx265, libsvtav1, h264_nvenc, prores_ks, ffv1 ..."""
    crf: float | None = None
    """Constant quality on the encoder's own scale; lower is better."""
    preset: str | None = None
    """Speed on the encoder's own scale."""
    pixel_format: str | None = None
    """FFmpeg's name, e.g. yuv444p."""
    pictures_on: str | None = None
    """None: pictures are NumPy arrays. Else tensors on this torch device, cpu or cuda:N: they become luma and chroma
    there, and a card's own encoder reads them there. On cuda it is the default where it takes them, with cq 19."""


class Encoder:
    """One video stream in an output container."""

    def __init__(
        self, container: OutputContainer, info: VideoInfo, options: EncoderOptions, plan: EncoderPlan | None = None
    ) -> None:
        """Add the stream, for the encoder of the plan; None makes one.

        Raises:
            SinkError: there is no such encoder, or it can't do what was asked.
            MachineError: it needs hardware that isn't present here.
        """
        plan = plan or plan_encoder(container, info, options)
        self.notices = list(plan.notices)
        self._has_delivered = False
        self._durations: dict[Fraction, Fraction] = {}
        self.name = plan.name
        codec = _find_encoder(self.name)
        os.environ.setdefault("SVT_LOG", "1")  # libsvtav1 otherwise prints its settings; 1 leaves errors
        pixel_format = options.pixel_format or self._choose_pixel_format(codec, info.pixel_format)
        self.pixel_format = plan.card_format or pixel_format
        self._check_pixel_format(codec)
        self._pad = self._padding(info.width, info.height)
        self._palette = Palette() if self.pixel_format == "pal8" else None
        colour = encoding_colour(
            info.colour,
            pixel_format=self.pixel_format,
            width=info.width,
            height=info.height,
            container_name=container.format.name,
            encoder_name=self.name,
        )
        self._from_rgb = FromRGB("rgb24" if self._palette else self.pixel_format, colour)
        self._from_tensor = self._make_from_tensor(plan, info, options.pictures_on, colour)
        self.stream = self._add_stream(container, info, options)
        self._check_aspect(container.format.name, info)
        context = self.stream.codec_context
        context.colorspace, context.color_range = colour.matrix, 2 if colour.full_range else 1
        context.color_primaries, context.color_trc = colour.primaries, colour.transfer
        self.is_late = self._card is not None
        """Opened by the first frame, which brings the card's memory with it: until then there is no header."""
        if not self.is_late:
            self._open(codec)

    def encode(self, frame: Frame) -> list[av.Packet[VideoStream]]:
        """Encode one frame; encoders hold some back."""
        picture = self._make_picture(frame.image)
        if self._palette:
            picture = self._palette(picture)
        picture.pts, picture.time_base = frame.pts, frame.time_base
        picture.duration = frame.duration or 0
        if self.name == "libsvtav1":  # it forgets them
            self._durations[frame.pts * frame.time_base] = (frame.duration or 0) * frame.time_base
        packets = self._with_durations(self.stream.encode(picture))
        self._has_delivered |= bool(packets)
        if self._card:
            self._card.give_back(len(packets))
        return packets

    def flush(self) -> list[av.Packet[VideoStream]]:
        """Return what the encoder still holds."""
        packets = self._with_durations(self.stream.encode(None))
        if self.name == "libx265" and not self._has_delivered:
            _set_decoding_times(packets)
        return packets

    def _make_picture(self, image: Picture) -> av.VideoFrame:
        if self._from_tensor is None:
            array: NDArray[np.uint8] = as_array(image)
            if any(self._pad):
                array = np.pad(array, ((0, self._pad[0]), (0, self._pad[1]), (0, 0)), mode="edge")
            return self._from_rgb(array)
        from vidgan.video.colour_tensor import padded

        return self._from_tensor(padded(image, *self._pad))

    def _make_from_tensor(
        self, plan: EncoderPlan, info: VideoInfo, device: str | None, colour: Colour
    ) -> Callable[[Picture], av.VideoFrame] | None:
        """Return what makes luma and chroma on the device; None where pictures become arrays first."""
        self._card: CardFrames | None = None
        if device is None or self._palette:
            return None
        from vidgan.video.colour_tensor import LAYOUTS
        from vidgan.video.nvenc import CardFrames
        from vidgan.video.tensors import FromTensor

        if plan.card_format:
            self._card = CardFrames(plan.card_format, colour, device)
            return self._card
        layout = LAYOUTS.get(self.pixel_format)
        is_odd = (info.width + self._pad[1]) % 2 or (info.height + self._pad[0]) % 2
        if layout is None or (layout.is_interleaved and is_odd):
            return None
        return FromTensor(self.pixel_format, colour)

    def _with_durations(self, packets: list[av.Packet[VideoStream]]) -> list[av.Packet[VideoStream]]:
        for packet in packets:
            seconds = self._durations.pop((packet.pts or 0) * packet.time_base, None)
            if seconds is not None:
                packet.duration = round(seconds / packet.time_base)
        return packets

    def _add_stream(self, container: OutputContainer, info: VideoInfo, options: EncoderOptions) -> VideoStream:
        rate = info.average_rate or Fraction(25)
        try:
            if not can_hold_codec(container.format.name, av.Codec(self.name, "w").canonical_name):
                raise ValueError
            stream = container.add_stream(self.name, rate=rate)
        except ValueError:
            raise SinkError(f"{container.format.name} files can't hold what {self.name} makes") from None
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = info.width + self._pad[1], info.height + self._pad[0]
        is_on_card = self._card is not None and is_cuda(options.pictures_on)
        stream.pix_fmt = "cuda" if is_on_card else self.pixel_format
        stream.codec_context.time_base = info.time_base
        stream.time_base = info.time_base
        stream.codec_context.sample_aspect_ratio = info.sample_aspect_ratio
        stream.codec_context.flags |= Flags.frame_duration
        settings = encoder_settings(
            self.name, crf=options.crf, preset=options.preset, on_card=is_cuda(options.pictures_on)
        )
        stream.options = dict[str, object](settings)
        return stream

    def _open(self, codec: av.Codec) -> None:
        """Open the encoder now, while it is clear that nothing else is to blame."""
        try:
            self.stream.codec_context.open()
        except av.FFmpegError as error:
            if codec.capabilities & _NEEDS_HARDWARE:
                raise MachineError(f"{self.name}: this machine lacks the hardware or driver it needs") from error
            raise SinkError(
                f"{self.name} refuses to start ({error.strerror}): check --crf, --preset, --pix-fmt and the size "
                f"{self.stream.width}x{self.stream.height}"
            ) from error

    def _choose_pixel_format(self, codec: av.Codec, source_format: str) -> str:
        offered = [f.name for f in codec.video_formats or []]
        if self.name == "gif":
            return "pal8"
        if self.name == "mjpeg":
            offered = [name for name in offered if name.startswith("yuvj")]
        family = chroma_family(source_format)
        if family == "rgb" and self.name not in _LOSSLESS:
            family = "420"
            self.notices.append("RGB is stored as 4:2:0, which every player reads; --pix-fmt yuv444p keeps full colour")
        wanted = _NEAREST[family] + (_NEAREST["444"] if family == "rgb" else ())
        for name in wanted:
            for candidate in (name, name.replace("yuv", "yuvj")):
                if not offered or candidate in offered:
                    return candidate
        return offered[0]

    def _check_pixel_format(self, codec: av.Codec) -> None:
        offered = [f.name for f in codec.video_formats or []]
        if offered and self.pixel_format not in offered:
            raise SinkError(f"--pix-fmt {self.pixel_format}: {self.name} takes {', '.join(offered)}")

    def _check_aspect(self, container_name: str, info: VideoInfo) -> None:
        """PyAV can't give a container the shape of pixels: where the encoder doesn't say it either, it is lost."""
        is_said = container_name in _SAYS_ASPECT or any(name in self.name for name in _ENCODERS_THAT_SAY_ASPECT)
        if info.sample_aspect_ratio != 1 and not is_said:
            width, height = square_pixel_size(info.width, info.height, info.sample_aspect_ratio)
            self.notices.append(
                f"{self.name} in {container_name} doesn't keep the shape of pixels ({info.sample_aspect_ratio}), "
                f"and the picture will look squeezed: --scale {width}x{height} gives square pixels"
            )

    def _padding(self, width: int, height: int) -> tuple[int, int]:
        """Rows and columns to add: most encoders of subsampled chroma take even sizes only."""
        if self.name in _TAKES_ODD_SIZES or is_rgb(self.pixel_format):
            return 0, 0
        chroma = av.VideoFormat(self.pixel_format)
        across = width % 2 if chroma.chroma_width(2) == 1 else 0
        down = height % 2 if chroma.chroma_height(2) == 1 else 0
        if across or down:
            self.notices.append(
                f"{width}x{height} became {width + across}x{height + down}: {self.name} needs even sizes, "
                "the last row or column is repeated"
            )
        return down, across


def _set_decoding_times(packets: list[av.Packet[VideoStream]]) -> None:
    """Give a whole clip its decoding times: x265 makes them up where there are fewer frames than it holds back."""
    shown = [packet.pts or 0 for packet in packets]
    decoded = sorted(shown)
    lead = max((late - pts for late, pts in zip(decoded, shown, strict=True)), default=0)
    for packet, time in zip(packets, decoded, strict=True):
        packet.dts = time - lead


def _find_encoder(name: str) -> av.Codec:
    try:
        codec = av.Codec(name, "w")
    except ValueError:
        raise SinkError(f"--codec {name}: no such encoder here; `vidgan doctor` lists them") from None
    if codec.type != "video":
        raise SinkError(f"--codec {name}: not a video encoder")
    return codec
