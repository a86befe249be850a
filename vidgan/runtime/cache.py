"""The folder where compiled networks are kept, safe for several processes at once.

OpenVINO notices a compiled file that is cut short, but not one with a flipped bit among the weights, and it writes in
place. So each compiled network has a folder of its own, one process at a time opens it, and the sums of its files are
kept beside them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock

logger = logging.getLogger(__name__)

LOCK_TIMEOUT_SECONDS = 120.0
SUMS_NAME = "sums.json"


def default_cache_folder() -> Path:
    """Return the user's cache folder for vidgan, or the one that the environment variable VIDGAN_CACHE names."""
    override = os.environ.get("VIDGAN_CACHE")
    return Path(override).expanduser() if override else platformdirs.user_cache_path("vidgan")


@contextmanager
def cache_entry(root: Path, key: str, *, timeout_seconds: float = LOCK_TIMEOUT_SECONDS) -> Iterator[Path | None]:
    """Lend the folder of one compiled network while it is loaded or built.

    Other processes that want the same network wait. Damaged contents are deleted before the folder is lent; what lies
    in it at the end counts as good, unless an exception passes.

    Args:
        root: The folder of all compiled networks; made where missing.
        key: Name of this one.
        timeout_seconds: How long to wait for another process.

    Yields:
        The folder, or None where the cache can't be used: that costs time, so it is only warned about.
    """
    entry = root / key
    with locked(root, key, timeout_seconds=timeout_seconds) as is_locked:
        usable = is_locked and _make(entry) and drop_damaged(entry)
        yield entry if usable else None
        if usable:
            _write_sums(entry)


@contextmanager
def locked(folder: Path, key: str, *, timeout_seconds: float) -> Iterator[bool]:
    """Hold the lock of one entry of a folder, which is made where missing; other processes wait.

    Yields:
        False where there can't be a lock: that costs time at every start, so it is only warned about.
    """
    lock = FileLock(folder / f"{key}.lock", timeout=timeout_seconds)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    # A lock that takes too long is an OSError too; a file system without locks says NotImplementedError.
    except (OSError, NotImplementedError) as error:
        _warn(folder, error)
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _make(entry: Path) -> bool:
    try:
        entry.mkdir(exist_ok=True)
    except OSError as error:
        _warn(entry, error)
        return False
    return True


def _warn(folder: Path, error: Exception) -> None:
    logger.warning("can't keep compiled networks in %s (%s); starting will be slower", folder, error)


def drop_damaged(entry: Path) -> bool:
    """Delete the files in `entry` unless they are as their sums say; return False where that can't be done."""
    try:
        # Deleted rather than overwritten: another process may have the old file mapped into its memory.
        if _read_sums(entry) != _sums(entry):
            logger.info("the compiled network in %s is missing or damaged; it is built anew", entry)
            for file in entry.iterdir():
                file.unlink()
    except OSError as error:
        logger.warning("can't use the compiled network in %s (%s); starting will be slower", entry, error)
        return False
    return True


def _sums(entry: Path) -> dict[str, str]:
    files = sorted(file for file in entry.iterdir() if file.name != SUMS_NAME)
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _read_sums(entry: Path) -> object:
    try:
        return json.loads((entry / SUMS_NAME).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _write_sums(entry: Path) -> None:
    try:
        (entry / SUMS_NAME).write_text(json.dumps(_sums(entry)), encoding="utf-8")
    except OSError as error:
        # Without sums the entry counts as damaged next time, which is safe.
        logger.warning("can't keep the compiled network in %s (%s)", entry, error)
