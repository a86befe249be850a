import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from vidgan.errors import StyleError
from vidgan.networks.generators import StyleNet
from vidgan.runtime import open_runtime
from vidgan.runtime.export import MAX_DIFFERENCE, export_onnx


class Function(nn.Module):
    """A network of one function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x_NCHW):
        return self.function(x_NCHW)


def export(network, folder, **options):
    path = folder / "model.onnx"
    return path, export_onnx(network, path, **{"size_multiple": 4, "minimum_size": 16, **options})


def run(path, image, precision="f32"):
    with open_runtime(path, size=(image.shape[1], image.shape[0]), precision=precision) as runtime:
        return runtime.submit(image).result()


EVERY_VALUE = np.arange(768, dtype=np.uint8).reshape(16, 16, 3)


@pytest.fixture(scope="module")
def stylenet(tmp_path_factory):
    torch.manual_seed(1)
    return export(StyleNet().eval(), tmp_path_factory.mktemp("export"))


def test_graph_of_a_stylenet(stylenet):
    path, report = stylenet
    graph = onnx.load(path).graph
    assert len(graph.node) == report.num_nodes < 60
    kinds = [node.op_type for node in graph.node]
    assert not {"If", "Loop", "BatchNormalization"} & set(kinds)
    assert kinds.count("InstanceNormalization") == 2
    (frames,), (styled,) = graph.input, graph.output
    assert (frames.name, styled.name) == ("frames", "styled")
    for port in (frames, styled):
        assert port.type.tensor_type.elem_type == onnx.TensorProto.UINT8
        dims = port.type.tensor_type.shape.dim
        assert all(dim.dim_param for dim in dims[:3])
        assert dims[3].dim_value == 3
    onnx.checker.check_model(path)


def test_uint8_touches_nothing_but_casts(stylenet):
    graph = onnx.load(stylenet[0]).graph
    readers = {node.op_type for node in graph.node if "frames" in node.input}
    # The shape may be read from any tensor: that is no computation on its values.
    assert readers - {"Shape"} == {"Cast"}
    assert [node.op_type for node in graph.node if "styled" in node.output] == ["Cast"]


def test_file_is_complete_and_says_nothing_of_this_machine(stylenet):
    path, _ = stylenet
    model = onnx.load(path, load_external_data=False)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 20)]
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert list(path.parent.iterdir()) == [path]
    contents = path.read_bytes()
    for trace in (b"stack_trace", b".py", b"vidgan", b"/site-packages"):
        assert trace not in contents


def test_report(stylenet):
    _, report = stylenet
    assert report.max_difference <= 1
    assert 0 <= report.mean_difference < 0.01
    shapes = report.shapes
    assert len({shape[1] / shape[2] for shape in shapes}) >= 3
    assert {shape[0] for shape in shapes} == {1, 2}
    assert (1, 16, 16, 3) in shapes
    assert all(height % 4 == width % 4 == 0 for _, height, width, _ in shapes)


def test_same_network_gives_the_same_bytes(small_stylenet, small_stylenet_onnx, tmp_path):
    path, _ = export(small_stylenet, tmp_path)
    assert path.read_bytes() == small_stylenet_onnx.read_bytes()


@pytest.mark.parametrize("precision", ["f32", "auto"])
@pytest.mark.parametrize("shift", [-300, -0.51, -0.49, 0, 0.49, 0.51, 300])
def test_values_are_rounded_and_clamped(tmp_path, shift, precision):
    path, _ = export(Function(lambda x_NCHW: x_NCHW + shift / 255), tmp_path)
    expected = np.clip(EVERY_VALUE.astype(int) + round(shift), 0, 255)
    np.testing.assert_array_equal(run(path, EVERY_VALUE, precision), expected)


def test_any_multiple_and_any_minimum(tmp_path, noise):
    path, report = export(Function(lambda x_NCHW: x_NCHW.flip(1)), tmp_path, size_multiple=1, minimum_size=2)
    assert (1, 2, 2, 3) in report.shapes
    image = noise(37, 23)
    np.testing.assert_array_equal(run(path, image), image[..., ::-1])
    _, report = export(Function(lambda x_NCHW: x_NCHW), tmp_path, size_multiple=32, minimum_size=40)
    assert (1, 64, 64, 3) in report.shapes


def test_network_is_left_as_it_was(tmp_path):
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Dropout(0.5)).double().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    export(network, tmp_path)
    assert all(module.training for module in network.modules())
    for name, value in network.state_dict().items():
        assert value.dtype == torch.float64
        assert torch.equal(value, before[name])


def test_nothing_is_printed(tmp_path):
    # In a process of its own: torch sets up its logging when it is imported, and some notes come only once.
    code = f"""
import pathlib, torch
from vidgan.runtime.export import export_onnx
export_onnx(torch.nn.Conv2d(3, 3, 1), pathlib.Path({str(tmp_path)!r}, "model.onnx"), size_multiple=4, minimum_size=16)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Function(lambda x_NCHW: x_NCHW + torch.rand_like(x_NCHW)), "differ from torch's by"),
        (nn.Upsample(scale_factor=2), "the network makes (1, 32, 32, 3) of (1, 16, 16, 3)"),
        (Function(lambda x_NCHW: x_NCHW if x_NCHW.mean() > 0.5 else 1 - x_NCHW), "torch can't export"),
    ],
    ids=["random", "other size", "data-dependent"],
)
def test_refused_networks_leave_the_old_file(network, words, tmp_path, one_line):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    with pytest.raises(StyleError) as caught:
        export(network, tmp_path)
    one_line(caught.value, "model.onnx: not written", words)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_limit_of_parity(tmp_path, monkeypatch):
    """A network that is off by `MAX_DIFFERENCE` levels passes, by one more it doesn't."""
    for levels, passes in ((MAX_DIFFERENCE, True), (MAX_DIFFERENCE + 1, False)):
        # While torch exports, the network takes the other way; so the file differs from the network.
        def shifted(x_NCHW, levels=levels):
            return x_NCHW + (levels / 255 if torch.compiler.is_compiling() else 0)

        if passes:
            assert export(Function(shifted), tmp_path)[1].max_difference == levels
        else:
            with pytest.raises(StyleError, match=f"by {levels} levels"):
                export(Function(shifted), tmp_path)


def test_folder_is_made_and_file_is_readable_by_others(tmp_path):
    path, _ = export(nn.Conv2d(3, 3, 1), tmp_path / "a" / "b")
    reference = tmp_path / "reference"
    reference.write_bytes(b"")
    assert path.stat().st_mode == reference.stat().st_mode


@pytest.mark.parametrize("options", [{"size_multiple": 0}, {"minimum_size": -4}])
def test_wrong_sizes(tmp_path, options):
    with pytest.raises(ValueError, match="give a number of pixels"):
        export(nn.Identity(), tmp_path, **options)


def test_torch_is_imported_by_this_module_only():
    assert "torch" in sys.modules["vidgan.runtime.export"].__dict__
    assert "torch" not in sys.modules["vidgan.runtime.openvino"].__dict__
