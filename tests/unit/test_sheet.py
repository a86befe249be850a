import logging

import cv2
import numpy as np
import pytest

from vidgan.errors import StyleError
from vidgan.sheet import SheetOptions, make_sheet
from vidgan.styles import Style

PAPER = (250, 249, 246)
BLUE = (20, 40, 230)
YELLOW = tuple(255 - value for value in BLUE)


@pytest.fixture(scope="module")
def paint_onnx(tmp_path_factory):
    """A function that writes a network of a few nodes between `x`, float levels `(N, H, W, 3)`, and `levels`."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def write(name, nodes, **constants):
        ports = [
            helper.make_tensor_value_info(port, TensorProto.UINT8, ["n", "h", "w", 3]) for port in ("frames", "styled")
        ]
        nodes = [
            helper.make_node("Cast", ["frames"], ["x"], to=TensorProto.FLOAT),
            *(helper.make_node(kind, ins, outs, **options) for kind, ins, outs, options in nodes),
            helper.make_node("Cast", ["levels"], ["styled"], to=TensorProto.UINT8),
        ]
        tensors = [numpy_helper.from_array(value, key) for key, value in constants.items()]
        graph = helper.make_graph(nodes, name, ports[:1], ports[1:], tensors)
        path = tmp_path_factory.mktemp(name) / "model.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
        return path

    return write


@pytest.fixture(scope="module")
def negative(paint_onnx):
    path = paint_onnx("negative", [("Sub", ["white", "x"], ["levels"], {})], white=np.float32(255))
    return Style(name="negative", path=path, title="Negative", size_multiple=4, minimum_size=16)


@pytest.fixture(scope="module")
def height_of_input(paint_onnx):
    """Paints every pixel with an eighth of the height that the network gets, in pixels."""
    nodes = [
        ("Shape", ["x"], ["shape"], {"start": 1, "end": 2}),
        ("Cast", ["shape"], ["height"], {"to": 1}),
        ("Div", ["height", "eight"], ["eighth"], {}),
        ("Mul", ["x", "nothing"], ["black"], {}),
        ("Add", ["black", "eighth"], ["levels"], {}),
    ]
    path = paint_onnx("height", nodes, eight=np.float32(8), nothing=np.float32(0))
    return Style(name="height", path=path, size_multiple=1, minimum_size=1)


def flat(width, height, colour=BLUE):
    return np.full((height, width, 3), colour, np.uint8)


def boxes(sheet, colour):
    """Return left, top, width and height of every area of one colour, row by row."""
    is_colour = (np.abs(sheet.astype(int) - colour).max(axis=2) <= 2).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(is_colour)
    return sorted((tuple(map(int, box[:4])) for box in stats[1:] if box[4] > 100), key=lambda box: (box[1], box[0]))


@pytest.mark.parametrize("number", [1, 2, 4, 12, 29])
@pytest.mark.parametrize("size", [(64, 36), (30, 40)])
def test_an_even_grid_of_all_styles(negative, number, size):
    steps = []
    sheet = make_sheet(
        flat(*size),
        [negative] * number,
        SheetOptions(width=900),
        progress=lambda done, total: steps.append((done, total)),
    )
    assert sheet.dtype == np.uint8
    assert sheet.shape[1:] == (900, 3)
    assert 0.5 < sheet.shape[1] / sheet.shape[0] < 4
    source, styled = boxes(sheet, BLUE), boxes(sheet, YELLOW)
    tiles = source + styled
    assert (len(source), len(styled)) == (1, number)
    assert len({tile[2:] for tile in tiles}) == 1
    lefts, tops = sorted({tile[0] for tile in tiles}), sorted({tile[1] for tile in tiles})
    assert tiles == [(x, y, *tiles[0][2:]) for y in tops for x in lefts][: len(tiles)]
    for places in (lefts, tops):
        assert len(set(np.diff(places))) <= 1
    width, height = tiles[0][2:]
    assert width / height == pytest.approx(size[0] / size[1], rel=0.03)
    # Margins are as wide as what is between, give or take the remainder of a division.
    assert abs(lefts[0] - (900 - lefts[-1] - width)) <= 1
    if len(lefts) > 1:
        assert abs(lefts[0] - (lefts[1] - lefts[0] - width)) <= len(lefts)
    assert steps == [(done, number) for done in range(number + 1)]


def below(sheet, tile):
    """Return the strip of the sheet between a tile and the next one below."""
    left, top, width, height = tile
    return sheet[top + height + 2 : top + height + 2 + width // 6, left : left + width]


def ink(strip):
    """Return how many pixels are clearly darker than the paper."""
    return int((strip.mean(axis=2) < 200).sum())


def test_titles_and_names(negative):
    bare = Style(name="negative", path=negative.path, size_multiple=4, minimum_size=16)
    sheet = make_sheet(flat(64, 36), [negative, bare], SheetOptions(columns=3, width=1200))
    (source,), styled = boxes(sheet, BLUE), boxes(sheet, YELLOW)
    strips = [below(sheet, tile) for tile in (source, *styled)]
    assert all(ink(strip) > 100 for strip in strips)
    # The name is not repeated where it is the title; greys between ink and paper are what makes letters smooth.
    assert ink(strips[1]) > 1.3 * ink(strips[2])
    assert len(np.unique(strips[0].mean(axis=2).round())) > 20


@pytest.mark.parametrize(
    "title", ["A title that is far too long for its tile " * 3, "行く春や 鳥啼き魚の 目は涙 " * 6, "two\nlines " * 30]
)
def test_long_titles_stay_within_their_tile(negative, title):
    style = Style(name="n" * 200, path=negative.path, title=title, size_multiple=4, minimum_size=16)
    sheet = make_sheet(flat(64, 36), [style] * 3, SheetOptions(columns=2, width=500))
    tiles = boxes(sheet, BLUE) + boxes(sheet, YELLOW)
    assert ink(below(sheet, tiles[1])) > 100
    between = sheet[:, tiles[0][0] + tiles[0][2] + 2 : tiles[1][0] - 2]
    assert between.shape[1] > 5
    assert (between == PAPER).all()
    assert (sheet[-5:] == PAPER).all()


@pytest.mark.parametrize(
    ("source", "height"),
    [
        ((64, 48), 250),  # smaller than its place: enlarged to it
        ((500, 375), 375),  # between once and twice: its own size
        ((3000, 2250), 500),  # larger: twice its place
    ],
)
def test_styles_get_twice_the_size_at_most(height_of_input, source, height):
    sheet = make_sheet(flat(*source), [height_of_input], SheetOptions(columns=2, width=717))
    assert boxes(sheet, BLUE)[0][2:] == (333, 250)
    level = sheet[boxes(sheet, BLUE)[0][1] + 100, -100]
    assert level.tolist() == [level[0]] * 3
    assert abs(int(level[0]) - height / 8) <= 1


@pytest.mark.parametrize("size", [(1, 1), (3000, 20), (20, 3000), (1, 900)])
def test_pictures_of_any_form_are_shown_whole(negative, size):
    sheet = make_sheet(flat(*size), [negative], SheetOptions(width=600))
    assert sheet.shape[0] < 1200
    (source,), (styled,) = largest(sheet, BLUE), largest(sheet, YELLOW)
    assert source[2:] == styled[2:]
    if max(size) < 100 * min(size):
        assert source[2] / source[3] == pytest.approx(size[0] / size[1], rel=0.2)


def largest(sheet, colour):
    """Like `boxes`, for areas as thin as one pixel."""
    is_colour = (np.abs(sheet.astype(int) - colour).max(axis=2) <= 2).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(is_colour)
    return [tuple(map(int, max(stats[1:], key=lambda box: box[4])[:4]))]


def test_strength_and_colours(negative):
    grey = (100, 100, 100)
    half = make_sheet(flat(64, 48, grey), [negative], SheetOptions(width=500, strength=0.1))
    assert boxes(half, (106, 106, 106))
    kept = make_sheet(flat(64, 48, (120, 100, 100)), [negative], SheetOptions(width=500, keep_colour=True))
    red, green, blue = kept[boxes(kept, (120, 100, 100))[0][1] + 60, -100].astype(int)
    assert red - green == pytest.approx(20, abs=2)
    assert abs(blue - green) <= 2
    assert green > 140


def test_a_broken_style_is_left_out(negative, tmp_path, caplog):
    (tmp_path / "model.onnx").write_bytes(b"no network")
    broken = Style(name="broken", path=tmp_path / "model.onnx")
    with caplog.at_level(logging.WARNING):
        sheet = make_sheet(flat(64, 36), [negative, broken, negative], SheetOptions(width=900))
    assert "left out a broken style" in caplog.text
    assert str(broken.path) in caplog.text
    np.testing.assert_array_equal(sheet, make_sheet(flat(64, 36), [negative, negative], SheetOptions(width=900)))
    with pytest.raises(StyleError, match="not a readable ONNX file"):
        make_sheet(flat(64, 36), [broken, broken])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"columns": 0}, "columns is 0"),
        ({"width": 95}, "width is 95"),
        ({"strength": 1.5}, "strength is 1.5"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"columns": 9, "width": 800}, "9 columns within 800 pixels leave 84"),
    ],
)
def test_wrong_options(negative, options, words):
    with pytest.raises(ValueError, match=words):
        make_sheet(flat(8, 8), [negative], SheetOptions(**options))


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4), (0, 8, 3)])
def test_wrong_pictures(negative, shape):
    with pytest.raises(ValueError, match="give uint8"):
        make_sheet(np.zeros(shape, np.uint8), [negative])
    with pytest.raises(ValueError, match="styles is empty"):
        make_sheet(flat(8, 8), [])
