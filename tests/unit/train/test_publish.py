from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vidgan.errors import SinkError
from vidgan.styles import find_style
from vidgan.stylizer import Stylizer
from vidgan.train import measures
from vidgan.train.measures import measure_style
from vidgan.train.publish import publish_style
from vidgan.train.style import StyleNet, family_of, train_style


@pytest.fixture(autouse=True)
def few_batches(monkeypatch):
    monkeypatch.setattr(measures, "JUDGED_BATCHES", 3)
    monkeypatch.setattr(measures, "SPEED_SIZE", (64, 48))


def test_a_published_style_can_be_used_at_once(config, tmp_path):
    network = train_style(config, tmp_path / "run.pt")
    publish_style(network, config, tmp_path / "mine", name="mine", licence="CC0-1.0", speed_seconds=0)
    style = find_style(tmp_path / "mine")
    assert (style.name, style.licence, style.size_multiple) == ("mine", "CC0-1.0", 4)
    assert "imitation_weight" not in style.card["training"]
    assert sorted(file.name for file in (tmp_path / "mine").iterdir()) == ["card.toml", "model.onnx"]
    with Stylizer(style, size=(50, 37)) as stylizer:
        assert stylizer(np.zeros((37, 50, 3), np.uint8)).shape == (37, 50, 3)


def test_the_card_says_how_and_how_well(config, other_painting, tmp_path):
    config = replace(config, styles=(*config.styles, other_painting), teacher="/home/me/styles/wise")
    network = StyleNet(width=16, num_blocks=1)
    publish_style(network, config, tmp_path, name="mine", description="waves", speed_seconds=0)
    card = find_style(tmp_path).card
    assert (card["description"], card["family"]) == ("waves", family_of(config))
    training, measured = card["training"], card["measured"]
    assert training["styles"] == ["swirls.png", "stripes.png"]
    assert training["content"] == [config.content[0].name]
    assert (training["size"], training["teacher"]) == ("its own", "wise")
    assert "/" not in (tmp_path / "card.toml").read_text().replace("levels/", "")
    assert measured["onnx_against_torch_levels"] <= 2
    assert measured["fps_1280x720"] > 0
    assert "openvino" in measured["fps_measured_on"]
    assert measured["style_ratio"] == pytest.approx(
        measured["style_distance"] / measured["style_distance_untouched"], rel=1e-3
    )


def test_a_network_that_copies_keeps_content_and_style_and_floor(config):
    class Copy(StyleNet):
        def forward(self, x_NCHW):
            return x_NCHW

    figures = measure_style(Copy(), config)
    assert figures["content_distance"] == pytest.approx(0, abs=1e-3)
    assert figures["style_ratio"] == pytest.approx(1, rel=1e-3)
    assert figures["warping_error"] == pytest.approx(figures["warping_error_input"], rel=0.05)
    assert figures["warping_error_input"] == pytest.approx(config.noise**2)


def test_training_shows_in_the_figures(config, tmp_path):
    run = replace(config, steps=60, warm_up_part=0.0)
    before = measure_style(StyleNet(width=16, num_blocks=1), run)
    after = measure_style(train_style(run, tmp_path / "run.pt"), run)
    assert after["style_distance"] < 0.5 * before["style_distance"]
    assert after["style_distance_untouched"] == pytest.approx(before["style_distance_untouched"])


def test_a_folder_that_cannot_be_written_is_one_line(config, tmp_path, one_line):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SinkError) as caught:
        publish_style(StyleNet(width=16, num_blocks=1), config, tmp_path / "file" / "mine", name="mine")
    one_line(caught.value, "file", "can't be written")


def test_nothing_is_replaced_before_all_is_measured(config, tmp_path, monkeypatch):
    (tmp_path / "model.onnx").write_bytes(b"the old one")

    def fail(_model, _seconds):
        assert (tmp_path / "model.onnx").read_bytes() == b"the old one"
        raise KeyboardInterrupt

    monkeypatch.setattr("vidgan.train.publish.measure_speed", fail)
    with pytest.raises(KeyboardInterrupt):
        publish_style(StyleNet(width=16, num_blocks=1), config, tmp_path, name="mine")
    assert [file.name for file in Path(tmp_path).iterdir()] == ["model.onnx"]
