"""ONNX networks from pictures to pictures that somebody else made: what they want is found by trying."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from vidgan.errors import InputError, StyleError
from vidgan.importer.found import Found
from vidgan.importer.hints import Hints, Layout, Range, range_text
from vidgan.importer.onnx_run import DoesNotRunError, ForeignNetwork, Size, probe_pictures
from vidgan.importer.onnx_wrap import TYPES, Contract, Ports, freed, read_foreign, wrapped
from vidgan.runtime.onnx_file import read_picture_network
from vidgan.runtime.openvino import compile_any_size

_RANGES: tuple[Range, ...] = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
_LEVELS: Range = (0.0, 255.0)
_MULTIPLES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_MANY_CHANNELS = 12
_LEAST_SIZE, _TRIED_SIZE = 16, 64
# Sizes to learn the layout with: multiples of whatever published networks need, and unlike in height and width.
_START_SIZES: tuple[Size, ...] = ((256, 512), (512, 1024))
MAX_DIFFERENCE = 1
"""In levels of 255, between the network as it was and as a style."""


def find_onnx_network(path: Path, hints: Hints) -> Found:
    """Find out what an ONNX network wants and makes.

    Raises:
        InputError: it can't be read, isn't a network from pictures to pictures of the same size, takes one size only,
            or something about it can't be found and has to be hinted.
        ValueError: a hint that means nothing for it.
    """
    hints.refuse_for("onnx")
    model, ports = read_foreign(path)
    is_ours = _is_ours(path)
    if is_ours and any((hints.layout, hints.channels, hints.range, hints.output_range)):
        raise ValueError(f"{path} takes and makes uint8 pictures (N, H, W, 3) already; of the hints only multiple fits")
    try:
        network = ForeignNetwork(model, ports)
        layouts = _find_layouts(network, ports, hints)
        multiple, minimum = _find_sizes(network, ports, layouts, hints.multiple)
        contract, notes = _find_contract(network, ports, layouts, hints, multiple)
        has_batch = _takes_batches(network, contract, _size_of(multiple, 3, 2))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if None not in ports.shape[1:]:
        notes.append("it declares a fixed size, and was seen to take others too")

    def make_model(draft: Path) -> Mapping[str, Any]:
        if is_ours and ports.shape[:3] == (None, None, None):
            shutil.copyfile(path, draft)
        elif is_ours:
            onnx.save(freed(model, ports, batch=has_batch), draft)
        else:
            onnx.save(wrapped(model, ports, contract, batch=has_batch), draft)
        difference = _difference(draft, network, contract, multiple, minimum)
        if difference > MAX_DIFFERENCE:
            raise StyleError(
                f"{path}: not imported: as a style its pictures differ by {difference} levels; {MAX_DIFFERENCE} is "
                "allowed"
            )
        return {"measured": {"style_against_original_levels": difference}}

    words = "style network" if is_ours else f"ONNX network, {_words(contract, ports)}"
    return Found(
        words=words,
        notes=() if is_ours else tuple(notes),
        size_multiple=multiple,
        minimum_size=minimum,
        make_model=make_model,
    )


def _is_ours(path: Path) -> bool:
    try:
        read_picture_network(path)
    except StyleError:
        return False
    return True


def _words(contract: Contract, ports: Ports) -> str:
    layouts = contract.input_layout, contract.output_layout
    ranges = range_text(contract.input_range), range_text(contract.output_range)
    return ", ".join(
        (
            " to ".join(dict.fromkeys(layouts)).upper(),
            " to ".join(dict.fromkeys(ranges)),
            "BGR" if contract.is_bgr else "RGB",
            TYPES[ports.input_type],
        )
    )


def _find_layouts(network: ForeignNetwork, ports: Ports, hints: Hints) -> tuple[Layout, Layout]:
    """Return the order of axes of the input and of the output."""
    candidates: list[Layout] = []
    if ports.shape[1] in (3, None):
        candidates.append("nchw")
    if ports.shape[3] in (3, None):
        candidates.append("nhwc")
    if hints.layout is not None:
        candidates = [hints.layout]
    # So few pixels are no side of a picture.
    channels = next(
        (size for size in (ports.shape[1], ports.shape[3]) if size is not None and size <= _MANY_CHANNELS), 3
    )
    if not candidates or channels != 3:
        shape = ", ".join("?" if size is None else str(size) for size in ports.shape)
        raise InputError(f"its input is ({shape}); a style's network has 3 colours on the second or the last axis")
    reason = ""
    for layout in candidates:
        for size in _start_sizes(ports, layout):
            try:
                made = network.run(probe_pictures(size)[:1], layout, (0.0, 1.0))
            except DoesNotRunError as error:
                reason = reason or str(error)
                continue
            return layout, _output_layout(made.shape, size)
    raise InputError(f"doesn't run on pictures of {' or '.join(_text(size) for size in _START_SIZES)}: {reason}")


def _start_sizes(ports: Ports, layout: Layout) -> tuple[Size, ...]:
    height, width = ports.shape[2:] if layout == "nchw" else ports.shape[1:3]
    return ((height, width),) if height and width else _START_SIZES


def _output_layout(shape: tuple[int, ...], size: Size) -> Layout:
    """Find the order of axes of what came out, which is of the size that went in, or refuse it."""
    if len(shape) == 4 and 3 in (shape[1], shape[3]):
        layout: Layout = "nchw" if shape[1] == 3 else "nhwc"
        made = shape[2:] if layout == "nchw" else shape[1:3]
        if made == size:
            return layout
        if made[0] % size[0] == 0 and made[0] // size[0] == made[1] / size[1]:
            raise InputError(f"makes pictures {made[0] // size[0]} times as large; a style keeps the size of a video")
    raise InputError(f"makes {'x'.join(map(str, shape))} of a picture of {_text(size)}; a style makes the same size")


def _find_sizes(
    network: ForeignNetwork, ports: Ports, layouts: tuple[Layout, Layout], hinted: int | None
) -> tuple[int, int]:
    """Return what width and height must be multiples of, and the least that they may be."""
    for multiple in (hinted,) if hinted else _MULTIPLES:
        if all(_keeps(network, layouts, _size_of(multiple, *units)) for units in ((1, 3), (3, 1))):
            least = -(-_LEAST_SIZE // multiple) * multiple
            sides = [least]
            while sides[-1] < max(_TRIED_SIZE, multiple):
                sides.append(-(-2 * sides[-1] // multiple) * multiple)
            return multiple, next((side for side in sides if _keeps(network, layouts, (side, side))), sides[-1])
    height, width = ports.shape[2:] if layouts[0] == "nchw" else ports.shape[1:3]
    if height and width:
        raise InputError(
            f"takes pictures of {width}x{height} only, and a style takes all that are multiples of some number; export "
            "it again with free sizes (dynamic_shapes, or dynamic_axes)"
        )
    raise InputError(
        f"it can't be found out which sizes it takes: multiples of {hinted or _MULTIPLES[-1]} don't work; "
        "give --hint multiple=NUMBER"
    )


def _size_of(multiple: int, rows: int, columns: int) -> Size:
    """Return a size of an odd number of units each, so that it is no multiple of more, from `_TRIED_SIZE` on."""
    least = -(-_TRIED_SIZE // multiple)
    least += 1 - least % 2
    height, width = (multiple * (least + units - 1) for units in (rows, columns))
    return height, width


def _keeps(network: ForeignNetwork, layouts: tuple[Layout, Layout], size: Size) -> bool:
    height, width = size
    try:
        shape = network.run(probe_pictures(size)[:1], layouts[0], (0.0, 1.0)).shape
    except DoesNotRunError:
        return False
    return shape == ((1, 3, height, width) if layouts[1] == "nchw" else (1, height, width, 3))


def _find_contract(
    network: ForeignNetwork, ports: Ports, layouts: tuple[Layout, Layout], hints: Hints, multiple: int
) -> tuple[Contract, list[str]]:
    notes = []
    given = hints.range or (_LEVELS if ports.input_type == TensorProto.UINT8 else None)
    made = hints.output_range or hints.range or (_LEVELS if ports.output_type == TensorProto.UINT8 else None)
    if given is None or made is None:
        given, made, note = _find_ranges(network, layouts, multiple, given, made)
        notes.append(note)
    if hints.channels is None:
        notes.append("red first is assumed, which can't be seen from outside (--hint channels=bgr: blue first)")
    contract = Contract(
        input_layout=layouts[0],
        output_layout=layouts[1],
        input_range=given,
        output_range=made,
        is_bgr=hints.channels == "bgr",
    )
    return contract, notes


def _find_ranges(
    network: ForeignNetwork,
    layouts: tuple[Layout, Layout],
    multiple: int,
    given: Range | None,
    made: Range | None,
) -> tuple[Range, Range, str]:
    """Try what goes in as 0..1, -1..1 and 0..255, and look at what comes out; `given` and `made` are known already.

    Networks from pictures to pictures were nearly all trained with the same range on both sides: an input range is
    believed where the output comes in it too. A network that ends in tanh makes -1..1 of everything, one with a
    normalisation behind the first convolution 0..255; only what is nearly linear, such as one that removes noise,
    answers in kind.
    """
    if made is not None:
        return made, made, f"its input is assumed to be {range_text(made)}, as its output is (--hint range=...)"
    pictures = probe_pictures(_size_of(multiple, 1, 3))
    outputs = {
        limits: _range_of(_run_each(network, pictures, layouts[0], limits), layouts[1])
        for limits in ((given,) if given else _RANGES)
    }
    if given is not None:
        seen = outputs[given]
        if seen is None:
            raise InputError("makes plain pictures of everything: give --hint output_range=0..1, 0..255 or -1..1")
        return given, seen, f"its output was seen to be {range_text(seen)} (--hint output_range=...)"
    fitting = [limits for limits, output in outputs.items() if limits == output]
    if not fitting:
        tried = (
            f"{range_text(output) if output else 'plain ones'} of {range_text(limits)}"
            for limits, output in outputs.items()
        )
        raise InputError(
            f"the range of its pictures can't be found: it makes {', '.join(tried)}; give --hint range=0..1, 0..255 or "
            "-1..1"
        )
    found = fitting[0]
    if len(fitting) == 1:
        return (
            found,
            found,
            f"its range was found by trying: {range_text(found)} (--hint range=... if colours are wrong)",
        )
    others = " or ".join(range_text(limits) for limits in fitting[1:])
    return found, found, f"its range is assumed to be {range_text(found)}; it could be {others} (--hint range=...)"


def _run_each(
    network: ForeignNetwork, pictures_NHWC: NDArray[np.float32], layout: Layout, limits: Range
) -> NDArray[np.float32]:
    # One at a time: many networks are made for batches of one.
    return np.concatenate([network.run(picture_HWC[np.newaxis], layout, limits) for picture_HWC in pictures_NHWC])


def _range_of(values: NDArray[np.float32], layout: Layout) -> Range | None:
    """Return the range that pictures of these values are in; None where they are plain or no numbers."""
    if not np.isfinite(values).all() or values.std((2, 3) if layout == "nchw" else (1, 2)).max() < 1e-3:
        return None
    low, high = np.percentile(values, (1, 99))
    if high > 4:
        return _LEVELS
    return (-1.0, 1.0) if low < -0.15 else (0.0, 1.0)


def _takes_batches(network: ForeignNetwork, contract: Contract, size: Size) -> bool:
    """Say whether several pictures at once come out as each on its own does."""
    pictures = probe_pictures(size)[:2]
    alone = _run_each(network, pictures, contract.input_layout, contract.input_range)
    try:
        together = network.run(pictures, contract.input_layout, contract.input_range)
    except DoesNotRunError:
        return False
    black, white = contract.output_range
    return together.shape == alone.shape and float(np.abs(together - alone).max()) < (white - black) / 255


def _difference(draft: Path, network: ForeignNetwork, contract: Contract, multiple: int, minimum: int) -> int:
    """Compare the style with the network that it was made of, at several sizes, in levels of 255."""
    infer = compile_any_size(draft)
    most = 0
    black, white = contract.output_range
    for size in ((minimum, minimum), _size_of(multiple, 1, 3), _size_of(multiple, 5, 1)):
        frame_NHWC = np.round(probe_pictures(size)[2:] * 255).astype(np.uint8)
        given = frame_NHWC[..., ::-1] if contract.is_bgr else frame_NHWC
        made = network.run(given.astype(np.float32) / np.float32(255), contract.input_layout, contract.input_range)
        made = made.transpose(0, 2, 3, 1) if contract.output_layout == "nchw" else made
        made = made[..., ::-1] if contract.is_bgr else made
        expected = np.clip(np.round((made - black) / (white - black) * 255), 0, 255)
        most = max(most, int(np.abs(infer(frame_NHWC) - expected).max()))
    return most


def _text(size: Size) -> str:
    return f"{size[1]}x{size[0]}"
