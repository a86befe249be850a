import gc
import math
import weakref

import cv2
import numpy as np
import pytest

from vidgan.temporal import metrics
from vidgan.temporal.flow import points_inside
from vidgan.temporal.metrics import SteadinessMeter, occluded, psnr, sharpness_ratio, visible_mask, warping_error
from vidgan.temporal.warp import warp


def constant_flow(height, width, u, v=0.0):
    return np.broadcast_to(np.float32([u, v]), (height, width, 2)).copy()


def everywhere(height, width):
    return np.ones((height, width), bool)


def test_warping_error_of_a_perfect_warp_is_none(photo):
    before = photo(120, 200)
    flow = constant_flow(120, 200, 5, -3)
    now = np.roll(before, (3, -5), axis=(0, 1))
    mask = points_inside(flow)
    assert warping_error(now, warp(before, flow), mask) == 0
    assert warping_error(now, before, mask) > 0.001


def test_warping_error_of_known_flicker_is_its_square():
    before, now = np.full((20, 30, 3), 100, np.uint8), np.full((20, 30, 3), 151, np.uint8)
    assert warping_error(now, before, everywhere(20, 30)) == pytest.approx(0.04)
    assert warping_error(before, now, everywhere(20, 30)) == pytest.approx(0.04)


def test_warping_error_counts_visible_pixels_only():
    before, now = np.zeros((10, 10, 3), np.uint8), np.zeros((10, 10, 3), np.uint8)
    now[:5] = 255
    mask = everywhere(10, 10)
    assert warping_error(now, before, mask) == pytest.approx(0.5)
    mask[:5] = False
    assert warping_error(now, before, mask) == 0
    assert math.isnan(warping_error(now, before, ~everywhere(10, 10)))


def test_warping_error_refuses_mixed_sizes():
    with pytest.raises(ValueError, match="one size"):
        warping_error(np.zeros((4, 5, 3), np.uint8), np.zeros((4, 6, 3), np.uint8), everywhere(4, 5))
    with pytest.raises(ValueError, match="one size"):
        warping_error(np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5, 3), np.uint8), everywhere(5, 4))


def test_there_and_back_is_not_occluded():
    assert not occluded(constant_flow(40, 60, 7, -2), constant_flow(40, 60, -7, 2)).any()


def test_occlusion_has_the_published_threshold():
    backward = constant_flow(4, 4, 10)
    # |w~ + w^|² = 2.25 against 0.01 (|w~|² + |w^|²) + 0.5: 2.2225 for 8.5 there and 10 back, 2.8225 for 11.5.
    assert occluded(constant_flow(4, 4, -8.5), backward).all()
    assert not occluded(constant_flow(4, 4, -11.5), backward).any()


def test_masks_are_right_on_a_known_occluder():
    """A square moves right by 6 over a still ground: what it leaves is new, its outline is a boundary."""
    forward, backward = np.zeros((60, 100, 2), np.float32), np.zeros((60, 100, 2), np.float32)
    forward[20:40, 30:50, 0] = 6
    backward[20:40, 36:56, 0] = -6
    uncovered = np.zeros((60, 100), bool)
    uncovered[20:40, 30:36] = True
    np.testing.assert_array_equal(occluded(forward, backward), uncovered)

    hidden = ~visible_mask(forward, backward)
    outline = hidden & ~uncovered
    square = np.zeros((60, 100), np.uint8)
    square[20:40, 36:56] = 1
    edge = cv2.morphologyEx(square, cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    assert outline.any()
    assert not (outline & ~edge).any()
    assert hidden[uncovered].all()


def test_sharpness_falls_with_blur(photo):
    image = photo(120, 200)
    assert sharpness_ratio(image, image) == 1
    assert 0 < sharpness_ratio(cv2.blur(image, (3, 3)), image) < 0.6
    assert math.isnan(sharpness_ratio(image, np.zeros_like(image)))


def test_psnr(photo):
    image = np.full((8, 9, 3), 100, np.uint8)
    assert psnr(image, image) == math.inf
    assert psnr(image + np.uint8(5), image) == pytest.approx(20 * math.log10(255 / 5))
    assert psnr(np.full_like(image, 255), np.zeros_like(image)) == 0
    with pytest.raises(ValueError, match="one size"):
        psnr(image, image[:4])


def clip(photo, num_frames=9, seed=0):
    """A pan, a styled version that flickers, and the same without flicker."""
    rng = np.random.default_rng(seed)
    wide = photo(180, 320 + 4 * num_frames, seed)
    source = [np.ascontiguousarray(wide[:, 4 * t : 4 * t + 320]) for t in range(num_frames)]
    steady = [255 - f for f in source]
    return source, [np.clip(f + rng.normal(0, 20), 0, 255).astype(np.uint8) for f in steady], steady


def measured(every, source, per_frame, result):
    meter = SteadinessMeter(every)
    for frames in zip(source, per_frame, result, strict=True):
        meter(*frames)
    return meter.report()


def test_meter_tells_steady_from_flickering(photo):
    report = measured(1, *clip(photo))
    assert (report.pairs, report.skipped) == (8, 0)
    assert report.source_error < 0.0005
    assert report.result_error == pytest.approx(report.source_error, rel=0.2)
    assert report.per_frame_error > 20 * report.result_error
    assert report.sharpness == pytest.approx(1, abs=0.1)


def test_meter_sees_blur(photo):
    source, _, steady = clip(photo)
    report = measured(4, source, steady, [cv2.GaussianBlur(f, (0, 0), 2) for f in steady])
    assert report.sharpness < 0.5


@pytest.mark.parametrize(("every", "num_frames", "pairs"), [(1, 5, 4), (4, 9, 2), (4, 10, 3), (8, 2, 1)])
def test_meter_measures_every_kth_pair(photo, every, num_frames, pairs):
    assert measured(every, *clip(photo, num_frames)).pairs == pairs


def test_meter_measures_the_pairs_it_says(photo):
    """Flicker in frames 2 and 3 of 0..9 can't be seen by a meter that looks at pairs 0-1, 4-5 and 8-9."""
    source, _, steady = clip(photo, 10)
    result = list(steady)
    result[2], result[3] = 255 - result[2], result[3] // 2
    report = measured(4, source, steady, result)
    assert report.result_error == report.per_frame_error
    result[5] = result[5] // 2
    report = measured(4, source, steady, result)
    assert report.result_error > 2 * report.per_frame_error


def test_meter_skips_cuts(photo):
    first, second = clip(photo, 3, seed=1), clip(photo, 3, seed=2)
    report = measured(1, *(a + b for a, b in zip(first, second, strict=True)))
    assert (report.pairs, report.skipped) == (4, 1)
    assert report.source_error < 0.0005


def test_meter_counts_visible_pixels_only(moving_disc, monkeypatch):
    """What the disc covers and uncovers differs, but is no flicker."""
    frames = [frame for frame, _ in moving_disc(5, 20)]
    masked = measured(1, frames, frames, frames)
    monkeypatch.setattr(metrics, "visible_mask", lambda _, backward: np.ones(backward.shape[:2], bool))
    assert masked.source_error < 0.2 * measured(1, frames, frames, frames).source_error


def test_meter_skips_pairs_with_nothing_in_common(photo, monkeypatch):
    monkeypatch.setattr(metrics, "visible_mask", lambda _, backward: np.zeros(backward.shape[:2], bool))
    assert measured(1, *clip(photo, 3)) is None


@pytest.mark.parametrize("num_frames", [0, 1])
def test_meter_has_no_report_without_pairs(photo, num_frames):
    assert measured(1, *clip(photo, num_frames)) is None


def test_flat_frames_have_no_sharpness():
    flat = [np.full((40, 60, 3), 90, np.uint8)] * 2
    report = measured(1, flat, flat, flat)
    assert report.sharpness is None
    assert report.result_error == 0


def test_styled_frames_may_have_another_size_than_the_source(photo):
    source, per_frame, steady = clip(photo)
    larger = [[cv2.resize(f, None, fx=1.5, fy=1.5) for f in frames] for frames in (per_frame, steady)]
    report = measured(2, source, *larger)
    assert report.per_frame_error > 20 * report.result_error


def test_meter_holds_frames_only_between_the_two_of_a_pair(photo):
    meter = SteadinessMeter(every=4)
    held = []
    for _ in range(6):
        frames = [photo(60, 80) for _ in range(3)]
        references = [weakref.ref(f) for f in frames]
        meter(*frames)
        del frames
        gc.collect()
        held.append(sum(r() is not None for r in references))
    assert held == [3, 0, 0, 0, 3, 0]


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (321, 243)])
def test_odd_and_tiny_sizes(photo, size):
    frames = [photo(*size)] * 2
    assert measured(1, frames, frames, frames).result_error == pytest.approx(0, abs=1e-5)


def test_meter_refuses_what_does_not_fit(photo):
    with pytest.raises(ValueError, match="every"):
        SteadinessMeter(0)
    with pytest.raises(ValueError, match="one size"):
        SteadinessMeter()(photo(8, 8), photo(8, 8), photo(8, 9))
    meter = SteadinessMeter()
    meter(photo(40, 60), photo(8, 8), photo(8, 8))
    with pytest.raises(ValueError, match="from"):
        meter(photo(40, 61), photo(8, 8), photo(8, 8))
    with pytest.raises(TypeError, match="uint8"):
        SteadinessMeter(1)(photo(8, 8).astype(np.float32), photo(8, 8), photo(8, 8))
