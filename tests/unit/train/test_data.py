import logging
import shutil

import cv2
import numpy as np
import pytest
import torch

from vidgan.errors import InputError
from vidgan.train.data import Crops, load_content, random_flow, read_image, read_painting, to_tensor


def test_a_folder_gives_its_usable_pictures_and_says_what_it_left_out(photographs, caplog):
    with caplog.at_level(logging.WARNING):
        content = load_content([photographs], minimum=64)
    assert [image.shape for image in content.images] == [(80, 120, 3), (100, 72, 3), (64, 64, 3)]
    assert content.pairs == []
    said = " ".join(record.getMessage() for record in caplog.records)
    for name in ("broken.jpg", "half.jpg: the file is cut short", "small.png: 30x20 is smaller than 64"):
        assert name in said
    assert "notes.txt" not in said


def test_folders_and_files_and_videos_are_read_together(photographs, moving_clip, tmp_path):
    shutil.copy(moving_clip, tmp_path / "b.mp4")
    shutil.copy(photographs / "2.png", tmp_path / "a.png")
    (tmp_path / "c.mkv").write_bytes(b"no video at all")
    content = load_content([photographs / "0.png", tmp_path], minimum=64)
    assert [image.shape[:2] for image in content.images] == [(80, 120), (64, 64), *[(96, 128)] * 12]
    assert len(content.pairs) == 11


def test_a_broken_video_is_left_out_with_a_warning(photographs, tmp_path, caplog):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all" * 50)
    assert len(load_content([photographs, broken], minimum=64).images) == 3
    assert "broken.mp4" in caplog.text


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(InputError, match="no pictures of at least 64 pixels"):
        load_content([tmp_path], minimum=64)


def test_a_missing_source_is_refused(photographs, tmp_path):
    with pytest.raises(InputError, match="nowhere: no such file or folder"):
        load_content([photographs, tmp_path / "nowhere"], minimum=64)


def test_pictures_are_rgb(tmp_path):
    cv2.imwrite(str(tmp_path / "red.png"), np.full((4, 4, 3), (0, 0, 255), np.uint8))
    assert read_image(tmp_path / "red.png")[0, 0].tolist() == [255, 0, 0]


def test_a_painting_of_ten_pixels_is_refused_in_one_line(tmp_path, one_line):
    cv2.imwrite(str(tmp_path / "dot.png"), np.zeros((10, 300, 3), np.uint8))
    with pytest.raises(InputError) as caught:
        read_painting(tmp_path / "dot.png", 640)
    one_line(caught.value, "dot.png", "300x10", "at least 64")


def test_a_painting_is_scaled_across(painting):
    assert read_painting(painting, 64).shape == (64, 64, 3)  # 48 high by its proportions: no less than 64
    assert read_painting(painting, 256).shape == (192, 256, 3)


def test_to_tensor_scales_to_one():
    tensor = to_tensor(np.full((2, 3, 3), 255, np.uint8))
    assert tensor.shape == (1, 3, 2, 3)
    assert tensor.min() == tensor.max() == 1


@pytest.fixture
def crops(photographs):
    return Crops(images=load_content([photographs], minimum=64).images, size=64, seed=1)


def test_a_step_always_gets_the_same_batch(crops):
    assert torch.equal(crops.batch(7, 3), crops.batch(7, 3))
    assert not torch.equal(crops.batch(7, 3), crops.batch(8, 3))
    assert crops.batch(7, 3).shape == (3, 3, 64, 64)


def test_shares_make_up_the_batch(crops):
    parts = [crops.batch(7, 4, slice(start, start + 2)) for start in (0, 2)]
    assert torch.equal(torch.cat(parts), crops.batch(7, 4))


def test_another_seed_gives_other_batches(crops):
    other = Crops(images=crops.images, size=64, seed=2)
    assert not torch.equal(crops.batch(0, 2), other.batch(0, 2))


def test_random_flow_is_smooth_and_moderate():
    flow = random_flow(4, 64, torch.Generator().manual_seed(0))
    assert flow.shape == (4, 2, 64, 64)
    assert 1 < flow.abs().mean() < 20
    assert (flow[..., 1:] - flow[..., :-1]).abs().max() < 3
