"""Which folders are what, and what of them is learnt on and judged by."""

import cv2
import numpy as np
import pytest

from vidgan.errors import InputError
from vidgan.train.cyclegan import CycleGANConfig
from vidgan.train.material import MOST_JUDGED, Material, find_places, read_paired, read_unpaired
from vidgan.train.pix2pix import Pix2PixConfig


def fill(folder, count, width=50, height=40):
    folder.mkdir(parents=True)
    for number in range(count):
        image = np.full((height, width, 3), (number * 5, 0, 255), np.uint8)
        cv2.imwrite(str(folder / f"{number:03}.png"), image[..., ::-1])
    return folder


def test_two_folders_are_two_domains(tmp_path):
    a, b, held_a, held_b = (fill(tmp_path / name, 1) for name in ("a", "b", "c", "d"))
    places = find_places([a, b], [held_a, held_b])
    assert (places.a, places.b, places.held_out_a, places.held_out_b) == (a, b, held_a, held_b)
    assert places.name == "a2b"


@pytest.mark.parametrize("held_out", ["val", "test"])
def test_published_sets_are_one_folder(tmp_path, held_out):
    for name in ("trainA", "trainB", f"{held_out}A", f"{held_out}B"):
        fill(tmp_path / "maps" / name, 1)
    places = find_places([tmp_path / "maps"])
    assert places.a == tmp_path / "maps" / "trainA"
    assert places.held_out_b == tmp_path / "maps" / f"{held_out}B"
    assert places.name == "maps"


def test_published_pairs_are_one_folder_too(tmp_path):
    fill(tmp_path / "facades" / "train", 1)
    fill(tmp_path / "facades" / "val", 1)
    places = find_places([tmp_path / "facades"])
    assert (places.a.name, places.b, places.held_out_a.name) == ("train", None, "val")
    assert places.name == "facades"
    assert find_places([tmp_path / "facades" / "val"]).name == "val"


@pytest.mark.parametrize(
    ("sources", "held_out", "words"),
    [
        (["a", "no"], [], "no such file"),
        (["a", "b", "c"], [], "3 folders"),
        (["a", "b"], ["c"], "given 1 times"),
        (["a"], ["b", "c"], "given 2 times"),
    ],
)
def test_other_numbers_of_folders_are_refused(tmp_path, one_line, sources, held_out, words):
    for name in ("a", "b", "c"):
        fill(tmp_path / name, 1)
    with pytest.raises(InputError) as caught:
        find_places([tmp_path / name for name in sources], [tmp_path / name for name in held_out])
    one_line(caught.value, words)


def test_judged_pictures_are_whole_squares_that_were_not_learnt_on(tmp_path):
    config = CycleGANConfig(a=fill(tmp_path / "a", 25), b=fill(tmp_path / "b", 3), steps=1, crop=32)
    material = read_unpaired(config)
    assert [len(images) for images in material.learnt] == [23, 2]
    assert [len(images) for images in material.judged] == [2, 1]
    assert {image.shape[0] for image in material.learnt[0]} == {config.load_side}
    assert material.judged[0][0].shape == (32, 32, 3)
    learnt = {int(image[0, 0, 0]) for image in material.learnt[0]}
    assert int(material.judged[0][0][0, 0, 0]) not in learnt


def test_what_is_held_out_by_the_user_is_judged_by_alone(tmp_path):
    held = fill(tmp_path / "held", MOST_JUDGED // 100 + 2)
    config = CycleGANConfig(
        a=fill(tmp_path / "a", 4), b=fill(tmp_path / "b", 4), held_out_a=held, held_out_b=held, steps=1, crop=32
    )
    material = read_unpaired(config)
    assert [len(images) for images in (*material.learnt, *material.judged)] == [4, 4, 6, 6]


def test_one_domain_is_not_enough(tmp_path, one_line):
    with pytest.raises(InputError) as caught:
        read_unpaired(CycleGANConfig(a=fill(tmp_path / "a", 2), b=None, steps=1))
    one_line(caught.value, "give domain A and domain B")


@pytest.mark.parametrize("is_backwards", [False, True])
def test_pairs_are_judged_side_by_side_and_may_be_turned_round(tmp_path, is_backwards):
    folder = tmp_path / "pairs"
    folder.mkdir()
    for number in range(3):
        pair = np.hstack((np.full((40, 40, 3), 10 + number), np.full((40, 40, 3), 200 + number))).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), pair)
    config = Pix2PixConfig(a=folder, b=None, steps=1, crop=32, generator="video")
    material = read_paired(config, is_backwards=is_backwards)
    (a,), (b,) = material.judged
    first, second = (int(image[0, 0, 0]) for image in (a, b))
    assert second - first == (-190 if is_backwards else 190)
    assert int(material.learnt[0][0][0, 0, 5]) - int(material.learnt[0][0][0, 0, 0]) == second - first


def test_epochs_become_steps_of_the_larger_domain():
    picture = np.zeros((4, 4, 3), np.uint8)
    material = Material(learnt=([picture] * 30, [picture] * 10), judged=([], []))
    assert material.steps_of(2, 4) == 15
    assert material.steps_of(0.001, 1) == 1
