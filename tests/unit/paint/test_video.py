import itertools
import threading
from fractions import Fraction

import cv2
import numpy as np
import pytest

from vidgan.errors import InputError
from vidgan.frame import Frame
from vidgan.paint.options import PaintOptions
from vidgan.paint.picture import paint_picture
from vidgan.paint.video import paint_video

OPTIONS = PaintOptions(iterations=16, frame_iterations=8, num_scales=1, style_scale=0.1)
SHIFT = 3
"""Pixels a frame that everything moves to the left."""


def as_frames(pictures):
    return [Frame(image=picture, pts=2 * n, time_base=Fraction(1, 50)) for n, picture in enumerate(pictures)]


@pytest.fixture(scope="module")
def panned():
    """Three frames of 72x64 of a camera that turns: the same wide picture, each time a little further right."""
    wide = np.random.default_rng(2).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    wide = cv2.resize(wide, (96, 64), interpolation=cv2.INTER_CUBIC)
    return [np.ascontiguousarray(wide[:, SHIFT * n : SHIFT * n + 72]) for n in range(3)]


@pytest.fixture(scope="module")
def painted(panned, painting):
    return list(paint_video(as_frames(panned), [painting], OPTIONS))


def unsteadiness(pictures):
    """Mean squared difference of the same points, whose motion is known."""
    pairs = itertools.pairwise(pictures)
    return np.mean([
        np.square(now[:, :-SHIFT].astype(float) - before[:, SHIFT:]).mean() for before, now in pairs
    ])  # fmt: skip


def test_every_frame_comes_at_its_time_and_size(painted, panned):
    assert [frame.pts for frame in painted] == [0, 2, 4]
    assert {frame.image.shape for frame in painted} == {panned[0].shape}
    assert {frame.image.dtype for frame in painted} == {np.dtype(np.uint8)}


def test_the_first_frame_is_painted_like_a_picture(painted, panned, painting):
    assert np.array_equal(painted[0].image, paint_picture(panned[0], [painting], OPTIONS))


def test_it_is_steadier_than_frame_by_frame(painted, panned, painting):
    apart = []
    for seed, picture in enumerate(panned):
        apart.append(paint_picture(picture, [painting], PaintOptions(**vars(OPTIONS) | {"seed": seed})))
    assert unsteadiness([frame.image for frame in painted]) < 0.4 * unsteadiness(apart)


def test_the_temporal_weight_holds_frames_together(panned, painting):
    loose, tight = (
        [
            frame.image
            for frame in paint_video(
                as_frames(panned), [painting], PaintOptions(**vars(OPTIONS) | {"temporal_weight": weight})
            )
        ]
        for weight in (0, 500)
    )
    assert unsteadiness(tight) < 0.7 * unsteadiness(loose)


def test_later_frames_take_fewer_looks_and_tell_their_number(panned, painting):
    told = []
    list(paint_video(as_frames(panned[:2]), [painting], OPTIONS, report=told.append))
    assert [(p.frame, p.iteration) for p in told] == [(1, n) for n in range(1, 17)] + [(2, n) for n in range(1, 9)]
    assert "temporal" not in told[0].losses
    assert told[-1].losses["temporal"] < 0.05


def test_a_cut_begins_anew(panned, painting):
    other = 255 - np.ascontiguousarray(panned[0][::-1] // 4)
    told = []
    result = list(paint_video(as_frames([panned[0], other]), [painting], OPTIONS, report=told.append))
    assert len(told) == 32
    assert np.array_equal(result[1].image, paint_picture(other, [painting], OPTIONS))


def test_a_stop_gives_the_frame_in_work_and_no_more(panned, painting):
    stop, told = threading.Event(), []

    def report(progress):
        told.append(progress)
        if len(told) == 20:
            stop.set()

    result = list(paint_video(as_frames(panned), [painting], OPTIONS, report=report, stop=stop))
    assert len(told) == 20
    assert len(result) == 2
    assert not np.array_equal(result[1].image, panned[1])


def test_large_frames_are_painted_small(panned, painting):
    options = PaintOptions(**vars(OPTIONS) | {"longest_side": 48, "keep_colour": True})
    result = list(paint_video(as_frames(panned[:2]), [painting], options))
    assert [frame.image.shape for frame in result] == [panned[0].shape] * 2


def test_frames_that_are_too_small(painting):
    with pytest.raises(InputError, match="frame 1 of 40x20 pixels"):
        list(paint_video(as_frames([np.zeros((20, 40, 3), np.uint8)]), [painting], OPTIONS))
