"""Small real networks, made once per run, and folders that keep tests away from the user's own styles and cache."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def own_folders(monkeypatch, tmp_path_factory):
    """Point vidgan's cache and styles to folders of this test run."""
    base = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("VIDGAN_CACHE", str(base / "vidgan-cache"))
    monkeypatch.setenv("VIDGAN_STYLES", str(base / "vidgan-styles"))


@pytest.fixture(scope="session")
def invert_onnx(tmp_path_factory):
    """A network whose result is known exactly: 255 - x. Sizes are multiples of 4, at least 16."""
    from torch import nn

    from vidgan.runtime.export import export_onnx

    class Invert(nn.Module):
        def forward(self, x_NCHW):
            return 1 - x_NCHW

    path = tmp_path_factory.mktemp("invert") / "model.onnx"
    export_onnx(Invert(), path, size_multiple=4, minimum_size=16)
    return path


@pytest.fixture(scope="session")
def small_stylenet():
    """A small generator with random weights, strong enough to give pictures that are not flat."""
    import torch

    from vidgan.networks.generators import StyleNet

    torch.manual_seed(0)
    network = StyleNet(width=8, num_blocks=1).eval()
    with torch.no_grad():
        network.to_rgb[0].weight *= 10
    return network


@pytest.fixture(scope="session")
def small_stylenet_onnx(small_stylenet, tmp_path_factory):
    """The small generator, exported."""
    from vidgan.runtime.export import export_onnx

    path = tmp_path_factory.mktemp("stylenet") / "model.onnx"
    export_onnx(small_stylenet, path, size_multiple=4, minimum_size=16)
    return path


@pytest.fixture(scope="session")
def bright_fails_onnx(tmp_path_factory):
    """A network that copies 16x16 pictures and fails at inference where the brightest value is 100 or more."""
    import onnx
    from onnx import TensorProto, helper

    # Another impossible size for each value: OpenVINO doesn't look again at a size that it has just refused.
    batch = np.where(np.arange(256) < 100, 1, np.arange(256))
    constants = [
        helper.make_tensor("batch_of_value", TensorProto.INT64, [256], batch),
        helper.make_tensor("zero", TensorProto.INT64, [1], [0]),
        helper.make_tensor("rest", TensorProto.INT64, [3], [16, 16, 3]),
    ]
    nodes = [
        helper.make_node("Cast", ["frames"], ["levels"], to=TensorProto.INT64),
        helper.make_node("ReduceMax", ["levels"], ["brightest"], keepdims=0),
        helper.make_node("Gather", ["batch_of_value", "brightest"], ["batch"]),
        helper.make_node("Unsqueeze", ["batch", "zero"], ["batch_1"]),
        helper.make_node("Concat", ["batch_1", "rest"], ["shape"], axis=0),
        helper.make_node("Reshape", ["frames", "shape"], ["styled"]),
    ]
    path = tmp_path_factory.mktemp("bright_fails") / "model.onnx"
    onnx.save(_model(nodes, [_port("frames")], [_port("styled")], constants), path)
    return path


@pytest.fixture(scope="session")
def save_onnx():
    """A function that writes an ONNX file of one Identity or Cast per pair of ports `(name, type, shape)`."""
    import onnx
    from onnx import helper

    def save(path, inputs, outputs):
        ins, outs = [_port(*port) for port in inputs], [_port(*port) for port in outputs]
        nodes = [helper.make_node("Cast", [inputs[0][0]], [port[0]], to=port[1]) for port in outputs]
        onnx.save(_model(nodes, ins, outs, []), path)
        return path

    return save


@pytest.fixture
def noise():
    """A function that makes a picture of random values of a width and a height, the same every time."""

    def make(width, height, seed=0):
        return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)

    return make


@pytest.fixture
def one_line():
    """A function that checks that an error is one line for users that holds the given words."""

    def check(error, *words):
        text = str(error)
        assert "\n" not in text, text
        for word in words:
            assert str(word) in text, f"{word!r} is not in {text!r}"

    return check


def _port(name, dtype=2, shape=("n", "h", "w", 3)):
    from onnx import helper

    return helper.make_tensor_value_info(name, dtype, list(shape))


def _model(nodes, inputs, outputs, constants):
    from onnx import helper

    graph = helper.make_graph(nodes, "test", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
