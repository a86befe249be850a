"""Folders as domains: what is read of pictures of all kinds, what belongs together, and what crops come of it."""

import logging

import cv2
import numpy as np
import pytest
import torch
from media.clips import Video, write_clip

from vidgan.errors import InputError
from vidgan.train.domains import Domain, Files, hold_back, images_of, read_domain, read_pairs, with_short_side


def picture(height, width, seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def domain(tmp_path):
    folder = tmp_path / "horses"
    folder.mkdir()
    return folder


def test_pictures_of_every_kind_become_rgb_of_one_short_side(domain):
    rgb = picture(60, 90)
    bgr = rgb[..., ::-1]
    cv2.imwrite(str(domain / "plain.png"), bgr)
    cv2.imwrite(str(domain / "grey.png"), cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
    cv2.imwrite(str(domain / "alpha.png"), np.dstack((bgr, np.full((60, 90), 200, np.uint8))))
    cv2.imwrite(str(domain / "deep.png"), bgr.astype(np.uint16) * 257)
    cv2.imwrite(str(domain / "tall.png"), cv2.rotate(bgr, cv2.ROTATE_90_CLOCKWISE))
    cv2.imwrite(str(domain / "tiny.png"), cv2.resize(bgr, (9, 6), interpolation=cv2.INTER_AREA))
    found = {files.name: files.images[0] for files in read_domain(domain, 60)}
    assert {name: image.shape for name, image in found.items()} == {
        **dict.fromkeys(("plain", "grey", "alpha", "deep", "tiny"), (60, 90, 3)),
        "tall": (90, 60, 3),
    }
    for name in ("plain", "alpha", "deep"):
        assert np.abs(found[name].astype(int) - rgb).max() <= 1, name
    assert (found["grey"][..., 0] == found["grey"][..., 2]).all()
    assert all(image.dtype == np.uint8 for image in found.values())


def test_a_picture_lying_on_its_side_is_put_upright(domain):
    """EXIF orientation 6: the camera was turned, the first row is the right side."""
    rgb = picture(48, 80)
    lying = cv2.imencode(".jpg", cv2.rotate(rgb, cv2.ROTATE_90_COUNTERCLOCKWISE)[..., ::-1])[1].tobytes()
    tiff = b"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"
    exif = b"Exif\x00\x00" + tiff
    marker = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (domain / "lying.jpg").write_bytes(lying[:2] + marker + lying[2:])
    (image,) = images_of(read_domain(domain, 48))
    assert image.shape == (48, 80, 3)
    assert np.abs(image.astype(int) - rgb).mean() < 8


def test_what_cannot_be_read_is_left_out_and_said(domain, caplog):
    cv2.imwrite(str(domain / "good.png"), picture(20, 20))
    (domain / "broken.jpg").write_bytes(b"\xff\xd8\xff no more than this")
    (domain / "notes.txt").write_text("not a picture")
    (domain / "deeper").mkdir()
    cv2.imwrite(str(domain / "deeper" / "more.png"), picture(20, 20, 1))
    with caplog.at_level(logging.WARNING):
        assert [files.name for files in read_domain(domain, 16)] == ["deeper/more", "good"]
    assert "broken.jpg" in caplog.text
    assert "notes.txt" not in caplog.text


@pytest.mark.parametrize("what", ["empty", "missing", "only broken"])
def test_nothing_to_learn_on_is_an_error(domain, what, one_line):
    if what == "only broken":
        (domain / "broken.png").write_bytes(b"nothing")
    source = domain / "no" if what == "missing" else domain
    with pytest.raises(InputError) as caught:
        read_domain(source, 16)
    one_line(caught.value, source)


def test_videos_give_several_frames(domain):
    write_clip(domain / "clip.mp4", Video())
    (files,) = read_domain(domain, 32)
    assert len(files.images) > 1
    assert min(files.images[0].shape[:2]) == 32


def test_crops_depend_on_seed_stream_and_step_alone_and_shares_make_up_the_batch():
    domain = Domain(images=[picture(40, 60, seed) for seed in range(3)], crop=32, seed=4)
    whole = domain.batch(7, 4)
    assert whole.shape == (4, 3, 32, 32)
    assert torch.equal(whole, torch.cat((domain.batch(7, 4, slice(0, 2)), domain.batch(7, 4, slice(2, 4)))))
    others = (domain.batch(8, 4), Domain(images=domain.images, crop=32, seed=4, stream=1).batch(7, 4))
    assert not any(torch.equal(whole, other) for other in others)


def test_crops_are_parts_of_the_picture_as_they_are_or_mirrored():
    image = np.arange(12 * 10 * 3, dtype=np.uint8).reshape(12, 10, 3)
    domain = Domain(images=[image], crop=8, seed=1)
    wanted = {
        part.tobytes()
        for top in range(5)
        for left in range(3)
        for part in (image[top : top + 8, left : left + 8], image[top : top + 8, left : left + 8][:, ::-1])
    }
    seen = {(domain.batch(step, 1)[0].permute(1, 2, 0) * 255).round().byte().numpy().tobytes() for step in range(200)}
    assert seen <= wanted
    assert len(seen) == len(wanted) == 30


def test_pairs_by_name_stay_together_in_crops_and_mirrors(tmp_path, caplog):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    for number in range(3):
        image = picture(40, 50, number)
        cv2.imwrite(str(tmp_path / "a" / f"{number}.png"), image)
        # The other half may be of another size and kind of file.
        cv2.imwrite(str(tmp_path / "b" / f"{number}.jpg"), 255 - cv2.resize(image, (100, 80)))
    cv2.imwrite(str(tmp_path / "a" / "alone.png"), picture(40, 50))
    cv2.imwrite(str(tmp_path / "a" / "crooked.png"), picture(40, 50))
    cv2.imwrite(str(tmp_path / "b" / "crooked.png"), picture(50, 40))
    pairs = read_pairs(tmp_path / "a", tmp_path / "b", 40)
    assert [pair.name for pair in pairs] == ["0", "1", "2"]
    assert "1 without a partner, such as alone" in caplog.text
    assert "crooked" in caplog.text
    batch = Domain(images=images_of(pairs), crop=32, seed=1).batch(0, 6)
    a, b = batch.chunk(2, dim=1)
    assert (a + b - 1).abs().mean() < 0.04
    # Mirrored pairs are mirrored on both sides: no crop agrees better with the other one's mirror.
    assert (a + b.flip(3) - 1).abs().mean() > 0.1


def test_pairs_in_one_picture_are_cut_in_the_middle_and_may_be_resized(tmp_path):
    image = picture(30, 40)
    cv2.imwrite(str(tmp_path / "0.png"), np.hstack((image, 255 - image))[..., ::-1])
    (pair,) = read_pairs(tmp_path, None, 30)
    assert (pair.images[0][..., :3] == image).all()
    assert (pair.images[0][..., 3:] == 255 - image).all()
    (other,) = read_pairs(tmp_path, None, 43)
    assert other.images[0].shape == (43, 57, 6)
    # The halves don't bleed into each other where they meet.
    assert np.abs(other.images[0][..., :3].astype(int) + other.images[0][..., 3:] - 255).max() <= 1


def test_of_two_files_of_one_name_the_first_is_taken_and_that_is_said(tmp_path, caplog):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "0.png"), picture(20, 20))
    cv2.imwrite(str(tmp_path / "a" / "0.bmp"), 255 - picture(20, 20))
    (pair,) = read_pairs(tmp_path / "a", tmp_path / "b", 20)
    assert np.abs(pair.images[0][..., :3].astype(int) + pair.images[0][..., 3:] - 255).max() == 0
    assert "a second 0" in caplog.text


def test_a_single_picture_among_pairs_is_left_out(tmp_path, caplog):
    cv2.imwrite(str(tmp_path / "pair.png"), picture(30, 60))
    cv2.imwrite(str(tmp_path / "tall.png"), picture(60, 30))
    assert [pair.name for pair in read_pairs(tmp_path, None, 16)] == ["pair"]
    assert "tall.png: 30x60" in caplog.text


def test_odd_entries_of_a_folder_are_left_out(domain, caplog):
    cv2.imwrite(str(domain / "good.png"), picture(20, 20))
    cv2.imwrite(str(domain / "thin.png"), picture(2, 100))
    (domain / "folder.jpg").mkdir()
    (domain / "dangling.jpg").symlink_to(domain / "nothing")
    assert [files.name for files in read_domain(domain, 16)] == ["good"]
    assert "thin.png: 100x2 is too thin" in caplog.text


def test_a_single_picture_is_no_pair(tmp_path, one_line):
    cv2.imwrite(str(tmp_path / "tall.png"), picture(60, 30))
    with pytest.raises(InputError) as caught:
        read_pairs(tmp_path, None, 16)
    one_line(caught.value, tmp_path)


def test_folders_without_a_common_name_are_no_pairs(tmp_path, one_line):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / f"{name}.png"), picture(20, 20))
    with pytest.raises(InputError) as caught:
        read_pairs(tmp_path / "a", tmp_path / "b", 16)
    one_line(caught.value, "no pairs")


@pytest.mark.parametrize(("count", "kept"), [(2, 1), (19, 1), (40, 4), (5000, 50)])
def test_a_part_is_held_back_spread_over_all(count, kept):
    files = [Files(name=str(index), images=[]) for index in range(count)]
    learnt, judged = hold_back(files)
    assert (len(learnt), len(judged)) == (count - kept, kept)
    assert not {item.name for item in learnt} & {item.name for item in judged}
    assert hold_back(files) == (learnt, judged)


def test_one_picture_is_learnt_on_and_judged_by_and_that_is_said(caplog):
    files = [Files(name="only", images=[])]
    assert hold_back(files) == (files, files)
    assert "only is all there is" in caplog.text


def test_a_picture_of_the_right_size_is_left_alone():
    image = picture(20, 33)
    assert with_short_side(image, 20) is image
