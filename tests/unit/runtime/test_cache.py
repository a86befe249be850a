from pathlib import Path

import platformdirs
import pytest
from filelock import FileLock

from vidgan.runtime.cache import cache_entry, default_cache_folder


def fill(root, key="k", text="compiled"):
    with cache_entry(root, key) as entry:
        (entry / "network.blob").write_text(text)
    return root / key


def contents(root, key="k"):
    with cache_entry(root, key) as entry:
        return sorted(file.read_text() for file in entry.glob("*.blob"))


def test_contents_are_kept_per_key(tmp_path):
    fill(tmp_path / "new" / "folder")
    assert contents(tmp_path / "new" / "folder") == ["compiled"]
    assert contents(tmp_path / "new" / "folder", "other") == []


@pytest.mark.parametrize("damage", ["change", "delete", "add", "no sums", "broken sums"])
def test_damaged_contents_are_deleted(tmp_path, damage):
    entry = fill(tmp_path)
    if damage == "change":
        (entry / "network.blob").write_text("compiles")
    elif damage == "delete":
        (entry / "network.blob").unlink()
        (entry / "other.blob").write_text("x")
    elif damage == "add":
        (entry / "other.blob").write_text("x")
    elif damage == "no sums":
        (entry / "sums.json").unlink()
    else:
        (entry / "sums.json").write_text("{")
    assert contents(tmp_path) == []


def test_what_an_interrupted_build_left_is_deleted(tmp_path):
    def build_half():
        with cache_entry(tmp_path, "k") as entry:
            (entry / "network.blob").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_half()
    assert contents(tmp_path) == []


def test_entry_is_locked_while_it_is_lent(tmp_path, caplog):
    with cache_entry(tmp_path, "k") as entry:
        assert entry is not None
        with cache_entry(tmp_path, "k", timeout_seconds=0.05) as second:
            assert second is None
        with cache_entry(tmp_path, "other", timeout_seconds=0.05) as other:
            assert other is not None
    assert "starting will be slower" in caplog.text
    with FileLock(tmp_path / "k.lock", timeout=0):
        pass


def test_folder_that_cannot_be_made(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    with cache_entry(tmp_path / "file" / "cache", "k") as entry:
        assert entry is None
    assert str(tmp_path / "file" / "cache") in caplog.text


def test_entry_that_cannot_be_cleaned(tmp_path, caplog):
    (tmp_path / "k" / "a folder").mkdir(parents=True)
    with cache_entry(tmp_path, "k") as entry:
        assert entry is None
    assert "starting will be slower" in caplog.text


def test_default_folder(monkeypatch):
    monkeypatch.setenv("VIDGAN_CACHE", "~/elsewhere")
    assert default_cache_folder() == Path.home() / "elsewhere"
    monkeypatch.delenv("VIDGAN_CACHE")
    assert default_cache_folder() == platformdirs.user_cache_path("vidgan")
