import hashlib
import logging
import os
from pathlib import Path

import platformdirs
import pytest

from vidgan import styles
from vidgan.errors import StyleError
from vidgan.styles import Style, find_style, list_styles, style_exists, style_folders

MODEL = b"not read here"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The user's styles; shipped ones are in a folder beside it."""
    monkeypatch.setenv("VIDGAN_STYLES", str(tmp_path / "own"))
    monkeypatch.setattr(styles, "_shipped_folder", lambda: tmp_path / "shipped")
    return tmp_path / "own"


@pytest.fixture
def shipped(own, tmp_path):
    return tmp_path / "shipped"


def make_style(folder, card="", model=MODEL, model_name="model.onnx"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / model_name).write_bytes(model)
    if card is not None:
        (folder / "card.toml").write_text(card)
    return folder


def test_card_is_read(shipped):
    digest = hashlib.sha256(MODEL).hexdigest().upper()
    make_style(
        shipped / "ink",
        f"""
        name = "ink"
        title = "Ink drawing"
        description = "Black lines"
        licence = "CC0-1.0"
        sha256 = "{digest}"
        size_multiple = 4
        minimum_size = 16
        [training]
        seed = 7
        [measured]
        warping_error = 0.01
        """,
    )
    style = find_style("ink")
    assert style == Style(
        name="ink",
        path=shipped / "ink" / "model.onnx",
        title="Ink drawing",
        description="Black lines",
        licence="CC0-1.0",
        size_multiple=4,
        minimum_size=16,
        card=style.card,
    )
    assert style.card["training"] == {"seed": 7}
    assert style.card["measured"]["warping_error"] == 0.01
    with pytest.raises(TypeError):
        style.card["title"] = "x"


def test_own_style_wins_over_shipped_one(own, shipped):
    make_style(shipped / "ink", 'title = "shipped"')
    make_style(own / "ink", 'title = "own"')
    assert find_style("ink").title == "own"
    assert [style.title for style in list_styles()] == ["own"]


@pytest.mark.parametrize("as_type", [str, Path])
def test_folder_and_file_as_paths(own, tmp_path, as_type):
    folder = make_style(tmp_path / "elsewhere" / "mosaic", 'title = "Mosaic"\nsize_multiple = 8')
    for path in (folder, folder / "model.onnx"):
        style = find_style(as_type(path))
        assert (style.name, style.title, style.size_multiple) == ("mosaic", "Mosaic", 8)
        assert style.path == folder / "model.onnx"


def test_file_without_card(own, tmp_path):
    folder = make_style(tmp_path / "elsewhere", card=None, model_name="foreign.onnx")
    style = find_style(folder / "foreign.onnx")
    assert (style.name, style.title, style.size_multiple, style.minimum_size) == ("foreign", "", 32, 32)
    assert dict(style.card) == {}


def test_plain_word_is_a_style_first_and_a_folder_last(own, tmp_path, monkeypatch):
    work = tmp_path / "work"
    make_style(work / "ink", 'title = "in the working folder"')
    monkeypatch.chdir(work)
    assert find_style("ink").title == "in the working folder"
    make_style(own / "ink", 'title = "own"')
    assert find_style("ink").title == "own"
    assert find_style(f".{os.sep}ink").title == "in the working folder"
    assert find_style(Path("ink")).title == "in the working folder"


def test_tilde(own, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    make_style(tmp_path / "mine")
    assert find_style("~/mine").path == tmp_path / "mine" / "model.onnx"


def test_unknown_style(own, shipped, one_line):
    for name in ("watercolour", "ink", "mosaic"):
        make_style(shipped / name)
    with pytest.raises(StyleError) as caught:
        find_style("watercolor")
    one_line(caught.value, "'watercolor'", "did you mean watercolour?", "ink, mosaic, watercolour, none")
    with pytest.raises(StyleError) as caught:
        find_style("zzzzz")
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    ("card", "word"),
    [
        ("title = ", "TOML"),
        ("title = 3", "title is 3"),
        ("size_multiple = 0", "size_multiple is 0"),
        ("size_multiple = true", "size_multiple is True"),
        ("margin = -1", "margin is -1"),
        ("minimum_size = 1.5", "minimum_size is 1.5"),
        ("training = 5", "[training]"),
        ('name = "chalk"', "'chalk'"),
        (f'sha256 = "{"0" * 64}"', "the file is damaged"),
    ],
)
def test_broken_card(own, card, word, one_line):
    make_style(own / "ink", card)
    with pytest.raises(StyleError) as caught:
        find_style("ink")
    one_line(caught.value, own / "ink", word)


def test_card_that_is_not_text(own, one_line):
    make_style(own / "ink")
    (own / "ink" / "card.toml").write_bytes(b'title = "\xff"')
    with pytest.raises(StyleError) as caught:
        find_style("ink")
    one_line(caught.value, "card.toml", "TOML")


def test_paths_that_are_no_styles(own, tmp_path, one_line):
    (tmp_path / "empty").mkdir()
    (tmp_path / "picture.png").write_bytes(b"x")
    for path, word in [
        ("empty", "no model.onnx"),
        ("picture.png", "not an .onnx file"),
        ("absent", "no such file"),
        ("absent.onnx", "no such file"),
    ]:
        with pytest.raises(StyleError) as caught:
            find_style(tmp_path / path)
        one_line(caught.value, tmp_path / path, word)


@pytest.mark.parametrize("name", ["none", ""])
def test_names_that_no_style_may_have(own, tmp_path, name, one_line):
    make_style(own / "none")
    make_style(own / "ink")
    with pytest.raises(StyleError) as caught:
        find_style(name)
    one_line(caught.value, repr(name), "ink, none (copies the pictures untouched)")
    with pytest.raises(StyleError, match="no style may be called 'none'"):
        find_style(own / "none")


def test_list_leaves_out_broken_styles_with_a_warning(own, shipped, caplog):
    make_style(shipped / "mosaic")
    make_style(own / "ink")
    make_style(own / "broken", "title = ")
    make_style(own / "none")
    (own / ".git").mkdir()
    (own / "notes.txt").write_text("x")
    with caplog.at_level(logging.WARNING):
        assert [style.name for style in list_styles()] == ["ink", "mosaic"]
    warned = [record.getMessage() for record in caplog.records]
    assert len(warned) == 2
    assert any("broken" in text for text in warned)


def test_no_styles_at_all(own):
    assert list_styles() == []


def test_folders(monkeypatch):
    repository = Path(styles.__file__).parents[1]
    monkeypatch.delenv("VIDGAN_STYLES")
    assert style_folders() == [platformdirs.user_data_path("vidgan") / "styles", repository / "engines"]


def test_family(own, one_line):
    make_style(own / "ink", 'family = "drawn"')
    make_style(own / "chalk")
    assert (find_style("ink").family, find_style("chalk").family) == ("drawn", "")
    make_style(own / "ink", "family = 3")
    with pytest.raises(StyleError) as caught:
        find_style("ink")
    one_line(caught.value, own / "ink", "family is 3")


def test_what_exists(own, shipped, tmp_path, monkeypatch):
    make_style(shipped / "ink")
    make_style(own / "a:1+b", "title = ")
    model = make_style(tmp_path / "work" / "here") / "model.onnx"
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path))
    for there in ("ink", "a:1+b", "here", "./here", "~/work", str(model)):
        assert style_exists(there), there
    long = "x" * 300
    for absent in ("", "none", "chalk", "ink ", "./ink", "~/ink", "~nobody-of-this-name/ink", long, f"./{long}"):
        assert not style_exists(absent), absent
