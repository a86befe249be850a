import threading
from dataclasses import replace

import pytest

from vidgan.cli.train import duration
from vidgan.train import budget
from vidgan.train.budget import plan_steps
from vidgan.train.run import RunOptions, TrainingInterrupted
from vidgan.train.style import train_style


def test_more_time_means_more_steps(config, tmp_path):
    few, many = (plan_steps(config, seconds, tmp_path / "none.pt") for seconds in (12, 600))
    assert 1 <= few < many
    assert list(tmp_path.iterdir()) == []


def test_cheap_steps_of_a_run_with_a_teacher_count_as_such(config, tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "_seconds_per_step", lambda run, _stop: 1.0 if run.imitation_part else 5.0)
    hour = 3600
    alone = plan_steps(config, hour, tmp_path / "none.pt")
    taught = plan_steps(replace(config, teacher="wise", imitation_part=0.5), hour, tmp_path / "none.pt")
    assert alone == pytest.approx(hour / 5, rel=0.05)
    assert taught == pytest.approx(hour / 3, rel=0.05)


def test_a_run_that_goes_on_keeps_its_plan(config, tmp_path):
    train_style(config, tmp_path / "run.pt", RunOptions(has_curves=False))
    assert plan_steps(replace(config, steps=99), 3600, tmp_path / "run.pt") == config.steps


def test_planning_can_be_stopped(config, tmp_path):
    stop = threading.Event()
    stop.set()
    with pytest.raises(TrainingInterrupted):
        plan_steps(config, 3600, tmp_path / "none.pt", stop)


@pytest.mark.parametrize(
    ("text", "seconds"), [("45m", 2700), ("1h30m", 5400), ("90s", 90), ("1.5h", 5400), ("1h1m1s", 3661), (" 2M ", 120)]
)
def test_durations_are_read(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "45", "m", "0m", "30m1h", "-5m", "an hour", "1:30"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="such as 45m"):
        duration(text)
