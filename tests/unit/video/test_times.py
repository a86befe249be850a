import pytest

from vidgan.video.times import TimeChooser


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([(0, 0), (40, 40), (80, 80)], [0, 40, 80]),
        ([(0, None), (40, None)], [0, 40]),
        ([(None, 0), (None, 40), (80, 80)], [0, 40, 80]),
        ([(None, None), (40, None)], [None, 40]),
        ([(0, -80), (40, -40), (80, None)], [0, 40, 80]),
        # H.264 with B-frames in AVI: presentation times in the order of decoding.
        ([(1, 2), (2, 3), (4, 4), (5, 5), (3, 6), (7, 7), (6, 8), (10, 9)], [1, 2, 4, 5, 6, 7, 8, 9]),
        # Two recordings one after the other: both clocks start anew, and neither is to blame.
        ([(0, 0), (40, 40), (0, 0), (41, 40)], [0, 40, 0, 41]),
        # Wrong decoding times are nobody's concern.
        ([(0, 5), (40, 5), (80, 5)], [0, 40, 80]),
    ],
)
def test_the_better_of_two_clocks(given, expected):
    choose = TimeChooser()
    assert [choose(pts, dts) for pts, dts in given] == expected
