from fractions import Fraction

import cv2
import numpy as np
import pytest
from media.clips import Sound, Video, write_clip

from vidgan.bench.clip import open_decoder, read_clip
from vidgan.errors import InputError
from vidgan.video.source import SourceOptions, open_source


def test_all_of_a_clip_with_sound(tmp_path):
    clip = read_clip(write_clip(tmp_path / "in.mp4", Video(pts=range(9)), Sound(seconds=0.4)), None)
    assert (clip.num_frames, clip.end_seconds, clip.has_sound, clip.codec) == (9, None, True, "h264")
    assert (clip.info.width, clip.info.height) == (128, 96)


@pytest.mark.parametrize("most", [1, 4, 8])
def test_the_beginning_is_as_long_for_the_decoder_as_for_a_run(tmp_path, most):
    """B-frames, and a clip that doesn't begin at 0."""
    video = Video(pts=range(7, 16), options={"crf": "20", "preset": "medium", "bf": "3"})
    clip = read_clip(write_clip(tmp_path / "in.mkv", video), most)
    assert (clip.num_frames, clip.has_sound) == (most, False)
    assert isinstance(clip.end_seconds, Fraction)
    with open_source(clip.path, SourceOptions(end_seconds=clip.end_seconds)) as source:
        assert len(list(source)) == most


@pytest.mark.parametrize("most", [9, 100])
def test_a_clip_that_is_short_enough_isnt_cut(tmp_path, most):
    clip = read_clip(write_clip(tmp_path / "in.mp4", Video(pts=range(9))), most)
    assert (clip.num_frames, clip.end_seconds) == (9, None)


def test_an_upright_clip_has_its_upright_size(tmp_path):
    clip = read_clip(write_clip(tmp_path / "in.mp4", Video(pts=range(3), orientation=(90, False, False))), None)
    assert (clip.info.width, clip.info.height) == (96, 128)


def test_what_is_no_clip(tmp_path, one_line):
    cv2.imwrite(str(tmp_path / "00001.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "text.mp4").write_text("nothing to see")
    write_clip(tmp_path / "sound.mp3", Sound(codec="libmp3lame"))
    for location, words in (
        (tmp_path / "absent.mp4", "no such file"),
        (tmp_path / "text.mp4", "not a video"),
        (tmp_path / "sound.mp3", "no video in it"),
        (tmp_path / "00001.png", "a picture; give a video file"),
        (tmp_path, "pictures; give a video file"),
        (tmp_path / "%05d.png", "pictures; give a video file"),
        ("-", "read only once"),
    ):
        with pytest.raises(InputError) as raised:
            read_clip(location, None)
        one_line(raised.value, location, words)


def test_the_decoder_keeps_no_sound(tmp_path):
    path = write_clip(tmp_path / "in.mp4", Video(pts=range(9)), Sound(seconds=0.4))
    with open_decoder(path) as decoder:
        assert len(list(decoder)) == 9
        assert list(decoder.copied.take()) == []
