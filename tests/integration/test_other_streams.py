"""Sound, subtitles, chapters, attachments, metadata: copied, converted where the container must, or said to be lost."""

from fractions import Fraction

import av
import pytest
from media.clips import FONT, Sound, Subtitles, Video, dark_with_flash, write_clip
from media.look import audio_seconds, flash_seconds, look, onset_seconds, subtitle_lines
from media.rare import ATTACHED_PICTURE, DEFAULT, FORCED, write_film, write_with_cover
from media.run import copy

CHAPTERS = [(0.0, 0.2, "One"), (0.2, 0.5, "Two")]
WRITTEN_ANEW = {"ENCODER", "DURATION", "encoder", "handler_name", "vendor_id", "major_brand", "minor_version"}
AUDIO_FRAME_SECONDS = {"aac": 1024 / 48000, "opus": 0.02, "mp3": 1152 / 48000, "pcm_s16le": 1024 / 48000}


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("film") / "film.mkv")


def own(metadata):
    return {key.lower(): value for key, value in metadata.items() if key not in WRITTEN_ANEW}


def test_a_film_keeps_everything_in_its_own_container(film, tmp_path):
    report = copy(film, tmp_path / "out.mkv")
    before, after = look(film), look(tmp_path / "out.mkv")
    assert [stream.kind for stream in after.streams] == ["video", "audio", "audio", "subtitle"]
    for old, new in zip(before.streams, after.streams, strict=True):
        assert own(new.metadata) == own(old.metadata)
        assert new.disposition == old.disposition
        if new.kind != "video":
            assert (new.codec, new.data, new.times) == (old.codec, old.data, old.times)
    assert [packet.duration_seconds for packet in after.streams[3].packets] == [Fraction(1, 5), Fraction(3, 25)]
    assert own(after.metadata) == own(before.metadata)
    assert own(after.metadata)["title"] == "A film"
    assert after.chapters == CHAPTERS
    assert after.attachments == [("fancy.ttf", "font/ttf", FONT)]
    assert subtitle_lines(tmp_path / "out.mkv") == [(0.08, 0.28, "First words"), (0.32, 0.44, "Last words")]
    assert report.notices == []


def test_a_film_as_mp4(film, tmp_path):
    report = copy(film, tmp_path / "out.mp4")
    before, after = look(film), look(tmp_path / "out.mp4")
    assert [(stream.kind, stream.codec) for stream in after.streams[:4]] == [
        ("video", "h264"), ("audio", "aac"), ("audio", "opus"), ("subtitle", "mov_text"),
    ]  # fmt: skip
    assert [stream.data for stream in after.of_kind("audio")] == [stream.data for stream in before.of_kind("audio")]
    assert [stream.metadata.get("language") for stream in after.streams[1:4]] == ["deu", "fra", "eng"]
    assert after.of_kind("audio")[0].disposition & DEFAULT
    assert after.chapters == CHAPTERS
    assert after.metadata["title"] == "A film"
    assert after.metadata["comment"] == "with everything"
    assert subtitle_lines(tmp_path / "out.mp4") == [(0.08, 0.28, "First words"), (0.32, 0.44, "Last words")]
    assert any("ass" in notice and "mov_text" in notice for notice in report.notices)
    assert any("attachment" in notice and "left out" in notice for notice in report.notices)
    assert len(report.notices) == 2


def test_a_film_as_webm(film, tmp_path):
    report = copy(film, tmp_path / "out.webm")
    before, after = look(film), look(tmp_path / "out.webm")
    assert [(stream.kind, stream.codec) for stream in after.streams] == [
        ("video", "vp9"), ("audio", "opus"), ("audio", "opus"), ("subtitle", "webvtt"),
    ]  # fmt: skip
    assert after.streams[2].data == before.streams[2].data
    assert [stream.metadata.get("title") for stream in after.streams[1:]] == ["Deutsch", "Français", "Signs"]
    assert [stream.metadata.get("language") for stream in after.streams[1:]] == ["deu", "fra", "eng"]
    assert after.streams[3].disposition & FORCED
    assert subtitle_lines(tmp_path / "out.webm") == [(0.08, 0.28, "First words"), (0.32, 0.44, "Last words")]
    notices = "\n".join(report.notices)
    assert "(aac) was converted to libopus" in notices
    assert "(ass) was converted to webvtt" in notices
    assert "(attachment" in notices


def test_a_film_as_mov_converts_the_sound_that_mov_refuses(film, tmp_path):
    """Opus in mov: FFmpeg's muxer says yes when asked and no when it writes."""
    report = copy(film, tmp_path / "out.mov")
    assert [stream.codec for stream in look(tmp_path / "out.mov").of_kind("audio")] == ["aac", "aac"]
    assert any("(opus) was converted to aac" in notice for notice in report.notices)


@pytest.mark.parametrize("target", ["out.gif", "out.y4m", "frames/", "out.png"])
def test_what_pictures_alone_cannot_hold_is_said(film, target, tmp_path):
    report = copy(film, f"{tmp_path}/{target}")
    notices = " ".join(report.notices)
    assert "audio" in notices
    assert "subtitle" in notices


@pytest.mark.parametrize(("codec", "container", "result"), [
    ("srt", "mp4", "mov_text"), ("srt", "mkv", "subrip"), ("srt", "webm", "webvtt"), ("vtt", "mp4", "mov_text"),
    ("vtt", "webm", "webvtt"), ("ass", "mov", "mov_text"),
])  # fmt: skip
def test_text_subtitles_are_converted_with_their_times(codec, container, result, tmp_path):
    lines = ((0.08, 0.28, "Grüße, <i>Ωμέγα</i>"), (0.32, 0.44, "two"))
    source = write_clip(tmp_path / "in.mkv", Video(), Subtitles(codec=codec, lines=lines))
    copy(source, tmp_path / f"out.{container}")
    assert [stream.codec for stream in look(tmp_path / f"out.{container}").of_kind("subtitle")] == [result]
    assert subtitle_lines(tmp_path / f"out.{container}") == [(0.08, 0.28, "Grüße, Ωμέγα"), (0.32, 0.44, "two")]


def test_subtitles_of_an_mp4_as_matroska(tmp_path):
    """Back from mov_text, whose packets FFmpeg also writes for the empty time between."""
    first = copy(write_clip(tmp_path / "in.mkv", Video(), Subtitles()), tmp_path / "out.mp4")
    copy(first.path, tmp_path / "out.mkv")
    assert subtitle_lines(tmp_path / "out.mkv") == [(0.08, 0.28, "First words"), (0.32, 0.44, "Last words")]


def test_subtitles_that_avi_cannot_hold_are_named(tmp_path):
    report = copy(write_clip(tmp_path / "in.mkv", Video(), Subtitles()), tmp_path / "out.avi")
    assert any("subtitle, subrip" in notice and "left out" in notice for notice in report.notices)
    assert look(tmp_path / "out.avi").of_kind("subtitle") == []


def write_with_data(path):
    """Write a transport stream with KLV metadata, as drones do."""
    picture_part = write_clip(path.with_name("part.ts"), Video())
    with av.open(str(path), "w") as container, av.open(str(picture_part)) as source:
        video = container.add_stream_from_template(source.streams.video[0], opaque=True)
        data = container.add_data_stream("klv")
        for number, packet in enumerate(source.demux()):
            if packet.size:
                position = av.Packet(b"\x06\x0e\x2b\x34 a place" + bytes([number]))
                position.pts = position.dts = packet.dts
                position.time_base, position.stream, packet.stream = packet.time_base, data, video
                container.mux([packet, position])
    picture_part.unlink()
    return path


def test_data_is_copied_within_its_family_and_named_elsewhere(tmp_path):
    source = write_with_data(tmp_path / "in.ts")
    copy(source, tmp_path / "out.ts")
    before, after = look(source).of_kind("data"), look(tmp_path / "out.ts").of_kind("data")
    assert [stream.data for stream in after] == [stream.data for stream in before]
    assert len(after[0].data) == 12
    report = copy(source, tmp_path / "out.mp4")
    assert any("(data, " in notice and "left out" in notice for notice in report.notices)


def test_a_cover_is_not_the_video_and_is_kept(tmp_path):
    source = write_with_cover(tmp_path / "in.mp4", Video(), Sound())
    before = look(source)
    copy(source, tmp_path / "out.mp4")
    after = look(tmp_path / "out.mp4")
    assert after.numbers == list(range(12))
    assert after.size == (128, 96)
    covers = [[s for s in seen.streams if s.disposition & ATTACHED_PICTURE] for seen in (before, after)]
    assert len(covers[0]) == len(covers[1]) == 1
    assert covers[1][0].data == covers[0][0].data


@pytest.mark.parametrize(("name", "codec", "target"), [
    ("in.mp4", "aac", "out.mp4"), ("in.mp4", "aac", "out.webm"), ("in.mkv", "pcm_s16le", "out.mp4"),
    ("in.mkv", "libopus", "out.mov"), ("in.mkv", "libopus", "out.mp4"), ("in.mp4", "libmp3lame", "out.webm"),
    ("in.mkv", "aac", "out.avi"), ("in.ts", "aac", "out.mp4"), ("in.mp4", "aac", "out.ts"),
])  # fmt: skip
@pytest.mark.parametrize("cut", [{}, {"start": "0.3"}, {"start": "0.313", "end": "1.21"}, {"start": "0.4"}])
def test_sound_and_picture_stay_together(name, codec, target, cut, tmp_path):
    """A flash and a beep at 0.8 s, in a clip whose key frames are at 0, 0.4, 0.8 ..."""
    options = {"crf": "10", "preset": "ultrafast", "bf": "2", "g": "10", "sc_threshold": "0"}
    source = write_clip(
        tmp_path / name,
        Video(pts=range(40), draw=dark_with_flash(20), options=options),
        Sound(codec=codec, seconds=1.6, beeps=(0.8,)),
    )
    copy(source, tmp_path / target, **cut)
    offsets = [float(onset_seconds(path) - flash_seconds(path)) for path in (source, tmp_path / target)]
    assert offsets[1] == pytest.approx(offsets[0], abs=0.0214)
    lost = audio_seconds(source) - audio_seconds(tmp_path / target)
    expected = Fraction(cut.get("start", 0)) + (Fraction("1.6") - Fraction(cut["end"]) if "end" in cut else 0)
    assert float(lost) == pytest.approx(float(expected), abs=0.045), "sound is missing, or too much"


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_cuts_are_exact_to_the_frame(container, tmp_path):
    options = {"crf": "10", "preset": "ultrafast", "bf": "2", "g": "10"}
    source = write_clip(
        tmp_path / f"in.{container}", Video(pts=range(50), options=options), Sound(seconds=2),
        chapters=((0, 0.6, "One"), (0.6, 1.4, "Two"), (1.4, 2, "Three")),
    )  # fmt: skip
    offset = look(source).times[0]
    report = copy(source, tmp_path / f"out.{container}", start="0.52", end="1.32")
    after = look(tmp_path / f"out.{container}")
    first, last = after.numbers[0], after.numbers[-1]
    # Times count from the beginning of the file, which is sound in Matroska: 21 ms of priming.
    assert (first, last) == (13, 32) if not offset else first in (12, 13)
    assert after.numbers == list(range(first, first + report.frames))
    assert after.times[-1] - after.times[0] == pytest.approx(Fraction(report.frames - 1, 25), abs=0.001)
    assert [title for _, _, title in after.chapters] == ["One", "Two"]
    assert after.chapters[0][1] == pytest.approx(0.08, abs=0.025)


def test_a_cut_waits_for_sound_that_lies_behind_the_pictures_in_the_file(tmp_path):
    source = write_clip(tmp_path / "in.mkv", Video(pts=range(50)), Sound(seconds=2), interleaved=False)
    copy(source, tmp_path / "out.mkv", end="1")
    assert float(audio_seconds(tmp_path / "out.mkv")) == pytest.approx(1, abs=0.045)


def test_a_subtitle_on_screen_at_the_cut_stays_for_the_rest_of_its_time(tmp_path):
    source = write_clip(
        tmp_path / "in.mkv",
        Video(pts=range(50)),
        Subtitles(lines=((0.2, 0.8, "long"), (1, 1.2, "in"), (1.8, 1.9, "late"))),
    )
    copy(source, tmp_path / "out.mkv", start="0.4", end="1.6")
    assert subtitle_lines(tmp_path / "out.mkv") == [(0.0, 0.4, "long"), (0.6, 0.8, "in")]
