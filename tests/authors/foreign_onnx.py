"""ONNX networks as strangers make them, and what they compute, said again in torch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional as F

TYPES = {"f32": TensorProto.FLOAT, "f16": TensorProto.FLOAT16, "u8": TensorProto.UINT8, "i64": TensorProto.INT64}
BLACK_AND_WHITE = {"tanh": (-1, 1), "sigmoid": (0, 1), "levels": (0, 255), "linear": (0, 1)}


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """Two convolutions with what makes one network unlike another."""

    end: str = "tanh"
    """tanh and sigmoid; "levels" normalises and makes 0..255; "linear" is the convolutions alone."""
    layout: str = "nchw"
    dtype: str = "f32"
    shape: tuple = ("n", "h", "w")
    """Number, height and width as declared."""
    colours: tuple[int, int] = (3, 3)
    halvings: int = 0
    """How often the picture is made half as large, and then double."""
    scale: int = 1
    """How much larger the picture becomes."""
    is_fixed: bool = False
    """A reshape to the declared size is in it."""
    opset: int = 17
    seed: int = 0
    weights: dict = field(default_factory=dict, init=False)

    def __post_init__(self):
        random = np.random.default_rng(self.seed)
        into, out = self.colours
        # Positive on the whole, as of networks that keep the picture.
        first = random.normal(0.02, 0.15, (6, into, 3, 3))
        second = random.normal(0.02, 0.15, (out, 6, 3, 3))
        if self.end == "linear":
            first, second = np.abs(first), np.abs(second)
            first, second = first / first.sum((1, 2, 3), keepdims=True), second / second.sum((1, 2, 3), keepdims=True)
        values = {"first": first, "second": second, "bias": random.normal(0, 0.1, out)}
        if self.end == "linear":
            values["bias"] *= 0
        self.weights.update({name: value.astype(np.float32) for name, value in values.items()})
        if self.dtype == "f16":
            # What can be said in half precision, so that both compute with the same numbers.
            self.weights.update({n: v.astype(np.float16).astype(np.float32) for n, v in self.weights.items()})

    def reference(self, frames_NHWC, limits=None, bgr=False):
        """Compute with torch what `frames_NHWC` (uint8, red first) become."""
        black, white = limits or BLACK_AND_WHITE[self.end]
        x = torch.from_numpy(np.ascontiguousarray(frames_NHWC[..., ::-1] if bgr else frames_NHWC)).permute(0, 3, 1, 2)
        x = x.float() / 255 * (white - black) + black
        weights = {name: torch.from_numpy(value) for name, value in self.weights.items()}
        for _ in range(self.halvings):
            x = F.avg_pool2d(x, 2)
        x = F.conv2d(x, weights["first"], padding=1)
        if self.end == "levels":
            x = F.instance_norm(x)
        if self.end != "linear":
            x = F.relu(x)
        for _ in range(self.halvings):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = F.conv2d(x, weights["second"], weights["bias"], padding=1)
        ends = {"tanh": lambda: torch.tanh(x * 2), "sigmoid": lambda: torch.sigmoid(x * 4), "linear": lambda: x}
        y = ends[self.end]() if self.end in ends else x * 60 + 128
        black, white = BLACK_AND_WHITE[self.end]
        y = ((y - black) / (white - black) * 255).round().clamp(0, 255).permute(0, 2, 3, 1).numpy()
        return (y[..., ::-1] if bgr else y).astype(np.uint8)

    def save(self, path):
        """Write it; returns the path."""
        number, height, width = self.shape
        into, out = (
            [number, c, height, width] if self.layout == "nchw" else [number, height, width, c] for c in self.colours
        )
        kind = TYPES[self.dtype]
        ports = [
            helper.make_tensor_value_info("input:0", kind, into),
            helper.make_tensor_value_info("output:0", kind, out),
        ]
        if self.scale != 1 or self.is_fixed:
            for axis, dim in enumerate(ports[1].type.tensor_type.shape.dim):
                dim.dim_param = f"made{axis}"
        dtype = np.float16 if self.dtype == "f16" else np.float32
        constants = {name: value.astype(dtype) for name, value in self.weights.items()}
        constants |= {
            name: np.array(value, dtype) for name, value in (("two", 2), ("four", 4), ("sixty", 60), ("half", 128))
        }
        constants |= {"ones": np.ones(6, dtype), "zeros": np.zeros(6, dtype)}
        constants["roi"] = np.array([], np.float32)
        constants["scales"] = np.array([1, 1, 2, 2], np.float32)
        constants["larger"] = np.array([1, 1, self.scale, self.scale], np.float32)
        constants["its_size"] = np.array([1, *into[1:]] if self.is_fixed else [0, 0, 0, 0], np.int64)
        graph = helper.make_graph(
            self._nodes(),
            "torch-export",
            ports[:1],
            ports[1:],
            [numpy_helper.from_array(v, n) for n, v in constants.items()],
        )
        graph.doc_string = "/home/somebody/secret"
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        model.doc_string = "/home/somebody/secret"
        onnx.checker.check_model(model)
        onnx.save(model, path)
        return path

    def _nodes(self):
        steps = []
        if self.dtype in ("u8", "i64"):
            steps.append(("Cast", [], {"to": TensorProto.FLOAT}))
        if self.is_fixed:
            steps.append(("Reshape", ["its_size"], {}))
        if self.layout == "nhwc":
            steps.append(("Transpose", [], {"perm": [0, 3, 1, 2]}))
        steps += [("AveragePool", [], {"kernel_shape": [2, 2], "strides": [2, 2]})] * self.halvings
        steps.append(("Conv", ["first"], {"pads": [1] * 4}))
        if self.end == "levels":
            steps.append(("InstanceNormalization", ["ones", "zeros"], {}))
        if self.end != "linear":
            steps.append(("Relu", [], {}))
        resize = (
            ("Resize", ["roi", "scales"], {"mode": "nearest"}) if self.opset >= 11 else ("Upsample", ["scales"], {})
        )
        steps += [resize] * self.halvings
        steps.append(("Conv", ["second", "bias"], {"pads": [1] * 4}))
        ends = {
            "tanh": [("Mul", ["two"], {}), ("Tanh", [], {})],
            "sigmoid": [("Mul", ["four"], {}), ("Sigmoid", [], {})],
            "levels": [("Mul", ["sixty"], {}), ("Add", ["half"], {})],
            "linear": [],
        }
        steps += ends[self.end]
        if self.scale != 1:
            steps.append(("Resize", ["roi", "larger"], {"mode": "nearest"}))
        if self.layout == "nhwc":
            steps.append(("Transpose", [], {"perm": [0, 2, 3, 1]}))
        if self.dtype in ("u8", "i64"):
            steps.append(("Cast", [], {"to": TYPES[self.dtype]}))
        names = ["input:0", *(f"value{number}" for number in range(1, len(steps))), "output:0"]
        return [
            helper.make_node(kind, [names[number], *others], [names[number + 1]], **attributes)
            for number, (kind, others, attributes) in enumerate(steps)
        ]
