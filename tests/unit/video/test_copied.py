from fractions import Fraction
from types import SimpleNamespace

import av
import pytest

from vidgan.video.copied import CopiedStreams

MILLISECOND = Fraction(1, 1000)
SOUND, SUBTITLE = SimpleNamespace(index=1, type="audio"), SimpleNamespace(index=2, type="subtitle")


class Packet(SimpleNamespace):
    """What `CopiedStreams` needs of a packet."""

    size = 4
    time_base = MILLISECOND

    @property
    def stream_index(self):
        return self.stream.index


def packet(pts, *, stream=SOUND, duration=20, dts=None, size=4):
    return Packet(pts=pts, dts=pts if dts is None else dts, duration=duration, stream=stream, size=size)


def copied(start=0, end=None):
    streams = CopiedStreams(
        streams=[], start_seconds=Fraction(start), end_seconds=None if end is None else Fraction(end)
    )
    streams.want([SOUND, SUBTITLE])
    return streams


def taken(streams, *packets):
    for one in packets:
        streams.offer(one)
    return [(one.pts, one.dts, one.duration) for one in streams.take()]


def test_all_packets_pass_untouched_without_a_cut():
    assert taken(copied(), packet(-20), packet(0), packet(20)) == [(-20, -20, 20), (0, 0, 20), (20, 20, 20)]


def test_packets_are_taken_once():
    streams = copied()
    assert len(taken(streams, packet(0))) == 1
    assert taken(streams) == []


def test_packets_that_came_before_the_choice_are_kept_if_chosen():
    streams = CopiedStreams()
    assert not streams.is_decided
    streams.offer(packet(0))
    streams.offer(packet(0, stream=SUBTITLE))
    streams.want([SUBTITLE])
    assert streams.is_decided
    assert [one.stream_index for one in streams.take()] == [2]
    assert taken(streams, packet(20)) == []


def test_empty_packets_are_left_out():
    assert taken(copied(), packet(0, size=0)) == []


def test_a_cut_moves_and_limits():
    got = taken(copied(start=1, end=2), *(packet(pts) for pts in (980, 1000, 1980, 2000)))
    assert got == [(0, 0, 20), (980, 980, 20)]


def test_both_clocks_move_together():
    assert taken(copied(start=1), packet(1500, dts=1400)) == [(500, 400, 20)]


def test_a_subtitle_on_the_screen_at_the_cut_is_shortened():
    streams = copied(start=1, end=3)
    early = packet(200, stream=SUBTITLE, duration=500)
    on_screen = packet(200, stream=SUBTITLE, duration=1800)
    assert taken(streams, early, on_screen) == [(0, 0, 1000)]


def test_a_packet_without_times_is_passed_on():
    lost = packet(None)
    lost.dts = None
    assert taken(copied(start=1, end=2), lost) == [(None, None, 20)]


def chapter(start, end, title):
    return {"id": 1, "start": start, "end": end, "time_base": MILLISECOND, "metadata": {"title": title}}


@pytest.mark.parametrize(("start", "end", "expected"), [
    (0, None, [("a", 0, 1000), ("b", 1000, 5000)]), (2, None, [("b", 0, 3000)]),
    (0.5, 2, [("a", 0, 500), ("b", 500, 1500)]),
    (0, 1, [("a", 0, 1000)]), (5, None, []),
])  # fmt: skip
def test_chapters(start, end, expected):
    streams = copied(start, end)
    streams.chapters = [chapter(0, 1000, "a"), chapter(1000, 5000, "b")]
    assert [(c["metadata"]["title"], c["start"], c["end"]) for c in streams.cut_chapters()] == expected


def test_chapters_without_a_time_base_count_milliseconds():
    streams = copied()
    streams.chapters = [{**chapter(0, 700, "a"), "time_base": None}]
    assert [(c["end"], c["time_base"]) for c in streams.cut_chapters()] == [(700, MILLISECOND)]


def test_it_takes_packets_of_pyav():
    real = av.Packet(b"1234")
    assert real.size == 4
    streams = CopiedStreams()
    streams.offer(real)
    streams.want([])
    assert list(streams.take()) == []
