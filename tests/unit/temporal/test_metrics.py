import math

import cv2
import numpy as np
import pytest

from vidgan.temporal.flow import points_inside
from vidgan.temporal.metrics import (
    error_map,
    mean_luma,
    occluded,
    psnr,
    pumping,
    sharpness_ratio,
    ssim,
    visible_mask,
    warping_error,
)
from vidgan.temporal.warp import warp


def constant_flow(height, width, u, v=0.0):
    return np.broadcast_to(np.float32([u, v]), (height, width, 2)).copy()


def everywhere(height, width):
    return np.ones((height, width), bool)


def test_warping_error_of_a_perfect_warp_is_none(photo):
    before = photo(120, 200)
    flow = constant_flow(120, 200, 5, -3)
    now = np.roll(before, (3, -5), axis=(0, 1))
    mask = points_inside(flow)
    assert warping_error(now, warp(before, flow), mask) == 0
    assert warping_error(now, before, mask) > 0.001


def test_warping_error_of_known_flicker_is_its_square():
    before, now = np.full((20, 30, 3), 100, np.uint8), np.full((20, 30, 3), 151, np.uint8)
    assert warping_error(now, before, everywhere(20, 30)) == pytest.approx(0.04)
    assert warping_error(before, now, everywhere(20, 30)) == pytest.approx(0.04)


def test_warping_error_counts_visible_pixels_only():
    before, now = np.zeros((10, 10, 3), np.uint8), np.zeros((10, 10, 3), np.uint8)
    now[:5] = 255
    mask = everywhere(10, 10)
    assert warping_error(now, before, mask) == pytest.approx(0.5)
    mask[:5] = False
    assert warping_error(now, before, mask) == 0
    assert math.isnan(warping_error(now, before, ~everywhere(10, 10)))


def test_warping_error_refuses_mixed_sizes():
    with pytest.raises(ValueError, match="one size"):
        warping_error(np.zeros((4, 5, 3), np.uint8), np.zeros((4, 6, 3), np.uint8), everywhere(4, 5))
    with pytest.raises(ValueError, match="one size"):
        warping_error(np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5, 3), np.uint8), everywhere(5, 4))


def test_there_and_back_is_not_occluded():
    assert not occluded(constant_flow(40, 60, 7, -2), constant_flow(40, 60, -7, 2)).any()


def test_occlusion_has_the_published_threshold():
    backward = constant_flow(4, 4, 10)
    # |w~ + w^|² = 2.25 against 0.01 (|w~|² + |w^|²) + 0.5: 2.2225 for 8.5 there and 10 back, 2.8225 for 11.5.
    assert occluded(constant_flow(4, 4, -8.5), backward).all()
    assert not occluded(constant_flow(4, 4, -11.5), backward).any()


def test_masks_are_right_on_a_known_occluder():
    """A square moves right by 6 over a still ground: what it leaves is new, its outline is a boundary."""
    forward, backward = np.zeros((60, 100, 2), np.float32), np.zeros((60, 100, 2), np.float32)
    forward[20:40, 30:50, 0] = 6
    backward[20:40, 36:56, 0] = -6
    uncovered = np.zeros((60, 100), bool)
    uncovered[20:40, 30:36] = True
    np.testing.assert_array_equal(occluded(forward, backward), uncovered)

    hidden = ~visible_mask(forward, backward)
    outline = hidden & ~uncovered
    square = np.zeros((60, 100), np.uint8)
    square[20:40, 36:56] = 1
    edge = cv2.morphologyEx(square, cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    assert outline.any()
    assert not (outline & ~edge).any()
    assert hidden[uncovered].all()


def test_what_comes_from_beyond_the_border_is_not_visible():
    mask = visible_mask(constant_flow(40, 60, -3), constant_flow(40, 60, 3))
    np.testing.assert_array_equal(mask, np.arange(60)[None].repeat(40, 0) < 57)


def test_the_error_map_shows_where_the_error_comes_from(photo):
    before, now, mask = photo(40, 60), photo(40, 60, 1), everywhere(40, 60)
    mask[:, :10] = False
    errors = error_map(now, before, mask)
    assert errors.shape == (40, 60)
    np.testing.assert_array_equal(np.isnan(errors), ~mask)
    assert np.nanmean(errors**2) == pytest.approx(warping_error(now, before, mask), rel=1e-5)
    assert error_map(np.full_like(now, 255), np.zeros_like(now), mask)[0, 10] == 1


def test_sharpness_falls_with_blur(photo):
    image = photo(120, 200)
    assert sharpness_ratio(image, image) == 1
    assert 0 < sharpness_ratio(cv2.blur(image, (3, 3)), image) < 0.6
    assert math.isnan(sharpness_ratio(image, np.zeros_like(image)))


def test_psnr(photo):
    image = np.full((8, 9, 3), 100, np.uint8)
    assert psnr(image, image) == math.inf
    assert psnr(image + np.uint8(5), image) == pytest.approx(20 * math.log10(255 / 5))
    assert psnr(np.full_like(image, 255), np.zeros_like(image)) == 0
    with pytest.raises(ValueError, match="one size"):
        psnr(image, image[:4])


def reference_ssim(x_HW, y_HW):
    """Wang et al. 2004 as it is written, window by window, in float64."""
    offsets = np.arange(11) - 5
    weight = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    weight /= weight.sum()
    windows = np.lib.stride_tricks.sliding_window_view
    x, y = windows(x_HW.astype(np.float64), (11, 11)), windows(y_HW.astype(np.float64), (11, 11))

    def average(values):
        return (values * weight).sum(axis=(2, 3))

    m, n = average(x), average(y)
    s, t = average((x - m[..., None, None]) ** 2), average((y - n[..., None, None]) ** 2)
    c = average((x - m[..., None, None]) * (y - n[..., None, None]))
    c1, c2 = 2.55**2, 7.65**2
    return np.mean((2 * m * n + c1) * (2 * c + c2) / ((m**2 + n**2 + c1) * (s + t + c2)))


@pytest.mark.parametrize("spoil", [
    lambda image: cv2.GaussianBlur(image, (0, 0), 1.5),
    lambda image: np.clip(image.astype(int) + 30, 0, 255).astype(np.uint8),
    lambda image: 255 - image,
    lambda image: np.clip(image + np.random.default_rng(0).normal(0, 25, image.shape), 0, 255).astype(np.uint8),
    np.zeros_like,
], ids=["blurred", "brighter", "negative", "noisy", "black"])  # fmt: skip
def test_ssim_is_what_the_paper_says(photo, spoil):
    image = photo(50, 70)
    spoilt = spoil(image)
    luma, spoilt_luma = (cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in (image, spoilt))
    expected = reference_ssim(luma, spoilt_luma)
    assert ssim(spoilt, image) == pytest.approx(expected, abs=2e-5)
    assert ssim(image, spoilt) == pytest.approx(expected, abs=2e-5)
    assert expected < 0.99


def test_ssim_of_flat_pictures_is_known_by_hand():
    dark, bright = np.full((20, 20, 3), 100, np.uint8), np.full((20, 20, 3), 150, np.uint8)
    assert ssim(dark, bright) == pytest.approx((2 * 100 * 150 + 6.5025) / (100**2 + 150**2 + 6.5025), abs=1e-5)


def test_ssim_of_equals_is_1_and_of_tiny_pictures_unknown(photo):
    assert ssim(photo(40, 60), photo(40, 60)) == pytest.approx(1, abs=1e-6)
    assert ssim(photo(11, 11), photo(11, 11)) == pytest.approx(1, abs=1e-6)
    assert math.isnan(ssim(photo(10, 60), photo(10, 60)))


def test_ssim_refuses_what_does_not_fit(photo):
    with pytest.raises(ValueError, match="one size"):
        ssim(photo(40, 60), photo(40, 61))
    with pytest.raises(TypeError, match="uint8"):
        ssim(photo(40, 60).astype(np.float32), photo(40, 60).astype(np.float32))


def test_mean_luma_is_not_rounded():
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 0] = (255, 1, 2)
    assert mean_luma(image) == pytest.approx((0.299 * 255 + 0.587 + 0.114 * 2) / 4)


SWAY = [100, 104, 99, 103, 110, 108]


def test_a_style_that_follows_the_source_does_not_pump():
    assert pumping([(SWAY, [0.5 * s + 40 for s in SWAY])]) == pytest.approx(0, abs=1e-9)
    assert pumping([(SWAY, [255 - s for s in SWAY])]) == pytest.approx(0, abs=1e-9)
    assert pumping([(SWAY, [80] * 6)]) == 0


def test_pumping_of_known_flicker():
    """Up and down by 3 over a source that doesn't change: every step is 6."""
    flicker = [80, 86, 80, 86, 80]
    assert pumping([([50] * 5, flicker)]) == pytest.approx(6)
    # The gain explains nothing here, but it might have: 4 steps, 3 of them free.
    assert pumping([([0, 1, 2, 3, 4], flicker)]) == pytest.approx(math.sqrt(4 * 36 / 3))
    # Over a source that flickers by 2: half a level of the result's steps isn't the source's.
    assert pumping([([50, 52, 50, 52, 50], [80, 83, 80, 83, 80])]) == pytest.approx(0, abs=1e-9)


def test_pumping_stops_at_cuts():
    """Each shot has a gain and an offset of its own; the jump between them counts nowhere."""
    shots = [(SWAY, [2 * s for s in SWAY]), ([10, 20, 15], [200, 205, 202.5])]
    assert pumping(shots) == pytest.approx(0, abs=1e-9)
    as_one = [(shots[0][0] + shots[1][0], shots[0][1] + shots[1][1])]
    assert pumping(as_one) > 1
    flickering = ([50] * 3, [80, 82, 80])
    assert pumping([*shots, flickering]) == pytest.approx(math.sqrt(2 * 4 / (4 + 1 + 2)))


def test_pumping_needs_three_frames_of_a_shot():
    assert math.isnan(pumping([]))
    assert math.isnan(pumping([([1, 2], [3, 7]), ([1], [9])]))
    with pytest.raises(ValueError, match="as many"):
        pumping([([1, 2, 3], [1, 2])])
