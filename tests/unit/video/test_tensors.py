"""Files read into tensors and written from them, beside the same files by way of arrays."""

import io
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from unittest.mock import patch

import av
import numpy as np
import pytest
import torch
from media.clips import Sound, Subtitles, Video, write_clip
from media.look import look
from media.pattern import picture
from media.rare import ORIENTATIONS, turned_picture, write_interlaced, write_pictures, write_size_change
from torch.utils.dlpack import from_dlpack

from vidgan import EncoderOptions, SinkOptions, SourceOptions, open_sink, open_source
from vidgan.frame import Colour
from vidgan.video.colour import FromRGB, ToRGB
from vidgan.video.colour_tensor import plane_memory
from vidgan.video.encoder_plan import EncoderPlan
from vidgan.video.tensors import FromTensor, ToTensor

LEVELS = 1
"""Between the two roads; see `test_colour_tensor.py`."""
LEVELS_RESIZED = 2
"""And a level more where the picture was resized besides, by OpenCV or by torch."""


def read_both(path, **options):
    """Return the frames as arrays, as tensors, and both sources' info and notices."""
    read = []
    for device in (None, "cpu"):
        with open_source(path, SourceOptions(pictures_on=device, **options)) as source:
            read.append((list(source), source.info, source.notices))
    (arrays, *said), (tensors, *said_of_tensors) = read
    assert said == said_of_tensors
    for array, tensor in zip(arrays, tensors, strict=True):
        assert isinstance(array.image, np.ndarray)
        assert (tensor.image.dtype, tensor.image.is_contiguous()) == (torch.uint8, True)
        assert tensor.image.shape == array.image.shape
        assert (tensor.pts, tensor.time_base, tensor.duration) == (array.pts, array.time_base, array.duration)
    return arrays, tensors, *said


def furthest(arrays, tensors):
    """Return by how many levels the two differ at most."""
    return max(
        np.abs(tensor.image.numpy().astype(int) - array.image).max()
        for array, tensor in zip(arrays, tensors, strict=True)
    )


@pytest.mark.parametrize("range_", [1, 2])
@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize(("codec", "pixel_format"), [("libx264", "yuv420p"), ("libx265", "yuv420p10le")])
def test_a_file_gives_the_same_pictures(codec, pixel_format, matrix, range_, tmp_path):
    options = {"preset": "ultrafast", "x265-params": "log-level=none"} if codec == "libx265" else {"qp": "4"}
    path = write_clip(tmp_path / "in.mkv", Video(
        codec=codec, pixel_format=pixel_format, pts=range(2), tags=(matrix, matrix, matrix, range_), options=options
    ))  # fmt: skip
    arrays, tensors, info, notices = read_both(path)
    assert furthest(arrays, tensors) <= LEVELS
    assert (info.colour.matrix, info.colour.full_range, info.pixel_format) == (
        matrix, range_ == 2, "yuvj420p" if (pixel_format, range_) == ("yuv420p", 2) else pixel_format
    )  # fmt: skip
    assert len(notices) == (pixel_format != "yuv420p")


@pytest.mark.parametrize(("codec", "pixel_format"), [
    ("ffv1", "yuv422p"), ("ffv1", "yuv444p"), ("ffv1", "bgr0"), ("ffv1", "gray"), ("ffv1", "yuv422p10le"),
    ("ffv1", "bgra"),
])  # fmt: skip
def test_what_swscale_converts_is_the_same_to_the_bit(codec, pixel_format, tmp_path):
    video = Video(codec=codec, pixel_format=pixel_format, pts=range(2), options={})
    arrays, tensors, *_ = read_both(write_clip(tmp_path / "in.mkv", video))
    assert furthest(arrays, tensors) == 0


def test_an_odd_size(tmp_path):
    """Of greys: swscale stretches chroma over an odd size, and takes another sample here and there."""
    grey = np.random.default_rng(0).integers(0, 256, (35, 63, 1), dtype=np.uint8).repeat(3, 2)
    for pixel_format in ("yuv420p", "yuv420p10le"):
        video = Video(codec="ffv1", pixel_format=pixel_format, size=(63, 35), draw=lambda *_: grey, options={})
        path = write_clip(tmp_path / "in.mkv", video)
        arrays, tensors, *_ = read_both(path)
        assert tensors[0].image.shape == (35, 63, 3)
        assert furthest(arrays, tensors) <= LEVELS


@pytest.mark.parametrize("orientation", [ORIENTATIONS[2], ORIENTATIONS[5], ORIENTATIONS[7]])
def test_pictures_are_upright(orientation, tmp_path):
    draw = turned_picture(orientation)
    path = write_clip(tmp_path / "in.mp4", Video(pts=range(2), orientation=orientation, draw=draw))
    arrays, tensors, *_ = read_both(path)
    assert furthest(arrays, tensors) <= LEVELS


def test_a_change_of_size(tmp_path):
    arrays, tensors, _, notices = read_both(write_size_change(tmp_path / "in.ts"))
    assert any("another size" in notice for notice in notices)
    assert furthest(arrays, tensors) <= LEVELS_RESIZED


def test_interlaced_film_and_pictures(tmp_path):
    arrays, tensors, *_ = read_both(write_interlaced(tmp_path / "interlaced.mkv"))
    assert furthest(arrays, tensors) <= LEVELS
    folder = tmp_path / "shots"
    write_pictures(folder, range(3))
    arrays, tensors, *_ = read_both(folder)
    assert furthest(arrays, tensors) == 0


@pytest.mark.parametrize(("layout", "planar"), [("nv12", "yuv420p"), ("p010le", "yuv420p10le")])
@pytest.mark.parametrize(("matrix", "full_range"), [(6, False), (1, False), (1, True), (9, False), (9, True)])
def test_a_cards_layouts(layout, planar, matrix, full_range, noise):
    """NV12 and P010 go where a card's surfaces go."""
    colour = Colour(matrix=matrix, full_range=full_range)
    software = FromRGB(planar, colour)(noise(66, 50))
    surface = software.reformat(format=layout)
    assert surface.format.name == layout
    made = ToTensor("cpu")(surface, colour)
    assert torch.equal(made, ToTensor("cpu")(software, colour))
    assert np.abs(made.numpy().astype(int) - ToRGB()(software, colour)).max() <= LEVELS


def test_an_odd_nv12_frame_has_a_picture():
    colour = Colour(matrix=6, full_range=False)
    flat = np.full((35, 63, 3), (30, 160, 90), np.uint8)
    surface = FromRGB("nv12", colour)(flat)
    assert np.abs(ToTensor("cpu")(surface, colour).numpy().astype(int) - flat).max() <= 2


def test_the_picture_outlives_its_frame(noise):
    colour = Colour(matrix=6, full_range=False)
    frame = FromRGB("yuv420p", colour)(noise(64, 48))
    made = ToTensor("cpu")(frame, colour)
    before = made.clone()
    for plane in frame.planes:
        from_dlpack(plane).zero_()
    del frame
    assert torch.equal(made, before)


@pytest.mark.parametrize(("pixel_format", "size"), [
    *((name, (64, 48)) for name in ("yuv420p", "yuvj420p", "yuv420p10le", "nv12", "p010le")),
    ("yuv420p", (63, 35)), ("yuv420p10le", (63, 36)),
])  # fmt: skip
def test_a_frame_for_the_encoder_is_the_array_roads(pixel_format, size, noise):
    colour = Colour(matrix=1, primaries=9, transfer=13, full_range=pixel_format == "yuvj420p")
    image = noise(*size) if size[0] % 2 == 0 else np.full((size[1], size[0], 3), (200, 30, 90), np.uint8)
    expected, made = FromRGB(pixel_format, colour)(image), FromTensor(pixel_format, colour)(torch.from_numpy(image))
    assert (made.format.name, made.width, made.height) == (expected.format.name, *size)
    for name in ("colorspace", "color_primaries", "color_trc", "color_range"):
        assert getattr(made, name) == getattr(expected, name)
    unit = 64 if pixel_format == "p010le" else 1
    for plane, other in zip(made.planes, expected.planes, strict=True):
        difference = from_dlpack(plane).int() - from_dlpack(other).int()
        assert difference.abs().max() <= LEVELS * unit


def write_both(folder, suffix, images, info, **options):
    """Write arrays, and the same pictures as tensors; return both paths and the notices, which are the same."""
    paths, said = [], []
    for device in (None, "cpu"):
        path = folder / f"{device}{suffix}"
        sink_options = SinkOptions(encoder=EncoderOptions(pictures_on=device, **options))
        with open_sink(path, info, sink_options) as sink:
            for frame in images:
                image = frame.image if device is None else torch.from_numpy(frame.image)
                sink.write(replace(frame, image=image))
        paths.append(sink.path)
        said.append(sink.notices)
    assert said[0] == said[1]
    return paths


def stored(path):
    """Return every plane of every frame of a file, as integers."""
    with av.open(str(path)) as container:
        return [
            [torch.from_numpy(frame.to_ndarray(format="rgb24").astype(int))]
            if frame.format.is_rgb
            else [from_dlpack(plane).int() for plane in frame.planes]
            for frame in container.decode(video=0)
        ]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Frames and info of a short clip of HD colours."""
    video = Video(pts=(0, 1, 3, 4), durations=(1, 2, 1, 1), time_base=Fraction(1, 25), tags=(1, 1, 1, 1))
    with open_source(write_clip(tmp_path_factory.mktemp("clip") / "in.mkv", video)) as source:
        return list(source), source.info


@pytest.mark.parametrize(("suffix", "options", "levels"), [
    (".mp4", {"codec": "libx264", "crf": 0, "preset": "ultrafast"}, 1),
    (".mp4", {"codec": "libx264", "crf": 0, "preset": "ultrafast", "pixel_format": "nv12"}, 1),
    (".mkv", {"codec": "ffv1"}, 1),
    (".mkv", {"codec": "ffv1", "pixel_format": "yuv420p10le"}, 1),
    # Chroma of these goes through swscale on both roads.
    (".mkv", {"codec": "ffv1", "pixel_format": "yuv422p"}, 0),
    (".mkv", {"codec": "ffv1", "pixel_format": "yuv444p"}, 0),
    (".mkv", {"codec": "ffv1", "pixel_format": "bgr0"}, 0),
])  # fmt: skip
def test_a_lossless_file_holds_the_same_planes(suffix, options, levels, clip, tmp_path):
    paths = write_both(tmp_path, suffix, *clip, **options)
    first, second = (look(path) for path in paths)
    assert first.times == second.times
    assert first.durations == second.durations
    assert [frame.tags for frame in first.frames] == [frame.tags for frame in second.frames]
    assert (first.pixel_format, first.size, first.rate) == (second.pixel_format, second.size, second.rate)
    for planes, others in zip(*map(stored, paths), strict=True):
        assert max((one - other).abs().max() for one, other in zip(planes, others, strict=True)) <= levels


@pytest.mark.parametrize(("suffix", "size", "options"), [
    (".mp4", (63, 35), {"codec": "libx264", "crf": 0, "preset": "ultrafast"}),
    (".mkv", (63, 35), {"codec": "ffv1"}),
    (".mkv", (63, 36), {"codec": "libx264", "crf": 0, "preset": "ultrafast", "pixel_format": "nv12"}),
])  # fmt: skip
def test_odd_sizes_are_padded_alike(suffix, size, options, clip, tmp_path):
    ramp = np.linspace(0, 255, size[0]).astype(np.uint8)[None, :, None].repeat(size[1], 0).repeat(3, 2)
    images, info = [replace(clip[0][0], image=ramp)], replace(clip[1], width=size[0], height=size[1])
    paths = write_both(tmp_path, suffix, images, info, **options)
    for planes, others in zip(*map(stored, paths), strict=True):
        assert [plane.shape for plane in planes] == [plane.shape for plane in others]
        assert max((one - other).abs().max() for one, other in zip(planes, others, strict=True)) <= LEVELS


@pytest.mark.parametrize("suffix", [".gif", ".png", "/", ".webm", ".avi"])
def test_every_kind_of_result(suffix, clip, tmp_path):
    paths = write_both(tmp_path, suffix, *clip)
    if suffix in (".gif", ".png", "/"):
        files = [sorted(path.iterdir()) if path.is_dir() else [path] for path in paths]
        assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]
        return
    shown = [[frame.to_ndarray(format="gray") for frame in av.open(str(path)).decode(video=0)] for path in paths]
    assert len(shown[0]) == len(shown[1]) > 0
    assert np.abs(np.subtract(*shown, dtype=float)).mean() < 1


def test_y4m_on_standard_output(clip, tmp_path, monkeypatch):
    frames, info = clip
    written = []
    for device in (None, "cpu"):
        file = io.BytesIO()
        monkeypatch.setattr("sys.stdout", type("Output", (), {"buffer": file}))
        with open_sink("-", info, SinkOptions(encoder=EncoderOptions(pictures_on=device))) as sink:
            for frame in frames:
                sink.write(frame if device is None else replace(frame, image=torch.from_numpy(frame.image)))
        written.append(np.frombuffer(file.getvalue(), np.uint8).astype(int))
    assert written[0].size == written[1].size
    assert np.abs(written[0] - written[1]).max() <= LEVELS


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "libx264"), (".mkv", "libx264")])
def test_the_cards_road_with_an_encoder_of_the_processor(suffix, codec, clip, tmp_path):
    """NVENC's place is taken by an encoder that reads NV12 too: late opening, memory in turns, header, sound apart."""
    frames, info = clip
    options = {"codec": codec, "crf": 0, "preset": "ultrafast", "pixel_format": "nv12"}
    many = [replace(frames[0], image=picture(number), pts=number, duration=1) for number in range(60)]
    with (
        patch("vidgan.video.sink.plan_encoder", lambda *_: EncoderPlan(name=codec, card_format="nv12")),
        patch("vidgan.video.nvenc.plane_memory", wraps=plane_memory) as allocated,
    ):
        with open_sink(tmp_path / f"card{suffix}", info, sinks("cpu", **options)) as sink:
            for frame in many:
                sink.write(replace(frame, image=torch.from_numpy(frame.image)))
        assert allocated.call_count < len(many), "memory is used in turns"
        with (
            pytest.raises(KeyboardInterrupt),
            open_sink(tmp_path / f"stopped{suffix}", info, sinks("cpu", **options)) as stopped,
        ):
            raise KeyboardInterrupt
    with open_sink(tmp_path / f"usual{suffix}", info, sinks("cpu", **options)) as usual:
        for frame in many:
            usual.write(replace(frame, image=torch.from_numpy(frame.image)))
    assert stopped.path is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"card{suffix}", f"usual{suffix}"]
    made, expected = look(sink.path), look(usual.path)
    assert made.numbers == expected.numbers == list(range(60))
    assert made.times == expected.times
    assert [frame.tags for frame in made.frames] == [frame.tags for frame in expected.frames]
    for planes, others in zip(stored(sink.path), stored(usual.path), strict=True):
        assert all(torch.equal(one, other) for one, other in zip(planes, others, strict=True))


def test_sound_comes_along_though_the_header_is_late(tmp_path):
    path = write_clip(tmp_path / "in.mkv", Video(), Sound(seconds=0.48), Subtitles())
    paths = []
    for plan in (None, EncoderPlan(name="libx264", card_format="nv12")):
        paths.append(tmp_path / f"{plan is None}.mkv")
        with open_source(path, SourceOptions(pictures_on="cpu")) as source:
            options = sinks("cpu", codec="libx264", crf=0, preset="ultrafast", pixel_format="nv12")
            planned = patch("vidgan.video.sink.plan_encoder", lambda *_, plan=plan: plan) if plan else nullcontext()
            with planned, open_sink(paths[-1], source.info, options, source.copied) as sink:
                for frame in source:
                    sink.write(frame)
    usual, late = (look(path) for path in paths)
    assert [stream.kind for stream in late.streams] == ["video", "audio", "subtitle"]
    for one, other in zip(usual.streams, late.streams, strict=True):
        assert (one.codec, one.times, one.data) == (other.codec, other.times, other.data)


def sinks(device, **options):
    return SinkOptions(encoder=EncoderOptions(pictures_on=device, **options))
