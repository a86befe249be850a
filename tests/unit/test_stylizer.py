import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from vidgan.errors import InputError, MachineError, StyleError
from vidgan.picture import with_colour_of
from vidgan.styles import Style
from vidgan.stylizer import Stylizer, fit_size, pad


@pytest.fixture
def invert(invert_onnx):
    return Style(name="invert", path=invert_onnx, size_multiple=4, minimum_size=16)


@pytest.mark.parametrize(
    ("length", "multiple", "minimum", "fitted"),
    [(1, 4, 16, 16), (16, 4, 16, 16), (17, 4, 16, 20), (20, 4, 16, 20), (5, 8, 10, 16), (7, 1, 1, 7)],
)
def test_fit_size(length, multiple, minimum, fitted, tmp_path):
    style = Style(name="x", path=tmp_path, size_multiple=multiple, minimum_size=minimum)
    assert fit_size(length, style) == fitted


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (5, 1), (13, 15), (16, 7)])
def test_padding_mirrors_and_repeats_single_lines(size, noise):
    width, height = size
    image = noise(width, height)
    padded = pad(image, width=16, height=16)
    # numpy mirrors as often as it takes, and repeats an axis of length 1.
    np.testing.assert_array_equal(padded, np.pad(image, ((0, 16 - height), (0, 16 - width), (0, 0)), mode="reflect"))


@pytest.mark.parametrize("size", [(1, 1), (4, 9), (30, 17)])
def test_a_margin_is_mirrored_on_every_side(size, noise):
    width, height = size
    image = noise(width, height)
    padded = pad(image, width=48, height=40, margin=5)
    expected = np.pad(image, ((5, 35 - height), (5, 43 - width), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(padded, expected)


@pytest.mark.parametrize("size", [(1, 1), (20, 16), (33, 18)])
def test_a_margin_is_cut_off_again(invert_onnx, size, noise):
    style = Style(name="invert", path=invert_onnx, size_multiple=4, minimum_size=16, margin=8)
    with Stylizer(style, size=size) as stylizer:
        assert stylizer.report.size == (fit_size(size[0], style), fit_size(size[1], style))
        assert stylizer.report.size[0] >= size[0] + 16
        np.testing.assert_array_equal(stylizer(noise(*size)), 255 - noise(*size))


def test_padding_leaves_a_fitting_picture_alone(noise):
    image = noise(16, 16)
    assert pad(image, width=16, height=16) is image


@pytest.mark.parametrize("size", [(1, 1), (3, 1), (16, 16), (17, 33), (64, 48), (50, 18)])
def test_any_size(invert, size, noise):
    image = noise(*size)
    with Stylizer(invert, size=size) as stylizer:
        styled = stylizer(image)
    assert styled.dtype == np.uint8
    assert styled.flags.c_contiguous
    np.testing.assert_array_equal(styled, 255 - image)
    assert stylizer.report.size == (fit_size(size[0], invert), fit_size(size[1], invert))


def test_a_blend_by_its_text(invert_onnx, tmp_path, monkeypatch, noise):
    for name in ("negative", "other"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.onnx").write_bytes(invert_onnx.read_bytes())
        (folder / "card.toml").write_text("size_multiple = 4\nminimum_size = 16\nfamily = 'x'")
    monkeypatch.setenv("VIDGAN_STYLES", str(tmp_path))
    with Stylizer("negative:2+other:1", size=(20, 16), cache_dir=tmp_path / "cache") as stylizer:
        assert stylizer.style.name == "negative:0.667+other:0.333"
        np.testing.assert_array_equal(stylizer(noise(20, 16)), 255 - noise(20, 16))
    with pytest.raises(StyleError, match="negativ"):
        Stylizer("negativ+other", size=(20, 16))


def test_style_by_path_and_by_name(invert_onnx, tmp_path, monkeypatch, noise):
    folder = tmp_path / "negative"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(invert_onnx.read_bytes())
    (folder / "card.toml").write_text("size_multiple = 4\nminimum_size = 16")
    monkeypatch.setenv("VIDGAN_STYLES", str(tmp_path))
    for style in ("negative", folder):
        with Stylizer(style, size=(20, 16)) as stylizer:
            assert stylizer.style.name == "negative"
            assert stylizer.report.size == (20, 16)
            np.testing.assert_array_equal(stylizer(noise(20, 16)), 255 - noise(20, 16))
    with pytest.raises(StyleError, match="negativ"):
        Stylizer("negativ", size=(20, 16))


@pytest.mark.parametrize("size", [(20, 16), (19, 17)])
def test_strength(invert, size, noise):
    image = noise(*size)
    results = {}
    for strength in (0, 0.25, 1):
        with Stylizer(invert, size=size, strength=strength) as stylizer:
            results[strength] = stylizer(image)
    np.testing.assert_array_equal(results[0], image)
    np.testing.assert_array_equal(results[1], 255 - image)
    exact = 0.25 * (255.0 - image) + 0.75 * image
    assert np.abs(results[0.25] - exact).max() <= 0.5


def mild_picture(width, height):
    """Colours far enough from the limits that neither conversion clips."""
    picture = np.random.default_rng(1).integers(90, 166, (height, width, 3))
    return picture.astype(np.uint8)


def test_keep_colour(invert):
    image = mild_picture(18, 20)
    with Stylizer(invert, size=(18, 20), keep_colour=True) as stylizer:
        kept = stylizer(image)
    red, green, blue = (image[..., channel].astype(float) for channel in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    # Chroma as in the source means that every channel moves by as much as the luma does.
    expected = image + ((255 - luma) - luma)[..., np.newaxis]
    # Y, Cr and Cb are rounded to whole levels on the way, and 1.77 of a half level of Cb comes back in blue.
    assert np.abs(kept - expected).max() <= 3
    assert np.abs(kept - expected).mean() < 1


def test_colour_is_kept_before_blending(invert):
    image = mild_picture(16, 16)
    styled = 255 - image
    with Stylizer(invert, size=(16, 16), keep_colour=True, strength=0.5) as stylizer:
        result = stylizer(image)
    np.testing.assert_array_equal(result, cv2.addWeighted(with_colour_of(image, styled), 0.5, image, 0.5, 0))
    # The other order gives another picture, or this test would say nothing.
    assert (result != with_colour_of(image, cv2.addWeighted(styled, 0.5, image, 0.5, 0))).any()


def test_inputs_stay_as_they_are(invert, noise):
    image, before = noise(18, 18), noise(18, 18)
    image.flags.writeable = False
    with Stylizer(invert, size=(18, 18), keep_colour=True, strength=0.5) as stylizer:
        stylizer(image)
    np.testing.assert_array_equal(image, before)


def test_several_in_flight(invert, noise):
    images = [noise(18, 18, seed) for seed in range(12)]
    with Stylizer(invert, size=(18, 18), depth=3) as stylizer:
        assert stylizer.depth == stylizer.report.depth == 3
        futures = [stylizer.submit(image) for image in images]
    # Closing has waited for the cropping too.
    assert all(future.done() for future in futures)
    for image, future in zip(images, futures, strict=True):
        np.testing.assert_array_equal(future.result(), 255 - image)


def test_none_gives_the_picture_itself(noise):
    image = noise(7, 5)
    with Stylizer("none", size=(7, 5), strength=0.5, keep_colour=True) as stylizer:
        future = stylizer.submit(image)
        assert future.done()
        assert future.result() is image
        assert (stylizer.style, stylizer.report, stylizer.depth) == (None, None, 1)
        with pytest.raises(ValueError, match=r"\(5, 7, 3\)"):
            stylizer.submit(noise(5, 7))


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strength_out_of_range(strength):
    with pytest.raises(ValueError, match=f"strength is {strength}; give"):
        Stylizer("none", size=(8, 8), strength=strength)


@pytest.mark.parametrize("size", [(0, 8), (8, -1), (8, 8, 3)])
def test_size_out_of_range(size):
    with pytest.raises(ValueError, match="size is"):
        Stylizer("none", size=size)


def test_options_reach_the_runtime(invert):
    with pytest.raises(ValueError, match="runtime is 'onnx'"):
        Stylizer(invert, size=(16, 16), runtime="onnx")
    with pytest.raises(ValueError, match="precision is 'f8'"):
        Stylizer(invert, size=(16, 16), precision="f8")
    with Stylizer(invert, size=(16, 16), precision="f32", num_threads=1, device="CPU") as stylizer:
        assert stylizer.report.precision == "f32"


def test_a_limit_of_memory(small_stylenet_onnx, noise):
    """Tiles, with sizes that need padding and with blending, give what the whole picture gives."""
    style = Style(name="small", path=small_stylenet_onnx, size_multiple=4, minimum_size=16, margin=16)
    image = noise(2001, 1503)
    options = {"size": (2001, 1503), "precision": "f32", "strength": 0.5}
    with pytest.raises(InputError, match="it takes at least") as caught:
        Stylizer(style, **options, max_memory=1 << 20)
    least = int(re.search(r"at least (\d+)MiB", str(caught.value))[1])
    with Stylizer(style, **options, max_memory=(least + 8) << 20) as stylizer:
        tiled = stylizer(image)
        assert stylizer.report.tiles > 1
        assert stylizer.report.size == (2036, 1536)
    with Stylizer(style, **options) as stylizer:
        assert stylizer.report.tiles == 1
        assert np.abs(tiled.astype(int) - stylizer(image)).max() <= 1
    with pytest.raises(InputError, match="it takes at least"):
        Stylizer(style, **options, max_memory=(least + 8) << 20, reserved_memory=16 << 20)


@pytest.mark.parametrize("shape", [(16, 18, 3), (18, 16), (18, 16, 4), (18, 16, 1)])
def test_wrong_pictures(invert, shape):
    with Stylizer(invert, size=(16, 18)) as stylizer:
        with pytest.raises(ValueError, match=r"give uint8 \(18, 16, 3\)"):
            stylizer.submit(np.zeros(shape, np.uint8))
        with pytest.raises(ValueError, match="float32"):
            stylizer.submit(np.zeros((18, 16, 3), np.float32))


@pytest.mark.parametrize("strength", [1, 0.5])
def test_failure_of_an_inference_reaches_the_future(bright_fails_onnx, strength):
    style = Style(name="fails", path=bright_fails_onnx, size_multiple=16, minimum_size=16)
    with Stylizer(style, size=(15, 16), strength=strength) as stylizer:
        bright = stylizer.submit(np.full((16, 15, 3), 200, np.uint8))
        with pytest.raises(MachineError, match="inference failed on CPU"):
            bright.result(timeout=60)
        dark = np.full((16, 15, 3), 5, np.uint8)
        np.testing.assert_array_equal(stylizer(dark), dark)


def test_futures_that_do_more_cannot_be_cancelled(invert, noise):
    with Stylizer(invert, size=(18, 18)) as stylizer:
        future = stylizer.submit(noise(18, 18))
        assert not future.cancel()
        np.testing.assert_array_equal(future.result(), 255 - noise(18, 18))


def test_closed(invert, noise):
    stylizer = Stylizer(invert, size=(16, 16))
    stylizer.close()
    stylizer.close()
    with pytest.raises(RuntimeError, match="closed"):
        stylizer.submit(noise(16, 16))


@pytest.mark.parametrize("size", [(1, 1), (3, 1), (16, 16), (17, 33), (50, 18)])
@pytest.mark.parametrize("margin", [0, 8])
def test_tensors_of_any_size(invert_onnx, size, margin, noise):
    style = Style(name="invert", path=invert_onnx, size_multiple=4, minimum_size=16, margin=margin)
    image = torch.from_numpy(noise(*size))
    with Stylizer(style, size=size, runtime="torch", device="cpu") as stylizer:
        styled = stylizer(image)
        np.testing.assert_array_equal(stylizer(noise(*size)), 255 - noise(*size))  # arrays too, on the same runtime
    assert isinstance(styled, torch.Tensor)
    assert styled.dtype == torch.uint8
    assert styled.is_contiguous()
    np.testing.assert_array_equal(styled, 255 - noise(*size))
    np.testing.assert_array_equal(image, noise(*size))


@pytest.mark.parametrize("size", [(20, 16), (19, 17)])
@pytest.mark.parametrize("strength", [0, 0.3, 1])
@pytest.mark.parametrize("keep_colour", [False, True])
def test_strength_and_colour_on_tensors(invert, size, strength, keep_colour, noise):
    options = {"size": size, "strength": strength, "keep_colour": keep_colour}
    with Stylizer(invert, **options, runtime="openvino") as stylizer:
        expected = stylizer(noise(*size))
    with Stylizer(invert, **options, runtime="torch", device="cpu") as stylizer:
        styled = stylizer(torch.from_numpy(noise(*size)))
    # Blending may round a half the other way; inverting and keeping colours are exact.
    np.testing.assert_allclose(styled.numpy().astype(int), expected, rtol=0, atol=1 if 0 < strength < 1 else 0)


def test_tensors_where_arrays_are_wanted(invert, noise):
    image = torch.from_numpy(noise(16, 18))
    with Stylizer("none", size=(16, 18)) as stylizer:
        assert stylizer(image) is image
        with pytest.raises(ValueError, match="int16"):
            stylizer(image.short())
        with pytest.raises(ValueError, match=r"picture is torch\.uint8 \(16, 18, 3\); give uint8 \(18, 16, 3\)"):
            stylizer(image.permute(1, 0, 2))
    with Stylizer(invert, size=(16, 18), runtime="openvino") as stylizer, pytest.raises(ValueError, match="openvino"):
        stylizer(image)


def test_torch_is_not_needed():
    code = "import sys, vidgan.stylizer; sys.exit(bool({'torch', 'openvino', 'kornia', 'onnx'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
