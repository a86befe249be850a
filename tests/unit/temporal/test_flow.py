import cv2
import numpy as np
import pytest

from vidgan.temporal.flow import (
    DisFlow,
    Motion,
    MotionEstimator,
    motion_boundaries,
    points_inside,
    stop_at_rest,
)
from vidgan.temporal.luma import reduced_luma
from vidgan.temporal.warp import positions

TINY = [(1, 1), (3, 5), (5, 3), (1, 700), (16, 16), (31, 33)]


def windows(picture, height, width, u, v):
    """Two views such that backward flow is (u, v) everywhere; sub-pixel parts by bicubic resampling."""
    margin = 30
    xs, ys = (a.astype(np.float32) for a in np.meshgrid(np.arange(width), np.arange(height)))
    before = cv2.remap(picture, xs + margin, ys + margin, cv2.INTER_CUBIC)
    now = cv2.remap(picture, xs + margin + np.float32(u), ys + margin + np.float32(v), cv2.INTER_CUBIC)
    return before, now


def test_first_frame_has_no_motion_and_is_no_cut(photo):
    motion = MotionEstimator()(photo(40, 60))
    assert motion.flow is None
    assert not motion.is_cut
    assert motion.visibility.shape == (40, 60)
    assert not motion.visibility.any()


@pytest.mark.parametrize(("u", "v"), [(0, 0), (4, 0), (-3.5, 2.25), (0.4, -0.6), (12, -9)])
def test_translation_is_found(photo, u, v):
    before, now = windows(photo(260, 400), 180, 320, u, v)
    estimator = MotionEstimator()
    estimator(before)
    flow = estimator(now).flow[24:-24, 24:-24]
    error = np.linalg.norm(flow - np.float32([u, v]), axis=-1)
    assert np.percentile(error, 95) < 0.3


def test_flow_is_in_pixels_of_the_reduced_grid(photo):
    before, now = windows(photo(780, 1340), 720, 1280, 8, -4)
    estimator = MotionEstimator()
    estimator(before)
    motion = estimator(now)
    assert motion.flow.shape == (360, 640, 2)
    assert motion.flow.dtype == motion.visibility.dtype == np.float32
    np.testing.assert_allclose(np.median(motion.flow, axis=(0, 1)), [4, -2], atol=0.15)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((720, 1280), (360, 640)),
        ((1280, 720), (640, 360)),
        ((360, 640), (360, 640)),
        ((5, 9), (5, 9)),
        ((1, 1), (1, 1)),
    ],
)
def test_luma_is_reduced_to_360_and_never_enlarged(size, expected):
    luma = reduced_luma(np.full((*size, 3), 77, np.uint8))
    assert luma.shape == expected
    assert luma.dtype == np.uint8
    assert (luma == 77).all()


def test_luma_takes_frames_as_rgb():
    assert reduced_luma(np.uint8([[[255, 0, 0]]]))[0, 0] == 76


@pytest.mark.parametrize("size", TINY)
def test_tiny_pictures_are_at_rest(photo, size):
    estimator = MotionEstimator()
    frame = photo(*size)
    estimator(frame)
    motion = estimator(frame)
    assert motion.flow.shape == (*size, 2)
    np.testing.assert_allclose(motion.flow, 0, atol=0.05)
    np.testing.assert_allclose(motion.visibility, 1)


def test_static_frames_are_fully_visible(photo):
    estimator = MotionEstimator()
    estimator(photo(180, 320))
    assert estimator(photo(180, 320)).visibility.min() == 1


@pytest.mark.parametrize("sigma", [3, 8])
def test_noise_is_forgiven(photo, sigma):
    rng = np.random.default_rng(0)
    estimator = MotionEstimator()
    for _ in range(3):
        motion = estimator(np.clip(photo(180, 320) + rng.normal(0, sigma, (180, 320, 3)), 0, 255).astype(np.uint8))
    assert motion.visibility.mean() > 0.9


def test_what_a_moving_object_uncovers_is_not_visible(moving_disc):
    (first, was_inside), (second, is_inside) = moving_disc(2, 12)
    estimator = MotionEstimator()
    estimator(first)
    visibility = estimator(second).visibility
    uncovered = was_inside & ~is_inside
    assert uncovered.sum() > 500
    assert visibility[uncovered].mean() < 0.15
    far = cv2.dilate((was_inside | is_inside).astype(np.uint8), np.ones((61, 61))) == 0
    assert visibility[far].mean() > 0.95


def test_what_enters_the_picture_is_not_visible(photo):
    before, now = windows(photo(260, 400), 180, 320, 10, 0)
    estimator = MotionEstimator()
    estimator(before)
    visibility = estimator(now).visibility
    assert visibility[:, -8:].max() == 0
    assert visibility[20:-20, 20:-40].mean() > 0.9


def test_sudden_light_is_not_visible_but_no_cut(photo):
    estimator = MotionEstimator()
    frame = photo(180, 320)
    estimator(frame)
    motion = estimator(np.clip(frame * 1.4 + 20.0, 0, 255).astype(np.uint8))
    assert not motion.is_cut
    assert motion.visibility.mean() < 0.1


def test_gentle_change_of_light_is_forgiven(photo):
    estimator = MotionEstimator()
    frame = photo(180, 320) * 0.8
    for gain in (1.0, 0.95):
        motion = estimator(np.clip(gain * frame, 0, 255).astype(np.uint8))
    assert motion.visibility.mean() > 0.9


@pytest.mark.parametrize("sigma", [2, 6])
def test_noise_moves_nothing_at_rest(photo, sigma):
    rng = np.random.default_rng(0)
    estimator = MotionEstimator()
    for _ in range(3):
        motion = estimator(np.clip(photo(180, 320) + rng.normal(0, sigma, (180, 320, 3)), 0, 255).astype(np.uint8))
    assert (np.abs(motion.flow).max(axis=-1) == 0).mean() > 0.9


def test_slow_motion_is_not_taken_for_rest(photo):
    before, now = windows(photo(260, 400), 180, 320, 0.3, 0)
    estimator = MotionEstimator()
    estimator(before)
    flow = estimator(now).flow[24:-24, 24:-24]
    assert np.median(flow[..., 0]) == pytest.approx(0.3, abs=0.1)


def test_fast_flow_is_never_stopped(photo):
    luma = photo(40, 60)[..., 0]
    flow = np.full((40, 60, 2), 1.2, np.float32)
    np.testing.assert_array_equal(stop_at_rest(flow, luma, luma, luma), flow)
    np.testing.assert_array_equal(stop_at_rest(flow / 4, luma, luma, luma), 0 * flow)


def test_cut_has_no_flow(photo):
    estimator = MotionEstimator()
    estimator(photo(180, 320, 1))
    motion = estimator(photo(180, 320, 2))
    assert motion.is_cut
    assert motion.flow is None
    assert not motion.visibility.any()
    assert not estimator(photo(180, 320, 2)).is_cut


def test_reset_makes_the_next_frame_the_first(photo):
    estimator = MotionEstimator()
    estimator(photo(180, 320, 1))
    estimator.reset()
    motion = estimator(photo(90, 60, 2))
    assert motion.flow is None
    assert not motion.is_cut


def test_frame_is_neither_kept_nor_changed(photo):
    estimator, other = MotionEstimator(), MotionEstimator()
    first = photo(90, 160)
    estimator(first)
    other(first.copy())
    np.testing.assert_array_equal(first, photo(90, 160))
    first[:] = 0
    np.testing.assert_array_equal(estimator(photo(90, 160)).flow, other(photo(90, 160)).flow)


def test_motions_have_arrays_of_their_own(photo):
    estimator = MotionEstimator()
    estimator(photo(90, 160))
    motion = estimator(photo(90, 160))
    flow, visibility = motion.flow.copy(), motion.visibility.copy()
    estimator(np.roll(photo(90, 160), 4, axis=1))
    np.testing.assert_array_equal(motion.flow, flow)
    np.testing.assert_array_equal(motion.visibility, visibility)


def test_change_of_size_is_refused_and_leaves_the_state(photo):
    estimator = MotionEstimator()
    estimator(photo(90, 160))
    # Both reduce to the same luma size: the check is on the frame itself.
    with pytest.raises(ValueError, match="reset"):
        estimator(photo(90, 161))
    assert estimator(photo(90, 160)).flow is not None


def test_frames_of_the_wrong_kind_are_refused():
    with pytest.raises(TypeError, match="uint8"):
        MotionEstimator()(np.zeros((8, 8, 3), np.float32))
    for shape in ((8, 8), (8, 8, 4), (0, 8, 3)):
        with pytest.raises(ValueError, match="expected"):
            MotionEstimator()(np.zeros(shape, np.uint8))


def test_flow_of_different_lumas_is_refused():
    with pytest.raises(ValueError, match="expected"):
        DisFlow()(np.zeros((40, 40), np.uint8), np.zeros((40, 41), np.uint8))


def test_motion_that_contradicts_itself_is_refused():
    with pytest.raises(ValueError, match="doesn't fit"):
        Motion(flow=np.zeros((4, 5, 2), np.float32), visibility=np.zeros((5, 4), np.float32), is_cut=False)
    with pytest.raises(ValueError, match="cut"):
        Motion(flow=np.zeros((4, 5, 2), np.float32), visibility=np.zeros((4, 5), np.float32), is_cut=True)


def test_motion_boundaries_are_where_flow_jumps():
    flow = np.zeros((40, 60, 2), np.float32)
    flow[:, 30:, 0] = 3
    expected = np.zeros((40, 60), bool)
    expected[:, 29] = True
    np.testing.assert_array_equal(motion_boundaries(flow), expected)


def test_motion_boundaries_of_every_second_vector():
    flow = np.zeros((41, 60, 2), np.float32)
    flow[:, 30:, 0] = 3
    expected = np.zeros((21, 30), bool)
    expected[:, 14] = True
    np.testing.assert_array_equal(motion_boundaries(flow, step=2), expected)
    # A slope over two pixels: half as steep as a step, whichever vectors are looked at.
    flow[:, 30:, 0] = 0.4
    assert motion_boundaries(flow, absolute=0.03, step=2).any()
    assert not motion_boundaries(flow, absolute=0.05, step=2).any()


def test_gentle_zoom_has_no_motion_boundaries():
    zoom = 0.02 * positions(np.zeros((40, 60, 2), np.float32))
    assert not motion_boundaries(zoom.astype(np.float32)).any()


def test_points_inside():
    flow = np.zeros((3, 4, 2), np.float32)
    flow[..., 0] = 1
    expected = np.ones((3, 4), bool)
    expected[:, -1] = False
    np.testing.assert_array_equal(points_inside(flow), expected)
