"""The picture doesn't depend on how many threads made it, but for the rounding of sums taken in another order."""

import os
import subprocess
import sys

import av
import numpy as np
import pytest
from media.clips import Video, write_clip
from media.pattern import psnr

from vidgan.stylizer import Stylizer

# The cores are taken away before anything is imported: that is when libraries count them.
ON_CORES = "import os, sys; os.sched_setaffinity(0, {cores}); from vidgan.cli.main import main; main()"


def frames_of(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def assert_same(one, other):
    difference = np.abs(one.astype(int) - other)
    assert difference.max() <= 1
    assert psnr(one, other) > 60


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
@pytest.mark.parametrize("precision", ["f32", "auto"])
def test_the_whole_way_on_one_core_and_on_all(tmp_path, precision):
    clip = tmp_path / "clip.mp4"
    write_clip(clip, Video(size=(320, 180), pts=tuple(range(8))))
    every = sorted(os.sched_getaffinity(0))
    results = []
    for cores in (every[:1], every):
        result = tmp_path / f"{len(cores)}.mkv"
        program = [sys.executable, "-c", ON_CORES.format(cores=set(cores)), "stylize", str(clip), "-o", str(result)]
        flags = ["--codec", "ffv1", "--precision", precision]
        subprocess.run([*program, *flags], check=True, timeout=200, capture_output=True)
        results.append(frames_of(result))
    assert len(results[0]) == len(results[1]) == 8
    for one, all_cores in zip(*results, strict=True):
        assert_same(one, all_cores)


@pytest.mark.parametrize("precision", ["f32", "auto", "int8"])
def test_the_network_with_any_number_of_threads(precision):
    picture = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    results = []
    for num_threads, depth in ((1, 1), (2, 1), (2, 3), (3, 2)):
        with Stylizer(
            "starry-night", size=(160, 90), precision=precision, num_threads=num_threads, depth=depth
        ) as stylizer:
            results.append([future.result() for future in [stylizer.submit(picture) for _ in range(3)]])
    for pictures in results[1:]:
        for one, other in zip(pictures, results[0], strict=True):
            assert_same(one, other)
