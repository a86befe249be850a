import json
from pathlib import Path
from types import MappingProxyType

import pytest

from vidgan import styles
from vidgan.cli.styles import command, measured
from vidgan.styles import Style

CARD = """
title = "Ink [bold]"
licence = "CC0-1.0"
family = "drawn"
[measured]
day = 2026-02-03
style_distance_ratio = 0.07
warping_floors = 9.876
fps_1280x720 = 43.21
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDGAN_STYLES", str(tmp_path / "own"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(styles, "_shipped_folder", lambda: tmp_path / "shipped")
    for name, card in (("ink", CARD), ("chalk", "")):
        (tmp_path / "own" / name).mkdir(parents=True)
        (tmp_path / "own" / name / "model.onnx").write_bytes(b"x" * 1_234_567)
        (tmp_path / "own" / name / "card.toml").write_text(card)
    return tmp_path / "own"


def test_the_table_has_what_the_cards_have(own, capsys):
    command(as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "what", "it", "is", "MB", "fps", "steadiness", "licence"]
    assert lines[1].split() == ["chalk", "1.2"]
    assert lines[2].split() == ["ink", "Ink", "[bold]", "1.2", "43.2", "9.88", "CC0-1.0"]
    assert lines[3].split()[0] == "none"


def test_columns_without_figures_are_left_out(own, capsys):
    (own / "ink" / "card.toml").unlink()
    command(as_json=False)
    assert capsys.readouterr().out.splitlines()[0].split() == ["name", "what", "it", "is", "MB", "licence"]


def test_json(own, capsys):
    command(as_json=True)
    chalk, ink = json.loads(capsys.readouterr().out)
    assert (chalk["name"], chalk["measured"], chalk["size_bytes"]) == ("chalk", {}, 1_234_567)
    assert (ink["title"], ink["family"], ink["size_multiple"]) == ("Ink [bold]", "drawn", 32)
    assert ink["measured"]["warping_floors"] == 9.876
    assert ink["measured"]["day"] == "2026-02-03"


@pytest.mark.parametrize(
    ("figures", "found"),
    [
        ({"a": 1, "mean_floors": 3, "floors_worst": 4}, 3),
        ({"warping_error": 0.5, "floors": 2}, 2),
        ({"warping_error": 0.5}, None),
        ({"floors": "low"}, None),
        ({"floors": True}, None),
        ({}, None),
    ],
)
def test_which_figure_is_taken(figures, found):
    style = Style(name="x", path=Path(), card=MappingProxyType({"measured": figures}))
    assert measured(style, "floors") == found
