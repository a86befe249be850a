import pytest

from vidgan.errors import StyleError
from vidgan.runtime import choice, open_runtime
from vidgan.runtime.choice import choose_network


@pytest.fixture
def measured(monkeypatch):
    """What is measured, and how often it was."""
    figures = {"float": 2.0, "int8": 1.0, "times": 0}

    def measure(*_arguments):
        figures["times"] += 1
        return [figures["float"], figures["int8"]]

    monkeypatch.setattr(choice, "_measure", measure)
    return figures


def choose(path, twin, cache, precision="auto"):
    return choose_network(path, twin, device="CPU", precision=precision, cache_dir=cache)


@pytest.fixture
def networks(tmp_path):
    float_path, int8_path = tmp_path / "model.onnx", tmp_path / "model.int8.onnx"
    float_path.write_bytes(b"float")
    int8_path.write_bytes(b"int8")
    return float_path, int8_path


def test_the_faster_is_taken_and_remembered(networks, tmp_path, measured):
    float_path, int8_path = networks
    for _ in range(2):
        assert choose(*networks, tmp_path / "cache") == (int8_path, "int8")
    assert measured["times"] == 1
    measured["int8"] = 1.95  # not faster enough
    assert choose(*networks, tmp_path / "other") == (float_path, "auto")
    assert choose(*networks, tmp_path / "other") == (float_path, "auto")
    assert measured["times"] == 2


def test_another_file_is_measured_again(networks, tmp_path, measured):
    choose(*networks, tmp_path / "cache")
    networks[1].write_bytes(b"int8, another")
    choose(*networks, tmp_path / "cache")
    assert measured["times"] == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"prefers_int8": "yes"}'])
def test_a_broken_note_is_measured_again(networks, tmp_path, measured, text):
    choose(*networks, tmp_path / "cache")
    (note,) = (tmp_path / "cache").rglob("choice.json")
    note.write_text(text)
    assert choose(*networks, tmp_path / "cache")[1] == "int8"
    assert measured["times"] == 2


def test_where_nothing_can_be_kept_it_still_chooses(networks, tmp_path, measured):
    (tmp_path / "cache").write_text("a file, no folder")
    assert choose(*networks, tmp_path / "cache") == (networks[1], "int8")


def test_what_is_asked_for_is_not_measured(networks, tmp_path, measured):
    float_path, int8_path = networks
    assert choose(*networks, tmp_path, "int8") == (int8_path, "int8")
    assert choose(*networks, tmp_path, "f32") == (float_path, "f32")
    assert choose(float_path, None, tmp_path) == (float_path, "auto")
    assert measured["times"] == 0


def test_int8_without_an_int8_network(networks, tmp_path, one_line):
    with pytest.raises(StyleError) as caught:
        choose(networks[0], None, tmp_path, "int8")
    one_line(caught.value, networks[0], "vidgan quantise")


def test_both_are_really_timed(small_stylenet_onnx, invert_onnx, tmp_path, noise):
    # Inverting is far less work, so it stands in for the faster twin.
    runtime = open_runtime(small_stylenet_onnx, int8_path=invert_onnx, size=(32, 16), cache_dir=tmp_path)
    picture = noise(32, 16)
    try:
        assert runtime.report.precision == "int8"
        assert (runtime.submit(picture).result() == 255 - picture).all()
    finally:
        runtime.close()
    runtime = open_runtime(invert_onnx, int8_path=small_stylenet_onnx, size=(32, 16), cache_dir=tmp_path)
    runtime.close()
    assert runtime.report.precision in ("bf16", "f32")
