"""Generators become styles with the figures that they earned."""

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from vidgan.styles import find_style
from vidgan.stylizer import Stylizer
from vidgan.train.cyclegan import CycleGANConfig
from vidgan.train.material import Material
from vidgan.train.quality import FIGURES
from vidgan.train.translation import make_generator
from vidgan.train.translation_publish import (
    Direction,
    directions_of,
    judge,
    names_of_ways,
    publish_direction,
    publishing_seconds,
    translate,
)


class Inverse(nn.Module):
    def forward(self, x_NCHW):
        return 1 - x_NCHW


def pictures(count, side=32):
    coarse = np.random.default_rng(1).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return [cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC) for image in coarse]


@pytest.fixture
def direction():
    images = pictures(3)
    return Direction(
        name="a2b",
        network=Inverse(),
        inputs=images,
        targets=[255 - image for image in images],
        are_pairs=True,
        back=Inverse(),
    )


def test_a_perfect_translation_has_perfect_figures(direction):
    judged = judge(direction, 1)
    assert judged.figures["l1"] == 0
    assert judged.figures["ssim"] == pytest.approx(1)
    assert judged.figures["cycle_l1"] == 0
    assert judged.figures["diversity"] == pytest.approx(judged.untouched["diversity"], abs=1e-3)
    assert judged.untouched["l1"] > 0.1
    assert judged.figures.keys() <= FIGURES.keys()
    for made, image in zip(judged.results, direction.inputs, strict=True):
        assert (made == 255 - image).all()


def test_both_ways_are_judged_by_each_other_and_one_alone_is_not():
    material = Material(learnt=([], []), judged=(pictures(2), pictures(3)))
    there, back = directions_of((Inverse(), nn.Identity()), material, ("x2y", "y2x"), are_pairs=False)
    assert (there.name, len(there.inputs), len(there.targets)) == ("x2y", 2, 3)
    assert (back.name, len(back.inputs), len(back.targets)) == ("y2x", 3, 2)
    assert isinstance(there.back, nn.Identity)
    assert isinstance(back.back, Inverse)
    (alone,) = directions_of((Inverse(),), material, ("x2y", "y2x"), are_pairs=False)
    assert alone.back is None
    assert "cycle_psnr" not in judge(alone, 1).figures


@pytest.mark.parametrize(
    ("name", "back"),
    [
        ("aerial2map", "map2aerial"),
        ("maps", "maps-back"),
        ("2map", "2map-back"),
        ("a2b2c", "a2b2c-back"),
        ("x2", "x2-back"),
        ("h264map", "h264map-back"),
        ("a2a", "a2a-back"),
    ],
)
def test_ways_are_named_after_each_other(name, back):
    assert names_of_ways(name) == (name, back)


@pytest.mark.parametrize("generator", ["resnet6", "unet128", "video"])
def test_every_generator_becomes_a_style_that_paints_as_torch_does(tmp_path, generator):
    torch.manual_seed(3)
    config = CycleGANConfig(a=tmp_path / "horses", b=tmp_path / "zebras", steps=7, generator=generator, width=4)
    network = make_generator(config).eval()
    images = pictures(2, 128)
    direction = Direction(name="horse2zebra", network=network, inputs=images, targets=images)
    judged = judge(direction, 1)
    publish_direction(direction, judged, config, tmp_path / "horse2zebra", training={"recipe": "x"}, speed_seconds=0)
    style = find_style(tmp_path / "horse2zebra")
    assert style.card["training"]["a"] == "horses"
    assert style.description == "horse to zebra"
    with Stylizer(style, size=(128, 128), precision="f32") as stylizer:
        inner = slice(32, -32)  # the video network's borders are mirrored by the stylizer, not by torch
        expected = translate(network, images)[0]
        assert np.abs(stylizer(images[0])[inner, inner].astype(int) - expected[inner, inner]).max() <= 1 + 8 * (
            generator == "video"
        )
    with Stylizer(style, size=(90, 70)) as stylizer:
        assert stylizer(np.zeros((70, 90, 3), np.uint8)).shape == (70, 90, 3)


def test_publishing_takes_longer_with_more_pictures(tmp_path):
    config = CycleGANConfig(a=tmp_path, b=tmp_path, steps=7, generator="video", width=4)
    few, many = (publishing_seconds(config, Material(learnt=([], []), judged=(pictures(n), []))) for n in (1, 200))
    assert 30 < few < many
