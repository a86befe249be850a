import gc
import math
import weakref
from fractions import Fraction

import cv2
import numpy as np
import pytest

from vidgan.errors import InputError
from vidgan.frame import Frame
from vidgan.temporal.measure import MOST_IN_STRIP, NUM_WORST, EvenlyKept, Still, measure
from vidgan.temporal.meter import SteadinessMeter


def frames(images, rate=25):
    return [Frame(image=image, pts=n, time_base=Fraction(1, rate)) for n, image in enumerate(images)]


def pan(photo, num_frames, seed=0, step=3, size=(120, 200)):
    height, width = size
    wide = photo(height, width + step * num_frames, seed)
    return [np.ascontiguousarray(wide[:, step * n : step * n + width]) for n in range(num_frames)]


def negative(images):
    return [255 - image for image in images]


def pumped(images, by, at):
    """Brighten some frames by so many levels; the pictures stay away from white."""
    return [np.clip(image.astype(int) // 2 + (by if at(n) else 0), 0, 255).astype(np.uint8)
            for n, image in enumerate(images)]  # fmt: skip


def test_the_figures_are_those_of_the_steadiness_meter(photo):
    source = pan(photo, 6)
    rng = np.random.default_rng(0)
    rough = [np.clip(x + rng.normal(0, 15, x.shape), 0, 255).astype(np.uint8) for x in negative(source)]
    soft = [cv2.GaussianBlur(x, (0, 0), 1) for x in rough]
    found = measure(frames(source), frames(soft), frames(rough))
    meter = SteadinessMeter(1)
    for triple in zip(source, rough, soft, strict=True):
        meter(*triple)
    expected = meter.report()
    assert found.source_error == pytest.approx(expected.source_error)
    assert found.result_error == pytest.approx(expected.result_error)
    assert found.per_frame_error == pytest.approx(expected.per_frame_error)
    assert found.sharpness == pytest.approx(expected.sharpness, rel=0.02)  # the meter leaves out the first frame
    assert (found.num_frames, found.num_measured, len(found.moments)) == (6, 5, 5)
    assert found.moments[0].seconds == pytest.approx(1 / 25)


def test_known_flicker_is_found_to_the_digit(photo):
    """Every other frame 51 levels brighter: the error is 0.04, each step of brightness 51."""
    still = [photo(120, 200)] * 7
    found = measure(frames(still), frames(pumped(still, 51, lambda n: n % 2)))
    assert found.source_error == 0
    assert found.result_error == pytest.approx(0.04)
    assert found.pumping == pytest.approx(51, rel=1e-6)


def test_a_constant_gain_neither_pumps_nor_flickers(photo):
    source = pan(photo, 8)
    found = measure(frames(source), frames([image // 2 + 60 for image in source]))
    assert found.pumping < 0.05
    assert found.result_error < found.source_error


def test_fidelity_is_to_the_per_frame_result(photo):
    source = pan(photo, 4)
    styled = negative(source)
    found = measure(frames(source), frames(styled), frames(styled))
    assert found.psnr_db == math.inf
    assert found.ssim == pytest.approx(1, abs=1e-6)
    assert found.sharpness == 1
    assert found.per_frame_pumping == found.pumping
    # Two frames of four are off by 10 levels: the mean square is 50.
    other = [np.clip(x.astype(int), 0, 245).astype(np.uint8) for x in styled]
    off = [x + np.uint8(10 * (n % 2)) for n, x in enumerate(other)]
    assert measure(frames(source), frames(off), frames(other)).psnr_db == pytest.approx(10 * math.log10(255**2 / 50))


def test_without_a_per_frame_result_there_is_no_fidelity_and_sharpness_is_the_sources(photo):
    source = pan(photo, 4)
    found = measure(frames(source), frames([cv2.GaussianBlur(x, (0, 0), 2) for x in source]))
    assert (found.per_frame_error, found.psnr_db, found.ssim, found.per_frame_pumping) == (None,) * 4
    assert found.sharpness < 0.5


def test_cuts_are_marked_and_count_nowhere(photo):
    source = pan(photo, 5, seed=1) + pan(photo, 5, seed=2)
    result = negative(source[:5]) + [x // 4 for x in source[5:]]  # another brightness after the cut
    found = measure(frames(source), frames(result))
    assert found.cuts == (pytest.approx(5 / 25),)
    assert [m.is_cut for m in found.moments] == [n == 4 for n in range(9)]
    assert found.moments[4].result_error is None
    assert found.num_measured == 8
    assert found.pumping < 0.3
    assert found.result_error < 2 * found.source_error


def test_the_worst_moments_are_where_the_flicker_is(photo):
    still = [photo(120, 200)] * 60
    bad = {20: 20, 21: 60, 50: 30}
    result = [image // 2 + np.uint8(bad.get(n, 0)) for n, image in enumerate(still)]
    found = measure(frames(still), frames(result))
    # Leaving 21 is worse than reaching it, and both are one moment; so are reaching and leaving 50.
    assert [round(w.moment.seconds * 25) for w in found.worst[:2]] == [22, 50]
    worst = found.worst[0]
    np.testing.assert_allclose(worst.error_map, 60 / 255, rtol=1e-5)
    np.testing.assert_array_equal(worst.result, result[22])
    np.testing.assert_array_equal(worst.source, still[22])
    times = [w.moment.seconds for w in found.worst]
    assert all(abs(a - b) >= 0.5 for n, a in enumerate(times) for b in times[:n])


def test_pictures_are_kept_of_a_few_moments_only(photo):
    images, held = pan(photo, 150, size=(40, 60)), []

    def stream(make):
        for n, image in enumerate(images):
            copy = make(image)
            held.append(weakref.ref(copy))
            yield Frame(image=copy, pts=n, time_base=Fraction(1, 25))
            del copy

    most = 0

    def progress(_):
        nonlocal most
        gc.collect()
        most = max(most, sum(reference() is not None for reference in held))

    found = measure(stream(np.copy), stream(np.copy), progress=progress)
    kept = NUM_WORST + MOST_IN_STRIP
    assert len(found.worst) <= NUM_WORST
    assert len(found.strip) <= MOST_IN_STRIP
    assert most <= 2 * (kept + 2)  # and the two frames of a step


@pytest.mark.parametrize("num_frames", [1, 2, 7, 8, 9, 16, 17, 100, 1000])
def test_the_strip_is_evenly_spaced(num_frames):
    strip, image = EvenlyKept(8), np.zeros((1, 1, 3), np.uint8)
    for n in range(num_frames):
        strip.offer(Still(seconds=n, source=image, result=image))
    times = [still.seconds for still in strip.kept]
    assert min(num_frames, 4) <= len(times) <= 8
    assert times[0] == 0
    assert len(set(np.diff(times))) <= 1
    assert num_frames - times[-1] <= max(1, *np.diff([*times, times[-1] + 1]))


@pytest.mark.parametrize("num_frames", [0, 1])
def test_less_than_two_frames_have_no_steadiness(photo, num_frames):
    clip = frames([photo(40, 60)] * num_frames)
    with pytest.raises(InputError, match=f"{num_frames or 'no'} frames? to compare"):
        measure(clip, clip)


def test_nothing_but_cuts_has_no_steadiness(photo):
    clip = frames([photo(120, 200, seed) for seed in range(4)])
    with pytest.raises(InputError, match="none of the 3 steps"):
        measure(clip, clip)


def test_two_frames_have_no_pumping(photo):
    clip = frames([photo(40, 60)] * 2)
    found = measure(clip, clip)
    assert found.pumping is None
    assert found.result_error == 0


def test_the_shortest_ends_it(photo):
    source = pan(photo, 6)
    assert measure(frames(source), frames(source[:4])).num_frames == 4
    assert measure(frames(source), frames(source), frames(source[:3])).num_frames == 3


def test_the_result_may_have_another_size(photo):
    source = pan(photo, 5)
    larger = [cv2.resize(x, None, fx=1.5, fy=1.5) for x in negative(source)]
    steady = measure(frames(source), frames(larger)).result_error
    flickering = measure(frames(source), frames([x // (1 + n % 2) for n, x in enumerate(larger)])).result_error
    assert steady < 2e-5
    assert flickering > 0.01
    with pytest.raises(ValueError, match="one size"):
        measure(frames(source), frames(larger), frames(source))


@pytest.mark.parametrize("size", [(1, 1), (9, 13), (33, 57)])
def test_tiny_videos(photo, size):
    clip = frames([photo(*size)] * 4)
    found = measure(clip, clip, clip)
    assert found.result_error == pytest.approx(0, abs=1e-5)
    assert (found.ssim is None) == (min(size) < 11)
