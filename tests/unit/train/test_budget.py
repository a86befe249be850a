import threading
from dataclasses import replace

import pytest

from vidgan.train import style_budget
from vidgan.train.run import RunOptions, TrainingInterrupted
from vidgan.train.style import train_style
from vidgan.train.style_budget import plan_style


def test_more_time_means_more_steps(config, tmp_path):
    few, many = (plan_style(config, seconds, tmp_path / "none.pt") for seconds in (12, 600))
    assert 1 <= few < many
    assert list(tmp_path.iterdir()) == []


def test_cheap_steps_of_a_run_with_a_teacher_count_as_such(config, tmp_path, monkeypatch):
    monkeypatch.setattr(
        style_budget, "seconds_per_step", lambda trial, _stop: 1.0 if trial.args[0].imitation_part else 5.0
    )
    hour = 3600
    alone = plan_style(config, hour, tmp_path / "none.pt")
    taught = plan_style(replace(config, teacher="wise", imitation_part=0.5), hour, tmp_path / "none.pt")
    assert alone == pytest.approx(hour / 5, rel=0.05)
    assert taught == pytest.approx(hour / 3, rel=0.05)


def test_a_run_that_goes_on_keeps_its_plan(config, tmp_path):
    train_style(config, tmp_path / "run.pt", RunOptions(has_curves=False))
    assert plan_style(replace(config, steps=99), 3600, tmp_path / "run.pt") == config.steps


def test_planning_can_be_stopped(config, tmp_path):
    stop = threading.Event()
    stop.set()
    with pytest.raises(TrainingInterrupted):
        plan_style(config, 3600, tmp_path / "none.pt", stop)
