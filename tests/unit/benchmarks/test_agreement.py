import agreement
import numpy as np
import pytest
from media.clips import Video, write_clip


def test_likeness_takes_the_worst_frame():
    black, grey = (np.full((8, 8, 3), level, np.uint8) for level in (0, 2))
    same = agreement.likeness([black], [black])
    assert same == {"psnr_worst": 99.0, "psnr_mean": 99.0, "largest_levels": 0, "share_beyond_one_level": 0.0}
    two = agreement.likeness([black, black], [black, grey])
    assert two["psnr_worst"] == pytest.approx(10 * np.log10(255**2 / 4), abs=0.01)
    assert (two["largest_levels"], two["share_beyond_one_level"]) == (2, 0.5)


def test_roads_and_colour_of_a_clip(tmp_path):
    clip = write_clip(tmp_path / "in.mp4", Video(pts=range(4)))
    roads = agreement.compare_roads(clip, 3)
    assert roads["not smoothed"]["psnr_worst"] > 45
    assert roads["not smoothed"]["largest_levels"] > 0
    colour = agreement.compare_colour(clip, 3)
    assert list(colour) == ["luma", "cb", "cr"]
    # Without the place of chroma put aside it is 0.9 and more.
    assert max(plane["mean"] for plane in colour.values()) < 0.3
