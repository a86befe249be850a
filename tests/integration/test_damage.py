"""Files that are broken, cut short, or no video at all: what is there is given, and what is wrong is said in a line."""

from fractions import Fraction

import numpy as np
import pytest
from media.clips import Sound, Video, write_clip
from media.damaged import count_whole_packets, cut_short, spoil_packet
from media.look import look
from media.pattern import read_number
from media.rare import write_with_cover
from media.run import read

from vidgan import SourceOptions, open_source
from vidgan.errors import SourceError

ALL_INTRA = {"crf": "10", "preset": "ultrafast", "g": "1"}


def numbers(frames):
    return [read_number(frame.image) for frame in frames]


@pytest.mark.parametrize("container", ["mkv", "mp4", "avi"])
def test_a_corrupt_packet_costs_one_frame(container, tmp_path):
    good = write_clip(tmp_path / f"good.{container}", Video(options=ALL_INTRA), Sound(codec="libmp3lame"))
    times = look(good).times
    _, frames, notices = read(spoil_packet(good, tmp_path / f"bad.{container}", 5))
    assert numbers(frames) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert [frame.pts * frame.time_base for frame in frames] == times[:5] + times[6:]
    assert notices == ["a corrupt packet was skipped"]


@pytest.mark.parametrize(("container", "options"), [
    ("mkv", {}), ("mp4", {"movflags": "frag_keyframe+empty_moov"}), ("mp4", {"movflags": "faststart"}), ("ts", {}),
])  # fmt: skip
def test_a_file_cut_short_gives_what_is_there(container, options, tmp_path):
    video = Video(pts=range(40), options={**ALL_INTRA, "bf": "0"})
    whole = write_clip(tmp_path / f"whole.{container}", video, Sound(seconds=1.6), options=options)
    short = cut_short(whole, tmp_path / f"short.{container}")
    assert short.stat().st_size < whole.stat().st_size
    _, frames, _ = read(short)
    assert 15 <= len(frames) < 40
    # The last one may be half a picture.
    assert numbers(frames)[:-1] == list(range(len(frames) - 1))


@pytest.mark.parametrize(("container", "options"), [("mkv", {}), ("mp4", {"movflags": "faststart"})])
def test_a_file_cut_short_gives_every_picture_that_is_whole(container, options, tmp_path):
    """With B-frames the decoder holds some back: it must be flushed at a bad end too."""
    video = Video(pts=range(40), options={"crf": "10", "preset": "veryfast", "bf": "3", "refs": "4"})
    whole = write_clip(tmp_path / f"whole.{container}", video, options=options)
    short = cut_short(whole, tmp_path / f"short.{container}")
    _, frames, _ = read(short)
    assert len(frames) >= count_whole_packets(whole, short) > 15


def test_an_end_that_cannot_be_read_is_said(tmp_path):
    video = Video(pts=range(40), options=ALL_INTRA)
    whole = write_clip(tmp_path / "whole.mp4", video, options={"movflags": "faststart"})
    _, _, notices = read(cut_short(whole, tmp_path / "short.mp4"))
    assert len(notices) == 1, notices


def test_a_cover_is_not_a_video(tmp_path):
    path = write_with_cover(tmp_path / "song.mp3", Sound(codec="libmp3lame"))
    with pytest.raises(SourceError, match="no video in it"):
        read(path)


def write_text(path):
    path.write_text("To be, or not to be, that is the question.\n" * 20)


def write_nothing(path):
    path.write_bytes(b"")


def write_noise(path):
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def write_sound(path):
    write_clip(path, Sound(codec="pcm_s16le"))


@pytest.mark.parametrize(("name", "make", "words"), [
    ("absent.mp4", None, "no such file"), ("a.txt", write_text, "text file"), ("text.mp4", write_text, "not a video"),
    ("empty.mp4", write_nothing, "not a video"), ("empty.png", write_nothing, ""), ("empty.txt", write_nothing, ""),
    ("noise.mkv", write_noise, "not a video"), ("noise.jpg", write_noise, ""), ("sound.wav", write_sound, "no video"),
    ("folder", lambda path: path.mkdir(), "no pictures"), ("absent_%03d.png", None, "no file fits"),
])  # fmt: skip
def test_what_cannot_be_read_is_said_in_one_line(name, make, words, tmp_path):
    if make:
        make(tmp_path / name)
    with pytest.raises(SourceError) as raised:
        open_source(tmp_path / name)
    assert str(tmp_path / name) in str(raised.value)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_cut_beyond_the_end_is_said(tmp_path):
    path = write_clip(tmp_path / "in.mkv", Video())
    with pytest.raises(SourceError, match="no frame lies between start and end"):
        open_source(path, SourceOptions(start_seconds=Fraction(20)))
