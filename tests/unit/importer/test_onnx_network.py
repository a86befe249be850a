import numpy as np
import onnx
import pytest
from authors.foreign_onnx import BLACK_AND_WHITE, TYPES, Foreign

from vidgan.errors import InputError, StyleError
from vidgan.importer.hints import Hints
from vidgan.importer.onnx_network import find_onnx_network
from vidgan.runtime.openvino import OpenVINORuntime, compile_any_size

SIZES = [(64, 64), (80, 112), (112, 48)]


def imported(network, tmp_path, **hints):
    """Import a network; returns what was found, and the style's file."""
    found = find_onnx_network(network.save(tmp_path / "foreign.onnx"), Hints(**hints))
    style = tmp_path / "style.onnx"
    assert found.make_model(style)["measured"]["style_against_original_levels"] <= 1
    return found, style


def assert_same_pictures(style, network, sizes=SIZES, **how):
    infer, random = compile_any_size(style), np.random.default_rng(1)
    for height, width in sizes:
        coarse = random.integers(0, 256, (1, height // 16, width // 16, 3), dtype=np.uint8)
        frames_NHWC = coarse.repeat(16, 1).repeat(16, 2)
        expected = network.reference(frames_NHWC, **how)
        assert expected.std() > 3, "a flat picture would be the same whatever happened"
        assert np.abs(infer(frames_NHWC).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("end", ["tanh", "sigmoid", "levels"])
def test_layout_and_range_are_found(end, layout, tmp_path):
    network = Foreign(end=end, layout=layout)
    found, style = imported(network, tmp_path)
    black, white = BLACK_AND_WHITE[end]
    assert found.words == f"ONNX network, {layout.upper()}, {black}..{white}, RGB, f32"
    assert any(f"found by trying: {black}..{white}" in note for note in found.notes)
    assert any("red first is assumed" in note for note in found.notes)
    assert (found.size_multiple, found.minimum_size) == (1, 16)
    assert_same_pictures(style, network)


def test_first_a_cast_and_last_a_cast_behind_rounding_and_clamping(tmp_path):
    _, style = imported(Foreign(), tmp_path)
    model = onnx.load(style)
    onnx.checker.check_model(model, full_check=True)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds[0] == "Cast"
    assert kinds[-3:] == ["Round", "Clip", "Cast"]
    shapes = [
        [dim.dim_param or dim.dim_value for dim in port.type.tensor_type.shape.dim]
        for port in (*model.graph.input, *model.graph.output)
    ]
    assert shapes == [["n", "h", "w", 3]] * 2
    assert b"secret" not in model.SerializeToString()


@pytest.mark.parametrize("dtype", ["f16", "u8"])
def test_other_types(dtype, tmp_path):
    network = Foreign(end="levels", dtype=dtype)
    found, style = imported(network, tmp_path)
    assert found.words == f"ONNX network, NCHW, 0..255, RGB, {dtype}"
    assert_same_pictures(style, network)


def test_blue_first_by_hint(tmp_path):
    network = Foreign()
    found, style = imported(network, tmp_path, channels="bgr")
    assert "BGR" in found.words
    assert_same_pictures(style, network, bgr=True)


def test_a_range_that_nothing_shows_is_assumed_or_hinted(tmp_path):
    network = Foreign(end="linear")
    found, _ = imported(network, tmp_path)
    assert any("assumed to be 0..1; it could be " in note and "0..255" in note for note in found.notes)
    # What goes in as 0..255 and is believed to come out as 0..1 is white: the hint is followed to the letter.
    found, style = imported(network, tmp_path, range=(0.0, 255.0), output_range=(0.0, 1.0))
    assert "0..255 to 0..1" in found.words
    assert_white = compile_any_size(style)(np.full((1, 32, 32, 3), 90, np.uint8))
    assert assert_white.min() == 255


def test_a_hint_beats_what_is_seen(tmp_path):
    network = Foreign(end="tanh")
    found, style = imported(network, tmp_path, range=(0.0, 1.0), output_range=(-1.0, 1.0))
    assert "0..1 to -1..1" in found.words
    assert_same_pictures(style, network, limits=(0, 1))


def test_only_the_output_is_looked_at_where_the_input_is_hinted(tmp_path):
    network = Foreign(end="sigmoid", dtype="f32")
    found, _ = imported(network, tmp_path, range=(-1.0, 1.0), output_range=(0.0, 1.0))
    assert "-1..1 to 0..1" in found.words
    assert not any("range" in note for note in found.notes)


@pytest.mark.parametrize("halvings", [1, 3, 5])
def test_what_sizes_must_be_multiples_of(halvings, tmp_path):
    network = Foreign(end="sigmoid", halvings=halvings)
    found, style = imported(network, tmp_path)
    assert found.size_multiple == 2**halvings
    assert found.minimum_size == max(16, 2**halvings)
    assert_same_pictures(style, network, sizes=[(64, 96), (96, 32), (32, 32)])


def test_a_multiple_can_be_hinted(tmp_path):
    found, _ = imported(Foreign(halvings=1), tmp_path, multiple=12)
    assert (found.size_multiple, found.minimum_size) == (12, 24)
    with pytest.raises(InputError, match="multiples of 7 don't work; give --hint multiple=NUMBER"):
        imported(Foreign(halvings=1), tmp_path, multiple=7)


def test_a_fixed_size_that_isn_t_needed_is_freed(tmp_path):
    network = Foreign(shape=(1, 96, 128), halvings=2)
    found, style = imported(network, tmp_path)
    assert any("declares a fixed size, and was seen to take others too" in note for note in found.notes)
    assert found.size_multiple == 4
    assert_same_pictures(style, network)
    frames_NHWC = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    assert compile_any_size(style)(frames_NHWC).shape == frames_NHWC.shape  # batches were freed too


def test_a_size_that_is_needed_is_refused(tmp_path, one_line):
    with pytest.raises(InputError) as caught:
        imported(Foreign(shape=(1, 96, 128), is_fixed=True), tmp_path)
    one_line(caught.value, "foreign.onnx", "takes pictures of 128x96 only", "export it again")


def test_a_network_for_single_pictures_stays_one(tmp_path):
    """Reshaped to a batch of one within, and otherwise free."""
    path = Foreign().save(tmp_path / "foreign.onnx")
    model = onnx.load(path)
    model.graph.node.insert(0, onnx.helper.make_node("Reshape", ["input:0", "one_picture"], ["single"]))
    model.graph.node[1].input[0] = "single"
    # 0 keeps what was there.
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 3, 0, 0], np.int64), "one_picture"))
    model.graph.node[0].input[0] = "input:0"
    onnx.save(model, path)
    found = find_onnx_network(path, Hints())
    found.make_model(tmp_path / "style.onnx")
    port = onnx.load(tmp_path / "style.onnx").graph.input[0]
    assert port.type.tensor_type.shape.dim[0].dim_value == 1
    frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    with OpenVINORuntime(tmp_path / "style.onnx", size=(64, 48), precision="f32") as runtime:
        styled = runtime.submit(frame).result()
    assert np.abs(styled.astype(int) - Foreign().reference(frame[np.newaxis])[0]).max() <= 1


@pytest.mark.parametrize("opset", [9, 11])
def test_old_operators_are_brought_up_to_date(opset, tmp_path):
    network = Foreign(end="sigmoid", halvings=1, opset=opset)
    _, style = imported(network, tmp_path)
    assert onnx.load(style).opset_import[0].version >= 13
    assert_same_pictures(style, network)


def test_ours_is_taken_as_it_is(save_onnx, tmp_path):
    port = (TYPES["u8"], ("n", "h", "w", 3))
    path = save_onnx(tmp_path / "ours.onnx", [("frames", *port)], [("styled", *port)])
    found = find_onnx_network(path, Hints())
    assert found.words == "style network"
    assert (found.size_multiple, found.minimum_size) == (1, 16)
    found.make_model(tmp_path / "style.onnx")
    assert (tmp_path / "style.onnx").read_bytes() == path.read_bytes()
    with pytest.raises(ValueError, match="of the hints only multiple fits"):
        find_onnx_network(path, Hints(range=(0, 1)))


def test_ours_of_one_size_is_freed(save_onnx, tmp_path):
    port = (TYPES["u8"], (1, 64, 64, 3))
    path = save_onnx(tmp_path / "ours.onnx", [("frames", *port)], [("styled", *port)])
    find_onnx_network(path, Hints()).make_model(tmp_path / "style.onnx")
    frames_NHWC = np.random.default_rng(0).integers(0, 256, (2, 48, 80, 3), dtype=np.uint8)
    np.testing.assert_array_equal(compile_any_size(tmp_path / "style.onnx")(frames_NHWC), frames_NHWC)


@pytest.mark.parametrize(("network", "words"), [
    (Foreign(scale=2), "makes pictures 2 times as large; a style keeps the size"),
    (Foreign(colours=(1, 3)), "its input is (?, 1, ?, ?); a style's network has 3 colours"),
    (Foreign(colours=(3, 1)), "makes 1x1x256x512 of a picture of 512x256"),
    (Foreign(colours=(3, 3), dtype="i64"), "its input is of type int64"),
])  # fmt: skip
def test_other_networks_are_refused(network, words, tmp_path, one_line):
    with pytest.raises(InputError) as caught:
        imported(network, tmp_path)
    one_line(caught.value, "foreign.onnx", words)


def test_a_plain_picture_shows_no_range(tmp_path, one_line):
    network = Foreign(end="tanh")
    network.weights["second"] *= 0
    with pytest.raises(InputError) as caught:
        imported(network, tmp_path)
    one_line(caught.value, "range of its pictures can't be found", "plain ones of 0..1", "give --hint range=")


def test_two_inputs_are_refused(save_onnx, tmp_path, one_line):
    port = ("input", 1, (1, 3, "h", "w"))
    path = save_onnx(tmp_path / "two.onnx", [port, ("mask", *port[1:])], [("output", *port[1:])])
    with pytest.raises(InputError) as caught:
        find_onnx_network(path, Hints())
    one_line(caught.value, "has 2 inputs (input, mask)")


@pytest.mark.parametrize("content", [b"", b"To be, or not to be\n" * 30, b"\x89PNG\r\n\x1a\n" + bytes(range(256))])
def test_files_that_are_no_networks(content, tmp_path, one_line):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        find_onnx_network(path, Hints())
    one_line(caught.value, path)
    path.write_bytes(Foreign().save(tmp_path / "whole.onnx").read_bytes()[:-900])
    with pytest.raises(StyleError) as caught:
        find_onnx_network(path, Hints())
    one_line(caught.value, path, "not a readable ONNX file")


def test_hints_for_weights_are_refused(tmp_path):
    with pytest.raises(ValueError, match="part=x means nothing for an ONNX network"):
        imported(Foreign(), tmp_path, part="x")
