"""Reading ONNX files, with the errors that users see."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from vidgan.errors import StyleError


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read an ONNX file.

    Raises:
        StyleError: it can't be read.
    """
    try:
        return onnx.load(path)
    except (OSError, DecodeError, onnx.checker.ValidationError) as error:
        raise StyleError(f"{path}: not a readable ONNX file ({type(error).__name__})") from error
