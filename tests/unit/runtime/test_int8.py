import sys

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from vidgan.errors import RuntimeUnavailableError, StyleError
from vidgan.runtime.int8 import quantise_onnx
from vidgan.runtime.openvino import compile_any_size


@pytest.fixture(scope="module")
def float_onnx(small_stylenet, tmp_path_factory):
    """The small generator as styles are shipped: fused."""
    from vidgan.runtime.export import export_onnx

    path = tmp_path_factory.mktemp("fused") / "model.onnx"
    export_onnx(small_stylenet.fused(), path, size_multiple=4, minimum_size=16)
    return path


@pytest.fixture(scope="module")
def frames():
    random = np.random.default_rng(3)
    return [random.integers(0, 256, (64, 96, 3), dtype=np.uint8) for _ in range(4)]


@pytest.fixture(scope="module")
def int8_onnx(float_onnx, frames, tmp_path_factory):
    path = tmp_path_factory.mktemp("int8") / "model.int8.onnx"
    version = quantise_onnx(float_onnx, path, frames[:3])
    assert version.count(".") == 2
    return path


def test_the_picture_stays_close_and_is_another(float_onnx, int8_onnx, frames):
    exact, quantised = (compile_any_size(path)(frames[3][None]).astype(float) for path in (float_onnx, int8_onnx))
    assert 0 < np.mean((exact - quantised) ** 2) < 255**2 / 10**3.5  # 35 dB


def test_all_sizes_pass(int8_onnx):
    infer = compile_any_size(int8_onnx)
    for height, width in ((16, 16), (20, 36), (128, 64)):
        assert infer(np.zeros((1, height, width, 3), np.uint8)).shape == (1, height, width, 3)


def test_it_is_what_tensorrt_takes(int8_onnx):
    model = onnx.load(int8_onnx)
    onnx.checker.check_model(model)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert nodes
    for node in nodes:
        scale, zero = (constants[name] for name in node.input[1:3])
        assert scale.dtype == np.float32
        assert zero.dtype == np.int8
        assert not zero.any()
        assert (scale > 0).all()


def test_all_convolutions_but_the_first_take_int8(int8_onnx):
    model = onnx.load(int8_onnx)
    made_by = {name: node.op_type for node in model.graph.node for name in node.output}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    inputs = [made_by.get(node.input[0]) == "DequantizeLinear" for node in convolutions]
    assert inputs == [False] + [True] * (len(convolutions) - 1)
    assert len(convolutions) > 3
    sums = [node for node in model.graph.node if node.op_type == "Add"]
    assert all(made_by.get(name) != "DequantizeLinear" for node in sums for name in node.input)


def test_nothing_about_its_making_is_in_the_file(int8_onnx):
    assert not onnx.load(int8_onnx).metadata_props
    assert b"/tmp" not in int8_onnx.read_bytes()


def test_no_frames(float_onnx, tmp_path):
    with pytest.raises(ValueError, match="no frames"):
        quantise_onnx(float_onnx, tmp_path / "x.onnx", [])


def test_a_network_without_convolutions(invert_onnx, frames, tmp_path, one_line):
    with pytest.raises(StyleError) as caught:
        quantise_onnx(invert_onnx, tmp_path / "x.onnx", frames[:1])
    one_line(caught.value, invert_onnx, "can't be quantised")
    assert not list(tmp_path.iterdir())


def test_without_nncf(float_onnx, frames, tmp_path, monkeypatch, one_line):
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(RuntimeUnavailableError) as caught:
        quantise_onnx(float_onnx, tmp_path / "x.onnx", frames)
    one_line(caught.value, "NNCF", "pip install 'vidgan[int8]'")
