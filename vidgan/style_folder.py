"""Writes a style's folder: its network and its card, both under their final names only when all is done."""

from __future__ import annotations

import errno
import hashlib
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tomli_w

from vidgan.errors import DiskFullError, SinkError
from vidgan.styles import CARD_NAME, MODEL_NAME

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_style(folder: Path, card: Mapping[str, Any], make_model: Callable[[Path], Mapping[str, Any]]) -> Path:
    """Write `model.onnx` and `card.toml` into `folder`.

    Args:
        folder: made if missing; files of those names are replaced.
        card: what the card says.
        make_model: writes the network under the path that it is given, and returns what the card says beside `card`,
            such as its table `measured`.

    Returns:
        The path of the network.

    Raises:
        DiskFullError: no space for the style; what was there before still is.
        SinkError: `folder` can't be written.
        Exception: whatever `make_model` raises; then nothing was written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # In the same folder, since a file can be moved in one step only within a file system.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".publish-") as draft:
            model = Path(draft) / MODEL_NAME
            found = make_model(model)
            whole = {**card, "sha256": hashlib.sha256(model.read_bytes()).hexdigest(), **found}
            (Path(draft) / CARD_NAME).write_text(tomli_w.dumps(whole), encoding="utf-8")
            for file in (MODEL_NAME, CARD_NAME):
                (Path(draft) / file).replace(folder / file)
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError(f"{folder}: no space left for the style; make some and type the same again") from error
        raise SinkError(f"{folder}: can't be written ({error.strerror})") from error
    return folder / MODEL_NAME
