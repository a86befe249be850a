import re
from collections import Counter
from fractions import Fraction

import pytest
from media.rare import write_pictures

from vidgan.errors import SourceError
from vidgan.video.images import ImageSequence, find_images, is_pattern, is_still_format, pattern_expression


def touch(folder, *names):
    for name in names:
        (folder / name).touch()
    return folder


def names(files):
    return None if files is None else [file.name for file in files]


def test_a_folder_in_natural_order(tmp_path):
    touch(tmp_path, "a10.png", "a2.png", "a1.JPG", "notes.txt", "b.tiff", "9.png")
    (tmp_path / "folder.png").mkdir()
    assert names(find_images(str(tmp_path))) == ["9.png", "a1.JPG", "a2.png", "a10.png", "b.tiff"]


def test_names_that_mix_numbers_and_words_can_be_sorted(tmp_path):
    touch(tmp_path, "1a.png", "a1.png", "1.png", "a.png", "1-2.png")
    assert len(find_images(str(tmp_path))) == 5


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(SourceError, match=re.escape(str(tmp_path))):
        find_images(str(touch(tmp_path, "notes.txt")))


@pytest.mark.parametrize(("pattern", "expected"), [
    ("s_%03d.png", ["s_007.png", "s_1001.png"]), ("s_%d.png", ["s_7.png", "s_007.png", "s_1001.png"]),
    ("%d.jpg", ["3.jpg"]),
])  # fmt: skip
def test_a_pattern(pattern, expected, tmp_path):
    touch(tmp_path, "s_7.png", "s_007.png", "s_1001.png", "s_1001.png.bak", "xs_008.png", "3.jpg", "s_abc.png")
    assert sorted(names(find_images(str(tmp_path / pattern)))) == sorted(expected)


def test_a_pattern_counts_rather_than_spells(tmp_path):
    touch(tmp_path, "9.png", "10.png", "100.png")
    assert names(find_images(str(tmp_path / "%d.png"))) == ["9.png", "10.png", "100.png"]


@pytest.mark.parametrize("pattern", ["%04d.png", "absent/%04d.png"])
def test_a_pattern_that_fits_nothing(pattern, tmp_path):
    with pytest.raises(SourceError, match="no file fits"):
        find_images(str(tmp_path / pattern))


@pytest.mark.parametrize("location", ["film.mp4", "absent.png", "http://localhost/%05d.png", "-"])
def test_what_is_neither_a_folder_nor_a_pattern(location):
    assert find_images(location) is None


def test_a_file_whose_name_looks_like_a_pattern(tmp_path):
    touch(tmp_path, "100%d.mp4")
    assert find_images(str(tmp_path / "100%d.mp4")) is None


def test_special_characters_in_a_pattern():
    assert pattern_expression("a.b+[%03d].png").fullmatch("a.b+[012].png")[1] == "012"
    assert not pattern_expression("a.b+[%03d].png").fullmatch("aXb+[012].png")
    assert is_pattern("a%05d.png")
    assert not is_pattern("a%5s.png")
    with pytest.raises(ValueError, match="needs one"):
        pattern_expression("plain.png")


@pytest.mark.parametrize(("name", "expected"), [
    ("image2", True), ("png_pipe", True), ("jpeg_pipe", True), ("gif", False), ("matroska,webm", False),
    ("yuv4mpegpipe", False),
])  # fmt: skip
def test_still_formats(name, expected):
    assert is_still_format(name) == expected


def test_times_of_a_sequence_skip_nothing_but_the_unreadable(tmp_path):
    write_pictures(tmp_path, [1, 2, 3])
    (tmp_path / "shot_00002.png").write_bytes(b"broken")
    notices = Counter()
    frames = list(ImageSequence(find_images(str(tmp_path)), Fraction(24), notices))
    assert [(frame.pts, frame.time_base, frame.duration) for frame in frames] == [
        (0, Fraction(1, 24), 1),
        (2, Fraction(1, 24), 1),
    ]
    assert notices == {"a picture that can't be read was skipped": 1}


def test_a_single_broken_picture_is_an_error(tmp_path):
    (tmp_path / "one.png").write_bytes(b"broken")
    with pytest.raises(SourceError, match=r"one\.png"):
        list(ImageSequence([tmp_path / "one.png"], Fraction(24), Counter()))
