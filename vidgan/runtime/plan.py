"""What to build: precision, sizes and identity. Pure Python: no runtime is imported here."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

from vidgan.errors import StyleError

PRECISIONS = ("auto", "f32", "f16", "bf16", "int8")


@dataclass(frozen=True, kw_only=True)
class BuildIdentity:
    """Everything that makes one compiled network different from another."""

    model_sha256: str
    """Of the ONNX file."""
    runtime: str
    """Name and exact version of the runtime."""
    device: str
    """The maker's name of the device."""
    precision: str
    """"f32", "f16", "bf16" or "int8"."""
    size: tuple[int, int]
    """Width and height in pixels."""
    options: str = ""
    """Whatever else the runtime was told."""

    @property
    def key(self) -> str:
        """A name for the cache: what a person looks for, then a digest of everything."""
        digest = hashlib.sha256(repr(astuple(self)).encode()).hexdigest()
        width, height = self.size
        return f"{width}x{height}-{self.precision}-{digest[:20]}"


Size = tuple[int, int]
"""Width and height in pixels."""
MOST_PIXELS_A_SIDE = 16384
"""The largest width and height that our networks promise to take."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The sizes that an engine takes, one picture at a time, and the one that it is fastest at."""

    minimum: Size
    """Smallest width and smallest height."""
    optimum: Size
    """What kernels are chosen for."""
    maximum: Size
    """Largest width and largest height."""

    def __post_init__(self) -> None:
        for least, best, most in zip(self.minimum, self.optimum, self.maximum, strict=True):
            if not 1 <= least <= best <= most:
                raise ValueError(f"sizes {self}: width and height must each be 1 <= minimum <= optimum <= maximum")

    def __str__(self) -> str:
        sizes = (self.optimum,) if self.is_static else (self.minimum, self.optimum, self.maximum)
        return "-".join(f"{width}x{height}" for width, height in sizes)

    @classmethod
    def static(cls, size: Size) -> Self:
        """Take one size only: what engines are fastest with."""
        return cls(minimum=size, optimum=size, maximum=size)

    @property
    def is_static(self) -> bool:
        """Only one size fits."""
        return self.minimum == self.maximum

    def holds(self, size: Size) -> bool:
        """Say whether pictures of `size` fit."""
        bounds = zip(self.minimum, size, self.maximum, strict=True)
        return all(least <= length <= most for least, length, most in bounds)


def choose_profile(profiles: Sequence[Profile], size: Size) -> int | None:
    """Return the number of the profile made for `size`, else of the first that holds it; None where none does."""
    holding = [index for index, profile in enumerate(profiles) if profile.holds(size)]
    return next((index for index in holding if profiles[index].optimum == size), holding[0] if holding else None)


def check_profiles(profiles: Sequence[Profile], *, size_multiple: int, minimum_size: int) -> None:
    """Refuse sizes that a style can't take: TensorRT builds such an engine without a word, and it fails when it runs.

    Raises:
        ValueError: there are no profiles, the same one twice, or one breaks the style's size rule.
    """
    if not profiles:
        raise ValueError("no sizes to build for: give at least one")
    if len(set(profiles)) < len(profiles):
        raise ValueError(f"the same sizes twice: {', '.join(map(str, profiles))}")
    for profile in profiles:
        for length in (*profile.minimum, *profile.optimum, *profile.maximum):
            if length > MOST_PIXELS_A_SIDE:
                raise ValueError(f"{profile}: {MOST_PIXELS_A_SIDE} pixels are the most, margins included")
            if length % size_multiple or length < minimum_size:
                raise ValueError(
                    f"{profile}: this style takes multiples of {size_multiple} pixels from {minimum_size} on, and "
                    f"{length} is none"
                )


@dataclass(frozen=True, kw_only=True)
class EngineIdentity:
    """Everything that makes one TensorRT engine different from another."""

    model_sha256: str
    """Of the style's ONNX file."""
    precision: str
    """"f32", "f16" or "int8"."""
    profiles: tuple[Profile, ...]
    """Sizes, in the order in which the engine has them."""
    flavour: str
    """"tensorrt" or "tensorrt_rtx"."""
    version: str
    """The flavour's exact version."""
    compute_capabilities: tuple[str, ...]
    """What it was built for, such as ("sm86", "sm89")."""
    gpu: str | None = None
    """The card it was built on; None: built ahead of time, for every card of these capabilities."""
    driver: str | None = None
    """That card's driver."""
    flags: tuple[str, ...] = ()
    """Whatever else the builder was told."""

    @property
    def key(self) -> str:
        """A file name without its ending: what a person looks for, then a digest of everything."""
        digest = hashlib.sha256(repr(self).encode()).hexdigest()
        sizes = f"{self.profiles[0]}{f'+{len(self.profiles) - 1}' if len(self.profiles) > 1 else ''}"
        return f"{self.flavour}-{'+'.join(self.compute_capabilities)}-{sizes}-{self.precision}-{digest[:20]}"

    def serves(self, wanted: EngineIdentity) -> bool:
        """Say whether this engine does all that another would: a single size may be one of many here."""
        same = ("model_sha256", "precision", "flavour", "version", "flags")
        return (
            all(getattr(self, name) == getattr(wanted, name) for name in same)
            and set(wanted.compute_capabilities) <= set(self.compute_capabilities)
            and (self.gpu, self.driver) in ((None, None), (wanted.gpu, wanted.driver))
            and all(
                profile in self.profiles
                or (profile.is_static and choose_profile(self.profiles, profile.optimum) is not None)
                for profile in wanted.profiles
            )
        )


def take_network(style_path: Path, int8_path: Path | None, precision: str) -> Path:
    """Return the file to compile: the int8 one for "int8", the float one otherwise.

    Raises:
        StyleError: int8 is asked for, and there is none.
    """
    if precision != "int8":
        return style_path
    if int8_path is None:
        raise StyleError(
            f"{style_path}: has no int8 network beside it; `vidgan quantise` makes one for a style, blends have none"
        )
    return int8_path


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def choose_precision(device: str, capabilities: Collection[str]) -> tuple[str, str]:
    """Choose the fastest floating-point precision that a device computes natively, and say why.

    Args:
        device: OpenVINO's name of the device, such as "CPU" or "GPU.0".
        capabilities: OpenVINO's OPTIMIZATION_CAPABILITIES of that device. Its CPU plugin lists BF16 only where oneDNN
            finds AVX512-BF16 (which every CPU with AMX has too) or AVX2-VNNI-2. An AVX-512 CPU without them can
            emulate bf16, slower than f32: there BF16 is not listed, and "auto" leaves it alone.

    Returns:
        "bf16", "f16" or "f32", and a clause that gives the reason.
    """
    if device.startswith("CPU"):
        if "BF16" in capabilities:
            return "bf16", "this CPU has instructions for bf16"
        return "f32", "this CPU has no instructions for bf16"
    if "FP16" in capabilities:
        return "f16", "this device computes f16 natively"
    return "f32", "this device doesn't offer f16"
