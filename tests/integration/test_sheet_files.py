"""`vidgan sheet` on real files: which frame it takes, what it writes, and one clear line for what can't be done."""

import os
import subprocess

import cv2
import numpy as np
import pytest
from media.clips import Sound, Video, write_clip
from media.pattern import picture, read_number
from media.run import command, leftovers

from vidgan.errors import SourceError
from vidgan.sheet import choose_frame

RED, GREY = (40, 40, 200), (127, 127, 127)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Two styles of one network that does nothing, one that is broken, and an empty cache."""
    import onnx
    from onnx import helper

    ports = [helper.make_tensor_value_info(name, 2, ["n", "h", "w", 3]) for name in ("frames", "styled")]
    nodes = [helper.make_node("Identity", ["frames"], ["styled"])]
    graph = helper.make_graph(nodes, "copy", ports[:1], ports[1:])
    home = tmp_path_factory.mktemp("home")
    for name in ("copy", "again"):
        (home / "styles" / name).mkdir(parents=True)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        onnx.save(model, home / "styles" / name / "model.onnx")
    (home / "styles" / "broken").mkdir()
    (home / "styles" / "broken" / "model.onnx").write_bytes(b"nothing")
    return home


@pytest.fixture
def folder(tmp_path):
    write_clip(tmp_path / "in.mp4", Video(pts=range(60)))
    cv2.imwrite(str(tmp_path / "red.png"), np.full((90, 160, 3), RED, np.uint8))
    (tmp_path / "there.png").write_bytes(b"precious")
    return tmp_path


@pytest.fixture
def sheet(home, folder):
    def run(*arguments):
        environment = os.environ | {"VIDGAN_STYLES": str(home / "styles"), "VIDGAN_CACHE": str(home / "cache")}
        return subprocess.run(
            command("sheet", *arguments),
            capture_output=True,
            text=True,
            cwd=folder,
            env=environment,
            timeout=120,
            check=False,
        )

    return run


def count(sheet_HWC, colour):
    return int((np.abs(sheet_HWC.astype(int) - colour).max(axis=2) <= 3).sum())


def test_a_picture_in_chosen_styles(sheet, folder):
    styles = "copy,copy:1+again:3,broken"
    done = sheet("red.png", "-o", "out.png", "--styles", styles, "--width", "640", "--columns", "3")
    assert done.returncode == 0, done.stderr
    assert "left out a broken style" in done.stderr
    assert "out.png: 640x" in done.stderr
    assert done.stdout == ""
    result = cv2.imread(str(folder / "out.png"))
    assert result.shape[1] == 640
    # Three pictures, the broken style left out, fill most of the width.
    tile = (640 * 0.3) ** 2 * 9 / 16
    assert count(result, RED) == pytest.approx(3 * tile, rel=0.1)
    assert leftovers(folder) == ["in.mp4", "out.png", "red.png", "there.png"]


def test_all_styles_as_jpeg_over_an_old_file(sheet, folder):
    cv2.imwrite(str(folder / "out.jpg"), np.zeros((4, 4, 3), np.uint8))
    done = sheet("red.png", "-o", "out.jpg", "--overwrite", "--width", "800", "--strength", "0.5", "--keep-colour")
    assert done.returncode == 0, done.stderr
    result = cv2.imread(str(folder / "out.jpg"))
    assert result.shape[1] == 800
    # The picture itself and the styles that do nothing; shipped ones come on top.
    assert count(result, RED) > 3 * 60 * 60


@pytest.mark.parametrize(("arguments", "words"), [
    (("absent.png", "-o", "out.png"), "absent.png: no such file"),
    (("red.png", "-o", "there.png"), "there.png: exists already; --overwrite replaces it"),
    (("red.png", "-o", "red.png", "--overwrite"), "source and result are the same file"),
    (("red.png", "-o", "out.mp4"), "a sheet is a picture"),
    (("red.png", "-o", "-"), "a sheet is a picture"),
    (("red.png", "-o", "absent/out.png"), "there is no folder"),
    (("red.png", "-o", "out.png", "--styles", "cpoy"), "did you mean copy?"),
    (("red.png", "-o", "out.png", "--styles", ","), "--styles ',': give names"),
    (("red.png", "-o", "out.png", "--styles", "copy+none"), "'none' can't be blended in"),
    (("red.png", "-o", "out.png", "--strength", "2"), "strength is 2"),
    (("red.png", "-o", "out.png", "--columns", "0"), "columns is 0"),
    (("in.mp4", "-o", "out.png", "--at", "soon"), "--at soon: give seconds"),
    (("in.mp4", "-o", "out.png", "--at", "1:00"), "2.40 seconds long; there is no frame at 60"),
])  # fmt: skip
def test_wrong_input_gives_one_line(arguments, words, sheet, folder):
    before = leftovers(folder)
    done = sheet(*arguments)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("vidgan: ")
    assert words in done.stderr
    assert leftovers(folder) == before
    assert (folder / "there.png").read_bytes() == b"precious"


def test_the_frame_at_a_time(folder):
    assert read_number(choose_frame(folder / "in.mp4", 0)) == 0
    assert read_number(choose_frame(folder / "in.mp4", 1)) == 25
    with pytest.raises(SourceError, match="no frame at 3"):
        choose_frame(folder / "in.mp4", 3)
    # A still picture is there at any time.
    assert choose_frame(folder / "red.png", 3).shape == (90, 160, 3)


def test_the_frame_that_is_chosen(tmp_path, folder):
    assert read_number(choose_frame(folder / "in.mp4")) == 20

    def dark_until_30(number, width, height):
        return picture(number, width, height) if number >= 30 else np.full((height, width, 3), 8, np.uint8)

    write_clip(tmp_path / "dark.mp4", Video(pts=range(40), draw=dark_until_30))
    assert read_number(choose_frame(tmp_path / "dark.mp4")) == 30
    # Nothing but darkness: any frame will do.
    write_clip(tmp_path / "night.mp4", Video(draw=lambda _, width, height: np.zeros((height, width, 3), np.uint8)))
    assert choose_frame(tmp_path / "night.mp4").max() < 10


def test_sound_goes_on_after_the_pictures(tmp_path):
    write_clip(tmp_path / "short.mkv", Video(pts=range(5)), Sound(seconds=3))
    assert read_number(choose_frame(tmp_path / "short.mkv")) < 5
    write_clip(tmp_path / "one.mp4", Video(pts=[0]))
    assert read_number(choose_frame(tmp_path / "one.mp4")) == 0


def test_pixels_that_are_not_square(tmp_path):
    from fractions import Fraction

    for aspect, shape in ((Fraction(4, 3), (96, 171, 3)), (Fraction(1, 2), (192, 128, 3))):
        write_clip(tmp_path / "wide.mp4", Video(aspect=aspect))
        assert choose_frame(tmp_path / "wide.mp4").shape == shape
