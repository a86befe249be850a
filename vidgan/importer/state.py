"""Reading files of weights, without ever running what is in them."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vidgan.errors import InputError

_FORBIDDEN = re.compile(r"GLOBAL (\S+)")
_OLD_MAGIC = (0x1950A86A20F9469CFC6C).to_bytes(10, "little")
"""By which files of torch before 1.6 begin."""
_ADVICE = "in the program that made it, save the weights alone: torch.save(network.state_dict(), 'weights.pth')"


def read_weights(path: Path) -> Any:  # noqa: ANN401 - whatever somebody saved
    """Read a file that torch.save or safetensors wrote, on the CPU.

    Only tensors, numbers, text and containers of them are read: torch's unpickler for weights builds nothing else.

    Raises:
        InputError: it can't be read, is damaged, is no such file, or holds more than that.
    """
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})") from error
    try:
        if path.suffix.lower() == ".safetensors":
            import safetensors.torch

            return safetensors.torch.load_file(path, device="cpu")
        _refuse_script(path)
        with warnings.catch_warnings():
            # torch's advice to programmers: on TorchScript, on versions of pickle, on storages of old files.
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # readers fail in any way, OSError too, on bytes that aren't their own
        raise InputError(f"{path}: {_reason(path, error)}") from error


def states_in(loaded: Any) -> Iterator[tuple[str, dict[str, Tensor]]]:  # noqa: ANN401
    """Yield every set of named tensors within what was loaded, as `(where, {name: tensor})`, outer ones first.

    Weights lie in containers ("state_dict", "netG"), and behind prefixes of wrappers ("module.") or of the program that
    trained several networks at once ("generator."). Both are levels: names without one of them are yielded too.
    """
    yield from _states(loaded, "")


def _states(loaded: Any, where: str) -> Iterator[tuple[str, dict[str, Tensor]]]:  # noqa: ANN401
    if not isinstance(loaded, Mapping):
        return
    named = {str(name): value for name, value in loaded.items() if isinstance(value, Tensor | Mapping)}
    tensors = {name: value for name, value in named.items() if isinstance(value, Tensor)}
    if tensors:
        yield where, tensors
    groups: dict[str, dict[str, Any]] = {}
    for name, value in named.items():
        first, dot, rest = name.partition(".")
        if isinstance(value, Mapping):
            yield from _states(value, _join(where, name))
        elif dot:
            groups.setdefault(first, {})[rest] = value
    for first, group in groups.items():
        yield from _states(group, _join(where, first))


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _refuse_script(path: Path) -> None:
    """Name what torch would only call unsafe: a program, with its weights in it."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        if any(name.endswith("/constants.pkl") for name in archive.namelist()):
            raise InputError(f"{path}: a TorchScript program, which isn't run here; {_ADVICE}, or export it to ONNX")


def _reason(path: Path, error: Exception) -> str:
    forbidden = _FORBIDDEN.search(str(error))
    if forbidden:
        return f"holds a Python object ({forbidden[1]}) besides weights, and loading that could run anything; {_ADVICE}"
    if not path.stat().st_size:
        return "an empty file"
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(b"PK\x03\x04") or _OLD_MAGIC in head:
        return "a damaged file: its end is missing, or it is no file of weights; download it again"
    return "not a file of weights; give .pth or .pt from torch.save, .safetensors, or .onnx"
