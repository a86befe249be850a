import gc
import weakref

import cv2
import numpy as np
import pytest

from vidgan.temporal import meter as meters
from vidgan.temporal.meter import PairMeter, SteadinessMeter, view


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
    monkeypatch.setattr(meters, "visible_mask", lambda _, backward: np.ones(backward.shape[:2], bool))
    assert masked.source_error < 0.2 * measured(1, frames, frames, frames).source_error


def test_meter_skips_pairs_with_nothing_in_common(photo, monkeypatch):
    monkeypatch.setattr(meters, "visible_mask", lambda _, backward: np.zeros(backward.shape[:2], bool))
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
    with pytest.raises(ValueError, match="one meter per size"):
        meter(photo(40, 61), photo(8, 8), photo(8, 8))
    with pytest.raises(TypeError, match="uint8"):
        SteadinessMeter(1)(photo(8, 8).astype(np.float32), photo(8, 8), photo(8, 8))


def test_a_view_is_small_and_of_one_size(photo):
    seen = view(photo(720, 1000), photo(360, 500), photo(1080, 1500))
    assert [picture.shape for picture in seen.pictures] == [(360, 500, 3)] * 3
    assert seen.luma.shape == (360, 500)
    assert seen.shapes == ((720, 1000, 3), (360, 500, 3), (1080, 1500, 3))


def test_a_pair_tells_cuts_from_flashes(photo):
    measure, image, other = PairMeter(), photo(180, 320), photo(180, 320, 5)
    flash = np.clip(image.astype(int) * 3, 0, 255).astype(np.uint8)
    cut = measure(view(image, image), view(other, other))
    assert (cut.is_cut, cut.errors) == (True, None)
    assert not measure(view(image, image), view(flash, flash)).is_cut


def test_a_pair_of_unlike_views_is_refused(photo):
    with pytest.raises(ValueError, match="one meter per size"):
        PairMeter()(view(photo(40, 60), photo(40, 60)), view(photo(40, 60)))
