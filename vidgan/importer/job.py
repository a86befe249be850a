"""One import, from a file of somebody else's to a style's folder."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vidgan.errors import InputError, RuntimeUnavailableError
from vidgan.importer.found import Found
from vidgan.importer.hints import Hints
from vidgan.style_folder import write_style
from vidgan.styles import CARD_NAME, MODEL_NAME

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """What an imported style is called, and what is known about it."""

    name: str
    """The style's name."""
    hints: Hints = field(default_factory=Hints)
    """What can't be seen from outside."""
    licence: str = ""
    """Of the weights, for the card."""
    description: str = ""
    """What it does to a video, for the card."""
    overwrite: bool = False
    """Replace a style that is there."""


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What became of a file."""

    path: Path
    """The style's network."""
    words: str
    """What was recognised."""
    notes: tuple[str, ...]
    """What was found by trying, assumed, or left out."""
    size_multiple: int
    """Width and height in pixels must be multiples of this."""
    minimum_size: int
    """Width and height must be at least this many pixels."""


def import_style(
    weights: Path,
    folder: Path,
    options: ImportOptions,
    *,
    progress: Callable[[str], None] = lambda _words: None,
) -> ImportReport:
    """Make a style of a file of weights, or of an ONNX network.

    Args:
        weights: .pth, .pt or .safetensors of a network that `vidgan.networks.detect` knows, or any .onnx from pictures
            to pictures. Nothing in it is executed.
        folder: where `model.onnx` and `card.toml` go; made if missing.
        options: its name, and what is known about it.
        progress: called with what was recognised, before that is exported and compared, which takes up to a minute.

    Raises:
        InputError: the file can't be used, or there is a style in `folder` already.
        ValueError: a hint means nothing for this file.
        RuntimeUnavailableError: torch is needed, and isn't there.
        StyleError: the network doesn't give the same pictures on OpenVINO.
        DiskFullError: no space for the style.
        SinkError: `folder` can't be written.
    """
    if not weights.is_file():
        what = "a folder" if weights.is_dir() else "no such file"
        raise InputError(f"{weights}: {what}; give a .pth, .pt, .safetensors or .onnx file")
    for name in (MODEL_NAME, CARD_NAME):
        if (folder / name).exists() and not options.overwrite:
            raise InputError(f"{folder / name}: exists already; --overwrite replaces it")
    found = _find(weights, options.hints)
    for note in found.notes:
        logger.info("%s: %s", weights.name, note)
    progress(f"{weights.name}: {found.words}; exporting, and comparing with the original")
    with weights.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    card = {
        "name": options.name,
        "title": options.name.replace("-", " ").replace("_", " ").title(),
        "description": options.description or f"imported: {found.words}",
        "licence": options.licence,
        "size_multiple": found.size_multiple,
        "minimum_size": found.minimum_size,
        "margin": 0,
        "training": {
            "imported_from": weights.name,
            "imported_sha256": sha256,
            "architecture": found.words,
            "notes": list(found.notes),
        },
    }
    path = write_style(folder, card, found.make_model)
    return ImportReport(
        path=path,
        words=found.words,
        notes=found.notes,
        size_multiple=found.size_multiple,
        minimum_size=found.minimum_size,
    )


def _find(weights: Path, hints: Hints) -> Found:
    if weights.suffix.lower() == ".onnx":
        from vidgan.importer.onnx_network import find_onnx_network

        return find_onnx_network(weights, hints)
    missing = [name for name in ("torch", "onnxscript", "safetensors") if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeUnavailableError(
            f"importing {weights.suffix or 'weights'} needs {' and '.join(missing)}: pip install 'vidgan[train]'"
        )
    from vidgan.importer.torch_network import find_torch_network

    return find_torch_network(weights, hints)
