"""Who is better where: the verdicts on made-up curves."""

import pytest
from curves import compare

FALLING = [(2.0, 0.5), (8.0, 0.25)]
"""Ratio and sharpness of a baseline that pays for steadiness with sharpness; it begins at (1, 1)."""


def test_above_the_curve_is_better():
    compared = compare((4.0, 0.8), FALLING)
    assert compared.better
    # Half-way between 2 and 8 on a logarithmic axis.
    assert compared.sharpness_at_equal_error == pytest.approx(0.375)
    # 0.8 lies two fifths of the way from 1 to 0.5.
    assert compared.ratio_at_equal_sharpness == pytest.approx(2**0.4)


def test_below_the_curve_is_worse():
    assert not compare((4.0, 0.3), FALLING).better


def test_on_the_curve_is_not_better():
    assert not compare((2.0, 0.5), FALLING).better


def test_steadier_than_the_baseline_ever_gets_is_better():
    compared = compare((9.0, 0.1), FALLING)
    assert compared.better
    assert compared.sharpness_at_equal_error is None


def test_a_baseline_that_is_steadier_and_sharper_throughout_wins_without_crossing():
    compared = compare((1.5, 0.1), FALLING)
    assert compared.ratio_at_equal_sharpness is None
    assert not compared.better


def test_a_curve_that_turns_back_counts_with_its_better_branch():
    turning = [(1.5, 0.7), (1.2, 0.9)]
    compared = compare((1.3, 0.75), turning)
    assert compared.sharpness_at_equal_error == pytest.approx(0.9 - 0.2 * 0.3587, abs=1e-3)
    assert not compared.better
