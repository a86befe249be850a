"""Where results go: checked before the work, written under a temporary name, renamed when whole."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from vidgan.errors import DiskFullError, SinkError
from vidgan.video.images import pattern_expression

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_same_file(one: str | Path, other: str | Path) -> bool:
    """Say whether two locations are one file that exists. Standard input and output ("-") are no files."""
    paths = Path(one), Path(other)
    return "-" not in (str(one), str(other)) and all(path.exists() for path in paths) and paths[0].samefile(paths[1])


def check_target(path: Path, *, overwrite: bool) -> Path:
    """Make sure, before the work, that a file can be written; returns its folder.

    Raises:
        SinkError: it exists and `overwrite` is off, or its folder is missing or read-only.
    """
    if path.exists() and not overwrite:
        raise SinkError(f"{path}: exists already; --overwrite replaces it")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise SinkError(f"{path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise SinkError(f"{path}: no permission to write in {folder}")
    return folder


class Target:
    """A file in the making. Nothing stands under its final name before `commit`."""

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        """Check that `path` can be written, and choose the temporary name beside it.

        Raises:
            SinkError: it exists and `overwrite` is off, or its folder is missing or read-only.
        """
        self.path = path
        folder = check_target(path, overwrite=overwrite)
        # The extension stays last: FFmpeg and OpenCV choose the format by it.
        self.temporary = folder / f".{path.stem}.{os.getpid()}.tmp{path.suffix}"

    def commit(self) -> Path:
        """Put the finished work under its final name."""
        return self._move_to(self.path)

    def commit_partial(self) -> Path:
        """Put unfinished but usable work under `NAME.partial.EXT`."""
        return self._move_to(self.path.with_name(f"{self.path.stem}.partial{self.path.suffix}"))

    def discard(self) -> None:
        """Remove whatever there is."""
        self.temporary.unlink(missing_ok=True)

    def _move_to(self, path: Path) -> Path:
        with as_sink_error(path):
            self.temporary.replace(path)
        return path


class SeriesTarget:
    """Numbered pictures in the making, in a temporary folder. Other files in the final folder are left alone."""

    def __init__(self, folder: Path, pattern: str, *, overwrite: bool) -> None:
        """Check that `folder` can take pictures named after `pattern`.

        Raises:
            SinkError: such pictures are there and `overwrite` is off, or the folder can't be written.
        """
        self.folder, self._pattern = folder, pattern_expression(pattern)
        if folder.exists() and not folder.is_dir():
            raise SinkError(f"{folder}: is a file, not a folder")
        if not overwrite and self._old_files():
            raise SinkError(f"{folder}: holds pictures named {pattern} already; --overwrite replaces them")
        # Within an existing folder the draft lies inside it: its parent may be read-only or on another disk.
        self._target = Target(folder / "series" if folder.is_dir() else folder, overwrite=True)
        self.temporary = self._target.temporary
        with as_sink_error(folder):
            self.temporary.mkdir()

    def commit(self) -> Path:
        """Put the finished pictures into the final folder."""
        return self._move_to(self.folder)

    def commit_partial(self) -> Path:
        """Put unfinished work into a folder `NAME.partial`."""
        return self._move_to(self.folder.with_name(f"{self.folder.name}.partial"))

    def discard(self) -> None:
        """Remove whatever there is."""
        shutil.rmtree(self.temporary, ignore_errors=True)

    def _move_to(self, folder: Path) -> Path:
        with as_sink_error(folder):
            if not folder.exists():
                self.temporary.replace(folder)
                return folder
            if folder == self.folder:
                for file in self._old_files():
                    file.unlink()
            for file in sorted(self.temporary.iterdir()):
                file.replace(folder / file.name)
            self.temporary.rmdir()
        return folder

    def _old_files(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return [file for file in self.folder.iterdir() if self._pattern.fullmatch(file.name)]


@contextmanager
def as_sink_error(path: Path | str) -> Iterator[None]:
    """Turn the operating system's errors, FFmpeg's among them, into ours.

    Raises:
        DiskFullError: no space is left (or a quota or file size limit is reached).
        SinkError: any other failure to write.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # nobody reads standard output any more: not a failure to tell them of
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise DiskFullError(f"{path}: the disk is full ({error.strerror})") from error
        raise SinkError(f"{path}: can't be written ({error.strerror or error})") from error
    except (av.FFmpegError, ValueError) as error:  # not all of FFmpeg's errors are OSErrors
        raise SinkError(f"{path}: can't be written ({getattr(error, 'strerror', None) or error})") from error
