"""Where the perceptual network's weights come from: a file, or torchvision's published ones, downloaded once."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from vidgan.errors import MachineError
from vidgan.networks.perceptual import VGGFeatures
from vidgan.runtime.cache import default_cache_folder

PUBLISHED_AT = "https://download.pytorch.org/models"
PUBLISHED = {"vgg16": "vgg16-397923af.pth", "vgg19": "vgg19-dcbb9e9d.pth"}
"""torchvision's files (IMAGENET1K_V1); each name ends with the first digits of the file's sha256."""
_TIMEOUT_SECONDS = 30
_CHUNK = 1 << 20


def find_features(
    choice: str | None,
    *,
    report: Callable[[str, int, int | None], None] = lambda _name, _done, _total: None,
    published_at: str = PUBLISHED_AT,
) -> Path | None:
    """Find the file that `choice` means; a published one is downloaded into the user's cache folder the first time.

    Args:
        choice: `vgg16`, `vgg19`, the path of a file, or None.
        report: called during a download with the file's name, the bytes that are there, and how many there will be.
        published_at: address of the folder that holds torchvision's files.

    Returns:
        A path; None for None: `VGGFeatures` knows what to take then.

    Raises:
        MachineError: the file can't be downloaded or kept, or arrived damaged.
    """
    if choice is None or choice not in PUBLISHED:
        return None if choice is None else Path(choice)
    name = PUBLISHED[choice]
    path = default_cache_folder() / "weights" / name
    if path.is_file():
        return path
    address = f"{published_at}/{name}"
    temporary = path.with_name(f".{name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Processes that train together all come by here: one downloads, the others wait.
        with FileLock(path.with_suffix(".lock")):
            if not path.is_file():
                digest = _download(address, temporary, lambda done, total: report(name, done, total))
                _check(address, name, digest)
                temporary.replace(path)
    # URLError and a timeout are OSErrors; a connection that breaks off inside the body is an HTTPException.
    except (OSError, http.client.HTTPException) as error:
        raise MachineError(
            f"{address}: can't be downloaded to {path} ({error}); fetch it where there is a network and give its path "
            "with --features"
        ) from error
    finally:
        if path.parent.is_dir():
            temporary.unlink(missing_ok=True)
    return path


def check_features(path: Path | None) -> None:
    """Refuse a file that holds no VGG weights, before hours are spent; None is the package's.

    Raises:
        InputError: it doesn't.
    """
    if path:
        VGGFeatures(("1_1",), path)


def _download(address: str, target: Path, report: Callable[[int, int | None], None]) -> str:
    """Write what lies at `address` into `target` and return its sha256."""
    digest = hashlib.sha256()
    try:
        answer = urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS)  # noqa: S310
    except urllib.error.HTTPError as error:
        # It holds the connection.
        error.close()
        raise
    with answer, target.open("wb") as file:
        length = answer.headers.get("Content-Length")
        total = int(length) if length else None
        while chunk := answer.read(_CHUNK):
            file.write(chunk)
            digest.update(chunk)
            report(file.tell(), total)
    return digest.hexdigest()


def _check(address: str, name: str, digest: str) -> None:
    expected = Path(name).stem.rpartition("-")[2]
    if not digest.startswith(expected):
        raise MachineError(
            f"{address}: arrived damaged (sha256 {digest[:12]}..., expected {expected}...); try again, or fetch it by "
            "other means and give its path with --features"
        )
