"""`vidgan stylize --max-memory`: the program keeps its promise, and the picture is the same."""

import json
import os
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
from media.look import look

from vidgan.bench.synthetic import pictures, write_clip

# Linux counts into a child's ru_maxrss what its parent had: the program reads its own peak instead.
PROGRAM = """
import re, sys
from pathlib import Path
from vidgan.cli.main import main
try:
    main()
finally:
    print("peak", re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1], file=sys.stderr)
"""
MIB = 1 << 20

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Of a user with an empty cache."""
    return os.environ | {"VIDGAN_CACHE": str(tmp_path_factory.mktemp("cache"))}


def stylize(environment, *arguments):
    """Run the program; return its exit code, its report, what it said and its peak memory in bytes."""
    command = [sys.executable, "-c", PROGRAM, "stylize", *(str(argument) for argument in arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=250, check=False)
    report = json.loads(done.stdout) if done.returncode == 0 else None
    return done.returncode, report, done.stderr, 1024 * int(re.search(r"peak (\d+)", done.stderr)[1])


def least_memory(environment, *arguments):
    """What the program says it takes at least, in MiB."""
    code, _, said, _ = stylize(environment, *arguments, "--max-memory", "64MiB")
    assert code == 2, said
    return int(re.search(r"can't be restyled within 64MiB: it takes at least (\d+)MiB", said)[1])


def test_a_still_picture_in_tiles(environment, tmp_path):
    cv2.imwrite(str(tmp_path / "in.png"), next(pictures((2560, 1440), 1))[..., ::-1])
    arguments = (tmp_path / "in.png", "-o", tmp_path / "tiled.png", "--precision", "f32")
    limit = least_memory(environment, *arguments) + 10
    code, report, said, peak = stylize(environment, *arguments, "--max-memory", f"{limit}MiB")
    assert code == 0, said
    assert report["runtime"]["tiles"] > 1
    assert peak <= limit * MIB
    code, report, said, peak = stylize(environment, *arguments[:2], tmp_path / "whole.png", *arguments[3:])
    assert code == 0, said
    assert report["runtime"]["tiles"] == 1
    assert peak > limit * MIB
    tiled, whole = (cv2.imread(str(tmp_path / name)).astype(int) for name in ("tiled.png", "whole.png"))
    assert whole.std() > 10
    assert np.abs(tiled - whole).max() <= 1
    # OpenVINO's sums over whole pictures are the less exact ones, the more so the larger the picture.
    assert (tiled != whole).mean() < 0.05


def test_a_clip_with_sound_and_smoothing(environment, tmp_path):
    clip = tmp_path / "in.mp4"
    write_clip(clip, size=(1920, 1080), num_frames=16)
    arguments = (clip, "-o", tmp_path / "out.mp4")
    limit = least_memory(environment, *arguments) + 10
    code, report, said, peak = stylize(environment, *arguments, "--max-memory", f"{limit}MiB")
    assert code == 0, said
    assert report["runtime"]["tiles"] > 1
    assert peak <= limit * MIB
    before, after = look(clip), look(tmp_path / "out.mp4")
    assert after.times == before.times
    assert after.of_kind("audio")[0].data == before.of_kind("audio")[0].data


def test_an_amount_that_is_none(environment, tmp_path):
    code, _, said, _ = stylize(environment, "in.mp4", "-o", tmp_path / "out.mp4", "--max-memory", "much")
    assert code == 2
    assert "--max-memory much: give an amount of memory, such as 2GiB" in said
