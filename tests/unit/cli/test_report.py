import re

import cv2
import numpy as np
import pytest

from vidgan.cli.figures import clock, number, ratio
from vidgan.cli.plot import make_plot
from vidgan.cli.report import paint_errors
from vidgan.temporal.measure import Measurement, Moment, Still

IMAGE = np.zeros((2, 2, 3), np.uint8)


def found(errors, cuts=(), rate=25, per_frame=None):
    """A measurement of so many steps; None is a step that wasn't measured."""
    moments = tuple(
        Moment(
            seconds=n / rate,
            source_error=None if error is None else error / 10,
            per_frame_error=None if error is None or not per_frame else error * per_frame,
            result_error=error,
            is_cut=n in cuts,
        )
        for n, error in enumerate(errors, 1)
    )
    figures = dict.fromkeys(("sharpness", "psnr_db", "ssim", "pumping", "per_frame_pumping"))
    return Measurement(
        moments=moments,
        num_frames=len(moments) + 1,
        num_measured=len(moments),
        source_error=0.1,
        per_frame_error=per_frame,
        result_error=1.0,
        worst=(),
        strip=(Still(seconds=0.0, source=IMAGE, result=IMAGE),),
        **figures,
    )


def numbers(plot, name):
    (path,) = re.findall(rf'class="curve {name}" d="([^"]*)"', plot)
    values = [float(x) for x in re.findall(r"[\d.]+", path)]
    return values[::2], values[1::2]


def test_the_scale_is_logarithmic():
    xs, ys = numbers(make_plot(found([0.001, 0.01, 0.1])), "result")
    assert np.diff(xs) == pytest.approx([1000 / 3] * 2, abs=0.2)
    assert ys[1] - ys[0] == pytest.approx(ys[2] - ys[1], abs=0.2)
    assert 0 < ys[2] < ys[1] < ys[0] < 1000
    _, source = numbers(make_plot(found([0.001, 0.01, 0.1])), "source")
    assert source[1:] == pytest.approx(ys[:2], abs=0.2)  # a tenth of the result's


def test_curves_are_interrupted_where_nothing_was_measured():
    plot = make_plot(found([0.01, 0.02, None, 0.01], cuts=[3], per_frame=2))
    for name in ("source", "per-frame", "result"):
        (path,) = re.findall(rf'class="curve {name}" d="([^"]*)"', plot)
        assert path.count("M") == 2
    assert re.findall(r'class="cut" d="M([\d.]+) ', plot) == ["750.0"]


def test_a_long_film_is_drawn_by_the_worst_of_each_bin():
    errors = [0.01] * 6000
    errors[3333] = 0.5
    plot = make_plot(found(errors))
    xs, ys = numbers(plot, "result")
    assert len(xs) == 600
    assert min(ys) == ys[333]
    assert xs[333] == pytest.approx(1000 * 3334 / 6000, abs=0.1)
    assert "the worst of 10 steps" in plot


@pytest.mark.parametrize("errors", [[0.0], [0.0, 0.0], [0.01], [1.0, 1e-9], [0.5] * 3])
def test_any_errors_can_be_drawn(errors):
    _, ys = numbers(make_plot(found(errors)), "result")
    assert all(0 <= y <= 1000 for y in ys)


@pytest.mark.parametrize("num_steps", [1, 30, 250, 25 * 3600, 25 * 3600 * 9])
def test_there_are_a_few_round_times(num_steps):
    labels = re.findall(r'<span style="left:([\d.]+)%">([\d:.]+)</span>', make_plot(found([0.1] * num_steps)))
    assert 1 <= len(labels) <= 8
    assert all(0 <= float(left) <= 100 for left, _ in labels)


def test_errors_are_painted_by_size_and_grey_where_not_counted():
    painted = paint_errors(np.float32([[0, 0.1, 0.2, 0.9, np.nan]]), top=0.2)
    ramp = cv2.applyColorMap(np.uint8([[0, 127, 255, 255]]), cv2.COLORMAP_INFERNO)[..., ::-1]
    np.testing.assert_array_equal(painted[:, :4], ramp)
    np.testing.assert_array_equal(painted[0, 4], [128] * 3)


def test_figures_have_three_digits_and_no_exponent():
    values = [0.000123456, 0.0275, 1.0, 34.2345, 1234.5, 0, None, 1e-12]
    assert [number(v) for v in values] == ["0.000123", "0.0275", "1.00", "34.2", "1234", "0", "", "0"]
    assert ratio(6.0, 2.0) == 3
    assert ratio(6.0, 0.0) is None
    assert ratio(None, 2.0) is None


def test_times():
    assert [clock(x) for x in (0, 3.24, 59.96, 61, 3723.4)] == ["0:00.0", "0:03.2", "1:00.0", "1:01.0", "1:02:03.4"]
