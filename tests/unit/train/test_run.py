import errno
from pathlib import Path

import pytest
import torch
from torch import nn

from vidgan.errors import DiskFullError, InputError
from vidgan.train import checkpoint as checkpoints
from vidgan.train.run import BAD_STEPS, Run, RunOptions, open_accelerator


@pytest.fixture
def network():
    return nn.Linear(2, 1)


@pytest.fixture
def start(network, tmp_path):
    """A function that opens a run of 40 steps."""

    def make(**options):
        return Run(
            tmp_path / "training" / "run.pt",
            open_accelerator(),
            parts={"network": network},
            config={"path": Path("a"), "layers": ("1", "2")},
            num_steps=40,
            notes={"family": "f00"},
            options=RunOptions(has_curves=False, **options),
        )

    return make


def go(run, bad=(), stop_at=None):
    """Take the steps that are left, those in `bad` with losses that are no numbers; return which were taken."""
    taken = []
    with run:
        for step in run.steps():
            if step == stop_at:
                break
            loss = torch.tensor(float("nan") if step in bad else 1.0)
            is_good = run.is_finite(loss)
            if is_good:
                taken.append(step)
            run.finish_step(step, {"loss": loss}, is_good=is_good)
    return taken


def test_a_bad_step_is_skipped_and_said(start, caplog):
    bad = {3, 4, 5, 20}
    assert go(start(), bad) == [step for step in range(40) if step not in bad]
    assert caplog.text.count("no numbers") == 2


def test_ten_bad_steps_in_a_row_end_the_run_and_keep_the_last_good_state(start, network, one_line):
    seen = []
    with pytest.raises(InputError) as caught:
        go(start(report=lambda report: seen.append(report.step), save_every_seconds=0), range(7, 40))
    one_line(caught.value, "step 17", "run.pt holds the last good state", "--learning-rate")
    assert seen[-1] == 7 + BAD_STEPS
    run = start()
    assert run.start == 7


def test_bad_steps_from_the_beginning_leave_nothing(start, one_line):
    run = start(save_every_seconds=0)
    with pytest.raises(InputError) as caught:
        go(run, range(40))
    one_line(caught.value, "nothing is saved yet")
    assert not run.checkpoint.exists()


def test_a_number_without_a_gradient_is_bad_too(start):
    run = start()
    assert run.is_finite(torch.tensor(1.0), torch.tensor(2.0))
    assert not run.is_finite(torch.tensor(1.0), torch.tensor(float("inf")))


def test_a_full_disk_in_mid_run_is_a_warning_and_tried_again(start, monkeypatch, caplog):
    """The disk is full from the third checkpoint to the fifth; a real full disk is in the integration tests."""
    writes, real = [], checkpoints.os.fsync

    def fsync(number):
        writes.append(number)
        if len(writes) in (3, 4, 5):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(number)

    monkeypatch.setattr(checkpoints.os, "fsync", fsync)
    run = start(save_every_seconds=0)
    starts = []
    with run:
        for step in run.steps():
            run.finish_step(step, {"loss": torch.tensor(1.0)}, is_good=True)
            starts.append(start().start)
    assert starts[:7] == [1, 2, 2, 2, 2, 6, 7]
    assert caplog.text.count("(No space left on device); the run goes on") == 3
    assert [file.name for file in run.checkpoint.parent.iterdir()] == ["run.pt"]


def test_a_full_disk_at_the_end_does_not_lose_the_network(start, monkeypatch, caplog):
    def fsync(_number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints.os, "fsync", fsync)
    assert len(go(start())) == 40
    assert "the trained network is still in memory" in caplog.text


def test_a_checkpoint_keeps_notes_paths_and_tuples(start):
    run = start()
    go(run)
    saved = checkpoints.read_checkpoint(run.checkpoint)
    assert saved["family"] == "f00"
    assert saved["config"] == {"path": "a", "layers": ["1", "2"]}
    assert saved["step"] == 40


def test_saving_on_a_full_disk_is_one_line(network, tmp_path, monkeypatch, one_line):
    def fsync(_number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints.os, "fsync", fsync)
    with pytest.raises(DiskFullError) as caught:
        checkpoints.save_checkpoint(tmp_path / "run.pt", {"network": network}, {}, 1)
    one_line(caught.value, "run.pt", "No space left")
    assert list(tmp_path.iterdir()) == []


def test_one_process_takes_the_whole_batch(start):
    assert start().share(6) == slice(0, 6)
