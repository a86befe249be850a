import errno

import pytest

from vidgan.errors import DiskFullError, SinkError
from vidgan.video.target import SeriesTarget, Target, as_sink_error


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_draft_lies_beside_the_result_and_keeps_the_extension(tmp_path):
    target = Target(tmp_path / "out.mp4", overwrite=False)
    assert target.temporary.parent == tmp_path
    assert target.temporary.suffix == ".mp4"
    assert target.temporary.name.startswith(".")
    assert everything(tmp_path) == []


@pytest.mark.parametrize(("finish", "left"), [
    ("commit", ["out.mp4"]), ("commit_partial", ["out.partial.mp4"]), ("discard", []),
])  # fmt: skip
def test_every_end(finish, left, tmp_path):
    target = Target(tmp_path / "out.mp4", overwrite=False)
    target.temporary.write_text("film")
    path = getattr(target, finish)()
    assert everything(tmp_path) == left
    assert path is None if finish == "discard" else path.read_text() == "film"


def test_discarding_nothing_is_harmless(tmp_path):
    Target(tmp_path / "out.mp4", overwrite=False).discard()
    assert everything(tmp_path) == []


def test_an_existing_result_is_replaced_at_the_end_only(tmp_path):
    (tmp_path / "out.mp4").write_text("old")
    with pytest.raises(SinkError, match="--overwrite"):
        Target(tmp_path / "out.mp4", overwrite=False)
    target = Target(tmp_path / "out.mp4", overwrite=True)
    target.temporary.write_text("new")
    assert (tmp_path / "out.mp4").read_text() == "old"
    target.commit()
    assert (tmp_path / "out.mp4").read_text() == "new"


def test_a_name_without_a_folder_is_in_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from pathlib import Path

    target = Target(Path("out.mp4"), overwrite=False)
    target.temporary.write_text("film")
    assert target.commit() == Path("out.mp4")
    assert everything(tmp_path) == ["out.mp4"]


@pytest.mark.parametrize("name", ["absent/out.mp4", "file/out.mp4"])
def test_a_folder_that_is_none(name, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="no folder"):
        Target(tmp_path / name, overwrite=False)


def series(folder, pattern="%03d.png", *, overwrite=False):
    target = SeriesTarget(folder, pattern, overwrite=overwrite)
    for number in (1, 2):
        (target.temporary / (pattern % number)).write_text(f"new {number}")
    return target


def test_a_new_folder(tmp_path):
    assert series(tmp_path / "out").commit() == tmp_path / "out"
    assert everything(tmp_path) == ["out", "out/001.png", "out/002.png"]


def test_a_new_folder_in_part(tmp_path):
    assert series(tmp_path / "out").commit_partial() == tmp_path / "out.partial"
    assert everything(tmp_path) == ["out.partial", "out.partial/001.png", "out.partial/002.png"]


def test_a_new_folder_discarded(tmp_path):
    series(tmp_path / "out").discard()
    assert everything(tmp_path) == []


def test_an_old_folder_loses_only_the_pictures_of_the_pattern(tmp_path):
    for name in ("001.png", "009.png", "notes.txt", "a_001.png"):
        (tmp_path / name).write_text("old")
    with pytest.raises(SinkError, match="--overwrite"):
        series(tmp_path)
    assert (tmp_path / "001.png").read_text() == "old"
    target = series(tmp_path, overwrite=True)
    assert (tmp_path / "009.png").read_text() == "old"
    target.commit()
    assert everything(tmp_path) == ["001.png", "002.png", "a_001.png", "notes.txt"]
    assert (tmp_path / "001.png").read_text() == "new 1"


def test_an_old_folder_in_part_is_left_alone(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "001.png").write_text("old")
    series(folder, overwrite=True).commit_partial()
    assert everything(tmp_path) == ["out", "out.partial", "out.partial/001.png", "out.partial/002.png", "out/001.png"]
    assert (folder / "001.png").read_text() == "old"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(SinkError, match="is a file"):
        SeriesTarget(tmp_path / "out", "%03d.png", overwrite=True)


@pytest.mark.parametrize(("error", "kind"), [
    (OSError(errno.ENOSPC, "No space left on device"), DiskFullError), (OSError(errno.EDQUOT, "Quota"), DiskFullError),
    (OSError(errno.EFBIG, "File too large"), DiskFullError), (PermissionError(errno.EACCES, "denied"), SinkError),
    (OSError("without a number"), SinkError), (ValueError("what FFmpeg says"), SinkError),
])  # fmt: skip
def test_the_worlds_errors_become_ours(error, kind):
    with pytest.raises(kind) as raised, as_sink_error("out.mp4"):
        raise error
    assert str(raised.value).startswith("out.mp4: ")
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("number", [-541478725, -1313558101, -542398533, -1163346256, -22, -40])
def test_every_error_of_ffmpeg_becomes_ours(number):
    from av.error import err_check

    with pytest.raises(SinkError), as_sink_error("out.mp4"):
        err_check(number)


def test_other_errors_and_a_broken_pipe_pass():
    for error in (BrokenPipeError(errno.EPIPE, "gone"), KeyError("a bug"), KeyboardInterrupt()):
        with pytest.raises(type(error)), as_sink_error("out.mp4"):
            raise error
