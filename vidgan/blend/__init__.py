"""Blends: several styles as one, written `starry-night:0.7+scream:0.3` wherever a style is named.

A blend is a style like any other, an ONNX file and its card, made when first asked for and kept in the cache folder.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import logging
import math
import os
import shutil
import tempfile
from pathlib import Path

from vidgan.errors import MachineError, StyleError
from vidgan.runtime.cache import cache_entry, default_cache_folder
from vidgan.styles import CARD_NAME, IDENTITY_NAME, MODEL_NAME, Style, find_style, style_exists

logger = logging.getLogger(__name__)

EXAMPLE = "starry-night:0.7+scream:0.3"
# Part of every blend's identity: count it up when `graphs.py` makes other networks of the same parts.
_VERSION = 1


def resolve_style(name_or_path: str | Path, *, cache_dir: Path | None = None) -> Style:
    """Find a style as `find_style` does, or make a blend of several: `ink+chalk`, `ink:2+chalk:1+mosaic:1`.

    What exists under the whole text, as a style or as a path, wins over its reading as a blend; so does what exists
    under a part of it. Shares are normalised to a sum of 1; where none is given they are equal. Parts without a share
    left, and parts named twice, are merged away.

    Args:
        name_or_path: Text, or a path of one style.
        cache_dir: Where blends are kept, below `blends/`; by default the user's cache folder.

    Raises:
        StyleError: a part is not there or is broken, a share is not a number of 0 or more, or all of them are 0.
        MachineError: the blend can't be written.
    """
    if isinstance(name_or_path, Path) or style_exists(name_or_path):
        return find_style(name_or_path)
    if "+" not in name_or_path:
        name, share = _name_and_share(name_or_path)
        if share is not None and style_exists(name):
            is_strength = share.replace(".", "", 1).isdigit() and float(share) <= 1
            hint = f"; --strength {share} lets the source shine through a single style" if is_strength else ""
            raise StyleError(f"{name_or_path!r}: a share needs another style to blend with, such as {EXAMPLE}{hint}")
        return find_style(name_or_path)
    parts = _read_parts(name_or_path)
    return parts[0][0] if len(parts) == 1 else _blend(parts, (cache_dir or default_cache_folder()) / "blends")


def _read_parts(text: str) -> list[tuple[Style, float]]:
    """Return the styles of a blend and their shares: each style once, each share above 0, their sum 1."""
    named = [_name_and_share(part) for part in _split(text)]
    given = [share for _, share in named if share is not None]
    if given and len(given) < len(named):
        raise StyleError(f"blend {text!r}: give a share to every style or to none, such as {EXAMPLE}")
    shares: dict[Path, float] = {}
    styles: dict[Path, Style] = {}
    for name, share in named:
        if not name:
            raise StyleError(f"blend {text!r}: the name of a style is missing; write it like {EXAMPLE}")
        if name == IDENTITY_NAME:
            raise StyleError(f"blend {text!r}: {name!r} can't be blended in; --strength mixes a style with the source")
        style = find_style(name)
        styles[style.path] = style
        shares[style.path] = shares.get(style.path, 0.0) + _number(share, text)
    total = sum(shares.values())
    if not 0 < total < math.inf:
        raise StyleError(f"blend {text!r}: the shares sum up to {total:g}; give at least one above 0")
    return [(styles[path], share / total) for path, share in shares.items() if share]


def _split(text: str) -> list[str]:
    """Cut at every plus but those within the name or path of something that exists."""
    words = text.split("+")
    parts = []
    while words:
        lengths = (n for n in range(len(words), 1, -1) if style_exists(_name_and_share("+".join(words[:n]))[0]))
        length = next(lengths, 1)
        parts.append("+".join(words[:length]).strip())
        del words[:length]
    return parts


def _name_and_share(part: str) -> tuple[str, str | None]:
    r"""Cut `ink:0.7` in two; a path such as `C:\styles\ink` has no share."""
    name, colon, share = part.rpartition(":")
    if not colon or style_exists(part) or any(mark in share for mark in "/\\+"):
        return part, None
    return name.strip(), share.strip()


def _number(share: str | None, text: str) -> float:
    if share is None:
        return 1.0
    try:
        number = float(share)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise StyleError(f"blend {text!r}: the share {share!r} must be a number, 0 or more, such as in {EXAMPLE}")
    return number


def _blend(parts: list[tuple[Style, float]], root: Path) -> Style:
    """Return the blend from the cache, or make it there."""
    with cache_entry(root, _key(parts)) as entry:
        if entry is None:
            # Without a cache it lives as long as this process.
            entry = Path(tempfile.mkdtemp(prefix="vidgan-blend-"))
            atexit.register(shutil.rmtree, entry, ignore_errors=True)
        if not (entry / MODEL_NAME).is_file() or not (entry / CARD_NAME).is_file():
            _make(parts, entry)
    style = find_style(entry)
    networks = style.card["blend"]["networks"]
    if networks > 1:
        logger.warning(
            "%s: networks of different families can't be merged into one; %d of them run for every frame, and their "
            "pictures are averaged",
            style.name,
            networks,
        )
    return style


def _key(parts: list[tuple[Style, float]]) -> str:
    """Return what tells this blend from all others: its parts' files and what their cards give to its own."""
    identity = [
        [
            hashlib.sha256(style.path.read_bytes()).hexdigest(),
            *(share, style.name, style.title, style.licence, style.family),
            *(style.size_multiple, style.minimum_size, style.margin),
        ]
        for style, share in parts
    ]
    return hashlib.sha256(json.dumps([_VERSION, identity]).encode()).hexdigest()


def _make(parts: list[tuple[Style, float]], folder: Path) -> None:
    """Write the network and the card of a blend into `folder`."""
    # onnx is imported here only: one plain style doesn't need it.
    from vidgan.blend.graphs import blend_networks

    model, networks = blend_networks(parts)
    card = _card(parts, networks=networks, sha256=hashlib.sha256(model).hexdigest())
    try:
        for name, data in ((MODEL_NAME, model), (CARD_NAME, card.encode())):
            draft = folder / f".{name}.{os.getpid()}"
            draft.write_bytes(data)
            draft.replace(folder / name)
    except OSError as error:
        raise MachineError(
            f"{folder}: can't write the blended network there ({error.strerror}); make room, or let VIDGAN_CACHE name "
            "another folder"
        ) from error


def _card(parts: list[tuple[Style, float]], *, networks: int, sha256: str) -> str:
    styles = [style for style, _ in parts]
    sizes = {
        "size_multiple": math.lcm(*(style.size_multiple for style in styles)),
        "minimum_size": max(style.minimum_size for style in styles),
        "margin": max(style.margin for style in styles),
    }
    texts = {
        "name": "+".join(f"{style.name}:{share:.3g}" for style, share in parts),
        "title": " + ".join(f"{style.title or style.name} {share:.0%}" for style, share in parts),
        "description": "a blend of styles, made on this machine",
        "licence": " and ".join(dict.fromkeys(style.licence for style in styles if style.licence)),
        "sha256": sha256,
    }
    lines = [f"{key} = {_toml(text)}" for key, text in texts.items()]
    lines += [f"{key} = {number}" for key, number in sizes.items()]
    lines += [
        "",
        "[blend]",
        f"styles = [{', '.join(_toml(style.name) for style in styles)}]",
        f"shares = {[share for _, share in parts]}",
        f"networks = {networks}",
    ]
    return "\n".join(lines) + "\n"


def _toml(text: str) -> str:
    """Write a TOML string. It is JSON's, but for the one control character that JSON leaves bare."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
