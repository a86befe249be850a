"""Engines built ahead of time: a style, cards and sizes in, a TensorRT engine on disk out."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path

from vidgan.blend import resolve_style
from vidgan.errors import InputError, RuntimeUnavailableError
from vidgan.runtime.gpu import Card, find_card
from vidgan.runtime.plan import Profile, Size, check_profiles
from vidgan.runtime.tensorrt.build import Progress, no_progress
from vidgan.runtime.tensorrt.engine import Workshop, choose_network, engine_folder, identify
from vidgan.runtime.tensorrt.flavour import CLASSIC, FLAVOURS, RTX, Flavour, flavour_for, load_flavour
from vidgan.runtime.tensorrt.store import ENGINE_SUFFIX, StoredEngine, get_or_build, write_engine
from vidgan.styles import IDENTITY_NAME, Style
from vidgan.stylizer import fit_size
from vidgan.video.target import check_target

HERE = "here"
"""In place of compute capabilities: the card of this machine."""
DEFAULT_SIZE = (1280, 720)
_CAPABILITY = re.compile(r"sm\d{2,3}")


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What an engine is built for."""

    gpus: tuple[str, ...] = (HERE,)
    """Compute capabilities such as "sm86", for which no card is needed; or "here" alone."""
    precision: str = "auto"
    """f32, f16 or int8; auto is f16."""
    sizes: tuple[Size, ...] = ()
    """Videos' widths and heights; an engine is fastest for sizes that it was built for one by one."""
    dynamic: tuple[Size, Size, Size] | None = None
    """Smallest, usual and largest size of videos, to take all between them. Without this and `sizes`, 1280x720."""
    flavour: str = "auto"
    """tensorrt or tensorrt_rtx; auto is the first that can do it."""
    path: Path | None = None
    """Where to write the engine; None keeps it in the cache folder, where it is found when a video needs it."""
    overwrite: bool = False
    """Replace `path` if it exists."""
    cache_dir: Path | None = None
    """Where engines are kept; by default the user's cache folder."""


@dataclass(frozen=True, kw_only=True)
class EngineReport:
    """What was built."""

    engine: StoredEngine
    """Where it lies, and what it is."""
    was_there: bool
    """It was found rather than built."""


def build_style_engine(
    name: str | Path,
    options: EngineOptions | None = None,
    *,
    progress: Progress = no_progress,
    stop: threading.Event | None = None,
) -> EngineReport:
    """Build the TensorRT engine of a style.

    Args:
        name: of a style, or its path; see `vidgan.Stylizer`.
        options: what to build for.
        progress: told how far it is: the phase, its steps done, and how many it has.
        stop: set it from elsewhere to end early.

    Raises:
        ValueError: an option is out of range.
        StyleError: there is no such style, or TensorRT can't read its network.
        SinkError, DiskFullError: the engine can't be written.
        RuntimeUnavailableError: TensorRT, or a card that is asked for, isn't there.
        MachineError: the build failed.
        KeyboardInterrupt: it was stopped. Nothing is left of it.
    """
    options = options or EngineOptions()
    if str(name) == IDENTITY_NAME:
        raise InputError("the style 'none' copies pictures: there is no network to build")
    if options.path:
        _check_target(options.path, overwrite=options.overwrite)
    style = resolve_style(name, cache_dir=options.cache_dir)
    profiles = fit_profiles(style, options)
    card = _card_here() if options.gpus == (HERE,) else None
    wrong = [gpu for gpu in options.gpus if not card and not _CAPABILITY.fullmatch(gpu)]
    if wrong or not options.gpus:
        raise InputError(f"--gpu {','.join(options.gpus)}: give compute capabilities such as sm86,sm89, or here alone")
    flavour = _choose_flavour(options.flavour, card.compute_capability if card else None)
    network = choose_network(style.path, style.int8_path, options.precision)
    wanted = identify(network, flavour, profiles, card=card, compute_capabilities=options.gpus)
    folder = engine_folder(options.cache_dir)
    shop = Workshop(network=network, flavour=flavour, folder=folder, progress=progress, stop=stop)
    if options.path:
        entry = write_engine(options.path, shop.build(wanted), wanted, style.name)
        return EngineReport(engine=entry, was_there=False)
    _, kept, was_there = get_or_build(folder, wanted, style.name, lambda: shop.build(wanted), must_keep=True)
    assert kept is not None
    return EngineReport(engine=kept, was_there=was_there)


def _check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse what can't be written before minutes are spent on it."""
    if path.suffix != ENGINE_SUFFIX:
        raise InputError(f"{path}: give it a name that ends in {ENGINE_SUFFIX}, by which it is found")
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the name of a file")
    check_target(path, overwrite=overwrite)


def fit_profiles(style: Style, options: EngineOptions) -> tuple[Profile, ...]:
    """Return the sizes that the network sees of videos of the sizes asked for, each once."""

    def fit(size: Size) -> Size:
        return fit_size(size[0], style), fit_size(size[1], style)

    if options.dynamic:  # so that what is wrong with it is said of the sizes that were given
        Profile(minimum=options.dynamic[0], optimum=options.dynamic[1], maximum=options.dynamic[2])
    sizes = options.sizes or (() if options.dynamic else (DEFAULT_SIZE,))
    wanted = [Profile.static(fit(size)) for size in sizes]
    if options.dynamic:
        least, best, most = (fit(size) for size in options.dynamic)
        wanted.append(Profile(minimum=least, optimum=best, maximum=most))
    profiles = tuple(dict.fromkeys(wanted))
    check_profiles(profiles, size_multiple=style.size_multiple, minimum_size=style.minimum_size)
    return profiles


def _card_here() -> Card:
    try:
        return find_card(0)
    except RuntimeUnavailableError as error:
        raise RuntimeUnavailableError(f"{error}; without a card, name what to build for: --gpu sm86,sm89") from error


def _choose_flavour(name: str, compute_capability: str | None) -> Flavour:
    if name == "auto":
        return flavour_for(compute_capability)
    if name not in FLAVOURS:
        raise ValueError(f"flavour is {name!r}; use auto, {' or '.join(FLAVOURS)}")
    if name == CLASSIC and compute_capability is None:
        raise RuntimeUnavailableError(f"{CLASSIC} builds on the card itself: use --gpu here, or {RTX}")
    return load_flavour(name)
