from collections import Counter
from itertools import islice

import av
import pytest
from media.clips import Sound, Video, write_clip
from media.look import plane_array
from media.pattern import read_number
from media.rare import write_with_cover

from vidgan.errors import SourceError
from vidgan.video.decoder import Decoder, open_container


class FailingContainer:
    """A container whose file can't be read any further after some packets."""

    def __init__(self, container, num_packets):
        self._container, self._num_packets = container, num_packets

    def __getattr__(self, name):
        return getattr(self._container, name)

    def demux(self):
        yield from islice(self._container.demux(), self._num_packets)
        raise av.InvalidDataError(1094995529, "Invalid data found")


def test_the_decoder_is_flushed_where_a_file_ends_badly(tmp_path):
    """It holds back as many frames as B-frames reach."""
    path = write_clip(tmp_path / "in.mkv", Video(pts=range(30), options={"bf": "3", "b-pyramid": "none", "crf": "10"}))
    notices = Counter()
    with open_container(str(path)) as container:
        decoder = Decoder(FailingContainer(container, 21), "in.mkv", notices)
        numbers = [read_number(plane_array(frame.planes[0])) for frame in decoder]
    assert len(numbers) == 21
    assert numbers[:18] == list(range(18))
    assert list(notices) == ["the file is damaged or ends early (Invalid data found)"]


def test_the_other_streams_packets_are_handed_over(tmp_path):
    path = write_clip(tmp_path / "in.mkv", Video(), Sound(), Sound(codec="libopus"))
    with open_container(str(path)) as container:
        decoder = Decoder(container, "in.mkv", Counter())
        decoder.copied.want([container.streams[2]])
        assert len(list(decoder)) == 12
        assert {packet.stream_index for packet in decoder.copied.take()} == {2}
        assert decoder.duration_seconds == pytest.approx(0.52, abs=0.03)


def test_the_default_video_is_taken_before_a_larger_one(tmp_path):
    small, large = Video(pts=range(3)), Video(pts=range(3), size=(256, 192))
    for tracks, is_marked, expected in (
        ((small, large), False, 256),
        ((large, small), False, 256),
        ((small, large), True, 128),
    ):
        path = write_clip(tmp_path / "in.mkv", *tracks)
        with open_container(str(path)) as container:
            if is_marked:
                container.streams[0].disposition = 1
            assert Decoder(container, "in.mkv", Counter()).stream.width == expected


def test_a_cover_is_never_the_video(tmp_path):
    with open_container(str(write_with_cover(tmp_path / "in.mp4", Video()))) as container:
        assert Decoder(container, "in.mp4", Counter()).stream.width == 128
    song = write_with_cover(tmp_path / "in.mp3", Sound(codec="libmp3lame"))
    with open_container(str(song)) as container, pytest.raises(SourceError, match=r"no video in it \(it holds audio, "):
        Decoder(container, "in.mp3", Counter())


@pytest.mark.parametrize("location", ["absent.mp4", "http://127.0.0.1:1/film.mp4", "nonsense://film"])
def test_what_cannot_be_opened_is_named(location):
    with pytest.raises(SourceError) as raised:
        open_container(location)
    assert location in str(raised.value)
    assert "\n" not in str(raised.value)
