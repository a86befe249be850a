"""An error in any stage, at any frame, ends the run: the caller gets it, no thread and no file stays, nothing hangs."""

import os
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import numpy as np
import pytest
from media import broken
from media.clips import Sound, Video, write_clip
from media.look import look
from media.run import leftovers

from vidgan.errors import MachineError

NUM_FRAMES = 12
POSITIONS = {"first": 1, "middle": NUM_FRAMES // 2, "last": NUM_FRAMES}
LIMIT_SECONDS = 30
ON_SMALL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))
from media.broken import run
run(*sys.argv[1:4])
"""


def noise(number, width, height):
    """Pictures that don't compress and that are never still."""
    return np.random.default_rng(number).integers(0, 200, (height, width, 3), dtype=np.uint8)


def white_at(wanted):
    def draw(number, width, height):
        return np.full((height, width, 3), 255, np.uint8) if number == wanted - 1 else noise(number, width, height)

    return draw


def write_noisy(path, draw=noise):
    video = Video(codec="ffv1", pixel_format="bgr0", options={}, size=(64, 48), pts=range(NUM_FRAMES), draw=draw)
    return write_clip(path, video, Sound(seconds=NUM_FRAMES / 25))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_noisy(tmp_path_factory.mktemp("noisy") / "clip.mkv")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A real network that copies its pictures and fails on white ones: it then asks for an impossible shape."""
    import onnx
    from onnx import TensorProto, helper

    batches = np.where(np.arange(256) == 255, 7, 1)
    constants = [
        helper.make_tensor("batch_of_value", TensorProto.INT64, [256], batches),
        helper.make_tensor("zero", TensorProto.INT64, [1], [0]),
        helper.make_tensor("one", TensorProto.INT64, [1], [1]),
        helper.make_tensor("four", TensorProto.INT64, [1], [4]),
    ]
    nodes = [
        helper.make_node("Cast", ["frames"], ["levels"], to=TensorProto.INT64),
        helper.make_node("ReduceMin", ["levels"], ["darkest"], keepdims=0),
        helper.make_node("Gather", ["batch_of_value", "darkest"], ["batch"]),
        helper.make_node("Unsqueeze", ["batch", "zero"], ["batch_1"]),
        helper.make_node("Shape", ["frames"], ["whole_shape"]),
        helper.make_node("Slice", ["whole_shape", "one", "four"], ["rest"]),
        helper.make_node("Concat", ["batch_1", "rest"], ["shape"], axis=0),
        helper.make_node("Reshape", ["frames", "shape"], ["styled"]),
    ]
    ports = [helper.make_tensor_value_info(n, TensorProto.UINT8, ["n", "h", "w", 3]) for n in ("frames", "styled")]
    graph = helper.make_graph(nodes, "fails", ports[:1], ports[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path = tmp_path_factory.mktemp("network") / "model.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("VIDGAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def error_of(function, *arguments):
    """Call in another thread and return what it raises, so that a hanging run is a failure and not a hanging test."""
    caught = []

    def call():
        try:
            function(*arguments)
        except BaseException as error:  # noqa: BLE001 - it is the result
            caught.append(error)

    caller = threading.Thread(target=call, name="caller", daemon=True)
    caller.start()
    caller.join(LIMIT_SECONDS)
    assert not caller.is_alive(), f"hangs; running: {[thread.name for thread in threading.enumerate()]}"
    assert caught, "the run ended as if nothing had happened"
    return caught[0]


def assert_nothing_stays(folder, before):
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert {thread.name for thread in set(threading.enumerate()) - before} == set()
    assert leftovers(folder) == []


def child(code_or_module, *arguments):
    """Run a program of the tests; fails if it doesn't end by itself."""
    line = [sys.executable, *code_or_module, *(str(argument) for argument in arguments)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    try:
        return subprocess.run(line, capture_output=True, text=True, timeout=LIMIT_SECONDS, env=environment, check=False)
    except subprocess.TimeoutExpired:
        pytest.fail(f"the process was still there after {LIMIT_SECONDS} s")


def test_without_a_break_the_run_is_whole(clip, network, tmp_path):
    """What makes the other tests of this file say something."""
    report = broken.run(clip, tmp_path / "out.mkv", network)
    assert (report.frames, report.skipped) == (NUM_FRAMES, 0)
    assert set(report.stage_seconds) >= {"decode", "motion", "smooth", "measure", "encode"}
    assert len(look(tmp_path / "out.mkv").frames) == NUM_FRAMES


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("stage", broken.STAGES)
def test_an_error_of_a_stage_reaches_the_caller(clip, network, stage, position, tmp_path):
    before = set(threading.enumerate())
    error = error_of(broken.run, clip, tmp_path / "out.mkv", network, stage, POSITIONS[position])
    assert isinstance(error, broken.StageError), repr(error)
    assert str(error) == f"{stage} broke"
    assert error.__cause__ is None
    assert traceback.extract_tb(error.__traceback__)[-1].name == "step"
    assert_nothing_stays(tmp_path, before)


@pytest.mark.parametrize("stage", broken.ENDINGS)
def test_an_error_after_the_last_frame(clip, network, stage, tmp_path):
    before = set(threading.enumerate())
    error = error_of(broken.run, clip, tmp_path / "out.mkv", network, stage, 1)
    assert isinstance(error, broken.StageError), repr(error)
    assert_nothing_stays(tmp_path, before)


@pytest.mark.parametrize("position", POSITIONS)
def test_a_network_that_fails(network, position, tmp_path):
    clip = write_noisy(tmp_path / "clip.mkv", white_at(POSITIONS[position]))
    (tmp_path / "out").mkdir()
    before = set(threading.enumerate())
    error = error_of(broken.run, clip, tmp_path / "out" / "out.mkv", network)
    assert isinstance(error, MachineError), repr(error)
    assert "inference failed on CPU" in str(error)
    assert isinstance(error.__cause__, RuntimeError)
    assert_nothing_stays(tmp_path / "out", before)


@pytest.mark.parametrize("stage", [*broken.STAGES, *broken.ENDINGS])
def test_the_process_ends(clip, network, stage, tmp_path):
    number = 1 if stage in broken.ENDINGS else POSITIONS["middle"]
    done = child(("-m", "media.broken"), clip, tmp_path / "out.mkv", network, stage, number)
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].endswith(f"StageError: {stage} broke")
    assert done.stderr.count("Traceback") == 1, done.stderr
    assert "left behind" not in done.stderr
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("position", POSITIONS)
def test_the_process_ends_where_the_network_fails(network, position, tmp_path):
    clip = write_noisy(tmp_path / "clip.mkv", white_at(POSITIONS[position]))
    (tmp_path / "out").mkdir()
    done = child(("-m", "media.broken"), clip, tmp_path / "out" / "out.mkv", network)
    assert done.returncode == 1, done.stderr
    assert "MachineError: inference failed on CPU" in done.stderr.splitlines()[-1]
    assert leftovers(tmp_path / "out") == []


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_the_process_ends_where_the_disk_is_full(clip, network, share, tmp_path):
    whole = tmp_path / "whole.mkv"
    broken.run(clip, whole, network)
    num_bytes = int(whole.stat().st_size * share)
    assert num_bytes > 200
    (tmp_path / "out").mkdir()
    done = child(("-c", ON_SMALL_DISK), num_bytes, clip, tmp_path / "out" / "out.mkv", network)
    assert done.returncode == 1, done.stderr
    assert "DiskFullError: " in done.stderr.splitlines()[-1]
    assert leftovers(tmp_path / "out") == []
