"""What OpenVINO's runtime and torch's do alike: what they refuse, and what they say of it; how they close."""

import threading

import numpy as np
import pytest
from onnx import TensorProto

from vidgan.errors import StyleError
from vidgan.runtime import open_runtime


@pytest.fixture(params=["openvino", "torch"])
def open_here(request):
    if request.param == "torch":
        pytest.importorskip("torch")

    def open_it(path, size=(48, 32), **options):
        return open_runtime(path, runtime=request.param, device="cpu", size=size, **options)

    open_it.runtime = request.param
    return open_it


@pytest.mark.parametrize("kind", ["empty", "text", "xml", "random", "half", "short", "absent", "folder"])
def test_files_that_are_no_onnx(open_here, kind, small_stylenet_onnx, tmp_path, one_line, capfd):
    good = small_stylenet_onnx.read_bytes()
    contents = {
        "empty": b"",
        "text": b"hello " * 100,
        "xml": b"<?xml version='1.0'?><net/>",
        "random": np.random.default_rng(0).bytes(5000),
        "half": good[: len(good) // 2],
        "short": good[:-10],
    }
    path = tmp_path / "model.onnx"
    if kind == "folder":
        path.mkdir()
    elif kind != "absent":
        path.write_bytes(contents[kind])
    with pytest.raises(StyleError) as caught:
        open_here(path)
    one_line(caught.value, path)
    assert capfd.readouterr() == ("", "")


U8, F32 = TensorProto.UINT8, TensorProto.FLOAT
NHWC = ("n", "h", "w", 3)


@pytest.mark.parametrize(
    ("inputs", "outputs", "words"),
    [
        ([("a", F32, NHWC)], [("y", U8, NHWC)], "its input is f32"),
        ([("a", U8, NHWC)], [("y", F32, NHWC)], "its output is f32"),
        ([("a", U8, ("n", 3, "h", "w"))], [("y", U8, ("n", 3, "h", "w"))], "its input is u8 [?,3,?,?]"),
        ([("a", U8, ("h", "w", 3))], [("y", U8, ("h", "w", 3))], "its input is u8 [?,?,3]"),
        ([("a", U8, NHWC), ("b", U8, NHWC)], [("y", U8, NHWC)], "has 2 inputs"),
        ([("a", U8, NHWC)], [("y", U8, NHWC), ("z", U8, NHWC)], "has 2 outputs"),
    ],
)
def test_networks_of_another_kind(open_here, inputs, outputs, words, save_onnx, tmp_path, one_line):
    path = save_onnx(tmp_path / "model.onnx", inputs, outputs)
    with pytest.raises(StyleError) as caught:
        open_here(path)
    one_line(caught.value, path, words)


def test_a_size_that_the_network_does_not_take(open_here, small_stylenet_onnx, one_line):
    with pytest.raises(StyleError) as caught:
        open_here(small_stylenet_onnx, size=(30, 32))
    one_line(caught.value, small_stylenet_onnx, "size_multiple")


def test_close_waits_and_leaves_no_thread(open_here, small_stylenet_onnx, noise):
    def own_threads():
        return [thread for thread in threading.enumerate() if thread.name.startswith(f"vidgan-{open_here.runtime}")]

    runtime = open_here(small_stylenet_onnx, size=(320, 320), depth=3)
    futures = [runtime.submit(noise(320, 320)) for _ in range(3)]
    assert own_threads()
    runtime.close()
    assert all(future.done() for future in futures)
    assert not own_threads()
    runtime.close()
    with pytest.raises(RuntimeError, match="closed"):
        runtime.submit(noise(320, 320))
