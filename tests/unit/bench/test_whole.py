import os
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from vidgan.bench.synthetic import write_clip
from vidgan.bench.whole import Job, _command, _started, run_job, time_start_up
from vidgan.errors import InputError, MachineError


@pytest.fixture
def job(tmp_path):
    write_clip(tmp_path / "in.mp4", size=(64, 48), num_frames=10)
    return Job(location=tmp_path / "in.mp4", result=tmp_path / "out.mp4", style="none", smooth=False)


def test_a_run_in_a_process_of_its_own(job, copy_onnx):
    styled = replace(job, style=copy_onnx, smooth=True, size=(64, 32), end_seconds=Fraction(6, 25))
    # What this process holds must not count: Linux's own figure for a child includes it.
    held = np.ones(400_000_000, np.uint8)
    run = run_job(styled)
    assert 50_000_000 < run.peak_memory_bytes < held.nbytes
    assert run.frames == 6
    assert run.fps == pytest.approx(6 / run.seconds)
    assert run.runtime["size"] == [64, 32]
    assert {"decode", "smooth", "encode"} <= run.stage_seconds.keys()
    assert run.core_seconds > 0
    assert styled.result.is_file()


def test_what_fails_there_is_said_here(job, copy_onnx, one_line):
    with pytest.raises(InputError) as wrong:
        run_job(replace(job, style="nope"))
    one_line(wrong.value, "no style is called 'nope'")
    with pytest.raises(MachineError) as missing:
        run_job(replace(job, style=copy_onnx, device="NPU"))
    one_line(missing.value, "no device 'NPU'")


def test_start_up_is_timed_until_a_picture_comes(job):
    assert time_start_up(job, None) > 0
    with pytest.raises(InputError, match=r"vidgan stylize failed: .*absent\.mp4: no such file"):
        time_start_up(replace(job, location=job.location.with_name("absent.mp4")), None)


def test_no_process_outlives_an_error():
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    started = []

    def interrupted():
        with _started(command) as process:
            started.append(process)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert started[0].returncode == -9


def test_a_run_ends_when_nobody_waits_for_it(job):
    """As after an interruption so early that nobody knows of the process."""
    endless = job.location.with_name("endless.mp4")
    os.mkfifo(endless)  # opening it waits for ever
    command = _command(replace(job, location=endless))
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    _printed, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (1, "")
