import cv2
import numpy as np
import pytest

from vidgan.temporal.cuts import global_shift, match_tones, noise_sigma, same_shot
from vidgan.temporal.flow import MotionEstimator


def cuts_in(frames):
    estimator = MotionEstimator()
    return [t for t, frame in enumerate(frames) if estimator(np.ascontiguousarray(frame)).is_cut]


def shot(photo, seed, num_frames=4, size=(180, 320)):
    """A slow pan over one picture."""
    height, width = size
    wide = photo(height, width + 3 * num_frames, seed)
    return [wide[:, 3 * t : 3 * t + width] for t in range(num_frames)]


def lit(frame, gain, offset=0.0):
    return np.clip(frame * float(gain) + offset, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [(180, 320), (720, 1280), (321, 243)])
def test_hard_cut_is_seen_where_it_is(photo, size):
    assert cuts_in(shot(photo, 1, size=size) + shot(photo, 2, size=size)) == [4]


@pytest.mark.parametrize("seed", range(6))
def test_cut_between_shots_of_equal_brightness_is_seen(photo, seed):
    """A mirrored picture has the same histogram: only structure tells."""
    frame = photo(180, 320, seed)
    assert cuts_in([frame, frame, frame[:, ::-1], frame[:, ::-1]]) == [2]


def test_cut_between_dark_shots_is_seen(photo):
    assert cuts_in([lit(f, 0.2) for f in shot(photo, 1) + shot(photo, 2)]) == [4]


def test_cut_to_and_from_black_is_seen(photo):
    black = [np.zeros((180, 320, 3), np.uint8)] * 3
    assert cuts_in(shot(photo, 1) + black + shot(photo, 1)) == [4, 7]


@pytest.mark.parametrize(("gain", "offset"), [(1.5, 20), (2.2, 80), (0.3, 0)])
def test_flash_is_no_cut(photo, gain, offset):
    frames = shot(photo, 1, num_frames=7)
    frames[3] = lit(frames[3], gain, offset)
    assert cuts_in(frames) == []


@pytest.mark.parametrize("fraction", [0.05, 0.12, 0.25])
def test_fast_pan_is_no_cut(photo, fraction):
    step = round(320 * fraction)
    wide = photo(180, 320 + 5 * step, 1)
    assert cuts_in([wide[:, step * t : step * t + 320] for t in range(6)]) == []


@pytest.mark.parametrize("sigma", [10, 40])
def test_noise_is_no_cut(photo, sigma):
    rng = np.random.default_rng(0)
    assert cuts_in([lit(f + rng.normal(0, sigma, f.shape), 1) for f in shot(photo, 1, num_frames=6)]) == []


def test_noise_on_a_bare_wall_is_no_cut():
    rng = np.random.default_rng(0)
    assert cuts_in([lit(rng.normal(110, 25, (180, 320, 3)), 1) for _ in range(5)]) == []


def test_fade_is_no_cut(photo):
    frames = shot(photo, 1, num_frames=24)
    fade = [lit(f, max(0, 1 - t / 11)) for t, f in enumerate(frames[:12])]
    assert cuts_in(fade + [lit(f, t / 11) for t, f in enumerate(frames[12:])]) == []


def test_fast_fade_from_black_is_no_cut(photo):
    contrasty = np.where(photo(180, 320) > 120, 255, 0)
    assert cuts_in([lit(contrasty, t / 10) for t in range(11)]) == []


def test_dissolve_is_no_cut(photo):
    a, b = photo(180, 320, 1), photo(180, 320, 2)
    assert cuts_in([cv2.addWeighted(a, 1 - t / 24, b, t / 24, 0) for t in range(25)]) == []


def test_moving_object_is_no_cut(moving_disc):
    assert cuts_in([frame for frame, _ in moving_disc(8, 12)]) == []


def test_flat_pictures_are_one_shot():
    flat = np.full((40, 60), 90, np.uint8)
    assert same_shot(flat, flat)


@pytest.mark.parametrize("sigma", [0, 5, 20])
def test_noise_is_estimated(sigma):
    luma = lit(np.random.default_rng(0).normal(128, sigma, (200, 300)), 1)
    assert noise_sigma(luma) == pytest.approx(sigma, rel=0.05, abs=0.3)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (9, 2)])
def test_noise_of_a_tiny_picture_is_none(size):
    assert noise_sigma(np.full(size, 7, np.uint8)) == 0


def test_matched_tones_undo_a_gain(photo):
    luma = photo(120, 160)[..., 0]
    brighter = lit(luma, 1.4, 10)
    assert np.abs(match_tones(luma, brighter).astype(int) - brighter).mean() < 1


def test_global_shift_is_found_with_its_sign(photo):
    wide = photo(180, 480)[..., 1]
    before, now = wide[:, 60:380], wide[:, 140:460]
    np.testing.assert_allclose(global_shift(np.ascontiguousarray(now), np.ascontiguousarray(before)), [80, 0], atol=2)
