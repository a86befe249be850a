import threading
from dataclasses import replace

import pytest
import torch

from vidgan.errors import InputError, SinkError, StyleError
from vidgan.runtime.export import export_onnx
from vidgan.train.run import RunOptions, TrainingInterrupted
from vidgan.train.style import StyleConfig, train_style
from vidgan.train.style_losses import StyleCriterion


class KilledError(Exception):
    """Stands for a process that is gone between two steps."""


def kill_after(step):
    def report(done):
        if done.step == step:
            raise KilledError

    return report


def losses_of(config, checkpoint, **options):
    """Train, and return the losses of every step."""
    found = []
    train_style(config, checkpoint, RunOptions(report=lambda report: found.append(report.losses), **options))
    return found


def same(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(expected, got) for expected, got in pairs)


@pytest.mark.parametrize("step", [1, 3])
def test_a_run_that_was_killed_ends_with_the_same_weights(config, tmp_path, step):
    whole = train_style(config, tmp_path / "whole.pt")
    with pytest.raises(KilledError):
        train_style(config, tmp_path / "killed.pt", RunOptions(report=kill_after(step + 1), save_every_seconds=0))
    assert same(whole, train_style(config, tmp_path / "killed.pt"))


def test_a_run_that_was_stopped_is_saved_and_goes_on(config, tmp_path):
    stop, steps = threading.Event(), []

    def report(done):
        steps.append(done.step)
        if done.step == 2:
            stop.set()

    whole = train_style(config, tmp_path / "whole.pt")
    with pytest.raises(TrainingInterrupted) as caught:
        train_style(config, tmp_path / "stopped.pt", RunOptions(report=report, stop=stop))
    # What is under way when the event is set is finished first.
    assert (caught.value.step, steps) == (3, [1, 2, 3])
    resumed = train_style(config, tmp_path / "stopped.pt", RunOptions(report=report))
    assert steps == [1, 2, 3, 4]
    assert same(whole, resumed)


def test_a_finished_run_is_only_read(config, tmp_path):
    first = train_style(config, tmp_path / "run.pt")
    assert losses_of(config, tmp_path / "run.pt") == []
    assert same(first, train_style(config, tmp_path / "run.pt"))


def test_training_brings_the_style_nearer(config, tmp_path):
    losses = losses_of(replace(config, steps=40, warm_up_part=0.0), tmp_path / "run.pt")
    assert max(step["style"] for step in losses[-5:]) < 0.5 * losses[0]["style"]


def test_the_style_weight_rises_over_the_warm_up(config):
    criterion = StyleCriterion(replace(config, steps=100, warm_up_part=0.1), torch.device("cpu"))
    assert criterion.weights(0)["style"] == pytest.approx(config.style_weight / 10)
    assert criterion.weights(9)["style"] == criterion.weights(99)["style"] == config.style_weight


def test_of_several_paintings_the_mean_is_learnt(config, painting, other_painting):
    def grams(*styles):
        return StyleCriterion(replace(config, styles=styles), torch.device("cpu")).perceptual.targets["2_1"]

    both = grams(painting, other_painting)
    assert torch.allclose(both, (grams(painting) + grams(other_painting)) / 2)
    assert not torch.allclose(both, grams(painting), rtol=0.1)


def test_larger_strokes_come_from_a_larger_painting(config, painting):
    first, second = (
        StyleCriterion(replace(config, style_scale=scale), torch.device("cpu")).perceptual.targets["1_1"]
        for scale in (0.15, 0.5)
    )
    assert not torch.allclose(first, second, rtol=0.05)


def test_videos_among_the_content_can_teach_steadiness(config, moving_clip, tmp_path):
    run = replace(config, content=(moving_clip,), clip_weight=80.0)
    losses = losses_of(run, tmp_path / "run.pt")
    assert set(losses[0]) == {"content", "style", "variation", "temporal", "clip", "clip_features"}
    assert all(0 < step["clip"] < 1 for step in losses)
    assert losses == losses_of(run, tmp_path / "again.pt")


def test_clips_without_a_video_are_refused(config, tmp_path, one_line):
    with pytest.raises(InputError) as caught:
        train_style(replace(config, clip_weight=1.0), tmp_path / "run.pt")
    one_line(caught.value, "clip_weight", "no video")


@pytest.fixture(scope="session")
def inverting_teacher(tmp_path_factory):
    """A style whose result is known exactly: 255 - x."""

    class Invert(torch.nn.Module):
        def forward(self, x_NCHW):
            return 1 - x_NCHW

    path = tmp_path_factory.mktemp("invert") / "model.onnx"
    export_onnx(Invert(), path, size_multiple=4, minimum_size=16)
    return path


def test_a_teacher_is_imitated_first_without_the_perceptual_network(config, inverting_teacher, tmp_path):
    run = replace(config, steps=10, teacher=str(inverting_teacher), imitation_part=0.7)
    losses = losses_of(run, tmp_path / "run.pt")
    assert [set(step) for step in losses] == [
        *[{"variation", "temporal", "imitation"}] * 7,
        *[{"content", "style", "variation", "temporal", "imitation"}] * 3,
    ]


def test_imitation_brings_the_pictures_nearer_to_the_teachers(config, inverting_teacher, tmp_path):
    run = replace(config, steps=60, teacher=str(inverting_teacher), imitation_part=1.0, learning_rate=0.01)
    losses = [step["imitation"] for step in losses_of(run, tmp_path / "run.pt")]
    assert max(losses[-5:]) < 0.8 * losses[0]


def test_the_distance_to_a_teacher_leaves_the_borders_out(config, inverting_teacher):
    with StyleCriterion(replace(config, teacher=str(inverting_teacher)), torch.device("cpu")) as criterion:
        picture = torch.randint(0, 256, (2, 3, 64, 64)) / 255
        result = 1 - picture
        result[..., :16, :] = result[..., -16:] = 9
        assert criterion._teacher.distance(result, picture) == pytest.approx(0, abs=1e-6)
        assert criterion._teacher.distance(result + 0.1, picture) == pytest.approx(0.1, abs=1e-5)


def test_an_unknown_teacher_is_refused(config, tmp_path):
    with pytest.raises(StyleError, match="no style is called"):
        train_style(replace(config, teacher="nobody"), tmp_path / "run.pt")


def test_another_configuration_is_refused(config, tmp_path):
    train_style(replace(config, steps=1), tmp_path / "run.pt")
    with pytest.raises(InputError, match=r"other settings \(steps, style_weight\)"):
        train_style(replace(config, steps=2, style_weight=9.0), tmp_path / "run.pt")


def test_a_run_can_begin_with_the_weights_of_another(config, tmp_path):
    first = replace(config, steps=20, warm_up_part=0.0)
    before = losses_of(first, tmp_path / "first.pt")
    after = losses_of(replace(first, seed=2, start_from=tmp_path / "first.pt"), tmp_path / "second.pt")
    assert after[0]["style"] < 0.6 * before[0]["style"]


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


def test_a_missing_painting_is_one_line(config, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        train_style(replace(config, styles=(tmp_path / "nowhere.jpg",)), tmp_path / "run.pt")


def test_a_folder_that_cannot_be_written_is_refused_before_any_step(config, tmp_path, one_line):
    (tmp_path / "file").write_text("in the way")
    steps = []
    with pytest.raises(SinkError) as caught:
        train_style(config, tmp_path / "file" / "training" / "run.pt", RunOptions(report=steps.append))
    one_line(caught.value, "can't be written", "-o")
    assert steps == []


@pytest.mark.parametrize(
    "bad",
    [
        {"steps": 0},
        {"crop": 66},
        {"crop": 32},
        {"warm_up_part": 1.5},
        {"imitation_part": -0.5},
        {"style_scale": 0.05},
        {"style_scale": 11.0},
        {"batch": 0},
        {"learning_rate": 0.0},
        {"styles": ()},
        {"content": ()},
    ],
)
def test_impossible_settings_are_refused(config, bad):
    ((name, value),) = bad.items()
    with pytest.raises(ValueError) as caught:
        replace(config, **bad)
    assert name in str(caught.value)
    assert str(value) in str(caught.value)


def test_the_defaults_are_a_small_network(painting, photographs):
    config = StyleConfig(styles=(painting,), content=(photographs,))
    assert (config.width, config.num_blocks, config.clip_weight, config.teacher) == (32, 5, 0, None)
