import errno
import hashlib
import os
import tomllib

import cv2
import numpy as np
import pytest

from vidgan.errors import DiskFullError, InputError, SinkError, StyleError
from vidgan.quantise import QuantiseOptions, quantise_style
from vidgan.styles import find_style
from vidgan.stylizer import Stylizer


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(5)
    for number in range(4):
        coarse = random.integers(0, 256, (9, 16, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(coarse, (160 + 40 * number, 120)))
    return folder


@pytest.fixture
def style(small_stylenet, tmp_path):
    from vidgan.runtime.export import export_onnx

    folder = tmp_path / "ink"
    export_onnx(small_stylenet.fused(), folder / "model.onnx", size_multiple=4, minimum_size=16)
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    (folder / "card.toml").write_text(
        f'name = "ink"\nsize_multiple = 4\nminimum_size = 16\nmargin = 8\nsha256 = "{digest}"\n[training]\nseed = 1\n'
    )
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_style_gets_an_int8_network_and_its_card_says_so(style, photos):
    said = []
    report = quantise_style(style, [photos], progress=lambda *what: said.append(what))
    assert report.path == style / "model.int8.onnx"
    assert (report.num_calibrated, report.num_checked) == (2, 2)
    assert 35 <= report.psnr_worst <= report.psnr_mean < 100
    found = find_style(style)
    assert found.int8_path == report.path
    assert found.card["training"] == {"seed": 1}
    assert found.card["int8"]["psnr_mean"] == pytest.approx(report.psnr_mean, abs=0.01)
    assert found.card["int8"]["checked_on"] == 2
    assert sorted(contents(style)) == ["card.toml", "model.int8.onnx", "model.onnx"]
    assert said[-1] == ("compare", 2, 2)
    with Stylizer(found, size=(32, 16), precision="int8") as stylizer:
        assert stylizer.report.precision == "int8"


def test_a_copy_leaves_the_style_as_it_was(style, photos, tmp_path):
    before = contents(style)
    quantise_style(style, [photos], check=[photos / "0.png"], folder=tmp_path / "copy" / "ink")
    assert contents(style) == before
    assert find_style(tmp_path / "copy" / "ink").int8_path


def test_what_is_too_far_off_is_not_kept(style, photos, one_line):
    before = contents(style)
    with pytest.raises(StyleError) as caught:
        quantise_style(style, [photos], options=QuantiseOptions(least_psnr=99))
    one_line(caught.value, "ink", "below 99", "not kept")
    assert contents(style) == before


def test_damage_to_the_int8_network_is_seen(style, photos, one_line):
    quantise_style(style, [photos])
    path = style / "model.int8.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StyleError) as caught:
        find_style(style)
    one_line(caught.value, path, "damaged")
    path.unlink()
    with pytest.raises(StyleError) as caught:
        find_style(style)
    one_line(caught.value, path, "can't be read")


def test_an_int8_network_that_the_card_knows_nothing_of_is_not_used(style):
    (style / "model.int8.onnx").write_bytes(b"from elsewhere")
    assert find_style(style).int8_path is None


def test_a_video_gives_several_frames(style, photos, tmp_path):
    from vidgan import stylize_video

    clip = tmp_path / "clip.mkv"
    stylize_video(photos, clip, style="none")
    report = quantise_style(style, [clip], options=QuantiseOptions(num_checked=1))
    assert (report.num_calibrated, report.num_checked) == (2, 1)


@pytest.mark.parametrize("content", [[], ["one"]])
def test_too_few_frames(style, photos, content, one_line):
    with pytest.raises(InputError) as caught:
        quantise_style(style, [photos / "0.png"] if content else [])
    one_line(caught.value, "too few frames")


def test_files_that_are_no_pictures(style, tmp_path, photos, one_line, caplog):
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(InputError) as caught:
        quantise_style(style, [tmp_path / "notes.txt"])
    one_line(caught.value, "notes.txt")
    quantise_style(style, [tmp_path / "notes.txt", photos])
    assert "left out" in caplog.text


def test_a_network_without_a_card(style, photos, one_line):
    (style / "card.toml").unlink()
    with pytest.raises(StyleError) as caught:
        quantise_style(style, [photos])
    one_line(caught.value, "card.toml")


@pytest.mark.parametrize(
    "wrong", [{"least_psnr": -1}, {"least_psnr": float("nan")}, {"most_frames": 0}, {"num_checked": 0}]
)
def test_options(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        QuantiseOptions(**wrong)


def test_card_is_toml(style, photos):
    quantise_style(style, [photos])
    assert tomllib.loads((style / "card.toml").read_text())["int8"]["nncf"]


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, DiskFullError), (errno.EACCES, SinkError)])
def test_a_folder_that_cant_be_written(style, photos, monkeypatch, number, kind):
    def fail(*_arguments):
        raise OSError(number, os.strerror(number))

    before = contents(style)
    monkeypatch.setattr("vidgan.quantise.quantise_onnx", fail)
    with pytest.raises(kind):
        quantise_style(style, [photos])
    assert contents(style) == before
