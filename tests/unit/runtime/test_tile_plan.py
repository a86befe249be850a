import numpy as np
import pytest

from vidgan.runtime.tile_plan import Tiling, choose_tiling, place


@pytest.mark.parametrize(
    ("length", "tile", "halo"),
    [(100, 100, 48), (332, 160, 48), (332, 100, 48), (7712, 1620, 48), (104, 100, 48), (9, 4, 1)],
)
def test_cells_cover_a_side_once_and_tiles_reach_a_halo_beyond(length, tile, halo):
    spans = place(length, tile, halo)
    covered = np.zeros(length, int)
    for span in spans:
        covered[span.begin : span.end] += 1
        assert 0 <= span.origin <= length - tile
        # At the picture's border a tile ends where the picture does.
        assert span.begin - span.origin >= (halo if span.origin else 0)
        assert span.origin + tile - span.end >= (halo if span.origin + tile < length else 0)
    assert (covered == 1).all()


def test_everything_stays_aligned():
    for span in place(332, 104, 48):
        assert span.origin % 4 == span.begin % 4 == span.end % 4 == 0


@pytest.mark.parametrize("tile", [96, 101, 0])
def test_tiles_of_a_wrong_size_are_refused(tile):
    with pytest.raises(ValueError, match=f"tile is {tile}; give more than 96"):
        place(100, tile, 48)


def choose(picture, most_pixels, halo=48):
    return choose_tiling(picture, halo=halo, alignment=4, fits=lambda pixels: pixels <= most_pixels)


def test_a_picture_that_fits_is_one_tile():
    tiling, _ = choose((1312, 752), 1312 * 752)
    assert tiling.tile == (1312, 752)
    assert tiling.count == 1


@pytest.mark.parametrize("most_pixels", [8_000_000, 1_000_000, 200_000, 40_000])
def test_the_limit_is_kept_and_used(most_pixels):
    tiling, smallest = choose((7712, 4352), most_pixels)
    assert tiling.tile[0] * tiling.tile[1] <= most_pixels
    assert tiling.tile[0] % 4 == tiling.tile[1] % 4 == 0
    # Not much worse than the best squares would be.
    side = most_pixels**0.5
    assert tiling.computed_pixels <= 1.4 * 7712 * 4352 * (side / (side - 96)) ** 2
    assert smallest.tile[0] * smallest.tile[1] <= 160 * 160


def test_memory_without_use_is_not_taken():
    few, _ = choose((7712, 4352), 30_000_000)
    more, _ = choose((7712, 4352), 3_000_000)
    assert few.tile[0] * few.tile[1] < 20_000_000
    assert more.computed_pixels < 1.15 * 7712 * 4352


def test_nothing_fits():
    tiling, smallest = choose((7712, 4352), 1000)
    assert tiling is None
    assert Tiling(picture=(7712, 4352), tile=smallest.tile, halo=48).count == smallest.count


def test_a_picture_smaller_than_its_halos_is_not_split():
    tiling, smallest = choose((100, 400), 100 * 400)
    assert tiling.tile == (100, 400)
    assert smallest.tile[0] == 100
    assert smallest.tile[1] < 400
