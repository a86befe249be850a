import numpy as np
import pytest

from vidgan.temporal.metrics import sharpness_ratio
from vidgan.temporal.warp import resize_flow, warp, warp_tensor

SIZES = [(1, 1), (3, 5), (1, 40), (321, 243)]
TOLERANCE_LEVELS = 0.02
"""OpenCV and kornia, on float pictures of 0..255: both are exact bilinear, so only float32 rounding of the positions
(kornia normalises them to -1..1 and back) times the local contrast remains."""


def constant_flow(height, width, u, v):
    return np.broadcast_to(np.float32([u, v]), (height, width, 2)).copy()


def wavy_flow(height, width):
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([5.3 * np.sin(ys / 17) + xs / 90, 4.1 * np.cos(xs / 23) - 1.7], -1).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("cubic", [False, True])
def test_zero_flow_is_the_identity(photo, size, dtype, cubic):
    image = photo(*size).astype(dtype)
    warped = warp(image, np.zeros((*size, 2), np.float32), cubic=cubic)
    assert warped.dtype == dtype
    np.testing.assert_array_equal(warped, image)
    assert warped is not image


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_shape_is_kept(channels):
    image = np.zeros((6, 7, *channels), np.uint8)
    assert warp(image, np.zeros((6, 7, 2), np.float32)).shape == image.shape


@pytest.mark.parametrize("cubic", [False, True])
@pytest.mark.parametrize(("u", "v"), [(3, 0), (0, -5), (-7, 4)])
def test_whole_pixels_are_a_roll_in_the_interior(photo, u, v, cubic):
    image = photo(60, 80)
    warped = warp(image, constant_flow(60, 80, u, v), cubic=cubic)
    expected = np.roll(image, (-v, -u), axis=(0, 1))
    np.testing.assert_array_equal(warped[10:-10, 10:-10], expected[10:-10, 10:-10])


def test_beyond_the_border_the_border_counts(photo):
    image = photo(20, 30)
    warped = warp(image, constant_flow(20, 30, 100, 0))
    np.testing.assert_array_equal(warped, np.broadcast_to(image[:, -1:], image.shape))


def test_half_a_pixel_is_the_mean_of_two():
    image = np.float32([[0, 10, 20, 30]])
    np.testing.assert_allclose(warp(image, constant_flow(1, 4, 0.5, 0)), [[5, 15, 25, 30]], atol=1e-4)


def test_cubic_keeps_more_detail(photo):
    image = photo(120, 160)
    flow = constant_flow(120, 160, 0.5, 0.5)
    linear, cubic = (sharpness_ratio(warp(image, flow, cubic=x), image) for x in (False, True))
    assert cubic > 1.2 * linear


def test_out_is_written_and_returned(photo):
    image = photo(20, 30)
    flow = wavy_flow(20, 30)
    out = np.empty_like(image)
    warped = warp(image, flow, out=out)
    assert np.shares_memory(warped, out)
    np.testing.assert_array_equal(out, warp(image, flow))


def test_flow_of_another_size_is_refused(photo):
    with pytest.raises(ValueError, match="doesn't fit"):
        warp(photo(20, 30), np.zeros((20, 31, 2), np.float32))
    with pytest.raises(ValueError, match="doesn't fit"):
        warp(photo(20, 30), np.zeros((20, 30), np.float32))


def test_unfit_out_is_refused(photo):
    image, flow = photo(20, 30), np.zeros((20, 30, 2), np.float32)
    for out in (image, np.empty((20, 31, 3), np.uint8), np.empty((20, 30, 3), np.float32)):
        with pytest.raises(ValueError, match="out is"):
            warp(image, flow, out=out)


def test_resized_flow_grows_with_the_picture():
    resized = resize_flow(constant_flow(9, 16, 2, -3), 18, 48)
    assert resized.shape == (18, 48, 2)
    np.testing.assert_allclose(resized, constant_flow(18, 48, 6, -6), rtol=1e-6)


def test_flow_of_the_right_size_is_returned_as_it_is():
    flow = wavy_flow(20, 30)
    assert resize_flow(flow, 20, 30) is flow


@pytest.fixture
def torch():
    pytest.importorskip("kornia")
    return pytest.importorskip("torch")


def as_tensor(torch, array_HWC):
    return torch.from_numpy(np.ascontiguousarray(array_HWC.transpose(2, 0, 1)[None]))


@pytest.mark.parametrize("size", SIZES)
def test_tensor_zero_flow_is_the_identity(photo, torch, size):
    x = as_tensor(torch, photo(*size).astype(np.float32))
    torch.testing.assert_close(warp_tensor(x, torch.zeros(1, 2, *size)), x, rtol=0, atol=TOLERANCE_LEVELS)


def test_tensor_whole_pixels_are_a_roll_in_the_interior(photo, torch):
    x = as_tensor(torch, photo(60, 80).astype(np.float32))
    flow = as_tensor(torch, constant_flow(60, 80, -7, 4))
    expected = torch.roll(x, (-4, 7), dims=(2, 3))
    inner = (..., slice(10, -10), slice(10, -10))
    torch.testing.assert_close(warp_tensor(x, flow)[inner], expected[inner], rtol=0, atol=TOLERANCE_LEVELS)


@pytest.mark.parametrize("size", [(3, 5), (180, 320), (321, 243)])
def test_opencv_and_kornia_agree(photo, torch, size):
    image, flow = photo(*size).astype(np.float32), wavy_flow(*size)
    from_kornia = warp_tensor(as_tensor(torch, image), as_tensor(torch, flow))[0].numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(warp(image, flow), from_kornia, rtol=0, atol=TOLERANCE_LEVELS)
    np.testing.assert_allclose(warp(image.astype(np.uint8), flow), from_kornia, rtol=0, atol=0.5 + TOLERANCE_LEVELS)


@pytest.mark.parametrize("size", [(3, 5), (180, 320)])
def test_opencv_and_kornia_agree_bicubically(photo, torch, size):
    image, flow = photo(*size).astype(np.float32), wavy_flow(*size)
    from_kornia = warp_tensor(as_tensor(torch, image), as_tensor(torch, flow), cubic=True)[0].numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(warp(image, flow, cubic=True), from_kornia, rtol=0, atol=TOLERANCE_LEVELS)


def test_tensor_warp_has_gradients_for_picture_and_flow(photo, torch):
    x = as_tensor(torch, photo(20, 30).astype(np.float32)).requires_grad_()
    flow = as_tensor(torch, wavy_flow(20, 30)).requires_grad_()
    warp_tensor(x, flow).square().sum().backward()
    assert x.grad.abs().sum() > 0
    assert flow.grad.abs().sum() > 0


def test_tensor_flow_of_another_size_is_refused(torch):
    with pytest.raises(ValueError, match="doesn't fit"):
        warp_tensor(torch.zeros(1, 3, 20, 30), torch.zeros(1, 2, 20, 31))
