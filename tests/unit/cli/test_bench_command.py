"""`vidgan bench` as users start it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from copy import deepcopy

import psutil
import pytest
from media.clips import Sound, Video, write_clip
from media.run import command, leftovers

from vidgan.bench.report import KIND, SCHEMA
from vidgan.cli import bench_table
from vidgan.cli.main import main

QUICK = ("--size", "64x32", "--repeats", "1", "--frames", "3")


def figure(median):
    return {"median": median, "lowest": median * 0.9, "highest": median * 1.1}


def whole(fps, with_smoothing):
    figures = {"fps": fps, "wall_ms": 40, "core_ms": 78, "setup_seconds": 0.2, "peak_memory_bytes": 448e6}
    efficiency = {"efficiency": figure(0.61), "efficiency_smoothing": figure(0.87) if with_smoothing else None}
    return {name: figure(value) for name, value in figures.items()} | efficiency


RESULT = {
    "kind": KIND,
    "schema": SCHEMA,
    "machine": {"cpu": "AMD EPYC", "cores": 2, "system": "Linux", "load": 0.1, "versions": {"av": "18.1.0"}},
    "settings": {"style": "ink [dark]", "model_sha256": "0123456789abcdef", "size": [1280, 720], "repeats": 5},
    "network": {
        name: {
            "runtime": "openvino",
            "version": "2026.4.1",
            "device": "CPU",
            "device_name": "AMD EPYC",
            "driver": None,
            "depth": 3,
            "is_chosen": name == "bf16",
            "throughput_fps": figure(fps),
            "wall_ms": figure(1000 / fps),
            "core_ms": figure(2000 / fps),
            "latency_p50_ms": figure(1234 / fps),
            "latency_p99_ms": figure(1300 / fps),
        }
        for name, fps in (("bf16", 34.2), ("f32", 9.87))
    },
    "clips": {
        "synthetic": {
            "name": "synthetic.mp4",
            "size": [1280, 720],
            "codec": "h264",
            "frames": 120,
            "has_sound": True,
            "stages": {
                name: {"wall_ms": figure(value), "core_ms": figure(value), "frames": 30}
                for name, value in (("encode", 10.5), ("decode", 2.5), ("motion", 7.25))
            },
            "whole": {"smooth": whole(25.3, True), "no_smooth": whole(29.8, False)},
        }
    },
    "start_up_seconds": figure(0.74),
}


@pytest.fixture
def bench(tmp_path):
    environment = os.environ | {"COLUMNS": "80", "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()

    def run(*arguments):
        return subprocess.run(
            command("bench", *arguments), capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
        )

    return run


def test_the_table_in_80_columns(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    bench_table.show(RESULT)
    printed = capsys.readouterr().out
    lines = {line[:17].strip(): line.split() for line in printed.splitlines()}
    assert "style ink [dark] (sha256 0123456789ab), 1280x720, 5 rounds" in printed
    assert lines["CPU bf16 (chosen)"][3:] == ["34.2", "(30.8-37.6)", "58.5", "(52.6-64.3)", "36.1", "38.0"]
    assert lines["demux and decode"][3:] == ["2.50", "(2.25-2.75)", "2.50", "(2.25-2.75)"]
    assert lines["sum"] == ["sum", "49.5", "78.7"]  # with the network's 29.2 and 58.5
    assert lines["with smoothing"][2:] == ["25.3", "(22.8-27.8)", "78.0", "448", "0.61", "0.87"]
    assert lines["without smoothing"][-1] == "0.61"
    assert "first frame: 0.740 (0.666-0.814) s" in printed
    assert "…" not in printed
    order = [printed.index(name) for name in ("demux", "luma and motion", "network  ", "encode and mux")]
    assert order == sorted(order)


def test_comparing_prints_ratios_and_what_differs(bench, tmp_path):
    after = deepcopy(RESULT)
    after["machine"]["cpu"] = "Another [bold]"
    after["network"]["bf16"]["throughput_fps"] = figure(68.4)
    after["network"]["int8"] = after["network"].pop("f32")
    for name, result in (("a.json", RESULT), ("b.json", after)):
        (tmp_path / name).write_text(json.dumps(result))
    done = bench("--compare", "a.json", "b.json")
    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.strip()}
    assert "not the same: cpu: AMD EPYC in A, Another [bold] in B" in done.stdout
    assert lines["network.bf16.throughput_fps"] == ["34.2", "68.4", "2.00"]
    assert lines["clips.synthetic.whole.smooth.fps"] == ["25.3", "25.3", "1.00", "~"]
    assert lines["clips.synthetic.whole.smooth.peak_memory_bytes"] == ["448", "MB", "448", "MB", "1.00", "~"]
    assert "in one of the two only: network.f32, network.int8" in done.stdout


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (("--size", "0x0"), 2, "--size 0x0: give width x height"),
    (("--size", "big"), 2, "--size big: give width x height"),
    (("--size", "65x48"), 2, "size 65x48: give even numbers"),
    (("--repeats", "0"), 2, "repeats is 0; give 1 or more"),
    (("--frames", "-3"), 2, "frames is -3; give 1 or more"),
    (("--style", "nope"), 2, "no style is called 'nope'"),
    (("--device", "NPU"), 3, "no device 'NPU'"),
    (("--runtime", "tensorrt", "--device", "NPU"), 2, "TensorRT doesn't run on 'NPU'"),
    (("--precision", "fp7"), 2, "use one of auto"),
    (("absent.mp4",), 2, "absent.mp4: no such file"),
    (("text.mp4",), 2, "text.mp4: not a video"),
    (("-",), 2, "read only once"),
    (("--json", "text.mp4"), 2, "text.mp4: exists already; --overwrite replaces it"),
    (("--json", "absent/a.json"), 2, "there is no folder"),
    (("--json", "/proc/a.json"), 2, "/proc/a.json: can't be written"),
    (("in.mp4", "--json", "in.mp4", "--overwrite"), 2, "--json in.mp4: is the clip"),
    (("--compare", "absent.json", "absent.json"), 2, "absent.json: can't be read"),
    (("--compare", "text.mp4", "text.mp4"), 2, "text.mp4: not JSON, or cut short"),
    (("in.mp4", "--compare", "a.json", "b.json"), 2, "neither CLIP nor --json"),
    (("--json", "c.json", "--compare", "a.json", "b.json"), 2, "neither CLIP nor --json"),
])  # fmt: skip
def test_wrong_input_gives_one_line(tmp_path, monkeypatch, capsys, arguments, code, words):
    work = tmp_path / "work"
    work.mkdir()
    write_clip(work / "in.mp4", Video(pts=range(2)), Sound(seconds=0.1))
    (work / "text.mp4").write_text("nothing to see")
    monkeypatch.chdir(work)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["vidgan", "bench", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    printed, said = capsys.readouterr()
    assert (ended.value.code, printed) == (code, "")
    assert len(said.splitlines()) == 1
    assert said.startswith("vidgan: ")
    assert words in said
    assert leftovers(work) == ["in.mp4", "text.mp4"]
    assert leftovers(tmp_path) == ["work"]


def test_to_standard_output_goes_json_alone(bench, tmp_path):
    done = bench("--style", "none", *QUICK, "--json", "-")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["settings"]["size"] == [64, 32]
    assert leftovers(tmp_path) == ["tmp"]
    assert leftovers(tmp_path / "tmp") == []


def test_to_a_file_with_the_table(bench, tmp_path):
    (tmp_path / "a.json").write_text("old")
    done = bench("--style", "none", *QUICK, "--json", "a.json", "--overwrite")
    assert done.returncode == 0, done.stderr
    assert "demux and decode" in done.stdout
    assert done.stdout.splitlines()[-1] == "written: a.json"
    assert json.loads((tmp_path / "a.json").read_text())["settings"]["style"] == "none"
    assert leftovers(tmp_path) == ["a.json", "tmp"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_leaves_nothing(tmp_path, number):
    (tmp_path / "tmp").mkdir()
    started = subprocess.Popen(
        command("bench", "--style", "none", "--size", "320x180", "--json", "a.json"),
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # In the middle of a run in another process, which must end too.
    children = []
    while not children and started.poll() is None:
        time.sleep(0.005)
        children = psutil.Process(started.pid).children()
    started.send_signal(number)
    printed, said = started.communicate(timeout=60)
    assert (started.returncode, printed) == (130, "")
    assert "Traceback" not in said
    _gone, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    assert leftovers(tmp_path / "tmp") == []
    assert leftovers(tmp_path) == ["tmp"]
