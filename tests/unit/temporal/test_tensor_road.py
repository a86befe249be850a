"""Motion, stillness, smoothing and measuring of frames that are tensors, against the same frames as arrays."""

import cv2
import numpy as np
import pytest

from vidgan.temporal.flow import DisFlow, Motion, MotionEstimator
from vidgan.temporal.luma import SHORT_SIDE, check_rgb, reduced_luma
from vidgan.temporal.meter import SteadinessMeter
from vidgan.temporal.smoother import DEFAULT_STRENGTH, Smoother
from vidgan.temporal.still import StillDetector

torch = pytest.importorskip("torch")
pytest.importorskip("kornia")
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from vidgan.picture_tensor import (  # noqa: E402
    beside_tensor,
    blended_tensor,
    pad_tensor,
    resized_tensor,
    with_colour_of_tensor,
)
from vidgan.temporal.smoother_tensor import PictureSmoother  # noqa: E402

TOLERANCE_LEVELS = {
    # Largest difference in levels, and the share of values that may differ at all.
    "luma": (1, 0.001),  # areas added in another order
    "smoothed": (1, 0.001),  # float32 in another order of adding, then rounded
}


def tensor(image):
    return torch.from_numpy(image.copy())


def check(result, expected, kind):
    difference = np.abs(np.asarray(result).astype(int) - expected)
    largest, share = TOLERANCE_LEVELS[kind]
    told = f"largest {difference.max()}, {100 * (difference > 0).mean():.2f} % differ"
    assert difference.max() <= largest, told
    assert (difference > 0).mean() <= share, told


def pan(photo, size, seed, count=6):
    wide = photo(size[0], size[1] + 30, seed)
    shift = [np.float32([[1, 0, -1.3 * t], [0, 1, 0]]) for t in range(count)]
    return [
        np.ascontiguousarray(cv2.warpAffine(wide, m, wide.shape[1::-1], flags=cv2.INTER_CUBIC)[:, : size[1]])
        for m in shift
    ]


def flickering(frames, sigma=12):
    rng = np.random.default_rng(0)
    return [np.clip(255 - f + rng.normal(0, sigma, f.shape), 0, 255).astype(np.uint8) for f in frames]


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (120, 200), (360, 640), (361, 641), (540, 961)])
def test_luma(photo, size):
    image = photo(*size)
    luma = reduced_luma(tensor(image))
    assert isinstance(luma, np.ndarray)
    assert min(luma.shape) <= SHORT_SIDE
    check(luma, reduced_luma(image), "luma")


def test_luma_of_a_frame_that_is_small_enough_is_the_same_to_the_bit(photo):
    np.testing.assert_array_equal(reduced_luma(tensor(photo(90, 160))), reduced_luma(photo(90, 160)))


def test_motion_of_small_frames_is_the_same_to_the_bit(photo):
    arrays, tensors = MotionEstimator(), MotionEstimator()
    for frame in pan(photo, (90, 160), 1) + pan(photo, (90, 160), 2, count=2):
        expected, motion = arrays(frame), tensors(tensor(frame))
        assert motion.is_cut == expected.is_cut
        assert (motion.flow is None) == (expected.flow is None)
        if motion.flow is not None:
            np.testing.assert_array_equal(motion.flow, expected.flow)
        np.testing.assert_array_equal(motion.visibility, expected.visibility)
    with pytest.raises(ValueError, match="reset"):
        tensors(tensor(photo(90, 161)))


def test_another_flow_takes_the_place_of_dis(photo):
    given = []

    def flow(luma, previous):
        given.append((luma, previous))
        return DisFlow()(luma, previous)

    frames = pan(photo, (90, 160), 1, count=3)
    estimator, usual = MotionEstimator(flow), MotionEstimator()
    for frame in frames:
        motion, expected = estimator(frame), usual(frame)
    np.testing.assert_array_equal(motion.flow, expected.flow)
    assert len(given) == 2
    np.testing.assert_array_equal(given[-1][0], reduced_luma(frames[2]))
    np.testing.assert_array_equal(given[-1][1], reduced_luma(frames[1]))


def test_what_another_flow_says_counts(photo):
    estimator, frame = MotionEstimator(lambda luma, _: np.full((*luma.shape, 2), 7, np.float32)), photo(90, 160)
    estimator(frame)
    # Nothing moves: flow of 7 pixels explains it so badly that the frame is taken for a cut.
    assert estimator(frame).is_cut


@pytest.mark.parametrize("size", [(7, 5), (64, 96), (61, 83)])
def test_stillness_is_decided_the_same(photo, size):
    rng = np.random.default_rng(0)
    frame, arrays, tensors = photo(*size), StillDetector(), StillDetector()
    decisions = []
    for step in range(40):
        # Noise and slow brightening: near the limits, where a half level would decide otherwise.
        shown = np.clip(frame + rng.normal(step / 6, 3, frame.shape), 0, 255).astype(np.uint8)
        decisions.append(arrays(shown))
        assert tensors(tensor(shown)) == decisions[-1], f"frame {step}"
    assert True in decisions
    assert False in decisions[1:]
    assert tensors.num_still == arrays.num_still


@pytest.mark.parametrize("strength", [0.0, 0.4, DEFAULT_STRENGTH, 1.0])
def test_smoothing_over_two_shots(photo, strength):
    sources = pan(photo, (120, 200), 1) + pan(photo, (120, 200), 2)
    estimator, arrays, tensors = MotionEstimator(), Smoother(strength), PictureSmoother(strength)
    for source, styled in zip(sources, flickering(sources), strict=True):
        motion = estimator(source)
        given = tensor(styled)
        smoothed = tensors(given, motion)
        assert smoothed.dtype == torch.uint8
        assert smoothed.is_contiguous()
        np.testing.assert_array_equal(given, styled)
        expected = arrays(styled, motion)
        if motion.flow is None:
            np.testing.assert_array_equal(smoothed, styled)
        check(smoothed, expected, "smoothed")


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (2, 40), (121, 83)])
def test_smoothing_odd_and_tiny_frames(photo, size):
    estimator, arrays, tensors = MotionEstimator(), Smoother(), PictureSmoother()
    for styled in flickering([photo(*size)] * 4):
        motion = estimator(photo(*size))
        difference = tensors(tensor(styled), motion).numpy().astype(int) - arrays(styled, motion)
        assert np.abs(difference).max() <= 1


def test_smoothing_a_bigger_picture_than_the_motion(photo):
    sources, styled = pan(photo, (90, 68), 3), flickering([photo(321, 243)] * 6)
    estimator, arrays, tensors = MotionEstimator(), Smoother(), PictureSmoother()
    for source, frame in zip(sources, styled, strict=True):
        motion = estimator(source)
        check(tensors(tensor(frame), motion), arrays(frame, motion), "smoothed")


def test_the_smoother_keeps_no_graph_and_starts_anew(photo):
    smoother, motion = PictureSmoother(), Motion(flow=None, visibility=np.zeros((9, 16), np.float32), is_cut=False)
    assert not smoother(tensor(photo(36, 64)), motion).requires_grad
    moved = Motion(flow=np.zeros((9, 16, 2), np.float32), visibility=np.ones((9, 16), np.float32), is_cut=False)
    with pytest.raises(ValueError, match="reset"):
        smoother(tensor(photo(36, 65)), moved)
    smoother.reset()
    np.testing.assert_array_equal(smoother(tensor(photo(36, 65)), moved), photo(36, 65))


def test_a_meter_measures_tensors_as_it_does_arrays(photo):
    sources = pan(photo, (90, 160), 1, count=4)
    styled = flickering(sources)
    arrays, tensors = SteadinessMeter(every=2), SteadinessMeter(every=2)
    for source, frame, result in zip(sources, styled, styled[::-1], strict=True):
        arrays(source, frame, result)
        tensors(tensor(source), tensor(frame), tensor(result))
    assert tensors.report() == arrays.report()
    assert tensors.report().pairs == 2
    with pytest.raises(ValueError, match="one size"):
        tensors(tensor(photo(8, 8)), tensor(photo(8, 8)), tensor(photo(8, 9)))


class Waits(TorchDispatchMode):
    """Counts what would make the host wait for a graphics card, on any device: values fetched, tables made of them."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if name in ("_local_scalar_dense", "nonzero", "masked_select", "lift_fresh", "equal"):
            self.seen.append(name)
        return function(*args, **(kwargs or {}))


def test_smoothing_and_what_is_done_to_pictures_never_wait_for_the_card(photo):
    smoother, estimator = PictureSmoother(), MotionEstimator()
    picture, small = tensor(photo(60, 80)), tensor(photo(33, 41))

    def everything():
        for frame in pan(photo, (60, 80), 1, count=3):
            smoother(picture, estimator(frame))
        with_colour_of_tensor(picture, picture.flip(0))
        beside_tensor(blended_tensor(picture, 0.3, picture.flip(1)), picture)
        for size in ((30, 20), (90, 70), (80, 60)):
            resized_tensor(small, *size)
        pad_tensor(small, width=64, height=48, margin=3)

    everything()  # tables of sizes are made once
    with Waits() as waits:
        everything()
    # torch.from_numpy of the flow and the visibility of each frame, which are then copied without waiting.
    assert waits.seen == ["lift_fresh"] * 6


def test_the_test_above_sees_waits():
    with Waits() as waits:
        x = torch.arange(4.0)
        x[x > 2].sum().item()
        x * x.new_tensor([1.0, 2.0, 3.0, 4.0])
    assert set(waits.seen) >= {"_local_scalar_dense", "lift_fresh"}


@pytest.mark.parametrize("stage", [reduced_luma, StillDetector(), MotionEstimator(), check_rgb])
def test_tensors_of_the_wrong_kind_are_refused(stage):
    with pytest.raises(TypeError, match=r"torch\.int16: expected uint8"):
        stage(torch.zeros(8, 8, 3, dtype=torch.int16))
    for shape in ((8, 8), (8, 8, 4), (0, 8, 3)):
        with pytest.raises(ValueError, match=r"expected \(H, W, 3\)"):
            stage(torch.zeros(shape, dtype=torch.uint8))
