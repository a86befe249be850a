from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from vidgan.frame import Frame, VideoInfo
from vidgan.video.grid import make_grid

IMAGE = np.zeros((2, 2, 3), np.uint8)
MILLISECOND = Fraction(1, 1000)


def placed(times, *, container="matroska", encoder="libx264", time_base=MILLISECOND, rate=25):
    """Return what becomes of frames at `times`, in seconds, and what is said."""
    info = VideoInfo(width=2, height=2, average_rate=Fraction(rate), time_base=time_base)
    notices = Counter()
    grid = make_grid(container, encoder, info, notices)
    frames = [Frame(image=IMAGE, pts=pts, time_base=time_base, duration=1) for pts in times]
    made = [made for frame in frames for made in grid.place(frame)]
    return [made.pts * made.time_base for made in made], dict(notices), grid.time_base


def test_times_that_a_container_can_tell_pass_untouched():
    times, notices, time_base = placed([0, 1, 7, 40])
    assert times == [0, MILLISECOND, 7 * MILLISECOND, 40 * MILLISECOND]
    assert notices == {}
    assert time_base == MILLISECOND


def test_any_time_passes_into_mp4():
    fine = Fraction(1, 90000)
    assert placed([0, 1, 2], container="mp4", time_base=fine)[0] == [0, fine, 2 * fine]


@pytest.mark.parametrize(("container", "per_second"), [("matroska", 1000), ("gif", 100), ("webm", 1000), ("flv", 1000)])
def test_times_that_fall_together_lose_a_frame(container, per_second):
    times, notices, _ = placed([0, 1, 4, 8], container=container, time_base=Fraction(1, 4 * per_second))
    assert [float(time * per_second) for time in times] == [0, 1, 2]
    assert list(notices.values()) == [1]


def test_a_constant_rate_repeats_and_leaves_out():
    times, notices, time_base = placed([0, 40, 45, 130, 250], container="avi")
    assert times == [Fraction(n, 25) for n in (0, 1, 2, 3, 4, 5, 6)]
    assert notices == {
        "a frame was left out to keep a constant rate": 1,
        "a frame was repeated to keep a constant rate": 3,
    }
    assert time_base == Fraction(1, 25)


def test_a_late_start_stays_late():
    assert placed([120, 160], container="avi")[0] == [Fraction(3, 25), Fraction(4, 25)]


def test_mpeg2_has_a_constant_rate_in_any_container():
    assert placed([0, 41, 79], encoder="mpeg2video")[0] == [0, Fraction(1, 25), Fraction(2, 25)]


@pytest.mark.parametrize(
    "rate", [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60), Fraction(25), Fraction(15, 2)]
)
def test_mpeg4_gets_a_clock_that_it_can_say(rate):
    _, _, time_base = placed([0], container="mp4", encoder="mpeg4", time_base=Fraction(1, 90000), rate=rate)
    assert time_base.denominator <= 65535
    assert (1 / rate / time_base).denominator == 1
    assert placed([0], container="mp4", encoder="mpeg4", rate=rate)[2] == MILLISECOND
