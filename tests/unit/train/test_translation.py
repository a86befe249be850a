"""What the recipes of translation share."""

import pytest
import torch
from torch import nn

from vidgan.networks.generators import StyleNet
from vidgan.networks.resnet import ResNetGenerator
from vidgan.networks.unet import UNetGenerator
from vidgan.train.cut import CutConfig
from vidgan.train.cyclegan import CycleGANConfig
from vidgan.train.run import Run, RunOptions, open_accelerator
from vidgan.train.translation import GENERATORS, Learner, finished, make_generator, moving_average, size_rule


def configure(tmp_path, kind=CycleGANConfig, **settings):
    return kind(a=tmp_path / "a", b=tmp_path / "b", **{"steps": 10, **settings})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"generator": "resnet7"}, "choose resnet9"),
        ({"precision": "fp8"}, "choose bf16"),
        ({"steps": 0}, "steps 0"),
        ({"batch": 0}, "batch 0"),
        ({"width": 0}, "width 0"),
        ({"crop": 30}, "crop 30"),
        ({"crop": 130}, "crop 130"),
        ({"generator": "unet256", "crop": 128}, "multiple of 256"),
        ({"crop": 128, "load_size": 100}, "load_size 100"),
        ({"constant_part": 1.5}, "constant_part 1.5"),
        ({"average": -0.1}, "average -0.1"),
        ({"temporal_weight": -1.0}, "temporal_weight"),
        ({"learning_rate": 0.0}, "learning_rate"),
    ],
)
def test_what_cannot_be_trained_is_refused(tmp_path, wrong, words):
    with pytest.raises(ValueError, match=words):
        configure(tmp_path, **wrong)


def test_cut_refuses_generators_that_pass_the_content_by(tmp_path):
    with pytest.raises(ValueError, match="unet128"):
        configure(tmp_path, CutConfig, generator="unet128", crop=128)


@pytest.mark.parametrize(
    ("settings", "loaded", "judged"),
    [
        ({}, 286, 256),
        ({"crop": 128}, 143, 128),
        ({"crop": 128, "load_size": 286}, 286, 256),
        ({"load_size": 256}, 256, 256),
    ],
)
def test_sides_follow_from_the_crop(tmp_path, settings, loaded, judged):
    config = configure(tmp_path, **settings)
    assert (config.load_side, config.judged_side) == (loaded, judged)


@pytest.mark.parametrize("generator", GENERATORS)
def test_every_generator_keeps_pictures_in_the_unit_range_and_their_size(tmp_path, generator):
    multiple, least = size_rule(generator)
    config = configure(tmp_path, generator=generator, width=4, crop=256)
    network = make_generator(config)
    height, width = max(least, multiple), 2 * max(least, multiple)
    with torch.no_grad():
        made = network.eval()(torch.rand(1, 3, height, width))
    assert made.shape == (1, 3, height, width)
    assert 0.3 < made.mean() < 0.7


def test_generators_are_the_published_ones_with_resize_convolutions(tmp_path):
    resnet = make_generator(configure(tmp_path, generator="resnet9", width=8)).network
    assert isinstance(resnet, ResNetGenerator)
    assert not [m for m in resnet.modules() if isinstance(m, nn.ConvTranspose2d)]
    unet = make_generator(configure(tmp_path, generator="unet256", width=8)).network
    assert isinstance(unet, UNetGenerator)
    assert not [m for m in unet.modules() if isinstance(m, nn.ConvTranspose2d)]
    video = make_generator(configure(tmp_path, generator="video"))
    assert isinstance(video, StyleNet)
    assert video.width == 32


def test_the_step_size_is_constant_first_and_then_falls_to_nothing(tmp_path):
    network = nn.Linear(1, 1)
    learner = Learner([network], configure(tmp_path, steps=8, constant_part=0.5, learning_rate=0.1))
    run = Run(
        tmp_path / "run" / "checkpoint.pt",
        open_accelerator(),
        parts={},
        config={},
        num_steps=8,
        options=RunOptions(has_curves=False),
    )
    rates = []
    for _ in range(8):
        rates.append(learner.schedule.get_last_lr()[0])
        assert learner.learn(run, network(torch.ones(1, 1)).square().sum())
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.1, 0.075, 0.05, 0.025])
    assert learner.schedule.get_last_lr() == [0]


def test_a_loss_that_is_no_number_teaches_nothing(tmp_path):
    network = nn.Linear(1, 1)
    learner = Learner([network], configure(tmp_path))
    run = Run(
        tmp_path / "run" / "checkpoint.pt",
        open_accelerator(),
        parts={},
        config={},
        num_steps=8,
        options=RunOptions(has_curves=False),
    )
    before = network.weight.clone()
    assert not learner.learn(run, network(torch.ones(1, 1)).sum() * float("nan"))
    assert torch.equal(network.weight, before)
    assert learner.learn(run, network(torch.ones(1, 1)).sum())
    assert not torch.equal(network.weight, before)


def test_frozen_networks_pass_gradients_through_and_take_none(tmp_path):
    judge, player = nn.Linear(1, 1), nn.Linear(1, 1)
    learner = Learner([judge], configure(tmp_path))
    with learner.frozen():
        loss = judge(player(torch.ones(1, 1))).sum()
    loss.backward()
    assert judge.weight.grad is None
    assert player.weight.grad is not None
    assert all(parameter.requires_grad for parameter in judge.parameters())


def test_the_moving_average_forgets_the_beginning_and_then_moves_slowly():
    network = nn.BatchNorm2d(1)
    average = moving_average(network, 0.999)
    with torch.no_grad():
        network.weight.fill_(5.0)
        network.running_mean.fill_(3.0)
        for _ in range(60):
            average.update_parameters(network)
        assert average.module.weight.item() == pytest.approx(5, abs=0.05)
        assert average.module.running_mean.item() == pytest.approx(3, abs=0.05)
        for _ in range(20_000):
            average.update_parameters(network)
        network.weight.fill_(6.0)
        average.update_parameters(network)
    assert average.module.weight.item() == pytest.approx(5.001, abs=1e-4)
    assert not finished(average).training
