from copy import deepcopy

import pytest

from vidgan.bench.compare import compare_results


def figure(median, lowest=None, highest=None):
    return {"median": median, "lowest": lowest or median, "highest": highest or median}


@pytest.fixture
def result():
    return {
        "machine": {"cpu": "A", "cores": 2, "versions": {"av": "18.1"}},
        "settings": {"style": "ink", "size": [64, 48], "precision": "auto"},
        "network": {"f32": {"is_chosen": True, "depth": 2, "throughput_fps": figure(20, 19, 22)}},
        "clips": {"synthetic": {"whole": {"smooth": {"fps": figure(10), "efficiency": None}}}},
        "start_up_seconds": figure(0.0),
    }


def test_ratios_are_b_by_a(result):
    other = deepcopy(result)
    other["network"]["f32"]["throughput_fps"] = figure(30, 22, 33)
    other["clips"]["synthetic"]["whole"]["smooth"]["fps"] = figure(5)
    compared = compare_results(result, other)
    assert [(r.name, r.ratio, r.overlaps) for r in compared.ratios] == [
        ("network.f32.throughput_fps", 1.5, True),
        ("clips.synthetic.whole.smooth.fps", 0.5, False),
        ("start_up_seconds", None, True),
    ]
    assert (compared.differences, compared.left_out) == ([], [])


def test_what_only_one_has_is_left_out(result):
    other = deepcopy(result)
    other["network"]["bf16"] = other["network"].pop("f32")
    other["clips"]["synthetic"]["whole"]["smooth"]["efficiency"] = figure(0.9)
    compared = compare_results(result, other)
    assert [r.name for r in compared.ratios] == ["clips.synthetic.whole.smooth.fps", "start_up_seconds"]
    assert compared.left_out == [
        "network.f32.throughput_fps",
        "network.bf16.throughput_fps",
        "clips.synthetic.whole.smooth.efficiency",
    ]
    assert compared.differences == ["precision of whole runs: f32 in A, bf16 in B"]


@pytest.mark.parametrize(
    ("part", "key", "value", "line"),
    [
        ("machine", "cpu", "B", "cpu: A in A, B in B"),
        ("machine", "cores", 4, "cores: 2 in A, 4 in B"),
        ("machine", "versions", {"av": "18.2"}, "versions av: 18.1 in A, 18.2 in B"),
        ("machine", "versions", {}, "versions av: 18.1 in A, none in B"),
        ("settings", "style", "chalk", "style: ink in A, chalk in B"),
        ("settings", "size", [32, 32], "size: 64x48 in A, 32x32 in B"),
        ("settings", "precision", "f32", "precision: auto in A, f32 in B"),
    ],
)
def test_what_was_not_the_same_is_said(result, part, key, value, line):
    other = deepcopy(result)
    other[part][key] = value
    assert compare_results(result, other).differences == [line]


def test_another_clip_is_said(result):
    other = deepcopy(result)
    result["clips"]["given"], other["clips"]["given"] = ({"name": n, "frames": 3} for n in ("a.mp4", "b.mp4"))
    assert compare_results(result, other).differences == ["given name: a.mp4 in A, b.mp4 in B"]
