"""Colours through whole files: by the book on the way in, by the book on the way out, and tagged with what was done."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from media.clips import Video, write_clip
from media.colours import (
    FULL,
    LIMITED,
    PATCHES,
    packed_planes,
    patch_video,
    planes_to_yuv,
    read_patches,
    to_rgb,
    to_yuv,
)
from media.look import look, planes
from media.pattern import picture
from media.run import LOSSLESS, copy, read

from vidgan import EncoderOptions

FLAT_LEVELS = 2
"""The issue's promise for flat patches: rounding to 8 bits twice, in limited range, and a good lossy encoder."""
YUV_LEVELS = 1
"""The issue's promise for YUV through RGB and back without loss between."""
STANDARDS = [(matrix, range_) for matrix in (6, 1, 9) for range_ in (LIMITED, FULL)]
UNSAID, BT601_625 = 2, 5


def result_patches(path, tags):
    """Return the patches of a 4:2:0 or 4:4:4 file, turned into RGB by the book and the tags that it should have."""
    matrix, _, _, range_ = tags
    return read_patches(to_rgb(planes_to_yuv(planes(path)[0]), matrix, range_))


@pytest.mark.parametrize(("matrix", "range_"), STANDARDS)
def test_patches_are_decoded_by_the_book(matrix, range_, tmp_path):
    _, frames, _ = read(write_clip(tmp_path / "in.mp4", patch_video(matrix, range_)))
    np.testing.assert_allclose(read_patches(frames[0].image), PATCHES, atol=1.5)


@pytest.mark.parametrize(("matrix", "range_"), STANDARDS)
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p"])
@pytest.mark.parametrize(("container", "codec"), [
    ("mp4", "libx264"), ("mkv", "libx264"), ("mov", "libx264"), ("mp4", "libx265"), ("webm", None),
])  # fmt: skip
def test_patches_come_back_with_their_tags(matrix, range_, pixel_format, container, codec, tmp_path):
    source = write_clip(tmp_path / "in.mp4", patch_video(matrix, range_, pixel_format))
    copy(source, tmp_path / f"out.{container}", encoder=EncoderOptions(codec=codec, crf=2))
    after = look(tmp_path / f"out.{container}")
    tags = (matrix, matrix, matrix, range_)
    assert after.frames[0].tags == tags
    assert after.pixel_format.replace("yuvj", "yuv") == pixel_format
    before, made = (result_patches(path, tags) for path in (source, tmp_path / f"out.{container}"))
    np.testing.assert_allclose(before, PATCHES, atol=1.5)
    np.testing.assert_allclose(made, before, atol=FLAT_LEVELS)


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv", "webm", "avi", "y4m", "ts", "flv"])
@pytest.mark.parametrize(("matrix", "range_"), [(1, LIMITED), (9, FULL), (6, LIMITED)])
def test_every_container_looks_the_same_to_a_player(container, matrix, range_, tmp_path):
    """A container without tags gets what players take for its size, whatever the source was."""
    source = write_clip(tmp_path / "in.mp4", replace(patch_video(matrix, range_), pts=range(12)))
    copy(source, tmp_path / f"out.{container}")
    matrix, _, _, range_ = look(tmp_path / f"out.{container}").frames[0].tags
    tags = (6 if matrix in (UNSAID, BT601_625) else matrix, 0, 0, FULL if range_ == FULL else LIMITED)
    np.testing.assert_allclose(result_patches(tmp_path / f"out.{container}", tags), PATCHES, atol=4)


@pytest.mark.parametrize(("codec", "container"), [
    ("mjpeg", "mkv"), ("mjpeg", "mov"), ("mjpeg", "avi"), ("mpeg4", "mkv"), ("mpeg4", "mov"), ("mpeg4", "avi"),
    ("prores_ks", "mkv"), ("prores_ks", "mov"), ("mpeg2video", "mkv"), ("mpeg2video", "mov"), ("mpeg2video", "avi"),
])  # fmt: skip
def test_encoders_with_fixed_ideas_of_colour_look_the_same(codec, container, tmp_path):
    source = write_clip(tmp_path / "in.mp4", replace(patch_video(9, FULL), pts=range(3)))
    copy(source, tmp_path / f"out.{container}", encoder=EncoderOptions(codec=codec))
    _, frames, _ = read(tmp_path / f"out.{container}")
    np.testing.assert_allclose(read_patches(frames[0].image), PATCHES, atol=4)


def test_transfer_and_primaries_are_passed_on(tmp_path):
    """PQ in BT.2020: numbers aren't touched, and the file still says what they mean."""
    source = write_clip(tmp_path / "in.mp4", patch_video(9, LIMITED, tags=(9, 9, 16, LIMITED)))
    copy(source, tmp_path / "out.mp4")
    assert look(tmp_path / "out.mp4").frames[0].tags == (9, 9, 16, LIMITED)


@pytest.mark.parametrize(("size", "matrix"), [((128, 96), 6), ((720, 576), 6), ((1280, 720), 1), ((640, 720), 1)])
def test_an_unsaid_matrix_goes_by_size_and_is_then_said(size, matrix, tmp_path):
    yuv = to_yuv(np.full((size[1], size[0], 3), (40.0, 170.0, 90.0)), matrix, LIMITED)
    flat = packed_planes(yuv, "yuv420p")
    video = Video(size=size, pts=(0,), draw=lambda *_: flat, drawn_format="yuv420p", tags=(UNSAID,) * 3 + (0,))
    source = write_clip(tmp_path / "in.mp4", video)
    assert look(source).frames[0].tags[0] == UNSAID
    _, frames, _ = read(source)
    np.testing.assert_allclose(frames[0].image[0, 0], (40, 170, 90), atol=1.5)
    copy(source, tmp_path / "out.mp4")
    assert look(tmp_path / "out.mp4").frames[0].tags == (matrix, UNSAID, UNSAID, LIMITED)
    np.testing.assert_allclose(result_patches_flat(tmp_path / "out.mp4", matrix), (40, 170, 90), atol=FLAT_LEVELS)


def result_patches_flat(path, matrix):
    return to_rgb(planes_to_yuv(planes(path)[0]), matrix, LIMITED).mean(axis=(0, 1))


@pytest.mark.parametrize(("codec", "pixel_format"), [("ffv1", "bgr0"), ("libx264rgb", "rgb24"), ("ffv1", "bgra")])
@pytest.mark.parametrize("result", ["out.mkv", "out.avi"])
def test_lossless_rgb_is_bit_identical(codec, pixel_format, result, tmp_path):
    noise = np.random.default_rng(3).integers(0, 256, (4, 96, 128, 3), dtype=np.uint8)
    options = {"qp": "0"} if codec == "libx264rgb" else {}
    video = Video(codec=codec, pixel_format=pixel_format, pts=range(4), options=options, draw=lambda n, *_: noise[n])
    copy(write_clip(tmp_path / "in.mkv", video), tmp_path / result, encoder=LOSSLESS)
    after = look(tmp_path / result)
    assert len(after.frames) == 4
    for number, frame in enumerate(after.frames):
        np.testing.assert_array_equal(frame.luma, noise[number])


@pytest.mark.parametrize("matrix", [6, 1, 9])
@pytest.mark.parametrize("range_", [LIMITED, FULL])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p"])
def test_lossless_yuv_changes_by_one_level_at_most(matrix, range_, pixel_format, tmp_path):
    # Colours that 8-bit RGB can hold, and whose chroma still lies in it after it is shared by four pixels.
    rgb = picture(3, 192, 160).astype(np.float64) * 0.35 + 80
    video = patch_video(matrix, range_, pixel_format, codec="ffv1", options={})
    stored = packed_planes(to_yuv(rgb, matrix, range_), pixel_format)
    source = write_clip(tmp_path / "in.mkv", replace(video, draw=lambda *_: stored))
    copy(source, tmp_path / "out.mkv", encoder=LOSSLESS)
    before, after = planes(source), planes(tmp_path / "out.mkv")
    assert look(tmp_path / "out.mkv").frames[0].tags == (matrix, matrix, matrix, range_)
    assert look(tmp_path / "out.mkv").pixel_format.replace("yuvj", "yuv") == pixel_format
    assert len(before) == len(after) == 2
    for old, new in zip(before[0], after[0], strict=True):
        assert old.std() > 1, "a flat plane proves nothing"
        assert np.abs(old.astype(int) - new).max() <= YUV_LEVELS


def test_rgb_becomes_limited_yuv_of_its_size_in_mp4(tmp_path):
    source = write_clip(tmp_path / "in.mkv", Video(codec="ffv1", pixel_format="bgr0", options={}))
    report = copy(source, tmp_path / "out.mp4")
    after = look(tmp_path / "out.mp4")
    assert (after.frames[0].tags[0], after.frames[0].tags[3]) == (6, LIMITED)
    assert after.pixel_format == "yuv420p"
    assert any("--pix-fmt yuv444p" in notice for notice in report.notices)


def test_a_photograph_stays_full_range(tmp_path):
    video = Video(codec="mjpeg", pixel_format="yuvj444p", pts=(0,), options={"qmin": "1", "qmax": "1"})
    source = write_clip(tmp_path / "in.mov", video)
    copy(source, tmp_path / "out.mp4")
    assert look(tmp_path / "out.mp4").frames[0].tags[3] == FULL


@pytest.mark.parametrize("name", ["out.png", "out.jpg", "out.webp", "out.tif", "out.bmp", "out.ppm"])
def test_pictures_have_the_patches(name, tmp_path, capfd):
    source = write_clip(tmp_path / "in.mp4", patch_video(1, LIMITED))
    copy(source, tmp_path / name)
    _, frames, _ = read(tmp_path / name)
    np.testing.assert_allclose(read_patches(frames[0].image), PATCHES, atol=3)
    assert capfd.readouterr().err == "", "OpenCV has something to complain about"


def test_a_gif_has_the_patches(tmp_path):
    source = write_clip(tmp_path / "in.mp4", replace(patch_video(1, LIMITED), pts=range(6), rate=Fraction(25)))
    copy(source, tmp_path / "out.gif")
    _, frames, notices = read(tmp_path / "out.gif")
    assert len(frames) == 6
    assert [frame.pts * frame.time_base for frame in frames] == [Fraction(n, 25) for n in range(6)]
    np.testing.assert_allclose(read_patches(frames[3].image), PATCHES, atol=2)
    assert notices == []


@pytest.mark.parametrize(("codec", "result"), [("libx264", "in.mp4"), ("libx265", "in.mkv"), ("mpeg2video", "in.ts")])
def test_chroma_lies_over_the_same_pixels_whatever_the_codec_says_of_its_place(codec, result, tmp_path):
    """These codecs say that it lies to the left; swscale alone would then colour every second column differently."""
    yuv = to_yuv(picture(3, 192, 160).astype(np.float64) * 0.35 + 80, 1, LIMITED)
    stored = packed_planes(yuv, "yuv420p")
    options = {"libx264": {"qp": "0"}, "libx265": {"x265-params": "lossless=1:log-level=none"}}.get(
        codec, {"qscale": "1"}
    )
    video = replace(patch_video(1, LIMITED, "yuv420p", codec=codec, options=options), draw=lambda *_: stored)
    source = write_clip(tmp_path / result, video)
    before = planes(source)[0]
    _, frames, _ = read(source)
    np.testing.assert_allclose(frames[0].image, to_rgb(planes_to_yuv(before), 1, LIMITED).clip(0, 255), atol=1.5)
    copy(source, tmp_path / "out.mkv", encoder=LOSSLESS)
    for old, new in zip(before, planes(tmp_path / "out.mkv")[0], strict=True):
        assert old.std() > 1, "a flat plane proves nothing"
        assert np.abs(old.astype(int) - new).max() <= YUV_LEVELS
