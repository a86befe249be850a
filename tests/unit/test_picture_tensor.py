"""What is done to pictures on tensors against what OpenCV does to arrays."""

import cv2
import numpy as np
import pytest

from vidgan.picture import resized, with_colour_of
from vidgan.stylizer import pad

torch = pytest.importorskip("torch")
from vidgan.picture_tensor import (  # noqa: E402
    blended_tensor,
    luma_tensor,
    means_of_squares_tensor,
    pad_tensor,
    resized_tensor,
    with_colour_of_tensor,
)

TOLERANCE_LEVELS = {
    # Largest difference in levels, and the share of values that may differ at all where there are many.
    "area": (1, 0.02),  # float32 in another order of adding; halves of 2x2 pixels go up in OpenCV, to even here
    "cubic": (1, 0.1),  # OpenCV's weights have 11 bits
    "blended": (1, 0.005),  # float32: one rounding or two
    "exact": (0, 0),  # fixed point, sums of whole numbers, and copies
}
SIZES = [(1, 1), (1, 7), (5, 1), (2, 2), (3, 5), (16, 16), (33, 18), (64, 48), (121, 83), (200, 90)]


def check(tensor, expected, kind):
    assert tensor.dtype == torch.uint8
    assert tensor.is_contiguous()
    assert tuple(tensor.shape) == expected.shape
    difference = np.abs(tensor.numpy().astype(int) - expected)
    largest, share = TOLERANCE_LEVELS[kind]
    told = f"largest {difference.max()}, {100 * (difference > 0).mean():.2f} % differ"
    assert difference.max() <= largest, told
    # A few values say nothing about a share.
    assert (difference > 0).mean() <= share or difference.size < 1000, told


def smooth(width, height, seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("old", SIZES, ids=str)
def test_resized(old, noise):
    for width, height in SIZES:
        kind = "area" if width * height < old[0] * old[1] else "cubic"
        for image in (noise(*old), smooth(*old)):
            before = image.copy()
            check(resized_tensor(torch.from_numpy(image), width, height), resized(image, width, height), kind)
            np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(("old", "new"), [((1920, 20), (1280, 13)), ((1366, 30), (853, 20)), ((30, 1080), (10, 360))])
def test_sizes_of_films(old, new, noise):
    check(resized_tensor(torch.from_numpy(noise(*old)), *new), resized(noise(*old), *new), "area")


def test_a_picture_that_fits_is_not_copied(noise):
    image = torch.from_numpy(noise(12, 9))
    assert resized_tensor(image, 12, 9) is image
    assert pad_tensor(image, width=12, height=9) is image


def test_resizing_one_channel(noise):
    image = noise(40, 30)[..., :1]
    expected = resized(np.ascontiguousarray(image[..., 0]), 17, 11)[..., None]
    check(resized_tensor(torch.from_numpy(image), 17, 11), expected, "area")


@pytest.mark.parametrize("picture", ["noise", "smooth"])
def test_colour_and_luma(picture, noise):
    make = noise if picture == "noise" else lambda width, height, seed: smooth(width, height, seed)
    source, styled = make(401, 257, 1), make(401, 257, 2)
    pair = torch.from_numpy(source), torch.from_numpy(styled)
    check(with_colour_of_tensor(*pair), with_colour_of(source, styled), "exact")
    check(luma_tensor(pair[0]), cv2.cvtColor(source, cv2.COLOR_RGB2GRAY), "exact")


def test_colours_at_the_limits():
    """Every corner of the colour cube in the look of every other: where chroma and result are clipped."""
    corners = np.array(np.meshgrid(*[[0, 1, 128, 254, 255]] * 3), np.uint8).reshape(3, -1).T
    source = np.repeat(corners[:, None], len(corners), 1).copy()
    styled = np.repeat(corners[None], len(corners), 0).copy()
    kept = with_colour_of_tensor(torch.from_numpy(source), torch.from_numpy(styled))
    check(kept, with_colour_of(source, styled), "exact")


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (5, 1), (13, 15), (16, 7), (30, 17)])
@pytest.mark.parametrize("margin", [0, 5])
def test_padding(size, margin, noise):
    padded = pad_tensor(torch.from_numpy(noise(*size)), width=40, height=30, margin=margin)
    check(padded, pad(noise(*size), width=40, height=30, margin=margin), "exact")


@pytest.mark.parametrize("share", [0, 0.1, 0.25, 0.5, 0.7, 1])
def test_blended(share, noise):
    first, second = noise(333, 217, 1), noise(333, 217, 2)
    blended = blended_tensor(torch.from_numpy(first), share, torch.from_numpy(second))
    check(blended, cv2.addWeighted(first, share, second, 1 - share, 0), "blended")


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (64, 40), (65, 47), (3, 90), (121, 9)])
def test_means_of_squares(size, noise):
    width, height = size
    whole = cv2.copyMakeBorder(noise(*size), 0, -height % 8, 0, -width % 8, cv2.BORDER_REFLECT)
    expected = cv2.resize(whole, (-(-width // 8), -(-height // 8)), interpolation=cv2.INTER_AREA)
    check(means_of_squares_tensor(torch.from_numpy(noise(*size)), 8), expected, "exact")


def test_tables_made_without_gradients_serve_where_they_are_wanted():
    """They are kept: what inference mode makes may not enter a graph."""
    with torch.inference_mode():
        resized_tensor(torch.zeros(11, 13, 3, dtype=torch.uint8), 7, 5)
    weight = torch.ones(11, 13, 3, requires_grad=True)
    from vidgan.picture_tensor import _gather, _on_device, area_taps

    _gather(weight, 0, _on_device(area_taps, 11, 5, weight.device)).sum().backward()
    assert weight.grad.sum() == pytest.approx(5 * 13 * 3, rel=1e-5)
