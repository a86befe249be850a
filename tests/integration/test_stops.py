"""Runs that end early: a full disk, Ctrl-C, SIGTERM, a reader that goes away. What is left is playable, or nothing."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from media.clips import Sound, Video, write_clip
from media.look import audio_seconds, look
from media.run import command, leftovers

from vidgan import SinkOptions, StylizeOptions, stylize_video
from vidgan.errors import DiskFullError
from vidgan.job import StylizeInterrupted

WITH_SMALL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.argv = ["vidgan", *sys.argv[2:]]
from vidgan.cli.main import main
main()
"""


def noise(number, width, height):
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def noisy_clip(tmp_path_factory):
    """Pictures that don't compress: the result is far larger than any buffer on the way."""
    return write_clip(
        tmp_path_factory.mktemp("noisy") / "clip.mkv", Video(pts=range(20), draw=noise), Sound(seconds=0.8)
    )


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    """Long enough to be stopped in the middle; key frames are rare, so that it is small."""
    options = {"crf": "20", "preset": "ultrafast", "bf": "0"}
    video = Video(pts=range(1500), options=options)
    return write_clip(tmp_path_factory.mktemp("long") / "clip.mp4", video, Sound(seconds=60))


def run_with_small_disk(num_bytes, *arguments):
    line = [sys.executable, "-c", WITH_SMALL_DISK, str(num_bytes), *(str(argument) for argument in arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.webm", "out.avi", "out.gif", "out.png", "frames"])
def test_a_full_disk(noisy_clip, name, tmp_path):
    done = run_with_small_disk(20_000, "stylize", noisy_clip, "-o", tmp_path / name, "--style", "none")
    assert done.returncode == 3, done.stderr
    assert done.stderr.splitlines()[-1].startswith("vidgan: ")
    assert "disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_disk_that_is_full_at_the_very_end(noisy_clip, container, tmp_path):
    whole = tmp_path / f"whole.{container}"
    stylize_video(noisy_clip, whole, style="none")
    result = tmp_path / f"out.{container}"
    done = run_with_small_disk(whole.stat().st_size - 40, "stylize", noisy_clip, "-o", result, "--style", "none")
    assert done.returncode == 3, done.stderr
    assert "disk is full" in done.stderr
    assert leftovers(tmp_path) == [whole.name]


def test_a_full_disk_keeps_what_was_to_be_replaced(noisy_clip, tmp_path):
    (tmp_path / "out.mp4").write_bytes(b"precious")
    arguments = ("stylize", noisy_clip, "-o", tmp_path / "out.mp4", "--style", "none", "--overwrite")
    assert run_with_small_disk(20_000, *arguments).returncode == 3
    assert (tmp_path / "out.mp4").read_bytes() == b"precious"
    assert leftovers(tmp_path) == ["out.mp4"]


def test_a_full_disk_is_an_error_of_its_own_in_python(noisy_clip, tmp_path, monkeypatch):
    if not os.path.exists("/dev/full"):  # noqa: PTH110 - a device
        pytest.skip("no /dev/full here")
    monkeypatch.setattr("vidgan.video.target.Target.__init__", lambda self, path, overwrite: _aim_at_full(self, path))
    with pytest.raises(DiskFullError, match="disk is full"):
        stylize_video(noisy_clip, tmp_path / "out.mkv", style="none")


def _aim_at_full(target, path):
    target.path, target.temporary = path, path.with_name("draft.mkv")
    target.temporary.symlink_to("/dev/full")


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.webm"])
def test_a_stopped_run_keeps_a_playable_part(long_clip, name, tmp_path):
    before, stop = set(threading.enumerate()), threading.Event()

    def stop_in_the_middle(num_frames, _info):
        if num_frames == 37:
            stop.set()

    with pytest.raises(StylizeInterrupted) as raised:
        stylize_video(long_clip, tmp_path / name, style="none", progress=stop_in_the_middle, stop=stop)
    part = tmp_path / f"out.partial{(tmp_path / name).suffix}"
    assert raised.value.report.path == part
    assert raised.value.report.frames == 37
    assert look(part).numbers == [n % 256 for n in range(37)]
    # Sound comes in step with the pictures: at least as far, and not the whole minute.
    assert 37 / 25 - 0.05 < float(audio_seconds(part)) < 30
    assert leftovers(tmp_path) == [part.name]
    assert set(threading.enumerate()) <= before, "a thread is left behind"


def test_a_stopped_run_leaves_the_old_result_alone(long_clip, tmp_path):
    (tmp_path / "out.mp4").write_bytes(b"precious")
    stop = threading.Event()
    stop.set()
    options = StylizeOptions(sink=SinkOptions(overwrite=True))
    with pytest.raises(StylizeInterrupted):
        stylize_video(long_clip, tmp_path / "out.mp4", style="none", options=options, stop=stop)
    assert (tmp_path / "out.mp4").read_bytes() == b"precious"
    assert leftovers(tmp_path) == ["out.mp4", "out.partial.mp4"]


def test_ctrl_c_in_any_place_of_the_library_keeps_the_part(long_clip, tmp_path):
    def interrupt(num_frames, _info):
        if num_frames == 20:
            raise KeyboardInterrupt

    with pytest.raises(StylizeInterrupted) as raised:
        stylize_video(long_clip, tmp_path / "out.mkv", style="none", progress=interrupt)
    assert look(raised.value.report.path).numbers == list(range(20))


def test_a_stopped_series_keeps_its_pictures(long_clip, tmp_path):
    stop = threading.Event()
    with pytest.raises(StylizeInterrupted) as raised:
        stylize_video(
            long_clip,
            tmp_path / "frames",
            style="none",
            stop=stop,
            progress=lambda n, _: stop.set() if n == 5 else None,
        )
    assert raised.value.report.path == tmp_path / "frames.partial"
    assert leftovers(tmp_path) == ["frames.partial"]
    assert leftovers(tmp_path / "frames.partial") == [f"{n:05d}.png" for n in range(1, 6)]


def wait_for_draft(folder, process):
    """Wait until the run has written something."""
    for _ in range(3000):
        if any(entry.stat().st_size > 0 for entry in folder.glob(".*.tmp*")):
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError("nothing was written in a minute")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_finish_what_is_there(long_clip, number, tmp_path):
    line = command(
        "stylize", long_clip, "-o", tmp_path / "out.mp4", "--style", "none", "--scale", "640x480", "--preset", "slower",
        "--json",
    )  # fmt: skip
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for_draft(tmp_path, process)
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    report = json.loads(output)
    part = tmp_path / "out.partial.mp4"
    assert report["interrupted"]
    assert report["output"] == str(part)
    assert 0 < report["frames"] < 1500
    after = look(part)
    assert after.numbers == [n % 256 for n in range(report["frames"])]
    assert float(audio_seconds(part)) > report["frames"] / 25 - 0.05
    assert leftovers(tmp_path) == [part.name]


def test_an_interrupted_run_says_where_the_part_is(long_clip, tmp_path):
    line = command("stylize", long_clip, "-o", tmp_path / "out.mp4", "--style", "none", "--preset", "slower")
    with subprocess.Popen([*line, "--scale", "640x480"], stderr=subprocess.PIPE, text=True) as process:
        wait_for_draft(tmp_path, process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert str(tmp_path / "out.partial.mp4") in errors


def test_a_reader_that_goes_away_ends_the_run_quietly(long_clip):
    line = command("stylize", long_clip, "-o", "-", "--style", "none")
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.read(2000).startswith(b"YUV4MPEG2 W128 H96 F25:1")
        process.stdout.close()
        errors = process.stderr.read().decode()
    assert process.returncode not in (0, 2, 3, 130), "neither done, nor anybody's fault"
    assert "Traceback" not in errors
    assert "Exception" not in errors
