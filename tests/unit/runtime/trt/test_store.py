import errno
import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from vidgan.errors import DiskFullError, MachineError, SinkError
from vidgan.runtime.plan import EngineIdentity, Profile
from vidgan.runtime.tensorrt.store import (
    clear_engines,
    find_engine,
    get_or_build,
    list_engines,
    read_engine,
    write_engine,
)

STATIC = Profile.static((1312, 752))
WANTED = EngineIdentity(
    model_sha256="ab" * 32,
    precision="f16",
    profiles=(STATIC,),
    flavour="tensorrt_rtx",
    version="1.7.1.116",
    compute_capabilities=("sm89",),
    gpu="A card",
    driver="600.1",
    flags=("norms-f32",),
)
WIDE = Profile(minimum=(256, 256), optimum=(640, 352), maximum=(1952, 1120))


def never():
    raise AssertionError("built although it is there")


def test_built_once_then_found(tmp_path):
    plan, entry, was_there = get_or_build(tmp_path, WANTED, "ink", lambda: b"plan")
    assert (plan, was_there) == (b"plan", False)
    assert entry.path.name == f"{WANTED.key}.engine"
    plan, again, was_there = get_or_build(tmp_path, WANTED, "ink", never)
    assert (plan, was_there, again) == (b"plan", True, entry)
    assert again.identity == WANTED
    assert again.name == "ink"
    # The engine, its sidecar and its lock; no drafts.
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".engine", ".json", ".lock"]


@pytest.mark.parametrize("damage", [lambda data: data[:3], lambda data: b"", lambda data: data[:-1] + b"?"])
def test_a_damaged_engine_is_rebuilt(tmp_path, damage, caplog):
    _, entry, _ = get_or_build(tmp_path, WANTED, "ink", lambda: b"plan")
    entry.path.write_bytes(damage(b"plan"))
    plan, _, was_there = get_or_build(tmp_path, WANTED, "ink", lambda: b"new plan")
    assert (plan, was_there) == (b"new plan", False)
    assert "is damaged" in caplog.text
    assert get_or_build(tmp_path, WANTED, "ink", never)[0] == b"new plan"


@pytest.mark.parametrize(
    "sidecar", [b"", b"[]", b"{}", b'{"identity": {}}', b"\xff\xfe", b'{"identity": {"profiles": 3}, "name": 1}']
)
def test_a_damaged_sidecar_counts_as_none(tmp_path, sidecar, caplog):
    _, entry, _ = get_or_build(tmp_path, WANTED, "ink", lambda: b"plan")
    (tmp_path / f"{entry.path.name}.json").write_bytes(sidecar)
    assert list_engines(tmp_path) == []
    assert "its sidecar can't be read" in caplog.text
    assert get_or_build(tmp_path, WANTED, "ink", lambda: b"new plan")[0] == b"new plan"
    assert len(list_engines(tmp_path)) == 1


@pytest.mark.parametrize(
    "facts",
    [
        {"name": 5}, {"name": None}, {"name": "\x1b[31mred"}, {"built": None}, {"sha256": 5},
        {"identity": {"gpu": 5}}, {"identity": {"precision": None}}, {"identity": {"compute_capabilities": "sm89"}},
        {"identity": {"compute_capabilities": [5]}}, {"identity": {"profiles": [{"minimum": [1]}]}},
        {"identity": {"profiles": [{"minimum": [1, 1], "optimum": [1, 1.5], "maximum": [2, 2]}]}},
    ],
)  # fmt: skip
def test_a_sidecar_with_odd_values_counts_as_none(tmp_path, facts, caplog):
    write_engine(tmp_path / "a.engine", b"plan", WANTED, "ink")
    sidecar = tmp_path / "a.engine.json"
    whole = json.loads(sidecar.read_text())
    changed = whole | facts | {"identity": whole["identity"] | facts.get("identity", {})}
    sidecar.write_text(json.dumps(changed))
    assert list_engines(tmp_path) == []
    assert "its sidecar can't be read" in caplog.text
    assert find_engine(tmp_path, WANTED) is None


def test_a_sidecar_of_a_later_vidgan_counts_as_none(tmp_path, caplog):
    entry = write_engine(tmp_path / "a.engine", b"plan", WANTED, "ink")
    sidecar = tmp_path / "a.engine.json"
    facts = json.loads(sidecar.read_text())
    facts["identity"]["phase_of_the_moon"] = "full"
    sidecar.write_text(json.dumps(facts))
    assert list_engines(tmp_path) == []
    assert "phase_of_the_moon" in caplog.text
    assert entry.path.exists()


def test_an_engine_without_sidecar_counts_as_none(tmp_path):
    entry = write_engine(tmp_path / "a.engine", b"plan", WANTED, "ink")
    (tmp_path / "a.engine.json").unlink()
    assert find_engine(tmp_path, WANTED) is None
    assert entry.path.exists()


def test_an_engine_that_vanishes_is_rebuilt(tmp_path, caplog):
    _, entry, _ = get_or_build(tmp_path, WANTED, "ink", lambda: b"plan")
    entry.path.unlink()
    assert read_engine(entry) is None
    assert get_or_build(tmp_path, WANTED, "ink", lambda: b"new plan")[0] == b"new plan"


@pytest.mark.parametrize(
    "change",
    [
        {"model_sha256": "cd" * 32},
        {"precision": "f32"},
        {"flavour": "tensorrt"},
        {"version": "1.8.0"},
        {"driver": "601.0"},
        {"gpu": "Another card"},
        {"compute_capabilities": ("sm86",)},
        {"profiles": (Profile.static((1280, 720)),)},
        {"flags": ()},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_engine_doesnt_serve(tmp_path, change):
    other = replace(WANTED, **change)
    assert other.key != WANTED.key
    write_engine(tmp_path / "other.engine", b"other", other, "ink")
    assert find_engine(tmp_path, WANTED) is None
    assert get_or_build(tmp_path, WANTED, "ink", lambda: b"plan")[0] == b"plan"


def test_engines_made_ahead_serve_and_those_for_one_size_come_first(tmp_path):
    ahead = replace(WANTED, gpu=None, driver=None, compute_capabilities=("sm86", "sm89"), profiles=(WIDE,))
    write_engine(tmp_path / "ahead.engine", b"ahead", ahead, "ink")
    assert get_or_build(tmp_path, WANTED, "ink", never)[0] == b"ahead"
    write_engine(tmp_path / "b.engine", b"exact", WANTED, "ink")
    assert get_or_build(tmp_path, WANTED, "ink", never)[0] == b"exact"


def test_one_size_doesnt_stand_in_for_a_range_of_them(tmp_path):
    write_engine(tmp_path / "static.engine", b"static", WANTED, "ink")
    wide = replace(WANTED, profiles=(replace(WIDE, optimum=STATIC.optimum, maximum=(1952, 1120)),))
    assert find_engine(tmp_path, wide) is None
    write_engine(tmp_path / "wide.engine", b"wide", wide, "ink")
    assert find_engine(tmp_path, wide).path.name == "wide.engine"
    both = replace(WANTED, profiles=(STATIC, *wide.profiles))
    assert find_engine(tmp_path, both).path.name == "wide.engine"


def test_an_engine_can_be_built_anew(tmp_path):
    get_or_build(tmp_path, WANTED, "ink", lambda: b"old")
    plan, entry, was_there = get_or_build(tmp_path, WANTED, "ink", lambda: b"new", anew=True)
    assert (plan, was_there, entry.path.read_bytes()) == (b"new", False, b"new")


def test_a_failed_build_leaves_nothing(tmp_path):
    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get_or_build(tmp_path, WANTED, "ink", fail)
    assert [file.suffix for file in tmp_path.iterdir()] == [".lock"]
    assert get_or_build(tmp_path, WANTED, "ink", lambda: b"plan")[0] == b"plan"


def test_threads_that_want_the_same_build_it_once(tmp_path):
    builds, results, gate = [], [], threading.Barrier(4)

    def build():
        builds.append(1)
        return b"plan"

    def want():
        gate.wait()
        results.append(get_or_build(tmp_path, WANTED, "ink", build)[0])

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert results == [b"plan"] * 4
    assert len(builds) == 1


def test_drafts_of_a_killed_process_are_swept_up(tmp_path):
    draft = tmp_path / f".{WANTED.key}.engine.123.tmp"
    draft.write_bytes(b"half")
    get_or_build(tmp_path, WANTED, "ink", lambda: b"plan")
    assert not draft.exists()


def test_a_full_disk_costs_only_the_keeping(tmp_path, monkeypatch, caplog):
    def full(_file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    plan, entry, was_there = get_or_build(tmp_path, WANTED, "ink", lambda: b"plan")
    assert (plan, entry, was_there) == (b"plan", None, False)
    assert "no space left" in caplog.text


def test_where_an_engine_must_be_kept_nothing_is_built_in_vain(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MachineError, match="can't be kept in"):
        get_or_build(tmp_path / "file" / "engines", WANTED, "ink", never, must_keep=True)


def test_a_disk_that_fills_up_leaves_the_old_pair_as_it_was(tmp_path, monkeypatch):
    write_engine(tmp_path / "a.engine", b"old", WANTED, "ink")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    real, seen = os.fsync, []

    def full_at_the_second(file):
        seen.append(file)
        if len(seen) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file)

    monkeypatch.setattr(os, "fsync", full_at_the_second)
    with pytest.raises(DiskFullError):
        write_engine(tmp_path / "a.engine", b"new", replace(WANTED, precision="f32"), "ink")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_folder_that_can_only_be_read(tmp_path, monkeypatch, caplog):
    _, entry, _ = get_or_build(tmp_path, WANTED, "ink", lambda: b"plan")
    entry.path.write_bytes(b"damaged")
    (tmp_path / f".{WANTED.key}.engine.1-1.tmp").touch()

    def refuse(_path, missing_ok=False):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    assert read_engine(entry) is None
    with pytest.raises(MachineError, match="can't be deleted: Read-only file system"):
        clear_engines(tmp_path)


def test_a_folder_that_cant_be_made_costs_only_the_keeping(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    plan, entry, _ = get_or_build(tmp_path / "file" / "engines", WANTED, "ink", lambda: b"plan")
    assert (plan, entry) == (b"plan", None)
    assert "can't keep compiled networks" in caplog.text


def test_writing_where_it_cant_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SinkError, match="can't be written"):
        write_engine(tmp_path / "file" / "a.engine", b"plan", WANTED, "ink")


def test_an_old_engine_stays_until_the_new_one_is_whole(tmp_path, monkeypatch):
    write_engine(tmp_path / "a.engine", b"old", WANTED, "ink")

    monkeypatch.setattr(os, "fsync", lambda _file: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_engine(tmp_path / "a.engine", b"new", WANTED, "ink")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.engine", "a.engine.json"]
    assert read_engine(find_engine(tmp_path, WANTED)) == b"old"


def test_clear(tmp_path):
    assert clear_engines(tmp_path / "none") == (0, 0)
    for number in range(3):
        write_engine(tmp_path / f"{number}.engine", b"plan", WANTED, "ink")
    (tmp_path / "kernels-x.cache").write_bytes(b"12345")
    (tmp_path / "x.lock").touch()
    (tmp_path / "notes.txt").touch()
    held = FileLock(tmp_path / "held.lock")
    held.acquire()
    count, num_bytes = clear_engines(tmp_path)
    assert count == 3
    assert num_bytes > 3 * 4 + 5
    # What somebody holds, and what isn't ours, stays.
    assert sorted(file.name for file in tmp_path.iterdir()) == ["held.lock", "notes.txt"]
    held.release()
