"""torch module -> ONNX, with pre- and post-processing inside, and the check that both give the same pictures."""

from __future__ import annotations

import copy
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vidgan.errors import StyleError
from vidgan.runtime.openvino import compile_any_size
from vidgan.runtime.plan import MOST_PIXELS_A_SIDE

if TYPE_CHECKING:
    import onnx_ir

_LARGE_MULTIPLE = 128
MAX_DIFFERENCE = 2
"""In levels of 255. The same sums in another order move a value by far less than one level; rounding makes that one."""


@dataclass(frozen=True, kw_only=True)
class ParityReport:
    """How close the ONNX file on OpenVINO, in f32, is to the torch network."""

    shapes: tuple[tuple[int, int, int, int], ...]
    """The shapes `(N, H, W, 3)` that were compared, each on noise and on smooth pictures."""
    max_difference: int
    """Largest difference of any value, in levels of 255."""
    mean_difference: float
    """Mean absolute difference over all values, in levels of 255."""
    num_nodes: int
    """Nodes in the exported graph."""


class PictureNetwork(nn.Module):
    """A network of float pictures in 0..1, wrapped to take and give uint8 pictures."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames_NHWC: Tensor) -> Tensor:
        """Restyle `(N, H, W, 3)` uint8 RGB; returns a new tensor of the same kind."""
        # TensorRT lets a uint8 tensor touch nothing but a Cast: to float comes first, to uint8 comes last.
        x_NCHW = frames_NHWC.to(torch.float32).permute(0, 3, 1, 2) / 255
        # Rounded here, so that it doesn't matter whether a runtime's Cast rounds or cuts off; clamped after that,
        # so that neither end can leave 0..255, in bf16 either.
        levels_NCHW: Tensor = (self.network(x_NCHW) * 255).round().clamp(0, 255)
        return levels_NCHW.permute(0, 2, 3, 1).to(torch.uint8)


def export_onnx(
    network: nn.Module, path: Path, *, size_multiple: int, minimum_size: int, opset: int = 20
) -> ParityReport:
    """Write `network` as a style's ONNX file, once that is known to give the same pictures.

    Args:
        network: `(N, 3, H, W)` float RGB in 0..1 -> the same, not clamped. Left as it is: a copy is exported, in
            evaluation mode, in f32, on the CPU.
        path: The file to write; its folder is made where missing, and an old file is replaced in one step.
        size_multiple: H and W are multiples of this many pixels.
        minimum_size: H and W are at least this many pixels.
        opset: Version of the ONNX operators.

    Returns:
        What was compared, and how close it was.

    Raises:
        ValueError: `size_multiple` or `minimum_size` is below 1.
        StyleError: the network can't be exported, changes the size of pictures, or gives other pictures on OpenVINO.
            Nothing was written then.
    """
    for name, value in (("size_multiple", size_multiple), ("minimum_size", minimum_size)):
        if value < 1:
            raise ValueError(f"{name} is {value}; give a number of pixels, 1 or more")
    pictures = PictureNetwork(copy.deepcopy(network).cpu().float()).eval()
    shapes = _shapes_to_compare(size_multiple, minimum_size)
    expected = [_run_torch(pictures, frames, path) for frames in _test_pictures(shapes)]
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, since a file can be moved in one step only within a file system.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        draft = Path(folder) / path.name
        num_nodes = _write_onnx(pictures, draft, size_multiple, minimum_size, opset)
        report = _compare(draft, expected, shapes, num_nodes)
        if report.max_difference > MAX_DIFFERENCE:
            raise StyleError(
                f"{path}: not written: OpenVINO's pictures differ from torch's by {report.max_difference} levels; "
                f"{MAX_DIFFERENCE} are allowed"
            )
        draft.replace(path)
    return report


def _shapes_to_compare(size_multiple: int, minimum_size: int) -> tuple[tuple[int, int, int, int], ...]:
    """Choose the smallest size, a wide one, a tall one, and a batch of two."""
    unit = -(-minimum_size // size_multiple)
    units = [(1, unit, unit), (1, unit + 1, 2 * unit + 3), (1, 3 * unit + 2, unit + 1), (2, unit + 2, unit + 3)]
    if size_multiple >= _LARGE_MULTIPLE:
        # These are large networks too: a U-Net for multiples of 512 would compute for minutes.
        units = [(1, unit, unit), (1, unit, 2 * unit), (1, 2 * unit, unit), (2, unit, unit)]
    return tuple((batch, height * size_multiple, width * size_multiple, 3) for batch, height, width in units)


def _test_pictures(shapes: Sequence[tuple[int, int, int, int]]) -> Iterator[NDArray[np.uint8]]:
    """Yield noise and a smooth picture of every shape `(N, H, W, 3)`, uint8, the same ones every time."""
    random = np.random.default_rng(0)
    for batch, height, width, channels in shapes:
        yield random.integers(0, 256, (batch, height, width, channels), dtype=np.uint8)
        coarse = random.integers(0, 256, (batch, 4, 4, channels), dtype=np.uint8)
        # The cubic overshoots, so that black and white areas occur.
        yield np.stack([cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC) for picture in coarse])


def _run_torch(pictures: nn.Module, frames_NHWC: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
    with torch.no_grad():
        styled_NHWC: NDArray[np.uint8] = pictures(torch.from_numpy(frames_NHWC)).numpy()
    if styled_NHWC.shape != frames_NHWC.shape:
        raise StyleError(
            f"{path}: not written: the network makes {styled_NHWC.shape} of {frames_NHWC.shape} (N, H, W, C)"
        )
    return styled_NHWC


def _write_onnx(
    pictures: nn.Module,
    draft: Path,
    size_multiple: int,
    minimum_size: int,
    opset: int,
) -> int:
    """Export to `draft`; returns the number of nodes."""
    smallest, largest = -(-minimum_size // size_multiple), MOST_PIXELS_A_SIDE // size_multiple
    # Other numbers than 1, which the exporter would take for fixed; nothing of this size is computed.
    example_shape = (2, (smallest + 2) * size_multiple, (smallest + 3) * size_multiple, 3)
    height, width = (size_multiple * torch.export.Dim(name, min=smallest, max=largest) for name in ("h", "w"))
    with _quiet_exporter():
        try:
            program = torch.onnx.export(
                pictures,
                (torch.zeros(example_shape, dtype=torch.uint8),),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("n", min=1), 1: height, 2: width},),
                input_names=["frames"],
                output_names=["styled"],
                opset_version=opset,
                external_data=False,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            reason = str(error.__cause__ or error).strip().splitlines()[0]
            raise StyleError(f"{draft.name}: not written: torch can't export this network: {reason}") from error
    program = cast(torch.onnx.ONNXProgram, program)  # None only from the exporter before dynamo
    _strip_metadata(program.model.graph)
    program.save(draft, external_data=False)
    return len(program.model.graph)


def _strip_metadata(graph: onnx_ir.Graph) -> None:
    """Remove where in whose source each node came from: paths of the training machine don't belong in a style."""
    values = [*graph.inputs, *graph.initializers.values(), *(output for node in graph for output in node.outputs)]
    for item in [graph, *graph, *values]:
        item.metadata_props.clear()
        item.doc_string = None


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep back what torch's exporter says about itself; what it says about the network still passes."""
    registry = logging.getLogger("torch.onnx._internal.exporter._registration")  # misses torchvision, which isn't used
    level = registry.level
    registry.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(torch|onnxscript|onnx_ir)\.")
            yield
    finally:
        registry.setLevel(level)


def _compare(
    draft: Path,
    expected: Sequence[NDArray[np.uint8]],
    shapes: tuple[tuple[int, int, int, int], ...],
    num_nodes: int,
) -> ParityReport:
    """Run the file on OpenVINO, compiled once for all shapes: that shows too that its sizes are free."""
    infer = compile_any_size(draft)
    differences = []
    for frames_NHWC, styled_NHWC in zip(_test_pictures(shapes), expected, strict=True):
        differences.append(cv2.absdiff(infer(frames_NHWC), styled_NHWC).ravel())
    levels = np.concatenate(differences)
    return ParityReport(
        shapes=shapes,
        max_difference=int(levels.max()),
        mean_difference=float(levels.mean()),
        num_nodes=num_nodes,
    )
