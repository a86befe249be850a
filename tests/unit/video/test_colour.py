import av
import numpy as np
import pytest
from media.colours import (
    FULL,
    LIMITED,
    PATCHES,
    packed_planes,
    patch_picture,
    planes_to_yuv,
    read_patches,
    to_rgb,
    to_yuv,
)
from media.look import plane_array

from vidgan.frame import Colour
from vidgan.video.colour import (
    FromRGB,
    ToRGB,
    encoding_colour,
    is_grey,
    is_rgb,
    resolve,
    square_pixel_size,
    tagged_colour,
)

SD = {"width": 720, "height": 576}
HD = {"width": 1280, "height": 720}
MP4 = ("mp4", "libx264")


@pytest.mark.parametrize("name", ["rgb24", "bgr0", "gbrp", "gbrp10le", "pal8", "rgba"])
def test_rgb_formats(name):
    assert is_rgb(name)
    assert not is_grey(name)


@pytest.mark.parametrize("name", ["yuv420p", "yuvj444p", "nv12", "gray", "ya8", "yuva420p"])
def test_formats_that_are_not_rgb(name):
    assert not is_rgb(name)
    assert is_grey(name) == (name in ("gray", "ya8"))


@pytest.mark.parametrize(("colour", "pixel_format", "size", "expected"), [
    (Colour(), "yuv420p", SD, (6, False)),
    (Colour(), "yuv420p", HD, (1, False)),
    (Colour(), "yuv420p", {"width": 1024, "height": 576}, (6, False)),
    (Colour(), "yuv420p", {"width": 1024, "height": 578}, (1, False)),
    (Colour(), "yuvj420p", SD, (6, True)),
    (Colour(full_range=False), "gray", SD, (6, False)),
    (Colour(), "gray", SD, (6, True)),
    (Colour(matrix=1), "yuv420p", SD, (1, False)),
    (Colour(matrix=9, full_range=True), "yuv420p10le", HD, (9, True)),
    (Colour(matrix=10), "yuv420p", HD, (9, False)),
    (Colour(matrix=0), "yuv444p", HD, (1, False)),
    (Colour(matrix=5), "yuv420p", HD, (5, False)),
    (Colour(matrix=1, full_range=False), "rgb24", SD, (0, True)),
    (Colour(), "pal8", SD, (0, True)),
])  # fmt: skip
def test_what_is_not_said_is_taken_as_players_do(colour, pixel_format, size, expected):
    resolved = resolve(colour, pixel_format=pixel_format, **size)
    assert (resolved.matrix, resolved.full_range) == expected
    assert (resolved.primaries, resolved.transfer) == (colour.primaries, colour.transfer)


@pytest.mark.parametrize(("colour", "pixel_format", "target", "expected"), [
    (Colour(matrix=1, primaries=1, transfer=1, full_range=False), "yuv420p", MP4, (1, 1, 1, False)),
    (Colour(matrix=9, primaries=9, transfer=16, full_range=True), "yuv444p", MP4, (9, 9, 16, True)),
    (Colour(matrix=0, full_range=True), "yuv420p", MP4, (6, 2, 2, False)),
    (Colour(matrix=1, full_range=False), "gbrp", ("matroska", "ffv1"), (0, 2, 2, True)),
    (Colour(matrix=1, full_range=False), "yuvj420p", ("avi", "mjpeg"), (5, 2, 2, True)),
    (Colour(matrix=9, primaries=9, full_range=True), "yuv420p", ("avi", "mpeg4"), (6, 2, 2, False)),
    (Colour(matrix=9, primaries=9, full_range=True), "yuv420p", ("avi", "libx264"), (9, 9, 2, True)),
    (Colour(matrix=1, full_range=True), "yuv422p10le", ("mov", "prores_ks"), (1, 2, 2, False)),
    (Colour(matrix=1, full_range=True), "yuv420p", ("yuv4mpegpipe", "wrapped_avframe"), (6, 2, 2, False)),
])  # fmt: skip
def test_the_source_colour_is_kept_where_the_file_can_say_so(colour, pixel_format, target, expected):
    names = dict(zip(("container_name", "encoder_name"), target, strict=True))
    made = encoding_colour(colour, pixel_format=pixel_format, **SD, **names)
    assert (made.matrix, made.primaries, made.transfer, made.full_range) == expected


def test_tags_are_read_from_a_frame():
    frame = av.VideoFrame(16, 16, "yuv420p")
    assert tagged_colour(frame) == Colour()
    frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range = 9, 9, 16, FULL
    assert tagged_colour(frame) == Colour(matrix=9, primaries=9, transfer=16, full_range=True)
    frame.color_range = LIMITED
    assert tagged_colour(frame).full_range is False


def yuv_frame(matrix, range_, pixel_format):
    planes = packed_planes(to_yuv(patch_picture(), matrix, range_), pixel_format)
    return av.VideoFrame.from_ndarray(planes, format=pixel_format)


@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("range_", [LIMITED, FULL])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p"])
def test_both_ways_are_by_the_book(matrix, range_, pixel_format):
    colour = Colour(matrix=matrix, full_range=range_ == FULL)
    image = ToRGB()(yuv_frame(matrix, range_, pixel_format), colour)
    assert image.dtype == np.uint8
    assert image.shape == (*patch_picture().shape[:2], 3)
    np.testing.assert_allclose(read_patches(image), PATCHES, atol=1.5)
    frame = FromRGB(pixel_format, colour)(np.rint(patch_picture()).astype(np.uint8))
    assert frame.format.name.replace("yuvj", "yuv") == pixel_format
    made = to_rgb(planes_to_yuv([plane_array(plane) for plane in frame.planes]), matrix, range_)
    # Half a level of luma and of chroma, times up to 2.1 in blue; and swscale's full range is coarser by as much again.
    np.testing.assert_allclose(read_patches(made), PATCHES, atol=1.6 if range_ == LIMITED else 2.5)
    assert (frame.colorspace, frame.color_range) == (matrix, range_)


def test_rgb_is_passed_on_to_the_bit():
    noise = np.random.default_rng(0).integers(0, 256, (33, 47, 3), dtype=np.uint8)
    colour = Colour(matrix=0, full_range=True)
    for pixel_format in ("rgb24", "bgr0", "gbrp"):
        frame = FromRGB(pixel_format, colour)(noise)
        np.testing.assert_array_equal(ToRGB()(frame, colour), noise)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (321, 243)])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p"])
def test_odd_sizes_keep_their_colour(size, pixel_format):
    flat = np.full((size[1], size[0], 3), (30, 160, 90), np.uint8)
    colour = Colour(matrix=6, full_range=False)
    frame = FromRGB(pixel_format, colour)(flat)
    assert (frame.width, frame.height) == size
    np.testing.assert_allclose(ToRGB()(frame, colour).astype(int), flat, atol=2)


def test_a_picture_that_is_a_view_is_taken(noise):
    colour = Colour(matrix=0, full_range=True)
    turned = noise(20, 30).transpose(1, 0, 2)
    np.testing.assert_array_equal(ToRGB()(FromRGB("rgb24", colour)(turned), colour), turned)


@pytest.mark.parametrize(("size", "aspect", "expected"), [((720, 576), "16/15", (768, 576)), ((1, 1), "1/9", (1, 1))])
def test_square_pixels(size, aspect, expected):
    from fractions import Fraction

    assert square_pixel_size(*size, Fraction(aspect)) == expected
