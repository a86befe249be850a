"""What to build: precision and identity. Pure Python: no runtime is imported here."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import astuple, dataclass
from pathlib import Path

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
