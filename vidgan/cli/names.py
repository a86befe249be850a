"""Names of new styles."""

from __future__ import annotations

import re
from pathlib import Path

from vidgan.errors import InputError

_NAME = re.compile(r"\w[\w .-]*")


def check_name(name: str, folder: Path | None) -> None:
    """Refuse a name that no style can have.

    Args:
        name: what the user wants.
        folder: where the style goes; None is the user's own folder of styles.

    Raises:
        InputError: not a word, reserved, or the name of a style that comes with vidgan.
    """
    from vidgan.styles import IDENTITY_NAME, style_folders

    if name == IDENTITY_NAME:
        raise InputError(f"--name {name}: this name means no style at all")
    if not _NAME.fullmatch(name):
        raise InputError(
            f"--name {name}: it becomes a folder and a word in blends; take letters, digits, dots, dashes, underscores"
        )
    own, shipped = style_folders()
    if folder is None and (shipped / name).is_dir() and not (own / name).is_dir():
        raise InputError(f"--name {name}: it would hide the style of that name that comes with vidgan; give another")


def check_free(folder: Path, checkpoint: Path) -> None:
    """Refuse to train over a style that another run made, or nobody here.

    Args:
        folder: where the style will go.
        checkpoint: of the run; where it is there, the style is the run's own.

    Raises:
        InputError: there is such a style.
    """
    from vidgan.styles import MODEL_NAME

    if (folder / MODEL_NAME).exists() and not checkpoint.exists():
        raise InputError(f"{folder}: a style that this run didn't make is there already; give another --name or -o")
