"""Engines on disk: a file each, and beside it what it is. Safe for several processes, kills and damaged files.

An engine counts only with its sidecar, which is written last and holds the engine's SHA-256. One that was copied from
another machine together with its sidecar is found like any other.
"""

from __future__ import annotations

import dataclasses
import datetime
import errno
import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from vidgan.errors import DiskFullError, MachineError, SinkError
from vidgan.runtime.cache import locked
from vidgan.runtime.plan import EngineIdentity, Profile

logger = logging.getLogger(__name__)

ENGINE_SUFFIX, SIDECAR_SUFFIX = ".engine", ".json"
_OURS = (f"*{ENGINE_SUFFIX}", f"*{ENGINE_SUFFIX}{SIDECAR_SUFFIX}", "*.cache", ".*.tmp")
LOCK_TIMEOUT_SECONDS = 1800.0
"""How long to wait for another process that builds the same engine: `tensorrt` measures for minutes."""
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, kw_only=True)
class StoredEngine:
    """An engine on disk, as its sidecar describes it."""

    path: Path
    """The engine's file."""
    identity: EngineIdentity
    """What it was built from and for."""
    name: str
    """Of the style, for people."""
    sha256: str
    """Of the engine's bytes."""
    num_bytes: int
    """Its size."""
    built: str
    """The day, as YYYY-MM-DD."""


def list_engines(folder: Path) -> list[StoredEngine]:
    """Return the engines in a folder, by name. What can't be read as one is left out."""
    found = (_read_sidecar(file) for file in sorted(folder.glob(f"*{ENGINE_SUFFIX}")))
    return [entry for entry in found if entry is not None]


def find_engine(folder: Path, wanted: EngineIdentity) -> StoredEngine | None:
    """Return the engine to use for `wanted`, which has one size; those made for that size alone come first."""
    serving = [entry for entry in list_engines(folder) if entry.identity.serves(wanted)]
    return min(serving, key=lambda entry: entry.identity.profiles != wanted.profiles, default=None)


def read_engine(entry: StoredEngine) -> bytes | None:
    """Return an engine's bytes; None, and both files are deleted, where they aren't what the sidecar says."""
    try:
        plan = entry.path.read_bytes()
    except OSError as error:
        logger.warning("the engine %s can't be read (%s)", entry.path, error)
        return None
    if hashlib.sha256(plan).hexdigest() == entry.sha256:
        return plan
    logger.warning("the engine %s is damaged; it is deleted", entry.path)
    with suppress(OSError):  # in a folder that can only be read it stays, and is damaged the next time too
        discard_engine(entry)
    return None


def as_facts(entry: StoredEngine) -> dict[str, Any]:
    """Return what the sidecar holds."""
    return dataclasses.asdict(entry) | {"path": entry.path.name}


def discard_engine(entry: StoredEngine) -> None:
    """Delete an engine and its sidecar, the sidecar first."""
    _sidecar(entry.path).unlink(missing_ok=True)
    entry.path.unlink(missing_ok=True)


def write_engine(path: Path, plan: bytes, identity: EngineIdentity, name: str) -> StoredEngine:
    """Write an engine and its sidecar, each in one step.

    Raises:
        DiskFullError, SinkError: they can't be written; nothing is left then.
    """
    entry = StoredEngine(
        path=path,
        identity=identity,
        name=name,
        sha256=hashlib.sha256(plan).hexdigest(),
        num_bytes=len(plan),
        built=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sidecar = _sidecar(path)
        with _drafts({path: plan, sidecar: json.dumps(as_facts(entry), indent=1).encode()}) as drafts:
            # An old sidecar must not vouch for a new engine, should this be killed half-way.
            sidecar.unlink(missing_ok=True)
            for target, draft in drafts.items():
                draft.replace(target)
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise DiskFullError(f"{path}: no space left for an engine of {len(plan) / 1e6:.1f} MB") from error
        raise SinkError(f"{path}: can't be written: {error.strerror}") from error
    return entry


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that under its name there is all of it or what was there before."""
    with _drafts({path: content}) as drafts:
        drafts[path].replace(path)


@contextmanager
def _drafts(contents: Mapping[Path, bytes]) -> Iterator[dict[Path, Path]]:
    """Write files beside the names that they are for, all of them before anything else happens; remove what is left."""
    drafts = {path: path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp") for path in contents}
    try:
        for path, draft in drafts.items():
            with draft.open("wb") as file:
                file.write(contents[path])
                file.flush()
                os.fsync(file.fileno())
        yield drafts
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


def get_or_build(
    folder: Path,
    wanted: EngineIdentity,
    name: str,
    build: Callable[[], bytes],
    *,
    anew: bool = False,
    must_keep: bool = False,
) -> tuple[bytes, StoredEngine | None, bool]:
    """Return an engine that serves `wanted`: from the folder, or built and kept there.

    Args:
        folder: where engines are kept; made where missing.
        wanted: what is needed. If it is built, that is its identity.
        name: of the style, for people.
        build: makes the engine. Called by one process at a time; the others wait, and then read what it made.
        anew: build in any case.
        must_keep: fail before building where the engine can't be kept.

    Returns:
        Its bytes; where it lies, None if it couldn't be kept, which is only warned about; and whether it was there.

    Raises:
        MachineError, DiskFullError, SinkError: it must be kept, and can't be.
    """
    with locked(folder, wanted.key, timeout_seconds=LOCK_TIMEOUT_SECONDS) as is_locked:
        for leftover in folder.glob(f".{wanted.key}*.tmp"):  # of a process that was killed while it wrote
            with suppress(OSError):
                leftover.unlink(missing_ok=True)
        entry = None if anew else find_engine(folder, wanted)
        plan = read_engine(entry) if entry else None
        if plan is not None:
            return plan, entry, True
        if must_keep and not (is_locked and os.access(folder, os.W_OK)):
            raise MachineError(f"engines can't be kept in {folder}; give a file to write with -o")
        plan = build()
        if not is_locked:
            return plan, None, False
        try:
            entry = write_engine(folder / f"{wanted.key}{ENGINE_SUFFIX}", plan, wanted, name)
        except (DiskFullError, SinkError) as error:
            if must_keep:
                raise
            logger.warning("%s; the next start will build it again", error)
            return plan, None, False
        return plan, entry, False


def clear_engines(folder: Path) -> tuple[int, int]:
    """Delete every engine and what belongs to it; returns how many engines, and how many bytes in all.

    Raises:
        MachineError: a file can't be deleted.
    """
    count = num_bytes = 0
    for file in sorted(file for pattern in _OURS for file in folder.glob(pattern)):
        try:
            num_bytes += file.stat().st_size
            file.unlink(missing_ok=True)
        except OSError as error:
            raise MachineError(f"{file}: can't be deleted: {error.strerror}") from error
        count += file.suffix == ENGINE_SUFFIX
    for file in folder.glob("*.lock"):
        # One that is held belongs to a process that builds just now.
        with suppress(OSError), FileLock(file, timeout=0):
            file.unlink(missing_ok=True)
    return count, num_bytes


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + SIDECAR_SUFFIX)


def _read_sidecar(path: Path) -> StoredEngine | None:
    try:
        facts = json.loads(_sidecar(path).read_text(encoding="utf-8"))
        return StoredEngine(
            path=path,
            identity=_read_identity(facts["identity"]),
            name=_text(facts["name"]),
            sha256=_text(facts["sha256"]),
            num_bytes=path.stat().st_size,
            built=_text(facts["built"]),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        logger.warning("the engine %s is left out: its sidecar can't be read (%s)", path, error)
        return None


def _read_identity(facts: dict[str, Any]) -> EngineIdentity:
    known = {field.name for field in dataclasses.fields(EngineIdentity)}
    if set(facts) != known:
        raise ValueError(f"it holds {', '.join(sorted(set(facts) ^ known))}")
    lists: dict[str, Any] = {
        name: tuple(_text(each) for each in _list(facts[name])) for name in ("compute_capabilities", "flags")
    }
    rest = known - set(lists) - {"profiles"}
    texts: dict[str, Any] = {
        name: None if facts[name] is None and name in ("gpu", "driver") else _text(facts[name]) for name in rest
    }
    return EngineIdentity(**texts, **lists, profiles=tuple(_profile(sizes) for sizes in _list(facts["profiles"])))


def _profile(sizes: dict[str, list[int]]) -> Profile:
    if any(type(length) is not int for size in sizes.values() for length in size):
        raise ValueError(f"sizes {sizes!r} aren't whole numbers")
    return Profile(**{name: (width, height) for name, (width, height) in sizes.items()})


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{value!r} isn't a line of text")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} isn't a list")
    return value
