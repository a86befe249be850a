"""The baselines do what their formulas say, and scores say what is known of made-up results."""

import numpy as np
import pytest
from exact import ExactSequence, Layer, Scene
from methods import AVERAGE, BLEND, METHODS, VIDGAN
from scoring import exact_motions, mean_error, score, smooth, temporal_variance
from sequences import motion


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(1)
    texture = np.kron(rng.integers(0, 256, (15, 25, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    layer = Layer(texture=texture, path=motion(velocity=(1.5 / 160, 0)))
    first, second = (Scene(layers=(layer,), num_frames=4) for _ in range(2))
    return list(ExactSequence(name="test", size=(96, 160), scenes=(first, second)))


@pytest.fixture(scope="module")
def styled(frames):
    """Flickers in brightness by 10 levels."""
    return [np.full_like(frame.image, 100 + 10 * (number % 2)) for number, frame in enumerate(frames)]


def results(method, strength, frames, styled):
    return smooth(METHODS[method](strength), frames, styled, exact_motions(frames))


@pytest.mark.parametrize("method", [AVERAGE, BLEND, VIDGAN])
def test_without_strength_nothing_changes(method, frames, styled):
    for result, before in zip(results(method, 0, frames, styled), styled, strict=True):
        assert np.array_equal(result, before)


def test_the_average_is_exponential_and_knows_no_cuts(frames, styled):
    levels = [int(result[0, 0, 0]) for result in results(AVERAGE, 0.5, frames, styled)]
    assert levels == [100, 105, 102, 106, 103, 107, 103, 107]


def test_warp_and_blend_starts_again_at_a_cut(frames, styled):
    made = results(BLEND, 0.5, frames, styled)
    assert np.array_equal(made[4], styled[4])
    assert made[1].mean() < 110


def test_the_motion_given_to_smoothers_is_the_exact_one(frames):
    motions = exact_motions(frames)
    assert [step.is_cut for step in motions] == [number == 4 for number in range(8)]
    assert motions[1].flow is frames[1].flow
    assert np.array_equal(motions[1].visibility > 0, frames[1].visible)


def test_flicker_of_ten_levels_has_the_error_of_ten_levels(frames, styled):
    assert mean_error(frames, styled) == pytest.approx((10 / 255) ** 2)


def test_halving_the_flicker_is_four_times_steadier(frames):
    rng = np.random.default_rng(2)
    grain = rng.integers(-40, 41, frames[0].image.shape)
    still = [np.clip(120 + grain, 0, 255).astype(np.uint8)] * len(frames)
    before = [picture + np.uint8(20 * (number % 2)) for number, picture in enumerate(still)]
    after = [picture + np.uint8(10 * (number % 2)) for number, picture in enumerate(still)]
    flat = [np.full_like(picture, 20 * (number % 2)) for number, picture in enumerate(still)]
    source = mean_error(frames, [frame.image for frame in frames])
    made = score(frames, before, after, source=source, before=mean_error(frames, before))
    assert made.sharpness == pytest.approx(1, abs=0.01)
    assert made.coarse_sharpness == pytest.approx(1, abs=0.01)
    assert made.floors == pytest.approx(made.error / source)
    halved = score(frames, flat, [x // 2 for x in flat], source=source, before=mean_error(frames, flat))
    assert halved.ratio == pytest.approx(4)


def test_temporal_variance_is_that_of_each_pixel():
    pictures = [np.full((4, 5, 3), level, np.uint8) for level in (10, 12, 14, 12)]
    pictures = [picture + np.arange(5, dtype=np.uint8)[:, None] for picture in pictures]
    assert temporal_variance(pictures) == pytest.approx(2)
