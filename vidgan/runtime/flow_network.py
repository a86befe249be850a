"""Optical flow from a network in an ONNX file."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from vidgan.errors import MachineError, StyleError
from vidgan.runtime.onnx_file import read_onnx
from vidgan.runtime.openvino import OPENVINO_ERRORS, reason_of
from vidgan.runtime.openvino_import import ov

Luma = NDArray[np.uint8]
Flow = NDArray[np.float32]
Infer = Callable[[NDArray[np.uint8]], Flow]
"""From `(1, H, W, 2)` uint8 to `(1, H, W, 2)` float32."""

_CARD_NAME = "card.toml"
_SIZE_MULTIPLE = 8
"""Where no card says it: most flow networks halve the size three times."""
_SIZE_HINT = "write the size_multiple that it needs into card.toml beside it"
_WANTED = "a flow network's is {} [N,H,W,2]"


def open_flow_network(path: Path, device: str) -> Callable[[Luma, Luma], Flow]:
    """Open a network that finds motion: on the CPU with OpenVINO, on an NVIDIA card with torch, in f32.

    Its input is `(N, H, W, 2)` uint8: this frame's luma and the previous one's. Its output is `(N, H, W, 2)` float32:
    the backward flow (u, v) in pixels, which says where each pixel was in the previous frame.

    Args:
        path: The ONNX file. A `card.toml` beside it may say in `size_multiple` what width and height must be multiples
            of; 8 otherwise.
        device: "cpu", or a card such as "cuda:0".

    Returns:
        A function of this frame's luma and the previous one's, `(H, W)` uint8 of any one size, to a new array `(H, W,
        2)` float32. Lumas are extended at the right and at the bottom by repeating their border. It raises StyleError
        where the network doesn't take the size or changes it, and MachineError where a card fails.

    Raises:
        StyleError: the file or the card is broken, or it is another kind of network.
        RuntimeUnavailableError: no such device.
    """
    model = _read(path)
    multiple = _size_multiple(path.with_name(_CARD_NAME))
    infer = _on_cpu(path) if device.lower() == "cpu" else _on_card(path, model, device)

    def flow(luma_HW: Luma, previous_HW: Luma) -> Flow:
        if luma_HW.shape != previous_HW.shape or luma_HW.ndim != 2:
            raise ValueError(f"lumas are {luma_HW.shape} and {previous_HW.shape}; give two (H, W) of one size")
        height, width = luma_HW.shape
        pair_HW2 = np.stack((luma_HW, previous_HW), axis=2)
        extended = np.pad(pair_HW2, ((0, -height % multiple), (0, -width % multiple), (0, 0)), mode="edge")
        flow_NHW2 = infer(extended[np.newaxis])
        if flow_NHW2.shape != (1, *extended.shape):
            raise StyleError(f"{path}: makes {flow_NHW2.shape} of {(1, *extended.shape)}; {_SIZE_HINT}")
        return np.ascontiguousarray(flow_NHW2[0, :height, :width])

    return flow


def _read(path: Path) -> Any:  # noqa: ANN401 - onnx comes without types
    model = read_onnx(path)
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [port for port in model.graph.input if port.name not in constants]
    wanted = {"input": (inputs, TensorProto.UINT8), "output": (list(model.graph.output), TensorProto.FLOAT)}
    for kind, (ports, element_type) in wanted.items():
        if len(ports) != 1:
            raise StyleError(f"{path}: has {len(ports)} {kind}s; a flow network has one")
        tensor = ports[0].type.tensor_type
        sizes = [dim.dim_value for dim in tensor.shape.dim]
        # Of an output not everything may be known before it has a size.
        has_two = len(sizes) == 4 and (sizes[3] == 2 or (kind == "output" and not sizes[3]))
        if tensor.elem_type != element_type or not has_two:
            names = [TensorProto.DataType.Name(each).lower() for each in (tensor.elem_type, element_type)]
            shape = ",".join(str(size or "?") for size in sizes)
            raise StyleError(f"{path}: its {kind} is {names[0]} [{shape}]; {_WANTED.format(names[1])}")
    return model


def _size_multiple(card_path: Path) -> int:
    try:
        card = tomllib.loads(card_path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _SIZE_MULTIPLE
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StyleError(f"{card_path}: can't be read: {error}") from error
    multiple = card.get("size_multiple", _SIZE_MULTIPLE)
    if not isinstance(multiple, int) or isinstance(multiple, bool) or multiple < 1:
        raise StyleError(f"{card_path}: size_multiple is {multiple!r}; write a whole number of pixels, 1 or more")
    return multiple


def _on_cpu(path: Path) -> Infer:
    core = ov.Core()
    try:
        model = core.read_model(path)
    except OPENVINO_ERRORS as error:
        raise StyleError(f"{path}: not a network that OpenVINO reads: {reason_of(error)}") from error
    compiled: dict[tuple[int, ...], Any] = {}

    def infer(pair_NHW2: NDArray[np.uint8]) -> Flow:
        shape = pair_NHW2.shape
        try:
            if shape not in compiled:
                # For one size, which is faster than for all; a video has only one.
                compiled.clear()
                model.reshape(list(shape))
                compiled[shape] = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            return np.array(compiled[shape]([pair_NHW2])[0], np.float32)
        except OPENVINO_ERRORS as error:
            raise StyleError(f"{path}: fails on {shape[2]}x{shape[1]}: {reason_of(error)}; {_SIZE_HINT}") from error

    return infer


def _on_card(path: Path, model: Any, device: str) -> Infer:  # noqa: ANN401
    import torch

    from vidgan.runtime.onnx_torch.module import OnnxModule
    from vidgan.runtime.torch import find_torch_device
    from vidgan.runtime.torch_lanes import exact_floats

    where = find_torch_device(device)
    network = OnnxModule(model).to(where)

    def infer(pair_NHW2: NDArray[np.uint8]) -> Flow:
        try:
            with exact_floats(), torch.no_grad():
                flow_NHW2: Flow = network(torch.from_numpy(pair_NHW2).to(where)).cpu().numpy()
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise MachineError(f"{path}: fails on {pair_NHW2.shape[2]}x{pair_NHW2.shape[1]}: {reason}") from error
        return flow_NHW2

    return infer
