"""A whole benchmark, small enough to take seconds, and the description of what it writes."""

import json
import re
from pathlib import Path

import cv2
import pytest
from media.clips import Video, write_clip

from vidgan.bench.network import NetworkOptions, open_all
from vidgan.bench.report import as_object, to_json
from vidgan.bench.result import BenchOptions
from vidgan.bench.run import run_bench
from vidgan.errors import InputError
from vidgan.styles import find_style

DOCS = Path(__file__).parents[3] / "docs" / "bench.md"
STAGES = ["decode", "to_rgb", "motion", "smoothing", "to_yuv", "encode", "encode_unsmoothed"]
FREE = {"machine.versions", "network", "clips", "clips.*.stages", "clips.*.whole", "clips.*.whole.*.stage_ms"}
SPREAD = {"median", "lowest", "highest"}


@pytest.fixture(scope="module")
def said():
    return []


@pytest.fixture(scope="module")
def found(copy_onnx, said, tmp_path_factory):
    clip = write_clip(tmp_path_factory.mktemp("clip") / "in.mp4", Video(pts=range(8)))
    options = BenchOptions(clip=str(clip), style=copy_onnx, size=(64, 32), repeats=1, frames=5, network_frames=3)
    before = cv2.getNumThreads()
    result = run_bench(options, lambda *words: said.append(words))
    assert cv2.getNumThreads() == before
    return as_object(result)


def described():
    """Every field that the page has a line for."""
    return set(re.findall(r"^\| `([\w.*]+)` \| .* \|", DOCS.read_text(), flags=re.MULTILINE)) - {*STAGES, "scale"}


def fields_of(value, path=""):
    """Every field of a result by the names that the page uses."""
    if not isinstance(value, dict) or value.keys() == SPREAD:
        return {path}
    free = path in FREE
    names = {(f"{path}.{'*' if free else key}".lstrip("."), key) for key in value}
    children = set().union(*(fields_of(value[key], name) for name, key in names)) if value else set()
    return children | ({path + ".*"} if free else set())


def test_every_field_is_described_and_every_description_is_of_a_field(found):
    assert fields_of(found) == described()


def test_everything_is_measured_once_per_round(said, found):
    done, totals, _ = zip(*[words for words in said if words[1]], strict=True)
    assert list(done) == list(range(totals[0] + 1))
    assert set(totals) == {totals[0]}
    rounds = [name.partition(": ") for _, total, name in said if total and name]
    by_round = {}
    for number, _, name in rounds:
        by_round.setdefault(number, []).append(name)
    assert list(by_round) == ["warm-up", "round 1 of 1"]
    assert by_round["warm-up"] == by_round["round 1 of 1"]
    assert len(by_round["warm-up"]) == totals[0] / 2


def test_what_was_measured(found):
    assert found["settings"]["size"] == [64, 32]
    assert list(found["clips"]) == ["synthetic", "given"]
    synthetic, given = found["clips"].values()
    assert list(synthetic["stages"]) == STAGES
    assert list(given["stages"]) == ["decode", "to_rgb", "scale", *STAGES[2:]]
    assert (given["size"], given["frames"], given["has_sound"]) == ([128, 96], 5, False)
    assert synthetic["has_sound"] is True
    assert {stage["frames"] for clip in (synthetic, given) for stage in clip["stages"].values()} == {5}
    for clip in (synthetic, given):
        assert list(clip["whole"]) == ["smooth", "no_smooth"]
        assert {"decode", "encode"} <= clip["whole"]["smooth"]["stage_ms"].keys()
        assert clip["whole"]["no_smooth"]["efficiency_smoothing"] is None
    chosen = [network["is_chosen"] for network in found["network"].values()]
    assert chosen[0] is True
    assert sum(chosen) == 1
    assert "f32" in found["network"]
    assert [network["memory_bytes"] for network in found["network"].values()] == [None] * len(chosen)
    assert json.loads(to_json(found)) == found


def test_every_figure_is_a_median_within_its_range(found):
    spreads = []

    def look(value):
        if isinstance(value, dict) and value.keys() == SPREAD:
            spreads.append(value)
        elif isinstance(value, dict):
            for child in value.values():
                look(child)

    look(found)
    assert len(spreads) > 40
    assert all(0 <= s["lowest"] <= s["median"] <= s["highest"] for s in spreads)
    assert found["start_up_seconds"]["lowest"] > 0.01


def test_without_a_style_there_is_no_network(tmp_path):
    found = as_object(run_bench(BenchOptions(style="none", size=(64, 32), repeats=1, frames=3)))
    assert found["network"] == {}
    assert found["settings"]["model_sha256"] is None
    clip = found["clips"]["synthetic"]
    assert list(clip["stages"]) == ["decode", "to_rgb", "to_yuv", "encode"]
    assert list(clip["whole"]) == ["no_smooth"]


def test_only_the_precision_that_was_asked_for(copy_onnx):
    style = find_style(copy_onnx)
    for precision, others in (("f32", False), ("auto", True)):
        networks = open_all(style, NetworkOptions(size=(33, 20), precision=precision))
        try:
            assert "f32" in networks
            assert (len(networks) > 1) is (others and networks.keys() != {"f32"})
            assert {network.size for network in networks.values()} == {(64, 32)}
        finally:
            for network in networks.values():
                network.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"repeats": 0}, "repeats is 0"),
        ({"frames": 0}, "frames is 0"),
        ({"network_frames": -1}, "network_frames is -1"),
        ({"size": (63, 48)}, "size 63x48: give even numbers"),
        ({"size": (64, 47)}, "size 64x47: give even numbers"),
        ({"size": (0, 0)}, "size 0x0"),
    ],
)
def test_what_cant_be_measured(options, words):
    with pytest.raises(ValueError, match=words):
        BenchOptions(**options)


def test_a_clip_of_odd_size_needs_another(tmp_path, one_line):
    clip = write_clip(tmp_path / "in.mkv", Video(codec="ffv1", size=(65, 47), pts=range(2), options={}))
    with pytest.raises(InputError) as raised:
        run_bench(BenchOptions(clip=str(clip), style="none"))
    one_line(raised.value, clip, "65x47", "--size 64x46")
