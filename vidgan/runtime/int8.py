"""A float network -> the same in int8, with its quantisation written into the ONNX file (NNCF)."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from vidgan.errors import RuntimeUnavailableError, StyleError

OUTLIERS = 3e-4
"""Share of a frame's activations that lie beyond the range at each end. Smaller shares make single odd pictures better,
and all others worse and less steady."""


def quantise_onnx(path: Path, target: Path, frames: Sequence[NDArray[np.uint8]]) -> str:
    """Quantise a style's convolutions after its training, and write them with QuantizeLinear and DequantizeLinear.

    What convolutions take is int8: weights symmetric per channel, activations symmetric per tensor, their ranges those
    seen on `frames`; then each bias is corrected by how far its layer's mean output moved (Nagel et al. 2019). That is
    what TensorRT takes too, so one file serves all runtimes. In floats stay the first convolution, which sees the
    picture itself and would lose a bit of it; the sums along residual blocks, in which errors would add up; and all
    that isn't a plain convolution. Input and output stay uint8 pictures.

    Args:
        path: the float network, of the kind that vidgan uses.
        target: the file to write; an old one is replaced in one step.
        frames: pictures `(H, W, 3)` uint8 RGB of sizes that the network takes, at least one: what it will be used on.

    Returns:
        NNCF's version.

    Raises:
        ValueError: no frames.
        RuntimeUnavailableError: NNCF isn't installed.
        StyleError: the network can't be quantised.
    """
    if not frames:
        raise ValueError("no frames to calibrate on: give at least one")
    try:
        with _quiet():
            import nncf
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"quantising needs NNCF, and {error.name or error} is missing: pip install 'vidgan[int8]'"
        ) from error
    model = onnx.load(path)
    try:
        with _quiet():
            try:
                quantised = _quantise(nncf, model, frames, fast=False)
            except KeyError:  # NNCF 3.4 can't cut every graph where its exact correction of the biases needs it
                quantised = _quantise(nncf, model, frames, fast=True)
    except (RuntimeError, ValueError) as error:
        raise StyleError(f"{path}: can't be quantised: {str(error).strip().splitlines()[0]}") from error
    if not any(node.op_type == "QuantizeLinear" for node in quantised.graph.node):
        raise StyleError(f"{path}: can't be quantised: it has no convolution behind its first")
    _make_signed(quantised)
    _strip(quantised)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".int8-") as folder:
        draft = Path(folder) / target.name
        onnx.save(quantised, draft)
        draft.replace(target)
    return str(nncf.__version__)


def _quantise(
    nncf: Any,  # noqa: ANN401 - a module
    model: onnx.ModelProto,
    frames: Sequence[NDArray[np.uint8]],
    *,
    fast: bool,
) -> onnx.ModelProto:
    from nncf.quantization import range_estimator as ranges

    # Not nncf.set_log_level, which changes the root logger's handlers too.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    tail = ranges.StatisticsCollectorParameters(
        statistics_type=ranges.StatisticsType.QUANTILE,
        aggregator_type=ranges.AggregatorType.MEAN,
        quantile_outlier_prob=OUTLIERS,
    )
    quantised: onnx.ModelProto = nncf.quantize(
        model,
        nncf.Dataset(list(frames), lambda frame_HWC: {model.graph.input[0].name: frame_HWC[np.newaxis]}),
        preset=nncf.QuantizationPreset.PERFORMANCE,  # symmetric
        subset_size=len(frames),
        fast_bias_correction=fast,
        ignored_scope=nncf.IgnoredScope(
            names=_first_convolutions(model),
            types=sorted({node.op_type for node in model.graph.node} - {"Conv"}),
            validate=False,
        ),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            activations_range_estimator_params=ranges.RangeEstimatorParameters(min=tail, max=tail)
        ),
    )
    return quantised


def _first_convolutions(model: onnx.ModelProto) -> list[str]:
    """Return the names of the convolutions that have no other before them."""
    behind: set[str] = set()
    first = []
    for node in model.graph.node:  # in the order of computation, as ONNX demands
        is_behind = any(name in behind for name in node.input)
        if node.op_type == "Conv" and not is_behind:
            first.append(node.name)
        if is_behind or node.op_type == "Conv":
            behind.update(node.output)
    return first


def _make_signed(model: onnx.ModelProto) -> None:
    """Give activations that are never negative int8 too, which TensorRT demands, instead of NNCF's uint8."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    done: set[str] = set()
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        scale, zero = (constants[name] for name in node.input[1:3])
        zeros = numpy_helper.to_array(zero)
        if zeros.dtype != np.uint8 or zero.name in done:
            continue
        done.add(zero.name)
        zero.CopyFrom(numpy_helper.from_array(zeros.astype(np.int8), zero.name))
        wider = numpy_helper.to_array(scale) * np.float32(255 / 127)
        scale.CopyFrom(numpy_helper.from_array(wider.astype(np.float32), scale.name))


def _strip(model: onnx.ModelProto) -> None:
    """Remove what tools note about themselves: it says where and with what a file was made, not what it computes."""
    del model.metadata_props[:]
    # Types of tensors in between, from before they were made signed: a contradiction that ONNX Runtime refuses.
    del model.graph.value_info[:]
    for item in (model.graph, *model.graph.node, *model.graph.initializer):
        item.doc_string = ""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep NNCF's progress bars off the terminal: only the command line prints."""
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield
