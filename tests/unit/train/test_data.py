import logging

import numpy as np
import pytest
import torch

from vidgan.errors import InputError
from vidgan.train.data import Crops, load_folder, random_flow, read_image, to_tensor


def test_a_folder_gives_its_usable_pictures_and_says_what_it_left_out(photographs, caplog):
    with caplog.at_level(logging.WARNING):
        images = load_folder(photographs, minimum=64)
    assert [image.shape for image in images] == [(80, 120, 3), (100, 72, 3), (64, 64, 3)]
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "broken.jpg" in said
    assert "small.png" in said
    assert "notes.txt" not in said


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(InputError, match="no pictures of at least 64 pixels"):
        load_folder(tmp_path, minimum=64)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        load_folder(tmp_path / "nowhere", minimum=64)


def test_pictures_are_rgb(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "red.png"), np.full((4, 4, 3), (0, 0, 255), np.uint8))
    assert read_image(tmp_path / "red.png")[0, 0].tolist() == [255, 0, 0]


def test_to_tensor_scales_to_one():
    tensor = to_tensor(np.full((2, 3, 3), 255, np.uint8))
    assert tensor.shape == (1, 3, 2, 3)
    assert tensor.min() == tensor.max() == 1


def test_a_step_always_gets_the_same_batch(photographs):
    crops = Crops(images=load_folder(photographs, minimum=64), size=64, seed=1)
    assert torch.equal(crops.batch(7, 3), crops.batch(7, 3))
    assert not torch.equal(crops.batch(7, 3), crops.batch(8, 3))
    assert crops.batch(7, 3).shape == (3, 3, 64, 64)


def test_another_seed_gives_other_batches(photographs):
    images = load_folder(photographs, minimum=64)
    first, second = (Crops(images=images, size=64, seed=seed).batch(0, 2) for seed in (1, 2))
    assert not torch.equal(first, second)


def test_random_flow_is_smooth_and_moderate():
    flow = random_flow(4, 64, torch.Generator().manual_seed(0))
    assert flow.shape == (4, 2, 64, 64)
    assert 1 < flow.abs().mean() < 20
    assert (flow[..., 1:] - flow[..., :-1]).abs().max() < 3
