"""Video in: every kind of file gives upright RGB frames at their own times, and says what is wrong with it."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from media.clips import Sound, Video, write_clip
from media.look import look
from media.pattern import picture, psnr, read_number
from media.rare import (
    ORIENTATIONS,
    combing,
    still,
    turn,
    turned_picture,
    write_interlaced,
    write_palette_png,
    write_pictures,
    write_size_change,
    y4m,
)
from media.run import read

from vidgan import open_source

SUBSAMPLED_DB = {"yuv444p": 45, "yuv422p": 24, "yuv420p": 22}
"""What 8-bit rounding (4:4:4) or halved chroma next to hard edges (the others) leave of the test picture."""


def numbers(frames):
    return [read_number(frame.image) for frame in frames]


def test_frames_are_those_of_the_file(tmp_path):
    path = write_clip(tmp_path / "in.mkv", Video(options={"bf": "3", "crf": "15"}, pts=range(30)), Sound())
    info, frames, notices = read(path)
    expected = look(path)
    assert numbers(frames) == expected.numbers == list(range(30))
    assert [frame.pts * frame.time_base for frame in frames] == expected.times
    assert {frame.time_base for frame in frames} == {Fraction(1, 1000)}
    assert notices == []
    assert (info.width, info.height, info.average_rate, info.num_frames) == (128, 96, 25, 30)
    assert info.duration_seconds == pytest.approx(1.22, abs=0.03)
    image = frames[0].image
    assert image.dtype == np.uint8
    assert image.shape == (96, 128, 3)
    assert image.flags.c_contiguous


def test_an_mp4_with_an_edit_list_starts_where_players_start(tmp_path):
    """B-frames in mp4: an edit list hides the reordering delay."""
    path = write_clip(tmp_path / "in.mp4", Video(options={"bf": "3", "crf": "15"}, pts=range(30)), Sound())
    _, frames, _ = read(path)
    assert frames[0].pts == 0
    assert numbers(frames) == list(range(30))


def test_it_is_iterated_once_and_closed_twice(tmp_path):
    with open_source(write_clip(tmp_path / "in.mkv", Video())) as source:
        assert len(list(source)) == 12
        assert list(source) == []
        source.close()


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_turned_clips_are_upright(orientation, tmp_path):
    drawn = turned_picture(orientation)
    np.testing.assert_array_equal(turn(drawn(5, 128, 96), orientation), picture(5, *_upright_size(orientation)))
    path = write_clip(
        tmp_path / "in.mp4", Video(orientation=orientation, draw=drawn, pixel_format="yuv444p", aspect=Fraction(2))
    )
    info, frames, _ = read(path)
    assert (info.width, info.height) == _upright_size(orientation)
    assert info.sample_aspect_ratio == (Fraction(1, 2) if orientation[0] % 180 else 2)
    assert psnr(frames[5].image, picture(5, info.width, info.height)) > 35
    assert frames[5].image.flags.c_contiguous


def _upright_size(orientation):
    return (96, 128) if orientation[0] % 180 else (128, 96)


@pytest.mark.parametrize(("codec", "pixel_format", "least_db"), [
    ("png", "rgb24", np.inf), ("ffv1", "bgr0", np.inf), ("libx264rgb", "rgb24", 30), ("ffv1", "gbrp10le", 45),
    ("ffv1", "yuv420p", SUBSAMPLED_DB["yuv420p"]), ("ffv1", "yuv422p", SUBSAMPLED_DB["yuv422p"]),
    ("ffv1", "yuv444p", SUBSAMPLED_DB["yuv444p"]), ("ffv1", "yuva420p", SUBSAMPLED_DB["yuv420p"]),
    ("ffv1", "yuv420p10le", SUBSAMPLED_DB["yuv420p"]), ("ffv1", "yuv444p16le", SUBSAMPLED_DB["yuv444p"]),
    ("mjpeg", "yuvj422p", 20), ("prores_ks", "yuv422p10le", 20), ("png", "rgba", np.inf), ("png", "rgb48be", 45),
])  # fmt: skip
def test_every_pixel_format(codec, pixel_format, least_db, tmp_path):
    def draw(number, width, height):
        return np.dstack([picture(number, width, height), np.full((height, width), 90, np.uint8)])

    path = write_clip(tmp_path / ("in.mov" if codec == "png" else "in.mkv"), still(codec, pixel_format, draw, "rgba"))
    _, frames, notices = read(path)
    assert psnr(frames[0].image, picture(0)) >= least_db
    assert ("transparency was dropped" in notices) == (pixel_format in ("yuva420p", "rgba"))
    is_deep = any(deep in pixel_format for deep in ("10", "16", "48"))
    assert any("more than 8 bits" in notice for notice in notices) == is_deep


@pytest.mark.parametrize(("codec", "pixel_format"), [("png", "gray"), ("ffv1", "gray"), ("png", "gray16be")])
def test_grey(codec, pixel_format, tmp_path):
    def draw(number, width, height):
        return np.rint(picture(number, width, height).mean(axis=2)).astype(np.uint8)

    _, frames, _ = read(
        write_clip(tmp_path / ("in.mov" if codec == "png" else "in.mkv"), still(codec, pixel_format, draw, "gray"))
    )
    expected = np.repeat(draw(0, 128, 96)[..., None], 3, axis=2)
    np.testing.assert_allclose(frames[0].image.astype(int), expected, atol=1)


def test_black_and_white(tmp_path):
    def draw(number, width, height):
        return (picture(number, width, height)[..., 0] > 128).astype(np.uint8) * 255

    _, frames, _ = read(write_clip(tmp_path / "in.mov", still("png", "monob", draw, "gray")))
    assert set(np.unique(frames[0].image)) == {0, 255}
    assert read_number(frames[0].image) == 0


def test_palette(tmp_path):
    few_colours = picture(9) // 64 * 64
    _, frames, _ = read(write_palette_png(tmp_path / "in.png", few_colours))
    np.testing.assert_array_equal(frames[0].image, few_colours)


def test_gif(tmp_path):
    path = write_clip(tmp_path / "in.gif", Video(codec="gif", pixel_format="rgb8", options={}, pts=range(5)))
    _, frames, notices = read(path)
    assert numbers(frames) == [0, 1, 2, 3, 4]
    assert [frame.pts * frame.time_base for frame in frames] == [Fraction(n, 25) for n in range(5)]
    assert notices == [], "nothing in it is transparent"


@pytest.mark.parametrize(("codec", "container"), [("mpeg2video", "ts"), ("mpeg2video", "mkv"), ("libx264", "mp4")])
def test_interlaced(codec, container, tmp_path):
    path = write_interlaced(tmp_path / f"in.{container}", codec)
    seen = look(path)
    assert all(frame.interlaced for frame in seen.frames)
    _, raw, _ = read(path, deinterlace="off")
    _, smooth, _ = read(path)
    _, forced, _ = read(path, deinterlace="on")
    for frames in (raw, smooth, forced):
        assert [frame.pts * frame.time_base for frame in frames] == seen.times
        assert [frame.duration * frame.time_base for frame in frames] == seen.durations
    inner = slice(2, -2)
    combs = [np.mean([combing(f.image[..., 1]) for f in frames[inner]]) for frames in (raw, smooth, forced)]
    assert combs[1] < combs[0] / 4
    assert combs[2] < combs[0] / 4


def test_progressive_frames_are_left_alone_by_auto(tmp_path):
    path = write_clip(tmp_path / "in.mkv", Video(codec="ffv1", pixel_format="bgr0", options={}))
    _, frames, _ = read(path)
    np.testing.assert_array_equal(frames[3].image, picture(3))


def test_a_change_of_size_is_scaled_to_the_first(tmp_path):
    info, frames, notices = read(write_size_change(tmp_path / "in.ts"))
    assert {frame.image.shape for frame in frames} == {(96, 128, 3)}
    assert numbers(frames) == list(range(12))
    assert (info.width, info.height) == (128, 96)
    assert notices == ["a frame of another size was scaled to 128x96 (6 times)"]


def test_avi_with_b_frames_keeps_the_pictures_order_and_pace(tmp_path):
    """Such a file has wrong times; players count instead."""
    path = write_clip(tmp_path / "in.avi", Video(pts=range(30), options={"bf": "3", "crf": "10", "preset": "veryfast"}))
    _, frames, _ = read(path)
    assert numbers(frames) == list(range(30))
    steps = {after.pts - before.pts for before, after in pairwise(frames)}
    assert steps <= {1, 2}
    assert frames[-1].pts - frames[0].pts <= 31


@pytest.mark.parametrize("name", ["in.png", "in.jpg", "in.bmp", "in.tif", "in.webp", "photo %d.png"])
def test_a_still(name, tmp_path):
    write_pictures(tmp_path, [7], name=name)
    info, frames, notices = read(tmp_path / name)
    assert info.is_still
    assert (info.num_frames, len(frames), frames[0].pts) == (1, 1, 0)
    assert psnr(frames[0].image, picture(7)) > 28
    assert notices == []


def test_a_folder_in_natural_order(tmp_path):
    write_pictures(tmp_path / "shots", [8, 9, 10, 11], name="shot{}.png")
    (tmp_path / "shots" / "notes.txt").write_text("not a picture")
    info, frames, notices = read(tmp_path / "shots", images_per_second=Fraction(24000, 1001))
    assert numbers(frames) == [8, 9, 10, 11]
    assert [frame.pts * frame.time_base for frame in frames] == [Fraction(1001 * n, 24000) for n in range(4)]
    assert (info.average_rate, info.num_frames, info.is_still) == (Fraction(24000, 1001), 4, False)
    assert notices == []


def test_a_pattern_with_a_late_start_and_a_gap(tmp_path):
    write_pictures(tmp_path, [1001, 1002, 1005])
    write_pictures(tmp_path, [3], name="other_{:05d}.png")
    _, frames, _ = read(tmp_path / "shot_%05d.png")
    assert numbers(frames) == [n % 256 for n in (1001, 1002, 1005)]
    assert [frame.pts for frame in frames] == [0, 1, 2]


def test_pictures_of_mixed_sizes_and_a_broken_one(tmp_path):
    write_pictures(tmp_path, [1, 2, 3, 4], sizes=((128, 96), (64, 48)))
    (tmp_path / "shot_00003.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    _, frames, notices = read(tmp_path)
    assert numbers(frames) == [1, 2, 4]
    assert {frame.image.shape for frame in frames} == {(96, 128, 3)}
    assert sorted(notices) == [
        "a frame of another size was scaled to 128x96 (2 times)", "a picture that can't be read was skipped",
    ]  # fmt: skip


def test_y4m(tmp_path):
    (tmp_path / "in.y4m").write_bytes(y4m(5))
    info, frames, _ = read(tmp_path / "in.y4m")
    assert info.average_rate == Fraction(30000, 1001)
    assert [frame.pts * frame.time_base for frame in frames] == [Fraction(1001 * n, 30000) for n in range(5)]
    assert numbers(frames) == [0, 1, 2, 3, 4]
    grey = picture(2).mean(axis=2, keepdims=True)
    np.testing.assert_allclose(frames[2].image.astype(int), np.repeat(grey, 3, axis=2), atol=1.6)
