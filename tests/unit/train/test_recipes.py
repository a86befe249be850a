"""The recipes of translation: they learn what they should, resume exactly, and say when they collapse."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from vidgan.errors import InputError
from vidgan.train.checkpoint import read_checkpoint
from vidgan.train.cut import FAST, CutConfig, encode, train_cut
from vidgan.train.cyclegan import CycleGANConfig, train_cyclegan
from vidgan.train.domains import Domain
from vidgan.train.material import Material
from vidgan.train.pix2pix import Pix2PixConfig, train_pix2pix
from vidgan.train.run import RunOptions, TrainingInterrupted
from vidgan.train.translation import make_generator

RECIPES = {
    "cyclegan": (CycleGANConfig, train_cyclegan, {"generator": "resnet6", "pool": 3}),
    "pix2pix": (Pix2PixConfig, train_pix2pix, {"generator": "resnet6"}),
    "cut": (CutConfig, train_cut, {"generator": "resnet6"}),
    "fastcut": (CutConfig, train_cut, {"generator": "video", **FAST}),
}
QUIET = RunOptions(has_curves=False)


def pictures(count, seed, side=48):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return [cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC) for image in coarse]


@pytest.fixture
def start(tmp_path):
    """A function that trains a tiny network of a recipe."""

    def train(name, folder="run", options=QUIET, material=None, **settings):
        kind, function, usual = RECIPES[name]
        a, b = pictures(4, 1), pictures(4, 2)
        if material is None:
            pairs = [np.concatenate(pair, axis=2) for pair in zip(a, b, strict=True)]
            material = Material(learnt=(pairs, []) if name == "pix2pix" else (a, b), judged=(a, b))
        small = {"steps": 6, "width": 4, "discriminator_width": 4, "crop": 32, "load_size": 48, **usual, **settings}
        config = kind(a=tmp_path / "a", b=tmp_path / "b", **small)
        return function(config, material, tmp_path / folder / "checkpoint.pt", options)

    return train


def numbers(networks):
    return torch.cat([value.flatten().float() for network in networks for value in network.state_dict().values()])


class StopAt:
    """An event that is set from the given step on."""

    def __init__(self, step):
        self.step, self.seen = step, 0

    def is_set(self):
        self.seen += 1
        return self.seen >= self.step


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(start, tmp_path, name):
    whole = start(name)
    for stop in (2, 3):
        with pytest.raises(TrainingInterrupted):
            start(name, "parts", RunOptions(has_curves=False, stop=StopAt(stop)))
    assert read_checkpoint(tmp_path / "parts" / "checkpoint.pt")["step"] == 5
    assert torch.equal(numbers(whole), numbers(start(name, "parts")))
    assert not torch.equal(numbers(whole), numbers(start(name, "other", seed=2)))


@pytest.mark.parametrize("name", RECIPES)
def test_every_loss_moves_the_result(start, name):
    usual = numbers(start(name))
    changes = {
        "cyclegan": [{"cycle_weight": 0.0}, {"identity_weight": 0.0}, {"temporal_weight": 0.0}, {"pool": 0}],
        "pix2pix": [{"l1_weight": 0.0}, {"temporal_weight": 0.0}, {"dropout": False}],
        "cut": [{"nce_weight": 0.0}, {"has_identity": False}, {"temporal_weight": 0.0}, {"is_mirrored": True}],
        "fastcut": [{"nce_weight": 1.0}],
    }
    for number, change in enumerate(changes[name]):
        assert not torch.equal(usual, numbers(start(name, f"changed-{number}", **change))), change


def test_pix2pix_learns_what_its_pairs_show(start):
    a = pictures(6, 3)
    material = Material(learnt=([np.concatenate((image, 255 - image), axis=2) for image in a], []), judged=(a, a))
    (network,) = start("pix2pix", material=material, steps=150, batch=2, width=8, generator="video", learning_rate=2e-3)
    x = torch.from_numpy(np.stack(pictures(4, 9))).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        error = (network(x) - (1 - x)).abs().mean()
    assert error < 0.5 * (x - (1 - x)).abs().mean()


def test_what_comes_back_is_better_with_the_cycle_loss(start):
    errors = []
    x = torch.from_numpy(np.stack(pictures(4, 1))).permute(0, 3, 1, 2).float() / 255
    for weight in (0.0, 10.0):
        settings = {"generator": "video", "width": 8, "steps": 200, "learning_rate": 5e-3, "average": 0.9, "batch": 2}
        there, back = start("cyclegan", f"{weight}", cycle_weight=weight, **settings)
        with torch.no_grad():
            errors.append((back(there(x)) - x).abs().mean())
    assert errors[1] < 0.85 * errors[0], errors


def test_a_run_that_is_made_to_collapse_is_warned_of(start, caplog):
    """Nothing keeps the content, and there is one picture to paint: the generator paints it whatever it sees."""
    one = [np.full((48, 48, 3), (200, 30, 60), np.uint8)]
    material = Material(learnt=(pictures(8, 1), one), judged=(one, one))
    settings = {"generator": "video", "width": 8, "steps": 800, "learning_rate": 3e-3, "temporal_weight": 0.0}
    start("cut", material=material, nce_weight=0.0, **settings)
    assert "mode collapse: a2b paints nearly the same" in caplog.text


def test_a_run_that_keeps_the_content_is_not_warned_of(start, caplog):
    material = Material(learnt=(pictures(8, 1), pictures(8, 2)), judged=([], []))
    start("cyclegan", material=material, steps=800, generator="video", width=8, learning_rate=1e-3)
    assert "mode collapse" not in caplog.text


def test_curves_of_the_watch_and_grids_lie_beside_the_losses(start, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    start("cyclegan", options=RunOptions(), steps=50, generator="video")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert {"losses/cycle_a2b", "diversity/b2a_cycle", "accuracy/a2b_mean", "gradient/generators"} <= set(
        tags["scalars"]
    )
    assert tags["images"] == ["content_above_result"]


@pytest.mark.parametrize("name", RECIPES)
def test_losses_that_are_no_numbers_end_the_run_in_one_line(start, one_line, name):
    with pytest.raises(InputError) as caught:
        start(name, steps=30, learning_rate=1.0, average=0.0, temporal_weight=1e38)
    one_line(caught.value, "no longer numbers")


def test_another_configuration_is_refused(start, one_line):
    start("cyclegan")
    with pytest.raises(InputError) as caught:
        start("cyclegan", cycle_weight=3.0)
    one_line(caught.value, "cycle_weight")


@pytest.mark.parametrize("generator", ["resnet9", "resnet6", "video"])
def test_compared_features_reach_from_the_picture_to_deep_inside(tmp_path, generator):
    config = CutConfig(a=tmp_path, b=tmp_path, steps=1, generator=generator, width=4)
    network = make_generator(config, is_blurred=True)
    features = encode(network, torch.rand(1, 3, 64, 64))
    assert features[0].shape[1] == 3
    assert features[-1].shape[1:] == ((4, 16, 16) if generator == "video" else (16, 16, 16))
    # They are the generator's own: what it computes on its way to the picture.
    features[-1].sum().backward()
    assert next(network.parameters()).grad.abs().sum() > 0


def test_material_of_one_picture_each_is_enough(start):
    one = pictures(1, 1)
    networks = start("cyclegan", material=Material(learnt=(one, one), judged=(one, one)))
    assert torch.isfinite(numbers(networks)).all()


def test_settings_of_the_two_kinds_of_cut_differ_as_published(tmp_path):
    cut = CutConfig(a=tmp_path, b=tmp_path, steps=1)
    assert replace(cut, **FAST) == CutConfig(
        a=tmp_path, b=tmp_path, steps=1, nce_weight=10.0, has_identity=False, is_mirrored=True, constant_part=0.75
    )


def test_a_bad_step_leaves_nothing_behind_in_the_statistics(start, monkeypatch):
    """A forward pass with bad numbers fills batch norms with them, though its step is left out."""
    batch = Domain.batch

    def sometimes_bad(domain, step, *rest):
        pictures = batch(domain, step, *rest)
        return pictures * float("nan") if step == 3 else pictures

    monkeypatch.setattr(Domain, "batch", sometimes_bad)
    (network,) = start("pix2pix", steps=8)
    assert torch.isfinite(numbers([network])).all()
