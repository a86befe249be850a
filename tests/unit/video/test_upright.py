import numpy as np
import pytest
import torch

from vidgan.video.upright import Orientation

PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
ALL = [
    Orientation(transpose=t, flip_down=d, flip_across=a)
    for t in (False, True)
    for d in (False, True)
    for a in (False, True)
]


def test_upright_is_the_same_array():
    assert Orientation().apply(PICTURE) is PICTURE


@pytest.mark.parametrize(("orientation", "expected"), [
    (Orientation(flip_across=True), PICTURE[:, ::-1]),
    (Orientation(flip_down=True), PICTURE[::-1]),
    (Orientation(flip_down=True, flip_across=True), np.rot90(PICTURE, 2)),
    (Orientation(transpose=True), PICTURE.transpose(1, 0, 2)),
    (Orientation(transpose=True, flip_down=True), np.rot90(PICTURE, 1)),
    (Orientation(transpose=True, flip_across=True), np.rot90(PICTURE, -1)),
])  # fmt: skip
def test_turns_and_mirrors(orientation, expected):
    np.testing.assert_array_equal(orientation.apply(PICTURE), expected)


def test_all_eight_differ_and_are_contiguous():
    seen = {orientation.apply(PICTURE).tobytes() + bytes(orientation.apply(PICTURE).shape) for orientation in ALL}
    assert len(seen) == 8
    assert all(orientation.apply(PICTURE).flags.c_contiguous for orientation in ALL)


@pytest.mark.parametrize("orientation", ALL)
def test_tensors_are_turned_alike(orientation):
    turned = orientation.apply(torch.from_numpy(PICTURE))
    np.testing.assert_array_equal(turned.numpy(), orientation.apply(PICTURE))
    assert turned.is_contiguous()
