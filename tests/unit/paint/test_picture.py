import logging
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from vidgan.errors import InputError
from vidgan.paint.options import PaintOptions
from vidgan.paint.painter import coarse_factors, share
from vidgan.paint.picture import paint_picture
from vidgan.picture import with_colour_of

QUICK = {"iterations": 12, "num_scales": 1, "style_scale": 0.1}
"""A painting 64 pixels across."""


def paint(content, *paintings, report=lambda _: None, begin=None, stop=None, **options):
    return paint_picture(content, paintings, PaintOptions(**QUICK | options), report=report, begin_HWC=begin, stop=stop)


def psnr(a, b):
    return cv2.PSNR(a, b)


@pytest.fixture(scope="module")
def painted(content, painting):
    return paint(content, painting)


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_it_comes_near_the_manner_and_keeps_the_size(content, painting, style_distance, optimiser):
    told = []
    result = paint(content, painting, optimiser=optimiser, report=told.append)
    assert result.dtype == np.uint8
    assert result.shape == content.shape
    assert style_distance(result, painting) < 0.4 * style_distance(content, painting)
    assert [progress.iteration for progress in told] == list(range(1, 13))
    assert {progress.iterations for progress in told} == {12}
    totals = [progress.losses["total"] for progress in told]
    assert totals == sorted(totals, reverse=True)
    assert totals[-1] < 0.5 * totals[0]


def test_the_content_weight_keeps_the_content(content, painting):
    def last_content(weight):
        told = []
        paint(content, painting, content_weight=weight, report=told.append)
        return told[-1].losses["content"]

    assert last_content(30) < 0.5 * last_content(0.3)


def test_the_variation_weight_smooths(content, painting, painted):
    def roughness(picture):
        return np.abs(np.diff(picture.astype(int), axis=1)).mean()

    assert roughness(paint(content, painting, variation_weight=100)) < 0.7 * roughness(painted)


def test_a_larger_style_scale_gives_another_picture(content, painting, painted):
    assert psnr(paint(content, painting, style_scale=0.2), painted) < 35


def test_several_paintings_give_something_between(content, painting, style_distance):
    blue = np.ascontiguousarray(painting[..., ::-1])
    both = paint(content, painting, blue)
    alone = paint(content, blue)
    assert style_distance(paint(content, painting), painting) < style_distance(both, painting)
    assert style_distance(both, painting) < style_distance(alone, painting)


def test_coarse_to_fine_gets_further(painting):
    """After as many looks at full size."""
    large = cv2.resize(np.random.default_rng(5).integers(0, 256, (9, 12, 3), dtype=np.uint8), (170, 128))
    fine, coarse = [], []
    paint(large, painting, iterations=8, style_scale=0.2, report=fine.append)
    paint(large, painting, iterations=16, style_scale=0.2, num_scales=2, report=coarse.append)
    assert [(p.scale, p.num_scales) for p in coarse] == [(1, 2)] * 8 + [(2, 2)] * 8
    assert coarse[8].losses["style"] < 0.7 * fine[0].losses["style"]
    assert coarse[-1].losses["total"] < 0.9 * fine[-1].losses["total"]


def test_the_same_seed_gives_the_same_picture_and_another_another(content, painting, painted):
    assert np.array_equal(paint(content, painting), painted)
    assert not np.array_equal(paint(content, painting, seed=2), painted)


def test_kept_colours_are_the_sources(content, painting, painted):
    result = paint(content, painting, keep_colour=True)
    assert np.array_equal(result, with_colour_of(content, painted))
    was, now, without = (
        cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)[..., 1:].astype(int) for picture in (content, result, painted)
    )
    assert np.abs(was - now).mean() < 0.3 * np.abs(was - without).mean()


def test_grey_stays_grey_with_kept_colours(content, painting):
    grey = np.repeat(content[..., :1], 3, axis=2)
    result = paint(grey, painting, keep_colour=True, iterations=3)
    assert np.ptp(result, axis=2).max() <= 1
    assert not np.array_equal(result, grey)


def test_going_on_from_a_result_begins_where_it_was(content, painting, painted):
    anew, on = [], []
    paint(content, painting, report=anew.append, iterations=1)
    paint(content, painting, report=on.append, iterations=1, begin=painted)
    assert on[0].losses["total"] < 0.5 * anew[0].losses["total"]


def test_a_stopped_painting_is_what_there_is(content, painting, painted):
    stop, seen = threading.Event(), []

    def report(progress):
        seen.append(progress.picture())
        if progress.iteration == 6:
            stop.set()

    result = paint(content, painting, report=report, stop=stop)
    assert len(seen) == 6
    assert np.array_equal(result, seen[-1])
    assert psnr(result, content) < 30


def test_a_stop_at_a_coarse_scale_gives_the_whole_size(painting):
    large = np.random.default_rng(5).integers(0, 256, (130, 140, 3), dtype=np.uint8)
    stop = threading.Event()
    result = paint(large, painting, num_scales=2, stop=stop, report=lambda _: stop.set())
    assert result.shape == large.shape


@pytest.mark.parametrize("size", [(33, 47), (32, 32), (65, 130)])
def test_odd_sizes(painting, size):
    picture = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert paint(picture, painting, iterations=2, num_scales=3).shape == picture.shape


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flat_picture(painting, level):
    assert np.ptp(paint(np.full((40, 48, 3), level, np.uint8), painting, iterations=6)) > 20


def test_a_large_picture_is_painted_small_and_says_so(content, painting, caplog):
    sizes = []
    with caplog.at_level(logging.WARNING):
        result = paint(content, painting, longest_side=48, report=lambda p: sizes.append(p.picture().shape))
    assert result.shape == content.shape
    assert set(sizes) == {content.shape}
    assert "painted at 48x36 and enlarged to 96x72" in caplog.text


def test_a_long_strip_keeps_the_least_side(painting):
    strip = np.random.default_rng(1).integers(0, 256, (40, 200, 3), dtype=np.uint8)
    assert paint(strip, painting, longest_side=64, iterations=2).shape == strip.shape


@pytest.mark.parametrize(("picture", "error", "words"), [
    (np.zeros((31, 64, 3), np.uint8), InputError, "64x31 pixels: each side must have at least 32"),
    (np.zeros((64, 64), np.uint8), ValueError, r"expected \(H, W, 3\)"),
    (np.zeros((64, 64, 3), np.float32), TypeError, "expected uint8"),
])  # fmt: skip
def test_what_cannot_be_painted_is_refused(content, painting, picture, error, words):
    with pytest.raises(error, match=words):
        paint(picture, painting)
    with pytest.raises(error, match=words):
        paint(content, picture)
    with pytest.raises(error, match=words):
        paint(content, painting, begin=picture)


def test_at_least_one_painting(content):
    with pytest.raises(InputError, match="no painting"):
        paint(content)


def test_weights_that_make_no_numbers(content, painting):
    with pytest.raises(InputError, match="no numbers"):
        paint(content, painting, style_weight=1e39)


@pytest.mark.parametrize("options", [
    {"iterations": 0}, {"optimiser": "sgd"}, {"content_weight": -1}, {"style_weight": float("nan")},
    {"style_scale": 0}, {"longest_side": 31}, {"num_scales": 0}, {"frame_iterations": 0}, {"temporal_weight": -1},
])  # fmt: skip
def test_options_out_of_range_are_named(options):
    (name,) = options
    with pytest.raises(ValueError, match=name):
        PaintOptions(**options)


def test_absent_weights_are_an_input_error(content, painting):
    with pytest.raises(InputError, match=r"absent\.pth"):
        paint(content, painting, features=Path("absent.pth"))


def test_scales_and_shares():
    import torch

    assert coarse_factors(torch.zeros(1, 3, 256, 300), 3) == [0.25, 0.5, 1]
    assert coarse_factors(torch.zeros(1, 3, 255, 300), 3) == [0.5, 1]
    assert coarse_factors(torch.zeros(1, 3, 40, 300), 3) == [1]
    assert share(300, 3) == [100, 100, 100]
    assert share(8, 3) == [2, 2, 4]
    assert share(2, 3) == [0, 0, 2]
