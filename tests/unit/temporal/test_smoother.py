import cv2
import numpy as np
import pytest

from vidgan.temporal.flow import Motion, MotionEstimator
from vidgan.temporal.metrics import sharpness_ratio
from vidgan.temporal.smoother import DEFAULT_STRENGTH, MOST_SHARPNESS, MOST_WEIGHT, Smoother


def at_rest(height, width, visibility=1.0):
    return Motion(
        flow=np.zeros((height, width, 2), np.float32),
        visibility=np.full((height, width), visibility, np.float32),
        is_cut=False,
    )


def cut(height, width):
    return Motion(flow=None, visibility=np.zeros((height, width), np.float32), is_cut=True)


def smooth(smoother, sources, styled):
    estimator = MotionEstimator()
    return [smoother(s, estimator(f)) for f, s in zip(sources, styled, strict=True)]


def noisy(frame, rng, sigma):
    return np.clip(frame + rng.normal(0, sigma, frame.shape), 0, 255).astype(np.uint8)


def test_first_frame_is_returned_equal_and_new(photo):
    styled = photo(90, 160)
    result = Smoother()(styled, MotionEstimator()(styled))
    np.testing.assert_array_equal(result, styled)
    assert not np.shares_memory(result, styled)


def test_first_frame_after_reset_is_returned_equal(photo):
    smoother = Smoother()
    smoother(photo(90, 160, 1), at_rest(90, 160))
    smoother.reset()
    np.testing.assert_array_equal(smoother(photo(60, 80, 2), at_rest(60, 80)), photo(60, 80, 2))


def test_cut_leaves_no_ghost(photo):
    rng = np.random.default_rng(0)
    sources = [photo(180, 320, 1)] * 4 + [photo(180, 320, 2)] * 4
    styled = [255 - noisy(f, rng, 10) for f in sources]
    results = smooth(Smoother(), sources, styled)
    np.testing.assert_array_equal(results[4], styled[4])
    assert (results[3] != styled[3]).any()
    assert (results[5] != styled[5]).any()


def test_strength_zero_changes_nothing(photo):
    rng = np.random.default_rng(0)
    styled = [noisy(photo(90, 160), rng, 20) for _ in range(3)]
    results = smooth(Smoother(0), [photo(90, 160)] * 3, styled)
    for result, frame in zip(results, styled, strict=True):
        np.testing.assert_array_equal(result, frame)
        assert not np.shares_memory(result, frame)


def test_nothing_visible_changes_nothing(photo):
    smoother = Smoother(1)
    smoother(photo(90, 160, 1), at_rest(90, 160))
    np.testing.assert_array_equal(smoother(photo(90, 160, 2), at_rest(90, 160, visibility=0)), photo(90, 160, 2))


@pytest.mark.parametrize("strength", [0.3, DEFAULT_STRENGTH, 0.95, 1])
@pytest.mark.parametrize("size", [(90, 160), (1, 1), (3, 5), (321, 243)])
def test_identical_frames_are_left_as_they_are(photo, strength, size):
    smoother = Smoother(strength)
    for _ in range(12):
        np.testing.assert_array_equal(smoother(photo(*size), at_rest(*size)), photo(*size))


@pytest.mark.parametrize("strength", [0.5, 0.7, 0.85])
def test_change_is_followed_to_the_last_level_and_stays(strength):
    """Rounding the state to uint8 would stop up to 3 levels short, for ever."""
    smoother = Smoother(strength)
    before, after = np.full((8, 8, 3), 100, np.uint8), np.full((8, 8, 3), 107, np.uint8)
    smoother(before, at_rest(8, 8))
    results = [smoother(after, at_rest(8, 8)) for _ in range(40)]
    assert 100 <= results[0].max() < 107
    for result in results[30:]:
        np.testing.assert_array_equal(result, after)


def test_blend_has_the_stated_weight():
    smoother = Smoother(0.5)
    smoother(np.full((8, 8, 3), 200, np.uint8), at_rest(8, 8))
    result = smoother(np.full((8, 8, 3), 100, np.uint8), at_rest(8, 8, visibility=0.5))
    np.testing.assert_array_equal(result, np.full((8, 8, 3), round(100 + 25 * MOST_WEIGHT), np.uint8))


def test_static_noisy_clip_becomes_steadier(photo):
    rng = np.random.default_rng(0)
    sources = [noisy(photo(180, 320), rng, 4) for _ in range(10)]
    styled = [noisy(photo(180, 320, 1), rng, 15) for _ in range(10)]
    results = smooth(Smoother(), sources, styled)
    variance = [np.stack(x[4:]).astype(np.float32).var(axis=0).mean() for x in (styled, results)]
    # A recursive blend of weight w leaves (1 - w) / (1 + w) of the variance of white noise, 0.16 here; the restoration
    # brings some of it back.
    assert variance[1] < 0.45 * variance[0]


def test_moving_flicker_becomes_steadier_and_stays_sharp(photo):
    rng = np.random.default_rng(0)
    wide = photo(180, 400)
    sources = [wide[:, 3 * t : 3 * t + 320] for t in range(12)]
    clean = [255 - f for f in sources]
    # Flicker as networks make it: patches of colour that come and go.
    flicker = [cv2.resize(rng.normal(0, 12, (9, 16, 3)), (320, 180), interpolation=cv2.INTER_CUBIC) for _ in sources]
    styled = [np.clip(c + f, 0, 255).astype(np.uint8) for c, f in zip(clean, flicker, strict=True)]
    results = smooth(Smoother(), [np.ascontiguousarray(f) for f in sources], styled)
    error = [
        np.square(x[-1][16:-16, 16:-16] - clean[-1][16:-16, 16:-16].astype(float)).mean() for x in (styled, results)
    ]
    assert error[1] < 0.5 * error[0]
    assert sharpness_ratio(results[-1], styled[-1]) > 0.8


def test_moving_object_leaves_no_ghost(moving_disc):
    frames = moving_disc(14, 10)
    sources = [f for f, _ in frames]
    styled = [255 - f for f in sources]
    results = smooth(Smoother(), sources, styled)
    uncovered = frames[-2][1] & ~frames[-1][1]
    ghost = np.abs(results[-1].astype(int) - styled[-1])[uncovered].mean()
    naive = DEFAULT_STRENGTH * MOST_WEIGHT * np.abs(styled[-2].astype(int) - styled[-1])[uncovered].mean()
    assert naive > 15
    assert ghost < 3


def test_motion_is_followed(photo):
    wide = photo(120, 200)
    smoother = Smoother(1)
    smoother(np.ascontiguousarray(wide[:, :160]), at_rest(120, 160))
    flow = np.zeros((60, 80, 2), np.float32)
    flow[..., 0] = 4
    # Flow and visibility at half size: 4 pixels there are 8 here. The new frame is black: all comes from the old one.
    motion = Motion(flow=flow, visibility=np.ones((60, 80), np.float32), is_cut=False)
    result = smoother(np.zeros((120, 160, 3), np.uint8), motion)
    softened = np.abs(result[:, :150] - MOST_WEIGHT * wide[:, 8:158].astype(float))
    unmoved = np.abs(result[:, :150] - MOST_WEIGHT * wide[:, :150].astype(float))
    assert softened.mean() < 3 < unmoved.mean() / 4


def waves(t, period, amplitude=40):
    ys, xs = (2 * np.pi / period * (a + t / 2) for a in np.mgrid[:96, :96])
    picture = 127.5 + amplitude * np.sin(xs) * np.sin(ys)
    return np.repeat(np.rint(picture)[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("strength", [0.2, 0.5, DEFAULT_STRENGTH, 1])
@pytest.mark.parametrize("period", [4, 6, 8, 12])
def test_overshoot_never_builds_up(strength, period):
    """The worst case for the bicubic kernel: waves of about 6 pixels that move half a pixel per frame, both ways."""
    flow = np.full((96, 96, 2), 0.5, np.float32)
    motion = Motion(flow=flow, visibility=np.ones((96, 96), np.float32), is_cut=False)
    smoother = Smoother(strength)
    for t in range(60):
        result = smoother(waves(t, period), motion)
    assert np.abs(result - 127.5)[16:-16, 16:-16].max() < 1.1 * 40


@pytest.mark.parametrize("strength", [0.3, DEFAULT_STRENGTH, 1])
@pytest.mark.parametrize("sigma", [0, 4, 12])
def test_sharpness_is_kept_and_never_exceeded(photo, strength, sigma):
    rng = np.random.default_rng(0)
    wide = cv2.GaussianBlur(photo(180, 360), (0, 0), 0.7)
    sources = [subpixel(wide, 1.4 * t, 320) for t in range(12)]
    styled = [255 - noisy(f, rng, sigma) for f in sources]
    ratios = [sharpness_ratio(r, s) for r, s in zip(smooth(Smoother(strength), sources, styled), styled, strict=True)]
    # Noise of 12 levels is most of the detail here; nobody wants that restored.
    assert min(ratios) > (0.9 if sigma == 0 else 0.3)
    # Measured on rounded pictures of all rows, while the smoother looks at every fifth: 5 % more.
    assert max(ratios) < MOST_SHARPNESS + 0.05


def subpixel(wide, x, width):
    shifted = cv2.warpAffine(wide, np.float32([[1, 0, -x], [0, 1, 0]]), wide.shape[1::-1], flags=cv2.INTER_CUBIC)
    return np.ascontiguousarray(shifted[:, :width])


def test_restoration_makes_the_difference(photo, monkeypatch):
    wide = photo(180, 360)
    sources = [subpixel(wide, 1.4 * t, 320) for t in range(8)]
    restored = smooth(Smoother(), sources, sources)[-1]
    monkeypatch.setattr("vidgan.temporal.smoother.MOST_GAIN", 0.0)
    plain = smooth(Smoother(), sources, sources)[-1]
    assert sharpness_ratio(plain, sources[-1]) < 0.85
    assert sharpness_ratio(restored, sources[-1]) > 0.92


def test_what_has_just_appeared_is_not_sharpened(photo):
    """Left half visible and blurred by averaging, right half new in every frame."""
    rng = np.random.default_rng(0)
    motion = at_rest(120, 160)
    motion.visibility[:, 80:] = 0
    smoother = Smoother()
    for _ in range(6):
        styled = noisy(photo(120, 160), rng, 6)
        result = smoother(styled, motion)
    np.testing.assert_array_equal(result[:, 100:], styled[:, 100:])
    assert (result[:, :60] != styled[:, :60]).mean() > 0.5


@pytest.mark.parametrize("strength", [0.4, DEFAULT_STRENGTH, 1])
def test_nothing_drifts_over_a_thousand_frames(photo, strength):
    """A camera that sways by fractions of a pixel over a still picture, with flicker."""
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(photo(48, 64), (0, 0), 1.0)
    smoother, before, errors = Smoother(strength), np.zeros(2), []
    for t in range(1000):
        place = 1.7 * np.sin([t / 5, t / 7])
        frame = cv2.warpAffine(
            picture, np.float32([[1, 0, place[0]], [0, 1, place[1]]]), (64, 48), flags=cv2.INTER_CUBIC
        )
        flow = np.broadcast_to(np.float32(before - place), (48, 64, 2)).copy()
        motion = Motion(flow=flow, visibility=np.ones((48, 64), np.float32), is_cut=False)
        result, before = smoother(noisy(frame, rng, 5), motion), place
        inner = (slice(8, -8), slice(8, -8))
        difference = result[inner].astype(float) - frame[inner]
        errors.append((difference.mean(), np.abs(difference).mean()))
    early, late = np.mean(errors[100:300], axis=0), np.mean(errors[-200:], axis=0)
    # noisy() rounds down: half a level on average.
    assert abs(late[0] + 0.5) < 0.3
    assert late[1] < 1.1 * early[1] < 6


def test_noise_does_not_freeze(photo):
    """What was noise in one frame is gone from the result soon after, and other noise takes its place."""
    rng = np.random.default_rng(0)
    smoother = Smoother(1)
    clean = photo(90, 160) // 2 + 64
    for _ in range(20):
        first = smoother(noisy(clean, rng, 12), at_rest(90, 160)).astype(float) - clean
    for _ in range(20):
        second = smoother(noisy(clean, rng, 12), at_rest(90, 160)).astype(float) - clean
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] < 0.15
    assert second.std() < 0.6 * 12


def test_a_still_scene_converges_and_stays(photo):
    smoother = Smoother()
    rng = np.random.default_rng(0)
    for _ in range(5):
        smoother(noisy(photo(90, 160), rng, 20), at_rest(90, 160))
    for t in range(60):
        result = smoother(photo(90, 160), at_rest(90, 160))
        if t >= 40:
            np.testing.assert_array_equal(result, photo(90, 160))


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (1, 200), (321, 243)])
def test_odd_and_tiny_sizes(photo, size):
    rng = np.random.default_rng(0)
    results = smooth(Smoother(), [photo(*size)] * 3, [noisy(photo(*size), rng, 9) for _ in range(3)])
    assert [r.shape for r in results] == [(*size, 3)] * 3


def test_styled_frames_may_have_another_size_than_the_source(photo):
    rng = np.random.default_rng(0)
    styled = [noisy(photo(321, 243), rng, 9) for _ in range(3)]
    results = smooth(Smoother(), [photo(90, 68)] * 3, styled)
    assert results[2].shape == styled[2].shape
    assert (results[2] != styled[2]).any()


def test_results_and_arguments_are_left_alone(photo):
    rng = np.random.default_rng(0)
    smoother = Smoother()
    styled = [noisy(photo(90, 160), rng, 9) for _ in range(4)]
    copies = [s.copy() for s in styled]
    motion = at_rest(90, 160, visibility=0.8)
    results = [smoother(s, motion) for s in styled[:2]]
    kept = [r.copy() for r in results]
    for s in styled[2:]:
        smoother(s, motion)
    np.testing.assert_array_equal(styled, copies)
    np.testing.assert_array_equal(results, kept)
    np.testing.assert_array_equal(motion.visibility, np.float32(0.8))


def test_writing_into_a_result_does_not_reach_the_next(photo):
    smoother, other = Smoother(), Smoother()
    first = smoother(photo(30, 40, 1), at_rest(30, 40))
    other(photo(30, 40, 1), at_rest(30, 40))
    first[:] = 0
    np.testing.assert_array_equal(smoother(photo(30, 40, 2), at_rest(30, 40)), other(photo(30, 40, 2), at_rest(30, 40)))


@pytest.mark.parametrize("strength", [-0.01, 1.01, float("nan")])
def test_strength_out_of_range_is_refused(strength):
    with pytest.raises(ValueError, match="strength"):
        Smoother(strength)


def test_change_of_size_is_refused_within_a_shot(photo):
    smoother = Smoother()
    smoother(photo(30, 40), at_rest(30, 40))
    with pytest.raises(ValueError, match="reset"):
        smoother(photo(30, 41), at_rest(30, 41))
    np.testing.assert_array_equal(smoother(photo(30, 41), cut(30, 41)), photo(30, 41))


def test_frames_of_the_wrong_kind_are_refused():
    with pytest.raises(TypeError, match="uint8"):
        Smoother()(np.zeros((8, 8, 3), np.float32), at_rest(8, 8))
    for shape in ((8, 8), (8, 8, 4), (0, 8, 3)):
        with pytest.raises(ValueError, match="expected"):
            Smoother()(np.zeros(shape, np.uint8), at_rest(8, 8))
