import cv2
import numpy as np
import pytest

from vidgan.temporal.flow import Motion, MotionEstimator
from vidgan.temporal.smoother import DEFAULT_STRENGTH, Smoother

torch = pytest.importorskip("torch")
pytest.importorskip("kornia")
from vidgan.temporal.smoother_tensor import TensorSmoother, motion_tensors  # noqa: E402

TOLERANCE_LEVELS = {
    # Content: largest and mean difference in levels of 0..255. 0.5 and 0.25 of it are OpenCV's rounding to uint8.
    "still": (0.51, 0.26),  # the rest: float32 in another order of adding
    "moving": (0.55, 0.26),  # the same, and positions: kornia normalises them to -1..1 and back
}


def tensor(image_HWC, dtype=torch.float32):
    return torch.from_numpy(np.ascontiguousarray(image_HWC.transpose(2, 0, 1)[None])).to(dtype) / 255


def levels(x_N3HW):
    return x_N3HW[0].numpy().transpose(1, 2, 0) * 255


def at_rest(height, width, visibility=1.0):
    flow, seen = np.zeros((height, width, 2), np.float32), np.full((height, width), visibility, np.float32)
    return Motion(flow=flow, visibility=seen, is_cut=False)


def flickering(frames, sigma=12, seed=0):
    rng = np.random.default_rng(seed)
    return [np.clip(255 - f + rng.normal(0, sigma, f.shape), 0, 255).astype(np.uint8) for f in frames]


def pan(photo, size, seed):
    wide = photo(size[0], size[1] + 30, seed)
    shift = [np.float32([[1, 0, -1.3 * t], [0, 1, 0]]) for t in range(6)]
    return [cv2.warpAffine(wide, m, wide.shape[1::-1], flags=cv2.INTER_CUBIC)[:, : size[1]] for m in shift]


def both(sources, styled, strength=DEFAULT_STRENGTH):
    estimator, opencv, kornia = MotionEstimator(), Smoother(strength), TensorSmoother(strength)
    for source, frame in zip(sources, styled, strict=True):
        motion = estimator(np.ascontiguousarray(source))
        x = tensor(frame)
        yield opencv(frame, motion), levels(kornia(x, *motion_tensors(motion, x)))


@pytest.mark.parametrize("strength", [0.0, 0.4, DEFAULT_STRENGTH, 1.0])
@pytest.mark.parametrize("content", ["still", "moving"])
def test_opencv_and_kornia_agree(photo, content, strength):
    """Over two shots, with a cut between them."""
    shots = [pan(photo, (120, 200), 1) + pan(photo, (120, 200), 2), [photo(120, 200, 1)] * 6 + [photo(120, 200, 2)] * 6]
    sources = shots[0] if content == "moving" else shots[1]
    largest, mean = TOLERANCE_LEVELS[content]
    for t, (a, b) in enumerate(both(sources, flickering(sources), strength)):
        difference = np.abs(a - b)
        told = f"frame {t}: largest {difference.max():.2f}, mean {difference.mean():.3f}"
        assert difference.max() <= largest, told
        assert difference.mean() <= mean, told


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (2, 40), (121, 83)])
def test_opencv_and_kornia_agree_on_odd_and_tiny_sizes(photo, size):
    sources = [photo(*size)] * 4
    for a, b in both(sources, flickering(sources)):
        np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE_LEVELS["still"][0])


def test_opencv_and_kornia_agree_on_styled_frames_of_another_size(photo):
    sources, styled = [photo(90, 68)] * 4, flickering([photo(321, 243)] * 4)
    for a, b in both(sources, styled):
        np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE_LEVELS["still"][0])


def test_identical_frames_are_left_as_they_are(photo):
    smoother, x = TensorSmoother(), tensor(photo(40, 60))
    for _ in range(5):
        result = smoother(x, *motion_tensors(at_rest(40, 60), x))
        torch.testing.assert_close(result, x, rtol=0, atol=1e-5)
        assert result is not x


def test_pictures_of_a_batch_know_nothing_of_each_other(photo):
    rng = np.random.default_rng(0)
    styled = torch.from_numpy(rng.random((3, 2, 3, 24, 32), np.float32))
    flow = torch.from_numpy(rng.normal(0, 1, (2, 2, 12, 16)).astype(np.float32))
    visibility = torch.from_numpy(rng.random((2, 1, 12, 16), np.float32))
    together, alone = TensorSmoother(), TensorSmoother()
    for frames in styled:
        batch, single = together(frames, flow, visibility), alone(frames[:1], flow[:1], visibility[:1])
    torch.testing.assert_close(batch[:1], single, rtol=0, atol=1e-5)


@pytest.mark.parametrize("strength", [0.3, DEFAULT_STRENGTH])
def test_gradients_are_those_of_the_function(strength):
    rng = np.random.default_rng(0)
    flow = torch.from_numpy(rng.normal(0, 0.7, (1, 2, 6, 7)))
    visibility = torch.from_numpy(rng.random((1, 1, 6, 7)))

    def last(*styled):
        smoother = TensorSmoother(strength)
        return [smoother(x, flow, visibility) for x in styled][-1]

    frames = [torch.from_numpy(0.3 + 0.4 * rng.random((1, 3, 6, 7))).requires_grad_() for _ in range(3)]
    assert torch.autograd.gradcheck(last, frames)


def test_gradients_are_finite_where_nothing_is_to_restore():
    x = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    smoother = TensorSmoother()
    motion = motion_tensors(at_rest(8, 8), x)
    (smoother(x, *motion) + smoother(x, *motion)).sum().backward()
    torch.testing.assert_close(x.grad, torch.full_like(x, 2.0))


@pytest.mark.parametrize("strength", [-0.01, 1.01, float("nan")])
def test_strength_out_of_range_is_refused(strength):
    with pytest.raises(ValueError, match="strength"):
        TensorSmoother(strength)


def test_frames_of_the_wrong_kind_are_refused():
    smoother, seen = TensorSmoother(), torch.ones(1, 1, 8, 8)
    with pytest.raises(TypeError, match="floating point"):
        smoother(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), None, seen)
    for shape in ((3, 8, 8), (1, 4, 8, 8), (1, 3, 0, 8)):
        with pytest.raises(ValueError, match="expected"):
            smoother(torch.zeros(shape), None, seen)
    with pytest.raises(ValueError, match="don't fit"):
        smoother(torch.zeros(2, 3, 8, 8), None, seen)
    with pytest.raises(ValueError, match="don't fit"):
        smoother(torch.zeros(1, 3, 8, 8), torch.zeros(1, 2, 8, 9), seen)


def test_change_of_size_is_refused_within_a_shot():
    smoother = TensorSmoother()
    x, y = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9)
    smoother(x, *motion_tensors(at_rest(8, 8), x))
    with pytest.raises(ValueError, match="reset"):
        smoother(y, *motion_tensors(at_rest(8, 9), y))
    smoother.reset()
    torch.testing.assert_close(smoother(y, *motion_tensors(at_rest(8, 9), y)), y)
