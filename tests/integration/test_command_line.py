"""`vidgan stylize` as users start it: pipes, cuts, and one clear line for whatever can't be done."""

import json
from fractions import Fraction

import numpy as np
import pytest
from media.clips import Sound, Video, write_clip
from media.look import look
from media.pattern import picture, read_number
from media.rare import write_pictures, y4m
from media.run import leftovers, vidgan

OUT = ("-o", "out.mp4")


@pytest.fixture
def folder(tmp_path):
    """A folder with something of every kind, most of it no video."""
    write_clip(tmp_path / "in.mp4", Video(pts=range(50)), Sound(seconds=2))
    write_clip(tmp_path / "sound.mp3", Sound(codec="libmp3lame"))
    (tmp_path / "text.txt").write_text("To be, or not to be, that is the question.\n" * 20)
    (tmp_path / "text.mp4").write_text("To be, or not to be, that is the question.\n" * 20)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "nothing").mkdir()
    (tmp_path / "there.mp4").write_bytes(b"precious")
    return tmp_path


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (("absent.mp4", *OUT), 2, "absent.mp4: no such file"),
    (("text.txt", *OUT), 2, "text.txt: a text file"),
    (("text.mp4", *OUT), 2, "text.mp4: not a video"),
    (("empty.mp4", *OUT), 2, "empty.mp4: not a video"),
    (("sound.mp3", *OUT), 2, "sound.mp3: no video in it"),
    (("nothing", *OUT), 2, "nothing: no pictures in this folder"),
    (("nothing/%05d.png", *OUT), 2, "no file fits this pattern"),
    (("in.mp4", "-o", "/proc/out.mp4"), 2, "/proc/out.mp4: "),
    (("in.mp4", "-o", "text.txt/out.mp4"), 2, "there is no folder"),
    (("in.mp4", "-o", "absent/out.mp4"), 2, "there is no folder"),
    (("in.mp4", "-o", "out.xyz"), 2, "unknown kind of file '.xyz'"),
    (("in.mp4", "-o", "there.mp4"), 2, "there.mp4: exists already; --overwrite replaces it"),
    (("in.mp4", "-o", "in.mp4", "--overwrite"), 2, "source and result are the same file"),
    (("in.mp4", *OUT, "--codec", "nope"), 2, "--codec nope: no such encoder"),
    (("in.mp4", *OUT, "--codec", "prores_ks"), 2, "mp4 files can't hold what prores_ks makes"),
    (("in.mp4", *OUT, "--codec", "hevc_qsv"), 3, "hevc_qsv: this machine lacks"),
    (("in.mp4", *OUT, "--codec", "mpeg4", "--crf", "20"), 2, "--crf: the encoder mpeg4 has no such setting"),
    (("in.mp4", *OUT, "--pix-fmt", "nope"), 2, "--pix-fmt nope"),
    (("in.mp4", *OUT, "--preset", "nope"), 2, "--preset nope: libx264 has ultrafast"),
    (("in.mp4", *OUT, "--scale", "big"), 2, "--scale big: give width x height"),
    (("in.mp4", *OUT, "--scale", "0x9"), 2, "--scale 0x9"),
    (("in.mp4", *OUT, "--start", "soon"), 2, "--start soon: give seconds"),
    (("in.mp4", *OUT, "--start", "3", "--end", "2"), 2, "must be 0 <= start < end"),
    (("in.mp4", *OUT, "--start", "1:00"), 2, "no frame lies between start and end"),
    (("in.mp4", *OUT, "--deinterlace", "maybe"), 2, "must be auto, on or off"),
    (("nothing", *OUT, "--fps", "0"), 2, "must be above 0"),
])  # fmt: skip
def test_wrong_input_gives_one_line(arguments, code, words, folder):
    before = leftovers(folder)
    done = vidgan("stylize", *arguments, "--style", "none", cwd=folder)
    errors = done.stderr.decode()
    assert done.returncode == code, errors
    assert len(errors.splitlines()) == 1, errors
    assert errors.startswith("vidgan: ")
    assert words in errors
    assert done.stdout == b""
    assert leftovers(folder) == before
    assert (folder / "there.mp4").read_bytes() == b"precious"


@pytest.mark.parametrize("arguments", [
    ("in.mp4", *OUT, "--crf", "good"), ("in.mp4",), (), ("in.mp4", *OUT, "--nope"),
])  # fmt: skip
def test_wrong_usage_is_explained(arguments, folder):
    done = vidgan("stylize", *arguments, "--style", "none", cwd=folder)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert done.stderr


def test_a_run_says_what_it_did(folder):
    done = vidgan("stylize", "in.mp4", *OUT, "--style", "none", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert b"out.mp4: 50 frames in" in done.stderr
    assert done.stdout == b""
    assert look(folder / "out.mp4").numbers == list(range(50))


def test_json_is_all_that_is_on_standard_output(folder):
    done = vidgan("stylize", "in.mp4", *OUT, "--style", "none", "--json", "--start", "0:01", "--end", "1.5", cwd=folder)
    report = json.loads(done.stdout)
    assert (report["output"], report["frames"], report["interrupted"]) == ("out.mp4", 13, False)
    assert {"seconds", "fps", "stage_seconds", "runtime", "notices"} <= set(report)
    assert look(folder / "out.mp4").numbers == list(range(25, 38))


def test_notices_are_on_standard_error(folder):
    done = vidgan("stylize", "in.mp4", "-o", "out.png", "--style", "none", cwd=folder)
    assert done.returncode == 0
    assert b"note: a picture holds no other streams: left out audio" in done.stderr


def test_y4m_through_pipes(tmp_path):
    stream = y4m(5)
    done = vidgan("stylize", "-", "-o", "-", "--style", "none", given=stream)
    assert done.returncode == 0, done.stderr
    head, *frames = done.stdout.split(b"FRAME\n")
    assert head.startswith(b"YUV4MPEG2 W128 H96 F30000:1001 ")
    assert len(frames) == 5
    old = [np.frombuffer(frame, np.uint8) for frame in stream.split(b"FRAME\n")[1:]]
    new = [np.frombuffer(frame, np.uint8) for frame in frames]
    for before, after in zip(old, new, strict=True):
        assert np.abs(before.astype(int) - after).max() <= 1


def test_y4m_into_a_file_and_out_of_one(tmp_path):
    done = vidgan("stylize", "-", "-o", "in.mp4", "--style", "none", given=y4m(5), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    after = look(tmp_path / "in.mp4")
    assert after.times == [Fraction(1001 * n, 30000) for n in range(5)]
    assert after.rate == Fraction(30000, 1001)
    done = vidgan("stylize", "in.mp4", "-o", "-", "--style", "none", cwd=tmp_path)
    (tmp_path / "out.y4m").write_bytes(done.stdout)
    assert look(tmp_path / "out.y4m").numbers == [0, 1, 2, 3, 4]
    assert look(tmp_path / "out.y4m").rate == Fraction(30000, 1001)


@pytest.mark.parametrize("given", [b"", b"this is no video\n" * 100])
def test_nonsense_on_standard_input(given):
    done = vidgan("stylize", "-", "-o", "-", "--style", "none", given=given)
    assert done.returncode == 2
    assert done.stderr.decode().startswith("vidgan: ")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == b""


def test_a_matroska_film_on_standard_input(folder):
    """Any format that needs no seeking."""
    film = write_clip(folder / "film.mkv", Video(pts=range(10)), Sound())
    done = vidgan("stylize", "-", "-o", "out.mkv", "--style", "none", given=film.read_bytes(), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert look(folder / "out.mkv").numbers == list(range(10))
    assert look(folder / "out.mkv").of_kind("audio")[0].data == look(film).of_kind("audio")[0].data


def test_a_pattern_in_and_a_pattern_out(tmp_path):
    write_pictures(tmp_path, [1001, 1002, 1003])
    done = vidgan("stylize", "shot_%05d.png", "-o", "made_%02d.png", "--style", "none", "--fps", "10", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [name for name in leftovers(tmp_path) if "made" in name] == ["made_01.png", "made_02.png", "made_03.png"]
    import cv2

    made = cv2.imread(str(tmp_path / "made_02.png"))[..., ::-1]
    assert read_number(made) == 1002 % 256
    np.testing.assert_array_equal(made, picture(1002 % 256))
