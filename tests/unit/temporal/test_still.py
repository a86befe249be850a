"""What counts as still: noise does; a cursor, a small thing that creeps and a slow fade don't, however slow."""

import numpy as np
import pytest

from vidgan.temporal.still import MOST_CHANGE, MOST_WIDE_CHANGE, StillDetector


def picture(width=1280, height=720):
    """A ramp with a checked pattern on it: every level, many edges."""
    ramp = np.linspace(70, 170, width, dtype=np.float32) + np.linspace(0, 15, height, dtype=np.float32)[:, None]
    checks = (np.indices((height, width)) // 5).sum(axis=0) % 2
    return np.stack([ramp + 10 * checks] * 3, axis=-1)


def as_frame(values):
    return values.round().clip(0, 255).astype(np.uint8)


def first_seen(detector, frames):
    """The number of the first frame that isn't still after the one that was shown first."""
    for number, frame in enumerate(frames, 1):
        if not detector(frame):
            return number
    return None


@pytest.fixture
def detector():
    """One that has seen `picture()`."""
    detector = StillDetector()
    assert not detector(as_frame(picture()))
    return detector


def test_the_first_frame_is_new_and_the_same_again_is_still(detector):
    assert [detector(as_frame(picture())) for _ in range(3)] == [True] * 3
    assert detector.num_still == 3


@pytest.mark.parametrize("sigma", [2, 3, 4])
def test_camera_noise_is_still(sigma):
    rng = np.random.default_rng(sigma)
    base = picture()
    noise = rng.standard_normal((6, *base.shape), dtype=np.float32) * sigma
    detector = StillDetector()
    assert [detector(as_frame(base + n)) for n in noise] == [False] + [True] * 5


@pytest.mark.parametrize("size", [(1279, 719), (854, 480), (33, 9)])
def test_noise_is_still_at_sizes_with_partial_squares(size):
    rng = np.random.default_rng(0)
    base = picture(*size)
    detector = StillDetector()
    frames = [as_frame(base + 4 * rng.standard_normal(base.shape, dtype=np.float32)) for _ in range(10)]
    assert [detector(frame) for frame in frames] == [False] + [True] * 9


@pytest.mark.parametrize(("x", "y"), [(640, 360), (639, 355), (0, 0), (1278, 704), (1277, 701)])
@pytest.mark.parametrize("contrast", [-60, 60])
def test_a_text_cursor_is_seen(detector, x, y, contrast):
    blinking = picture()
    blinking[y : y + 16, x : x + 2] += contrast
    assert not detector(as_frame(blinking))


@pytest.mark.parametrize("size", [(1279, 719), (100, 50), (5, 3), (1, 1)])
def test_the_last_pixel_of_a_partial_square_counts(size):
    width, height = size
    dark = np.zeros((height, width, 3), np.uint8)
    corner, side = dark.copy(), dark.copy()
    corner[-2:, -2:] = 255
    side[: max(1, height // 2), -1] = 255
    for changed in (corner, side):
        detector = StillDetector()
        detector(dark)
        assert not detector(changed)
        assert detector(changed)


@pytest.mark.parametrize("channel", range(3))
def test_each_channel_counts(detector, channel):
    tinted = picture()
    tinted[104:112, 200:208, channel] += MOST_CHANGE + 2
    assert not detector(as_frame(tinted))


def test_one_pixel_is_missed_and_two_are_seen():
    """The stated limit, from both sides."""
    for count, is_still in ((1, True), (2, False)):
        frame = np.zeros((64, 64, 3), np.uint8)
        detector = StillDetector()
        detector(frame)
        frame[3, 4 : 4 + count] = 255
        assert detector(frame) is is_still


def test_a_small_thing_that_creeps_is_seen_once_it_has_moved_a_pixel(detector):
    def frames():
        for step in range(1, 41):
            now, place = picture(), 300 + step / 20
            covered = np.clip(np.minimum(np.arange(1280) + 1, place + 8) - np.maximum(np.arange(1280), place), 0, 1)
            now[200:208] += 100 * covered[:, None]
            yield as_frame(now)

    still = StillDetector()
    there = picture()
    there[200:208, 300:308] += 100
    still(as_frame(there))
    assert first_seen(still, frames()) <= 20


@pytest.mark.parametrize("per_frame", [0.05, -0.2])
def test_a_slow_fade_adds_up_until_it_is_seen(detector, per_frame):
    seen = first_seen(detector, (as_frame(picture() + per_frame * n) for n in range(1, 60)))
    assert seen * abs(per_frame) <= MOST_WIDE_CHANGE + 0.5
    # From there on it is compared with the frame that was seen.
    assert detector(as_frame(picture() + per_frame * (seen + 1)))


def test_a_slow_shadow_over_a_corner_is_seen(detector):
    shaded = picture()
    shaded[-64:, -64:] -= 2.2
    assert not detector(as_frame(shaded))


def test_what_is_still_isnt_remembered(detector):
    """Each frame is near the one before, and the last one far from the first."""
    steps = []
    for n in range(1, 13):
        now = picture()
        now[320:328, 320:328] += n
        steps.append(detector(as_frame(now)))
    assert steps == [True] * 4 + [False] + [True] * 4 + [False] + [True] * 2


def test_another_size_is_new_and_reset_forgets(detector):
    assert not detector(as_frame(picture(640, 360)))
    assert detector(as_frame(picture(640, 360)))
    detector.reset()
    assert not detector(as_frame(picture(640, 360)))
    assert detector.num_still == 1


def test_the_frame_may_be_written_into_afterwards():
    frame = np.zeros((16, 16, 3), np.uint8)
    detector = StillDetector()
    detector(frame)
    frame += 100
    assert not detector(frame)


@pytest.mark.parametrize(
    ("frame", "kind"),
    [(np.zeros((4, 4, 3), np.float32), TypeError), (np.zeros((4, 4), np.uint8), ValueError),
     (np.zeros((0, 4, 3), np.uint8), ValueError)],
)  # fmt: skip
def test_what_isnt_a_frame_is_refused(frame, kind):
    with pytest.raises(kind, match="expected"):
        StillDetector()(frame)
