from dataclasses import replace

import pytest
import torch

from vidgan.errors import InputError
from vidgan.styles import find_style
from vidgan.stylizer import Stylizer
from vidgan.train import style as recipe
from vidgan.train.publish import publish_style
from vidgan.train.style import StyleConfig, plan_steps, train_style


@pytest.fixture
def config(painting, photographs):
    return StyleConfig(
        style=painting, content=photographs, steps=4, width=16, num_blocks=1, batch=2, crop=64, style_width=96
    )


class KilledError(Exception):
    """Stands for a process that is gone between two steps."""


def kill_after(step):
    def report(done):
        if done.step == step:
            raise KilledError

    return report


@pytest.mark.parametrize("step", [1, 3])
def test_a_run_that_was_killed_ends_with_the_same_weights(config, tmp_path, step):
    whole = train_style(config, tmp_path / "whole.pt")
    with pytest.raises(KilledError):
        train_style(config, tmp_path / "killed.pt", report=kill_after(step + 1), save_every_seconds=0)
    resumed = train_style(config, tmp_path / "killed.pt")
    for (name, expected), got in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(expected, got), name


def test_a_finished_run_is_only_read(config, tmp_path):
    first = train_style(config, tmp_path / "run.pt")
    steps = []
    again = train_style(config, tmp_path / "run.pt", report=lambda report: steps.append(report.step))
    assert steps == []
    assert torch.equal(first.to_rgb[0].weight, again.to_rgb[0].weight)


def test_training_brings_the_style_nearer(config, tmp_path):
    distances = []
    run = replace(config, steps=40, warm_up_part=0.0)
    train_style(run, tmp_path / "run.pt", report=lambda report: distances.append(report.losses["style"]))
    assert max(distances[-5:]) < 0.5 * distances[0]


def test_the_style_weight_rises_over_the_warm_up(config):
    criterion = recipe._StyleCriterion(replace(config, steps=100, warm_up_part=0.1), torch.device("cpu"))
    assert criterion.weights(0)["style"] == pytest.approx(config.style_weight / 10)
    assert criterion.weights(9)["style"] == criterion.weights(99)["style"] == config.style_weight


def test_another_configuration_is_refused(config, tmp_path):
    train_style(replace(config, steps=1), tmp_path / "run.pt")
    with pytest.raises(InputError, match=r"other settings \(steps, style_weight\)"):
        train_style(replace(config, steps=2, style_weight=9.0), tmp_path / "run.pt")


def test_a_run_can_begin_with_the_weights_of_another(config, tmp_path):
    distances = []
    first = replace(config, steps=20, warm_up_part=0.0)
    train_style(first, tmp_path / "first.pt", report=lambda report: distances.append(report.losses["style"]))
    second = replace(first, seed=2, start_from=tmp_path / "first.pt")
    train_style(second, tmp_path / "second.pt", report=lambda report: distances.append(report.losses["style"]))
    assert distances[20] < 0.6 * distances[0]


def test_weights_of_another_shape_are_refused(config, tmp_path):
    train_style(replace(config, steps=1), tmp_path / "first.pt")
    other = replace(config, width=24, start_from=tmp_path / "first.pt")
    with pytest.raises(InputError, match="a checkpoint of something else"):
        train_style(other, tmp_path / "second.pt")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut short"])
def test_a_broken_checkpoint_is_refused(config, tmp_path, content):
    path = tmp_path / "run.pt"
    path.write_bytes(content)
    with pytest.raises(InputError, match="checkpoint"):
        train_style(config, path)


def test_losses_that_are_no_numbers_stop_the_run_and_keep_the_last_good_state(config, tmp_path):
    path = tmp_path / "run.pt"
    train_style(replace(config, steps=1), path)
    before = path.read_bytes()
    path.unlink()
    with pytest.raises(InputError, match="no longer numbers"):
        train_style(replace(config, style_weight=float("inf")), path)
    assert not path.exists()
    assert before


def test_a_missing_painting_is_one_line(config, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        train_style(replace(config, style=tmp_path / "nowhere.jpg"), tmp_path / "run.pt")


@pytest.mark.parametrize(
    "bad", [{"steps": 0}, {"crop": 66}, {"crop": 32}, {"warm_up_part": 1.5}, {"style_width": 10}, {"batch": 0}]
)
def test_impossible_settings_are_refused(config, bad):
    with pytest.raises(ValueError, match=str(next(iter(bad.values())))):
        replace(config, **bad)


def test_steps_are_planned_for_the_time_given(config, tmp_path):
    few, many = (plan_steps(config, minutes, tmp_path / "none.pt") for minutes in (0.2, 2.0))
    assert 1 <= few < many


def test_a_run_that_goes_on_keeps_its_plan(config, tmp_path):
    train_style(config, tmp_path / "run.pt")
    assert plan_steps(replace(config, steps=99), 60, tmp_path / "run.pt") == config.steps


def test_a_published_style_can_be_used_at_once(config, tmp_path):
    network = train_style(config, tmp_path / "run.pt")
    publish_style(network, config, tmp_path / "mine", name="mine", licence="CC0-1.0")
    style = find_style(tmp_path / "mine")
    assert (style.name, style.licence, style.size_multiple) == ("mine", "CC0-1.0", 4)
    assert style.card["training"]["style"] == config.style.name
    assert style.card["measured"]["onnx_against_torch_levels"] <= 2
    assert 0 < style.card["measured"]["style_loss"] < 10
    import numpy as np

    with Stylizer(style, size=(50, 37)) as stylizer:
        assert stylizer(np.zeros((37, 50, 3), np.uint8)).shape == (37, 50, 3)
