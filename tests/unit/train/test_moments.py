from fractions import Fraction

import numpy as np
import pytest
from media.clips import Video, write_clip
from media.pattern import picture, read_number

from vidgan.errors import SourceError
from vidgan.train.moments import LARGEST_SIDE, read_moments


def numbers(moments):
    return [read_number(moment.image) for moment in moments]


def test_a_short_video_gives_all_its_frames(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", Video(pts=range(5)))
    moments = read_moments(clip)
    assert numbers(moments) == [0, 1, 2, 3, 4]
    assert [read_number(moment.following) for moment in moments[:-1]] == [1, 2, 3, 4]
    assert moments[-1].following is None


def test_a_longer_one_gives_as_many_as_asked_evenly_spread(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", Video(pts=range(60)))
    moments = read_moments(clip, 4)
    assert numbers(moments) == [0, 15, 30, 45]
    assert [read_number(moment.following) for moment in moments] == [1, 16, 31, 46]


def test_a_video_without_a_length_is_read_through(tmp_path):
    clip = write_clip(tmp_path / "clip.h264", Video(pts=range(20)))
    found = numbers(read_moments(clip, 4))
    assert 2 <= len(found) <= 4
    assert len(set(np.diff(found))) == 1


def test_frames_are_upright_with_square_pixels(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", Video(pts=range(2), aspect=Fraction(2), orientation=(90, False, False)))
    assert read_moments(clip)[0].image.shape[:2] == (128, 48)


def test_large_frames_are_reduced(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", Video(size=(2 * LARGEST_SIDE, 2 * LARGEST_SIDE), pts=range(2)))
    image = read_moments(clip)[0].image
    assert image.shape[:2] == (LARGEST_SIDE, LARGEST_SIDE)
    assert np.abs(image[::9, ::9].astype(int) - picture(0, 80, 80).astype(int)).mean() < 12


def test_a_file_that_is_no_video_is_one_line(tmp_path, one_line):
    (tmp_path / "notes.mp4").write_text("no video")
    with pytest.raises(SourceError) as caught:
        read_moments(tmp_path / "notes.mp4")
    one_line(caught.value, "notes.mp4")
