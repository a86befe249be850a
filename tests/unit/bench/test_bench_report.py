import json

import pytest

from vidgan.bench.report import SCHEMA, efficiency, read, write
from vidgan.bench.whole import Run
from vidgan.errors import InputError
from vidgan.video.target import Target

RUN = Run(
    frames=100,
    seconds=5.0,
    setup_seconds=1.0,
    core_seconds=9.0,
    peak_memory_bytes=1,
    stage_seconds={},
    runtime=None,
)
RESULT = {"kind": "vidgan bench", "schema": SCHEMA, "machine": {}, "settings": {}, "network": {}, "clips": {}}


def test_efficiency_is_the_share_of_the_cores_time_that_was_needed():
    # 100 frames of 80 core-milliseconds are 8 core-seconds; two cores had 10.
    assert efficiency([10, 60, 10], RUN, 2) == pytest.approx(0.8)
    assert efficiency([10, 60, 10], RUN, 4) == pytest.approx(0.4)


def test_written_whole_and_read_again(tmp_path):
    write(RESULT, Target(tmp_path / "a.json", overwrite=False))
    assert read(tmp_path / "a.json") == RESULT
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_what_cant_be_written_leaves_the_old_file(tmp_path):
    (tmp_path / "a.json").write_text("old")
    with pytest.raises(InputError):
        write({"figure": float("nan")}, Target(tmp_path / "a.json", overwrite=True))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "old")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON, or cut short"),
        (json.dumps(RESULT)[:-9], "not JSON, or cut short"),
        ("\udcff", "not JSON, or cut short"),
        ("[]", "not a result of `vidgan bench`"),
        ('{"frames": 3}', "not a result of `vidgan bench`"),
        (json.dumps(RESULT | {"schema": SCHEMA + 1}), f"schema {SCHEMA + 1}, and this vidgan reads schema {SCHEMA}"),
        (json.dumps(RESULT | {"clips": None}), "parts are missing"),
    ],
)
def test_what_is_no_result(tmp_path, text, words, one_line):
    path = tmp_path / "a.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError) as raised:
        read(path)
    one_line(raised.value, path, words)


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "absent.json", tmp_path):
        with pytest.raises(InputError, match="can't be read"):
            read(path)
