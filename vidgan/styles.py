"""Styles: one folder each, with a network (`model.onnx`) and a card (`card.toml`) that says what it is.

Styles that come with vidgan lie in `engines/`, inside the installed package or at the root of the repository. A user's
own lie in `styles/` of the user's data folder, or in the folder that the environment variable VIDGAN_STYLES names; they
win over shipped ones of the same name.
"""

from __future__ import annotations

import difflib
import hashlib
import logging
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import platformdirs

from vidgan.errors import StyleError

logger = logging.getLogger(__name__)

MODEL_NAME, INT8_NAME, CARD_NAME = "model.onnx", "model.int8.onnx", "card.toml"
IDENTITY_NAME = "none"
"""Reserved: it means that pictures are copied untouched, so no style may be called so."""

# Networks without a card are somebody else's; most of them halve the size five times at most.
UNKNOWN_SIZE_MULTIPLE = 32


@dataclass(frozen=True, kw_only=True)
class Style:
    """One network and what its card says."""

    name: str
    """What the user types."""
    path: Path
    """The ONNX file: one input `(N, H, W, 3)` uint8, one output of the same kind."""
    int8_path: Path | None = None
    """The same network quantised, where the card has a table `int8`."""
    title: str = ""
    """A few words for people."""
    description: str = ""
    """What it does to a video."""
    licence: str = ""
    """SPDX identifier, or a sentence; empty where the card doesn't say."""
    size_multiple: int = UNKNOWN_SIZE_MULTIPLE
    """Width and height in pixels must be multiples of this."""
    minimum_size: int = UNKNOWN_SIZE_MULTIPLE
    """Width and height must be at least this many pixels."""
    margin: int = 0
    """Pixels mirrored around the picture before the network and cut off after it, against what its own padding draws
    along the borders."""
    family: str = ""
    """Styles with the same word here began as one network, so that their weights may be interpolated; empty: none."""
    card: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Everything that the card holds, such as the tables `training` and `measured`."""


def find_style(name_or_path: str | Path) -> Style:
    """Find a style by its name, by its folder, or by its ONNX file.

    A `Path`, and text with a slash, a leading `~` or the ending `.onnx`, is a path. Other text is the name of a user's
    style, then of a shipped one, and last a folder below the working folder.

    Raises:
        StyleError: there is no such style, or its card or its file is broken.
    """
    if isinstance(name_or_path, Path) or _looks_like_path(name_or_path):
        return _read_style(Path(name_or_path).expanduser())
    if not name_or_path or name_or_path == IDENTITY_NAME:
        raise StyleError(f"{name_or_path!r} is not the name of a style; known styles: {_known_names()}")
    for root in style_folders():
        if (root / name_or_path).is_dir():
            return _read_named_style(root / name_or_path)
    if Path(name_or_path).is_dir():
        return _read_style(Path(name_or_path))
    names = _folders_by_name()
    close = difflib.get_close_matches(name_or_path, names, n=3)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise StyleError(f"no style is called {name_or_path!r}; {hint}known styles: {_known_names()}")


def style_exists(text: str) -> bool:
    """Say whether `find_style` would find something under this name or path, be it whole or broken."""
    try:
        if _looks_like_path(text):
            return Path(text).expanduser().exists()
        if not text or text == IDENTITY_NAME:
            return False
        return any(folder.is_dir() for folder in (*(root / text for root in style_folders()), Path(text)))
    except (OSError, RuntimeError):  # a name that is too long, or the home of somebody unknown
        return False


def list_styles() -> list[Style]:
    """Read all styles that can be found by name, sorted by it. Broken ones are left out, with a warning in the log."""
    styles = []
    for _, folder in sorted(_folders_by_name().items()):
        try:
            styles.append(_read_named_style(folder))
        except StyleError as error:
            logger.warning("left out a broken style: %s", error)
    return styles


def style_folders() -> list[Path]:
    """Return the folders that are searched by name, in order; some may not exist."""
    override = os.environ.get("VIDGAN_STYLES")
    own = Path(override).expanduser() if override else platformdirs.user_data_path("vidgan") / "styles"
    return [own, _shipped_folder()]


def _shipped_folder() -> Path:
    package = Path(__file__).parent
    # A wheel has them inside the package. Beside the package they are ours only in a checkout of the repository.
    in_checkout = package.parent / "engines"
    if not (package / "engines").is_dir() and (package.parent / "pyproject.toml").is_file():
        return in_checkout
    return package / "engines"


def _looks_like_path(text: str) -> bool:
    separators = {"/", os.sep}
    return any(mark in text for mark in separators) or text.startswith("~") or text.lower().endswith(".onnx")


def _folders_by_name() -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for root in style_folders():
        if root.is_dir():
            for folder in root.iterdir():
                # A folder without either file, such as .git or __pycache__, is no style at all.
                if (folder / MODEL_NAME).is_file() or (folder / CARD_NAME).is_file():
                    folders.setdefault(folder.name, folder)
    return folders


def _known_names() -> str:
    names = [name for name in sorted(_folders_by_name()) if name != IDENTITY_NAME]
    return ", ".join([*names, f"{IDENTITY_NAME} (copies the pictures untouched)"])


def _read_named_style(folder: Path) -> Style:
    style = _read_style(folder)
    if style.name != folder.name:
        raise StyleError(
            f"{folder / CARD_NAME}: name is {style.name!r}, but the folder is {folder.name!r}; make them equal"
        )
    return style


def _read_style(path: Path) -> Style:
    """Read the style in the folder `path`, or the one whose network is the file `path`."""
    model = path / MODEL_NAME if path.is_dir() else path
    if not path.exists():
        raise StyleError(f"{path}: no such file or folder; give the name of a style, a style's folder or an .onnx file")
    if not model.is_file():
        raise StyleError(
            f"{path}: this folder has no {MODEL_NAME}; a style is a folder with {MODEL_NAME} and {CARD_NAME}"
        )
    if model.suffix.lower() != ".onnx":
        raise StyleError(f"{path}: not an .onnx file; give a style's folder or the .onnx file in it")
    default_name = model.parent.resolve().name if model.name == MODEL_NAME else model.stem
    card_path = model.with_name(CARD_NAME)
    style = _style_from_card(model, default_name, card_path, _read_card(card_path))
    if style.name == IDENTITY_NAME:
        raise StyleError(f"{model}: no style may be called {IDENTITY_NAME!r}; give it another name in {CARD_NAME}")
    return style


def _read_card(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StyleError(f"{path}: can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StyleError(f"{path}: not valid TOML: {error}") from error


def _style_from_card(model: Path, default_name: str, card_path: Path, card: dict[str, Any]) -> Style:
    texts = {key: card.get(key, "") for key in ("name", "title", "description", "licence", "family", "sha256")}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise StyleError(f'{card_path}: {key} is {value!r}; write it as text: {key} = "..."')
    sizes = {key: card.get(key, UNKNOWN_SIZE_MULTIPLE) for key in ("size_multiple", "minimum_size")}
    sizes["margin"] = card.get("margin", 0)
    for key, value in sizes.items():
        least = 0 if key == "margin" else 1
        # TOML's true is an int to Python.
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise StyleError(f"{card_path}: {key} is {value!r}; write a whole number of pixels, {least} or more")
    for key in ("training", "measured", "int8"):
        if not isinstance(card.get(key, {}), dict):
            raise StyleError(f"{card_path}: {key} is {card[key]!r}; write it as a table: [{key}]")
    expected = texts.pop("sha256")
    if expected:
        _check_sha256(model, card_path, expected)
    name = texts.pop("name") or default_name
    int8 = _int8_path(model, card_path, card)
    return Style(name=name, path=model, int8_path=int8, card=MappingProxyType(card), **texts, **sizes)


def _int8_path(model: Path, card_path: Path, card: Mapping[str, Any]) -> Path | None:
    """Return the int8 network beside `model`; what the card doesn't vouch for isn't used."""
    expected = card.get("int8", {}).get("sha256")
    if model.name != MODEL_NAME or expected is None:
        return None
    if not isinstance(expected, str):
        raise StyleError(f'{card_path}: sha256 of int8 is {expected!r}; write it as text: sha256 = "..."')
    path = model.with_name(INT8_NAME)
    _check_sha256(path, card_path, expected)
    return path


def _check_sha256(model: Path, card_path: Path, expected: str) -> None:
    try:
        with model.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StyleError(f"{model}: can't be read: {error.strerror}") from error
    if actual != expected.lower():
        raise StyleError(
            f"{model}: the file is damaged (its sha256 isn't the one in {card_path.name}); install it again"
        )
