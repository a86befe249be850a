"""Makers of unusual but sound files."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np

from media.clips import FONT, Sound, Subtitles, Video, write_clip
from media.pattern import picture

ATTACHED_PICTURE = 0x0400
DEFAULT, FORCED = 1, 0x40
ORIENTATIONS = [(degrees, is_mirrored, False) for degrees in (0, 90, 180, 270) for is_mirrored in (False, True)]
VARIABLE_PTS = (0, 40, 57, 133, 160, 200, 201, 320, 440, 480, 500)
"""Milliseconds, nowhere near a constant rate."""


def write_film(path):
    """Write a Matroska file with everything: uneven times, two languages, subtitles, chapters, a font, metadata."""
    return write_clip(
        path,
        Video(
            time_base=Fraction(1, 1000),
            pts=VARIABLE_PTS,
            durations=[*np.diff(VARIABLE_PTS).tolist(), 60],
            aspect=Fraction(4, 3),
            tags=(1, 1, 1, 1),
            metadata={"title": "The pictures"},
        ),
        Sound(metadata={"language": "deu", "title": "Deutsch"}, disposition=DEFAULT),
        Sound(codec="libopus", hertz=600, metadata={"language": "fra", "title": "Français"}, disposition=0),
        Subtitles(codec="ass", metadata={"language": "eng", "title": "Signs"}, disposition=FORCED),
        metadata={"title": "A film", "artist": "Nobody", "comment": "with everything"},
        chapters=((0, 0.2, "One"), (0.2, 0.5, "Two")),
        attachments=(("fancy.ttf", "font/ttf", FONT),),
    )


def turn(image_HWC, orientation):
    """Return the picture as a player shows it: turned counter-clockwise by degrees, then mirrored."""
    degrees, is_mirrored_across, is_mirrored_down = orientation
    image_HWC = np.rot90(image_HWC, degrees // 90)
    image_HWC = image_HWC[:, ::-1] if is_mirrored_across else image_HWC
    return image_HWC[::-1] if is_mirrored_down else image_HWC


def turned_picture(orientation):
    """Return a drawer of what has to be stored so that a player shows `picture` upright."""

    def draw(number, width, height):
        is_on_its_side = orientation[0] % 180 != 0
        size = (height, width) if is_on_its_side else (width, height)
        degrees, is_mirrored_across, is_mirrored_down = orientation
        upright = picture(number, *size)
        upright = upright[::-1] if is_mirrored_down else upright
        upright = upright[:, ::-1] if is_mirrored_across else upright
        return np.ascontiguousarray(np.rot90(upright, -degrees // 90))

    return draw


def write_interlaced(path, codec="mpeg2video"):
    """Write fields that are half a frame apart: a bright bar that moves, so that every frame shows a comb."""

    def draw(number, width, height):
        image = np.full((height, width, 3), 40, np.uint8)
        for row in range(height):
            left = (8 * (2 * number + row % 2)) % (width - 24)
            image[row, left : left + 24] = 220
        return image

    options = {"flags": "+ildct+ilme", "b": "4M", "qmin": "1"} if codec == "mpeg2video" else {
        "crf": "5", "preset": "ultrafast", "x264opts": "tff=1",
    }  # fmt: skip
    return write_clip(path, Video(codec=codec, options=options, draw=draw), Sound())


def combing(image):
    """Return how much every second line differs from its neighbours: high where two fields are mixed."""
    rows = image.astype(np.float64)
    return np.abs(rows[1:-1] - (rows[:-2] + rows[2:]) / 2).mean()


def write_size_change(path, sizes=((128, 96), (160, 128))):
    """Write a transport stream whose pictures change their size in the middle, as broadcasts do."""
    parts, first = [], 0
    for size in sizes:
        part = path.with_name(f"part{first}.ts")
        write_clip(part, Video(size=size, pts=range(first, first + 6), draw=_numbered_from(first)))
        parts.append(part.read_bytes())
        part.unlink()
        first += 6
    path.write_bytes(b"".join(parts))
    return path


def write_with_cover(path, *tracks):
    """Write a file with a cover: a big red picture that isn't video."""
    with av.open(str(path), "w") as container:
        packets = []
        for track in tracks:
            part = path.with_name("part.mkv")
            write_clip(part, track)
            with av.open(str(part)) as source:
                stream = container.add_stream_from_template(source.streams[0])
                for packet in source.demux():
                    if packet.size:
                        made = av.Packet(bytes(packet))
                        made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
                        made.duration, made.is_keyframe, made.stream = packet.duration, packet.is_keyframe, stream
                        packets.append(made)
            part.unlink()
        cover = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 640, 640, "rgb24"
        cover.disposition = ATTACHED_PICTURE
        red = av.VideoFrame.from_ndarray(np.full((640, 640, 3), (255, 0, 0), np.uint8), format="rgb24")
        red.pts = 0
        # Muxers wait for the cover before they write anything.
        for packet in [*cover.encode(red), *cover.encode(None)]:
            container.mux(packet)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def write_pictures(folder, numbers, *, name="shot_{:05d}.png", sizes=((128, 96),)):
    """Write numbered pictures, of `sizes` in turn, and return the folder."""
    folder.mkdir(exist_ok=True)
    for position, number in enumerate(numbers):
        image = picture(number % 256, *sizes[position % len(sizes)])
        cv2.imwrite(str(folder / name.format(number)), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return folder


def y4m(num_frames=5, size=(128, 96), rate="30000:1001"):
    """Return a y4m stream, written by hand: 4:2:0, limited range, grey chroma."""
    width, height = size
    chroma = bytes([128]) * (2 * ((width + 1) // 2) * ((height + 1) // 2))
    frames = []
    for number in range(num_frames):
        luma = picture(number, width, height).mean(axis=2)
        frames.append(b"FRAME\n" + np.rint(16 + luma * 219 / 255).astype(np.uint8).tobytes() + chroma)
    return f"YUV4MPEG2 W{width} H{height} F{rate} Ip A1:1 C420jpeg\n".encode() + b"".join(frames)


def write_palette_png(path, image_HWC):
    """Write a palette PNG of a picture that has at most 256 colours."""
    colours, indices = np.unique(image_HWC.reshape(-1, 3), axis=0, return_inverse=True)
    palette = np.zeros((256, 4), np.uint8)
    palette[:, 0], palette[: len(colours), 1:] = 255, colours
    video = Video(
        codec="png",
        size=(image_HWC.shape[1], image_HWC.shape[0]),
        pixel_format="pal8",
        pts=(0,),
        options={},
        draw=lambda *_: (indices.reshape(image_HWC.shape[:2]).astype(np.uint8), palette),
        drawn_format="pal8",
    )
    return write_clip(path, video, options={"update": "1"})


def still(codec, pixel_format, draw=picture, drawn_format="rgb24"):
    """Return a track of one lossless picture in an unusual pixel format."""
    return replace(Video(), codec=codec, pixel_format=pixel_format, pts=(0,), options={}, draw=draw,
                   drawn_format=drawn_format)  # fmt: skip


def _numbered_from(first):
    return lambda number, width, height: picture(first + number, width, height)
