"""Reading ONNX files, with the errors that users see."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto

from vidgan.errors import StyleError

_TYPE_NAMES = {TensorProto.UINT8: "u8", TensorProto.FLOAT: "f32", TensorProto.FLOAT16: "f16"}


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read an ONNX file.

    Raises:
        StyleError: it can't be read.
    """
    try:
        return onnx.load(path)
    except FileNotFoundError as error:
        raise StyleError(f"{path}: no such file") from error
    except (OSError, DecodeError, onnx.checker.ValidationError) as error:
        raise StyleError(f"{path}: not a readable ONNX file ({type(error).__name__})") from error


def read_picture_network(path: Path) -> onnx.ModelProto:
    """Read an ONNX file and check that it is one of ours: `(N, H, W, 3)` uint8 in, the same out.

    Raises:
        StyleError: it can't be read, or has other inputs or outputs.
    """
    model = read_onnx(path)
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [port for port in model.graph.input if port.name not in constants]
    for kind, ports in (("input", inputs), ("output", list(model.graph.output))):
        if len(ports) != 1:
            raise StyleError(f"{path}: has {len(ports)} {kind}s; a style's network has one")
        tensor = ports[0].type.tensor_type
        sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
        # Of an output not everything may be known before it has a size.
        is_known = kind == "input" or (tensor.HasField("shape") and sizes and sizes[-1] is not None)
        if tensor.elem_type != TensorProto.UINT8 or (is_known and (len(sizes) != 4 or sizes[3] != 3)):
            type_name = _TYPE_NAMES.get(tensor.elem_type) or TensorProto.DataType.Name(tensor.elem_type).lower()
            shape = ",".join("?" if size is None else str(size) for size in sizes)
            raise StyleError(f"{path}: its {kind} is {type_name} [{shape}]; a style's is u8 [N,H,W,3]")
    return model
