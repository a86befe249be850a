"""The script for people with a card works but for the card: all of its parts, on the CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("kornia")
BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"


def gpu(*arguments):
    line = [sys.executable, "gpu.py", *arguments]
    return subprocess.run(line, capture_output=True, text=True, cwd=BENCHMARKS, check=False, timeout=280)


def test_every_part_works_in_the_rehearsal():
    before = set((BENCHMARKS / "results").iterdir())
    done = gpu("--rehearse", "--frames", "4")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert [name for name, part in figures.items() if "failed" in part] == []
    assert figures["tests"]["exit_code"] == 0
    likeness = figures["likeness to OpenVINO f32 on the CPU"]
    assert len(likeness) == 2 * 4
    assert max(row["largest_levels"] for row in likeness.values()) <= 1
    (rows,) = (part for name, part in figures["network alone"].items() if name != "style")
    assert all(row["fps"] > 0 and row["latency_ms"] > 0 for row in rows.values())
    assert {row["frames"] for row in figures["file to file"].values()} == {4}
    assert len(figures["file to file"]) == 4
    assert set((BENCHMARKS / "results").iterdir()) == before


def test_without_a_card_it_says_so():
    from vidgan.runtime.gpu import list_cards

    if list_cards()[0]:
        pytest.skip("there is a card")
    done = gpu()
    assert done.returncode == 3
    assert done.stderr.startswith("no NVIDIA driver answers")
    assert gpu("--frames", "0").returncode == gpu("--clip", "absent.mp4").returncode == 2


def test_the_tests_on_cards_are_skipped_without_one_unless_there_must_be_one():
    from vidgan.runtime.gpu import list_cards

    if list_cards()[0]:
        pytest.skip("there is a card")
    line = [sys.executable, "-m", "pytest", "-q", "-k", "auto_takes_the_card", "tests/gpu"]
    ended = {}
    for required in ("", "cuda"):
        environment = os.environ | {"VIDGAN_REQUIRE": required}
        done = subprocess.run(line, capture_output=True, text=True, cwd=BENCHMARKS.parent, env=environment, check=False)
        ended[required] = done.returncode, done.stdout
    assert ended[""][0] == 0
    assert "no card: no NVIDIA driver answers" in ended[""][1]
    assert ended["cuda"][0] != 0
    assert "VIDGAN_REQUIRE=cuda, but no NVIDIA driver answers" in ended["cuda"][1]
