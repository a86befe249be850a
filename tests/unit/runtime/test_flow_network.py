import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from vidgan.errors import RuntimeUnavailableError, StyleError
from vidgan.runtime import flow_network
from vidgan.runtime.flow_network import open_flow_network

U8, F32 = TensorProto.UINT8, TensorProto.FLOAT


def whole(name, *values):
    return helper.make_tensor(name, TensorProto.INT64, [len(values)], values)


def save(path, block=8, given=(U8, 2), made=(F32, 2)):
    """A network that takes multiples of `block`: u is the lumas' difference one pixel to the right, v the luma."""
    nodes = [
        helper.make_node("Cast", ["lumas"], ["floats"], to=F32),
        helper.make_node("Transpose", ["floats"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("SpaceToDepth", ["nchw"], ["deep"], blocksize=block),
        helper.make_node("DepthToSpace", ["deep"], ["flat"], blocksize=block),
        helper.make_node("Split", ["flat"], ["now", "before"], axis=1, num_outputs=2),
        helper.make_node("Sub", ["now", "before"], ["difference"]),
        helper.make_node("Slice", ["difference", "one", "many", "three"], ["right"]),
        helper.make_node("Pad", ["right", "pads"], ["shifted"]),
        helper.make_node("Concat", ["shifted", "now"], ["both"], axis=1),
        helper.make_node("Transpose", ["both"], ["flow"], perm=[0, 2, 3, 1]),
    ]
    constants = [whole("one", 1), whole("many", 9999), whole("three", 3), whole("pads", 0, 0, 0, 0, 0, 0, 0, 1)]
    ports = [
        helper.make_tensor_value_info(name, kind, ["n", "h", "w", channels])
        for name, (kind, channels) in (("lumas", given), ("flow", made))
    ]
    graph = helper.make_graph(nodes, "flow", ports[:1], ports[1:], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


@pytest.fixture
def lumas():
    """Two lumas 13 pixels wide and 10 high, which is no multiple of anything."""
    return np.random.default_rng(0).integers(0, 256, (2, 10, 13), np.uint8)


def expected_flow(now, before):
    difference = now.astype(np.float32) - before
    # Beyond the right border the last column stands again.
    return np.stack([np.pad(difference[:, 1:], ((0, 0), (0, 1)), mode="edge"), now], axis=2)


def check(flow, lumas):
    for now, before in (lumas, lumas[::-1], lumas.transpose(0, 2, 1), lumas):
        found = flow(now, before)
        assert found.dtype == np.float32
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, expected_flow(now, before))


def test_flow_of_pictures_of_any_size(tmp_path, lumas):
    check(open_flow_network(save(tmp_path / "flow.onnx"), "cpu"), lumas)


def test_the_road_of_cards_gives_the_same(tmp_path, lumas, monkeypatch):
    monkeypatch.setattr(flow_network, "_on_cpu", None)
    path = save(tmp_path / "flow.onnx")
    with pytest.raises(RuntimeUnavailableError, match="cuda:97"):
        open_flow_network(path, "cuda:97")
    monkeypatch.setattr("vidgan.runtime.torch.find_torch_device", lambda _: "cpu")
    check(open_flow_network(path, "cuda:0"), lumas)


def test_a_card_says_what_sizes_it_takes(tmp_path, lumas, one_line):
    path = save(tmp_path / "flow.onnx", block=6)
    with pytest.raises(StyleError) as caught:
        open_flow_network(path, "cpu")(*lumas)
    one_line(caught.value, path, "16x16")
    (tmp_path / "card.toml").write_text("size_multiple = 6")
    check(open_flow_network(path, "cpu"), lumas)


@pytest.mark.parametrize(
    "card", ["size_multiple = 0", "size_multiple = true", "size_multiple = 'a'", "size_mul", b"\xff"]
)
def test_broken_cards(tmp_path, one_line, card):
    (tmp_path / "card.toml").write_bytes(card if isinstance(card, bytes) else card.encode())
    with pytest.raises(StyleError) as caught:
        open_flow_network(save(tmp_path / "flow.onnx"), "cpu")
    one_line(caught.value, tmp_path / "card.toml")


@pytest.mark.parametrize(
    ("ports", "words"),
    [
        ({"given": (F32, 2)}, "its input is float [?,?,?,2]; a flow network's is uint8 [N,H,W,2]"),
        ({"given": (U8, 3)}, "its input is uint8 [?,?,?,3]"),
        ({"made": (U8, 2)}, "its output is uint8 [?,?,?,2]; a flow network's is float [N,H,W,2]"),
        ({"made": (F32, 3)}, "its output is float [?,?,?,3]"),
    ],
)
def test_networks_of_another_kind(tmp_path, one_line, ports, words):
    path = save(tmp_path / "flow.onnx", **ports)
    with pytest.raises(StyleError) as caught:
        open_flow_network(path, "cpu")
    one_line(caught.value, path, words)


def test_styles_and_broken_files(tmp_path, invert_onnx, one_line, capfd):
    broken = tmp_path / "flow.onnx"
    broken.write_bytes(b"not a network")
    for path in (invert_onnx, broken, tmp_path / "absent.onnx"):
        with pytest.raises(StyleError) as caught:
            open_flow_network(path, "cpu")
        one_line(caught.value, path)
    assert capfd.readouterr() == ("", "")


def test_lumas_of_two_sizes(tmp_path, lumas):
    with pytest.raises(ValueError, match="one size"):
        open_flow_network(save(tmp_path / "flow.onnx"), "cpu")(lumas[0], lumas[1][1:])
