"""The pictures and their times through the whole pipeline, with the style `none`."""

from fractions import Fraction

import numpy as np
import pytest
from media.clips import FRAME_RATE, Sound, Video, write_clip
from media.look import first_picture, look
from media.pattern import picture, psnr
from media.rare import ORIENTATIONS, VARIABLE_PTS, turned_picture, write_film, write_interlaced
from media.run import LOSSLESS, copy

from vidgan import EncoderOptions

NTSC = Fraction(30000, 1001)
WELL_CODED_DB = 34
"""libx264 at its default of vidgan on a test picture with hard coloured edges in 4:2:0."""

B_FRAMES = {"crf": "10", "preset": "veryfast", "bf": "3"}
CLIPS = {
    "plain": (Video(), Sound()),
    "without sound": (Video(),),
    "one frame": (Video(pts=(0,)), Sound(seconds=0.04)),
    "29.97": (Video(rate=NTSC), Sound()),
    "23.976": (Video(rate=Fraction(24000, 1001)),),
    "b-frames": (Video(options=B_FRAMES, pts=range(30)), Sound()),
    "late start": (Video(pts=range(7, 19)), Sound(offset_seconds=7 / 25)),
    "video starts after the sound": (Video(pts=range(5, 17)), Sound(seconds=0.7)),
    "sound starts late": (Video(), Sound(offset_seconds=0.21)),
    "uneven": (
        Video(time_base=Fraction(1, 90000), pts=(0, 3003, 7000, 7100, 20000), durations=(3003, 3997, 100, 12900, 3600)),
    ),
    "anamorphic": (Video(aspect=Fraction(64, 45)),),
}


@pytest.mark.parametrize("container", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize("name", CLIPS)
def test_times_are_exactly_the_sources(name, container, tmp_path):
    source = write_clip(tmp_path / f"in.{container}", *CLIPS[name])
    report = copy(source, tmp_path / f"out.{container}")
    before, after = look(source), look(tmp_path / f"out.{container}")
    assert after.numbers == before.numbers == list(range(report.frames))
    assert after.times == before.times
    # Matroska counts milliseconds; and FFmpeg's average rate of an uneven mp4 depends on the order of decoding.
    assert after.end_seconds == pytest.approx(before.end_seconds, abs=0.0011 if container == "mkv" else 0)
    assert after.rate == before.rate or name == "uneven"
    assert (after.size, after.aspect) == (before.size, before.aspect)


@pytest.mark.parametrize("container", ["mp4", "mkv", "mov", "ts"])
@pytest.mark.parametrize("name", ["b-frames", "late start", "video starts after the sound", "sound starts late"])
def test_sound_is_copied_byte_for_byte(name, container, tmp_path):
    source = write_clip(tmp_path / f"in.{container}", *CLIPS[name])
    copy(source, tmp_path / f"out.{container}")
    before, after = look(source), look(tmp_path / f"out.{container}")
    # A transport stream has no times below 0: everything moves together by as much as B-frames reach back.
    moved = after.times[0] - before.times[0] if container == "ts" else 0
    old, new = before.of_kind("audio"), after.of_kind("audio")
    assert [stream.data for stream in new] == [stream.data for stream in old]
    assert [[time - moved for time in stream.times] for stream in new] == [stream.times for stream in old]
    assert len(new) == 1
    assert len(new[0].packets) > 20


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("film") / "film.mkv")


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv", "webm"])
def test_uneven_times_survive_every_container(film, container, tmp_path):
    report = copy(film, tmp_path / f"out.{container}")
    after = look(tmp_path / f"out.{container}")
    assert after.times == [Fraction(pts, 1000) for pts in VARIABLE_PTS]
    assert after.numbers == list(range(len(VARIABLE_PTS)))
    if container == "webm":
        assert any("--scale 171x96" in notice for notice in report.notices)
    else:
        assert after.aspect == Fraction(4, 3)


def test_uneven_durations_reach_a_container_that_keeps_them(tmp_path):
    """Without B-frames, that is: FFmpeg's reader takes an mp4's durations in the order of decoding."""
    source = write_clip(tmp_path / "in.mp4", *CLIPS["uneven"])
    copy(source, tmp_path / "out.mp4", encoder=EncoderOptions(preset="ultrafast"))
    after = look(tmp_path / "out.mp4")
    assert after.durations == [Fraction(ticks, 90000) for ticks in (3003, 3997, 100, 12900, 3600)]
    assert after.rate == look(source).rate
    assert after.end_seconds == float(Fraction(23600, 90000))


def test_no_tail_frame_is_lost_with_deep_reordering(tmp_path):
    source = write_clip(
        tmp_path / "in.mkv",
        Video(pts=range(50), options={"crf": "20", "preset": "medium", "bf": "8", "b-pyramid": "normal"}),
    )
    copy(source, tmp_path / "out.mkv")
    assert look(tmp_path / "out.mkv").numbers == list(range(50))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_turned_clip_comes_out_upright_and_stays_so(orientation, tmp_path):
    source = write_clip(
        tmp_path / "in.mp4",
        Video(orientation=orientation, draw=turned_picture(orientation), aspect=Fraction(4, 3)),
        Sound(),
    )
    copy(source, tmp_path / "out.mp4")
    after = look(tmp_path / "out.mp4")
    is_on_its_side = orientation[0] % 180 != 0
    assert after.size == ((96, 128) if is_on_its_side else (128, 96))
    assert after.aspect == (Fraction(3, 4) if is_on_its_side else Fraction(4, 3))
    assert after.numbers == list(range(12))
    assert psnr(first_picture(tmp_path / "out.mp4"), picture(0, *after.size)) > WELL_CODED_DB - 6
    # A matrix left in the result would turn it twice.
    again = copy(tmp_path / "out.mp4", tmp_path / "again.mp4")
    assert look(tmp_path / "again.mp4").size == after.size
    assert again.frames == 12


def test_odd_sizes_are_padded_and_the_rest_is_intact(tmp_path):
    source = write_clip(tmp_path / "in.mkv", Video(codec="ffv1", size=(321, 243), options={}), Sound())
    report = copy(source, tmp_path / "out.mp4")
    after = look(tmp_path / "out.mp4")
    assert after.size == (322, 244)
    assert any("321x243 became 322x244" in notice for notice in report.notices)
    assert after.numbers == list(range(12))
    made = first_picture(tmp_path / "out.mp4")
    assert psnr(made[:243, :321], picture(0, 321, 243)) > WELL_CODED_DB - 3
    assert psnr(made[243], made[242]) > WELL_CODED_DB


@pytest.mark.parametrize("size", [(321, 243), (17, 64), (33, 17)])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p"])
def test_odd_sizes_stay_in_a_lossless_file(size, pixel_format, tmp_path):
    video = Video(codec="ffv1", size=size, pixel_format=pixel_format, options={}, pts=(0, 1))
    source = write_clip(tmp_path / "in.mkv", video)
    report = copy(source, tmp_path / "out.mkv", encoder=LOSSLESS)
    assert look(tmp_path / "out.mkv").size == size
    assert not report.notices


def test_compare_puts_source_and_result_side_by_side(tmp_path):
    source = write_clip(tmp_path / "in.mp4", *CLIPS["plain"])
    copy(source, tmp_path / "out.mp4", compare=True)
    both = first_picture(tmp_path / "out.mp4")
    assert both.shape == (96, 256, 3)
    assert psnr(both[:, :128], both[:, 128:]) > WELL_CODED_DB - 3


def test_scale_keeps_the_pictures_proportions(tmp_path):
    source = write_clip(tmp_path / "in.mp4", *CLIPS["plain"])
    copy(source, tmp_path / "out.mp4", scale=(64, 96))
    after = look(tmp_path / "out.mp4")
    assert after.size == (64, 96)
    assert after.aspect == 2
    assert after.numbers == list(range(12))


def test_interlaced_becomes_progressive_at_the_same_times(tmp_path):
    source = write_interlaced(tmp_path / "in.mkv")
    before = look(source)
    assert all(frame.interlaced for frame in before.frames)
    copy(source, tmp_path / "out.mkv")
    after = look(tmp_path / "out.mkv")
    assert after.times == before.times
    assert after.durations == before.durations
    assert after.rate == before.rate == FRAME_RATE
    assert not any(frame.interlaced for frame in after.frames)


def test_the_pictures_untouched_with_every_default(tmp_path):
    """Smoothing is on by default, and must not touch a copy."""
    noise = np.random.default_rng(1).integers(0, 256, (6, 48, 64, 3), dtype=np.uint8)
    source = write_clip(
        tmp_path / "in.mkv",
        Video(codec="ffv1", size=(64, 48), pixel_format="bgr0", options={}, pts=range(6), draw=lambda n, *_: noise[n]),
    )
    copy(source, tmp_path / "out.mkv", encoder=LOSSLESS)
    for number, frame in enumerate(look(tmp_path / "out.mkv").frames):
        np.testing.assert_array_equal(frame.luma, noise[number])
