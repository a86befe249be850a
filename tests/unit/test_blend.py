import logging
import math
import os
import re
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vidgan.blend import resolve_style
from vidgan.errors import StyleError
from vidgan.styles import find_style
from vidgan.stylizer import Stylizer


def port(name, dtype=TensorProto.UINT8):
    return helper.make_tensor_value_info(name, dtype, ["n", "h", "w", 3])


def affine(gain, offset, *, names=("frames", "styled"), opset=20, squared=False):
    """A network that makes `gain * x + offset` of every channel, or the square of that by 255."""
    first, last = names
    weights = {"gain": gain, "offset": offset, "low": 0, "high": 255}
    middle = [helper.make_node("Mul", ["raised", "raised"], ["squares"])] if squared else []
    middle += [helper.make_node("Div", ["squares", "high"], ["whole"])] if squared else []
    nodes = [
        helper.make_node("Cast", [first], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["x", "gain"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["raised"]),
        *middle,
        helper.make_node("Round", ["whole" if squared else "raised"], ["round"]),
        helper.make_node("Clip", ["round", "low", "high"], ["levels"]),
        helper.make_node("Cast", ["levels"], [last], to=TensorProto.UINT8),
    ]
    constants = [numpy_helper.from_array(np.float32(value), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "affine", [port(first)], [port(last)], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.fixture
def styles(tmp_path, monkeypatch):
    """An empty folder of styles by name, and an empty cache."""
    monkeypatch.setenv("VIDGAN_STYLES", str(tmp_path / "styles"))
    monkeypatch.setenv("VIDGAN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "styles").mkdir()
    return tmp_path / "styles"


@pytest.fixture
def add(styles):
    def write(name, model, **card):
        folder = styles / name
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        card = {"size_multiple": 4, "minimum_size": 16, **card}
        (folder / "card.toml").write_text("\n".join(f"{key} = {value!r}" for key, value in card.items()))
        return folder

    return write


@pytest.fixture
def kin(add):
    """Two styles of one family, and one of none."""
    add("ink", affine([0.5, 1, 0], [0, 20, 200]), family="drawn", title="Ink", licence="CC0-1.0")
    add("chalk", affine([0.3, 0.5, 0.9], [40, 10, 0]), family="drawn", licence="Apache-2.0", margin=6)
    add("mosaic", affine(-1, 255), licence="CC0-1.0")


def picture_of(style, image, **options):
    with Stylizer(style, size=(image.shape[1], image.shape[0]), precision="f32", **options) as stylizer:
        return stylizer(image)


def mean_of(pictures, shares):
    """Round halves upwards."""
    return np.floor(sum(share * picture.astype(float) for share, picture in zip(shares, pictures, strict=True)) + 0.5)


def test_one_family_is_interpolated(kin, add, noise, caplog):
    blend = resolve_style("ink:3+chalk:1")
    assert blend.card["blend"]["networks"] == 1
    add("mean", affine([0.45, 0.875, 0.225], [10, 17.5, 150]))
    image = noise(18, 17)
    np.testing.assert_array_equal(picture_of("ink:3+chalk:1", image), picture_of("mean", image))
    network, ink = onnx.load(blend.path), onnx.load(find_style("ink").path)
    assert [node.op_type for node in network.graph.node] == [node.op_type for node in ink.graph.node]
    assert not caplog.records


def test_the_card(kin):
    blend = resolve_style("ink:3+chalk:1")
    assert (blend.name, blend.title) == ("ink:0.75+chalk:0.25", "Ink 75% + chalk 25%")
    assert blend.licence == "CC0-1.0 and Apache-2.0"
    assert blend.card["blend"]["shares"] == [0.75, 0.25]
    # A blend in the cache is a style like others, whose card knows its file.
    assert find_style(blend.path.parent) == blend
    assert blend.card["sha256"]


@pytest.mark.parametrize("text", ["ink:1+chalk:0", "ink:0.2+ink:0.1", "chalk:0+ink:5"])
def test_a_single_share_is_the_style_itself(kin, text, styles):
    assert resolve_style(text) == find_style("ink")
    assert not (styles.parent / "cache").exists()


def test_equal_shares_without_numbers_and_blanks(kin):
    blend = resolve_style(" ink + chalk")
    assert blend.card["blend"]["shares"] == [0.5, 0.5]
    assert blend == resolve_style("ink : 4 + chalk : 4.0")


@pytest.mark.parametrize("precision", ["f32", "auto"])
def test_strangers_are_averaged(kin, noise, caplog, precision):
    image = noise(20, 16)
    pictures = []
    for style in ("ink", "mosaic", "ink:0.7+mosaic:0.3"):
        with Stylizer(style, size=(20, 16), precision=precision) as stylizer:
            pictures.append(stylizer(image).astype(int))
    exact = 0.7 * pictures[0] + 0.3 * pictures[1]
    # Shares are multiples of 2^-15, which may move a value that is next to a half; nothing else may.
    assert np.abs(pictures[2] - exact).max() <= 0.51
    assert "2 of them run for every frame" in caplog.text


def test_halves_are_rounded_upwards(add, noise):
    add("plain", affine(1, 0))
    add("brighter", affine(0, 255))
    image = noise(16, 16)
    expected = mean_of([image, np.full_like(image, 255)], [0.5, 0.5])
    np.testing.assert_array_equal(picture_of("plain+brighter", image), expected)


def test_the_same_graph_of_other_families_is_averaged(add, noise):
    # Interpolated, gains of 1 and -1 would give a flat picture; so would the average, but for what is clipped.
    add("a", affine(2, 0), family="one")
    add("b", affine(-2, 255), family="two")
    add("c", affine(-2, 255))
    image = noise(16, 16)
    expected = mean_of([picture_of("a", image), picture_of("b", image)], [0.5, 0.5])
    for text in ("a+b", "a+c"):
        np.testing.assert_array_equal(picture_of(text, image), expected)
        assert resolve_style(text).card["blend"]["networks"] == 2


def test_one_family_with_other_graphs_is_averaged(add, noise):
    add("straight", affine(0.8, 0), family="drawn")
    add("curved", affine(0.9, 5, squared=True), family="drawn")
    image = noise(16, 16)
    expected = mean_of([picture_of("straight", image), picture_of("curved", image)], [0.5, 0.5])
    np.testing.assert_array_equal(picture_of("straight+curved", image), expected)


def test_three_styles_of_which_two_are_kin(kin, noise):
    image = noise(16, 16)
    blend = resolve_style("ink:1+mosaic:2+chalk:1")
    assert blend.card["blend"]["networks"] == 2
    expected = mean_of([picture_of("ink+chalk", image), picture_of("mosaic", image)], [0.5, 0.5])
    np.testing.assert_array_equal(picture_of(blend, image), expected)


def test_sizes_fit_all_parts(add, noise):
    add("a", affine(1, 0), size_multiple=4, minimum_size=16, margin=3)
    add("b", affine(-1, 255), size_multiple=6, minimum_size=40, margin=0)
    blend = resolve_style("a+b")
    assert (blend.size_multiple, blend.minimum_size, blend.margin) == (12, 40, 3)
    with Stylizer(blend, size=(19, 50)) as stylizer:
        assert stylizer.report.size == (48, 60)
        # (x + 255 - x) / 2, halves upwards
        assert set(np.unique(stylizer(noise(19, 50)))) == {128}


def test_parts_from_other_exporters(add, noise):
    add("a", affine(1, 0, names=("styled", "frames"), opset=17))
    add("b", affine(-1, 255, names=("x_in", "mean")))
    image = noise(16, 16)
    expected = mean_of([image, 255 - image], [0.25, 0.75])
    np.testing.assert_array_equal(picture_of("a:1+b:3", image), expected)


def test_a_network_without_a_cast_at_its_end(add, noise):
    nodes = [helper.make_node("Identity", ["frames"], ["styled"])]
    graph = helper.make_graph(nodes, "copy", [port("frames")], [port("styled")])
    add("copy", helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10))
    add("white", affine(0, 255))
    image = noise(16, 16)
    np.testing.assert_array_equal(picture_of("copy+white", image), mean_of([image, image * 0 + 255], [0.5, 0.5]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ink+chlak", ("'chlak'", "did you mean chalk?")),
        ("ink:0.5+none:0.5", ("'none' can't be blended in", "--strength")),
        ("ink:-1+chalk:2", ("share '-1' must be a number, 0 or more",)),
        ("ink:much+chalk:2", ("share 'much' must be a number",)),
        ("ink:+chalk:2", ("share '' must be a number",)),
        ("ink:nan+chalk:2", ("share 'nan'",)),
        ("ink:inf+chalk:2", ("share 'inf'",)),
        ("ink:0+chalk:0", ("sum up to 0", "above 0")),
        ("ink:1e308+chalk:1e308", ("sum up to inf",)),
        ("ink:0.7+chalk", ("to every style or to none",)),
        ("ink+", ("name of a style is missing",)),
        ("+", ("name of a style is missing",)),
        ("ink:1+:1", ("name of a style is missing",)),
        ("ink:0.7", ("a share needs another style", "--strength 0.7")),
        ("ikn:0.7", ("'ikn:0.7'", "known styles")),
        ("ink+/absent/model.onnx", ("/absent/model.onnx: no such file",)),
        ("ink+C:\\absent:0.5", ("to every style or to none",)),
        ("ink+C:\\absent", ("no style is called", "absent")),
    ],
)
def test_wrong_blends(kin, text, words, one_line):
    with pytest.raises(StyleError) as caught:
        Stylizer(text, size=(16, 16))
    one_line(caught.value, *words)


def test_parts_that_are_no_networks(kin, add, one_line):
    add("text", b"not a network at all")
    add("empty", b"")
    add("floats", helper.make_model(helper.make_graph([], "f", [port("x", TensorProto.FLOAT)], [port("x")])))
    for name in ("text", "empty", "floats"):
        with pytest.raises(StyleError) as caught:
            resolve_style(f"ink+{name}")
        one_line(caught.value, f"{name}/model.onnx")


def test_a_network_with_branches_is_refused(kin, add, one_line):
    model = affine(1, 0)
    inner = helper.make_graph([helper.make_node("Identity", ["round"], ["one"])], "inner", [], [port("one", 1)])
    branch = helper.make_node("If", ["yes"], ["chosen"], then_branch=inner, else_branch=inner)
    model.graph.initializer.append(numpy_helper.from_array(np.bool_(True), "yes"))
    model.graph.node.insert(4, branch)
    add("branches", model)
    with pytest.raises(StyleError) as caught:
        resolve_style("ink+branches")
    one_line(caught.value, "branches/model.onnx", "branches or loops")


def test_what_exists_wins_over_the_blend(kin, add, tmp_path, monkeypatch):
    add("ink+chalk", affine(1, 0))
    add("a:0.5", affine(1, 1))
    assert resolve_style("ink+chalk").path.parent.name == "ink+chalk"
    assert resolve_style("a:0.5").path.parent.name == "a:0.5"
    parts = resolve_style("ink+chalk:2+mosaic:1+a:0.5:1").card["blend"]
    assert parts == {"styles": ["ink+chalk", "mosaic", "a:0.5"], "shares": [0.5, 0.25, 0.25], "networks": 3}
    # Paths, below a folder with such a name too.
    folder = add("x+y:1/mosaic", affine(1, 0))
    assert resolve_style(str(folder)).name == "mosaic"
    assert resolve_style(f"{folder}:0.25+{folder / 'model.onnx'}:0.25").name == "mosaic"
    monkeypatch.chdir(tmp_path / "styles" / "x+y:1")
    assert resolve_style("./mosaic:1+ink:1").card["blend"]["styles"] == ["mosaic", "ink"]


def test_very_long_blends(kin):
    text = "+".join(["ink", "chalk"] * 60)
    assert resolve_style(text).card["blend"]["shares"] == [0.5, 0.5]


def test_the_cache_is_used_and_repaired(kin, caplog):
    first = resolve_style("ink+mosaic")
    inode, data = first.path.stat().st_ino, first.path.read_bytes()
    assert resolve_style("mosaic+ink").path != first.path
    assert resolve_style("ink:1.5+mosaic:1.5").path.stat().st_ino == inode
    for damage in (
        lambda: first.path.write_bytes(data[:100]),
        lambda: first.path.write_bytes(data[:-1] + b"\0"),
        first.path.with_name("card.toml").unlink,
        first.path.unlink,
        lambda: first.path.with_name(".model.onnx.17").write_bytes(b"left behind"),
    ):
        damage()
        assert resolve_style("ink+mosaic") == first
        assert first.path.read_bytes() == data
    assert sorted(file.name for file in first.path.parent.iterdir()) == ["card.toml", "model.onnx", "sums.json"]


def test_another_network_of_the_same_name_is_another_blend(kin, styles):
    first = resolve_style("ink+mosaic")
    (styles / "ink" / "model.onnx").write_bytes(affine(0.1, 7).SerializeToString())
    assert resolve_style("ink+mosaic").path != first.path


def test_without_a_cache_it_works_all_the_same(kin, monkeypatch, noise, caplog):
    monkeypatch.setenv("VIDGAN_CACHE", os.devnull)
    image = noise(16, 16)
    blend = resolve_style("ink+chalk")
    assert "can't keep" in caplog.text
    assert picture_of(blend, image).shape == image.shape
    assert blend == find_style(blend.path)


def test_the_stylizers_own_cache_folder(kin, tmp_path, noise):
    picture_of("ink+chalk", noise(16, 16), cache_dir=tmp_path / "mine")
    assert len(list((tmp_path / "mine" / "blends").glob("*/model.onnx"))) == 1
    assert not (tmp_path / "cache").exists()


def test_several_processes_make_it_once(kin):
    code = (
        "import logging; logging.basicConfig(level=logging.INFO)\n"
        "from vidgan.blend import resolve_style; print(resolve_style('ink:2+mosaic:1').path.stat().st_ino)"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [run.communicate(timeout=120) for run in runs]
    assert len({out for out, _ in said}) == 1, said
    assert sum("built anew" in err for _, err in said) == 1, said


def test_a_full_disk_leaves_nothing_behind(kin, styles):
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))\n"
        "from vidgan.blend import resolve_style; from vidgan.errors import MachineError\n"
        "try:\n resolve_style('ink+mosaic')\nexcept MachineError as error:\n print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.fullmatch(r".*: can't write the blended network there \(File too large\); make room.*\n", done.stdout)
    assert not list((styles.parent / "cache").rglob("model.onnx"))
    assert math.isclose(sum(resolve_style("ink+mosaic").card["blend"]["shares"]), 1)


def test_a_plain_style_needs_no_onnx(kin):
    code = (
        "import sys; from vidgan.stylizer import Stylizer\n"
        "with Stylizer('ink', size=(16, 16)): sys.exit('onnx' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level(logging.WARNING)
