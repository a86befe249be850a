"""--skip-still on real files: what doesn't change is restyled once, and nothing else is touched."""

import json
import subprocess

import numpy as np
import pytest
from media.clips import Sound, Video, write_clip
from media.look import look
from media.run import command, read

import vidgan

LENGTHS = (5, 1, 6, 2, 4)
LOSSLESS = vidgan.EncoderOptions(codec="ffv1", pixel_format="bgr0")


def screen(number, width, height):
    """A screen that changes seldom: text of another seed after every stretch."""
    page = int(np.searchsorted(np.cumsum(LENGTHS), number, side="right"))
    rng = np.random.default_rng(page)
    text = np.where(rng.random((height // 4, width // 4, 1)) < 0.3, 30, 220).repeat(4, 0).repeat(4, 1)
    return np.broadcast_to(text, (height, width, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def screencast(tmp_path_factory):
    video = Video(pts=range(sum(LENGTHS)), draw=screen, codec="ffv1", pixel_format="bgr0", options={})
    return write_clip(tmp_path_factory.mktemp("screencast") / "in.mkv", video, Sound(seconds=0.7))


def restyle(source, result, **options):
    sink = vidgan.SinkOptions(encoder=LOSSLESS)
    options = vidgan.StylizeOptions(sink=sink, precision="f32", **options)
    return vidgan.stylize_video(source, result, options=options)


def test_still_stretches_are_restyled_once(screencast, tmp_path):
    report = restyle(screencast, tmp_path / "out.mkv", skip_still=True, measure_every=1)
    assert (report.frames, report.skipped) == (sum(LENGTHS), sum(LENGTHS) - len(LENGTHS))
    before, after = look(screencast), look(tmp_path / "out.mkv")
    assert after.times == before.times
    assert after.of_kind("audio")[0].data == before.of_kind("audio")[0].data
    images = [frame.image for frame in read(tmp_path / "out.mkv")[1]]
    pages = np.repeat(range(len(LENGTHS)), LENGTHS)
    for one, other, page, other_page in zip(images, images[1:], pages, pages[1:], strict=False):
        assert np.array_equal(one, other) == (page == other_page)


def test_without_smoothing_the_result_is_that_of_restyling_all(screencast, tmp_path):
    """The frames of a stretch are identical, so nothing may differ, to the bit."""
    skipping = restyle(screencast, tmp_path / "skipping.mkv", skip_still=True, smooth=False)
    all_of_it = restyle(screencast, tmp_path / "all.mkv", smooth=False)
    assert skipping.skipped > 0
    assert all_of_it.skipped == 0
    pairs = zip(read(tmp_path / "skipping.mkv")[1], read(tmp_path / "all.mkv")[1], strict=True)
    assert all(np.array_equal(a.image, b.image) and a.pts == b.pts for a, b in pairs)


def test_the_program_counts_them(screencast, tmp_path):
    line = command("stylize", screencast, "-o", tmp_path / "out.mp4", "--skip-still")
    said = subprocess.run(line, capture_output=True, text=True, timeout=120, check=True).stderr
    assert "18 frames (13 still, not restyled) in " in said
    line += ["--json", "--overwrite"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(done.stdout)["skipped"] == 13


def test_off_by_default_and_never_for_an_untouched_copy(screencast, tmp_path):
    line = command("stylize", screencast, "-o", tmp_path / "out.mp4", "--json")
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(done.stdout)["skipped"] == 0
    options = vidgan.StylizeOptions(skip_still=True)
    assert vidgan.stylize_video(screencast, tmp_path / "copy.mkv", style="none", options=options).skipped == 0
