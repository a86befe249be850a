import gc
import weakref
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from vidgan.errors import StyleError
from vidgan.runtime.onnx_torch.module import OnnxModule
from vidgan.styles import list_styles

RANDOM = np.random.default_rng(0)
F32, I64, U8 = np.float32, np.int64, np.uint8


def floats(*shape, scale=1.0):
    return (scale * RANDOM.standard_normal(shape)).astype(F32)


def whole(*values):
    return np.array(values, I64)


def model_of(nodes, inputs, constants=(), outputs=("y",), opset=20):
    """A graph whose inputs have any size, so that nothing is known before it runs."""
    ports = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(value.dtype), [f"{name}{i}" for i in range(value.ndim)]
        )
        for name, value in inputs.items()
    ]
    graph = helper.make_graph(
        nodes,
        "test",
        ports,
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in dict(constants).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def run_torch(model, inputs):
    with torch.no_grad():
        result = OnnxModule(model)(*(torch.from_numpy(value) for value in inputs.values()))
    return [value.numpy() for value in (result if isinstance(result, tuple) else (result,))]


def run_onnxruntime(model, inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, inputs)


def check(model, inputs, tolerance=1e-5):
    for ours, theirs in zip(run_torch(model, inputs), run_onnxruntime(model, inputs), strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


X = floats(2, 6, 5, 8)
MIXED = np.array([-3.5, -2.5, -1.5, -0.5, 0.0, 0.5, 1.5, 2.5, 7.25], F32)
# Operator, what comes in, constants that follow, attributes, opset.
CASES = {
    **{
        f"{kind}": (kind, [MIXED], [], {}, 20)
        for kind in (
            *("Abs", "Neg", "Exp", "Floor", "Ceil", "Round", "Sign", "Sin", "Cos", "Erf", "Relu", "Sigmoid", "Tanh"),
            *("Softplus", "Softsign", "HardSwish", "Mish", "Selu", "HardSigmoid", "Elu", "LeakyRelu", "Gelu"),
            *("Identity", "Reciprocal"),
        )
        if kind != "Reciprocal"
    },
    **{kind: (kind, [np.abs(MIXED) + 1], [], {}, 20) for kind in ("Log", "Sqrt", "Reciprocal")},
    **{
        kind: (kind, [floats(3, 1, 4), floats(2, 1)], [], {}, 20)
        for kind in ("Add", "Sub", "Mul", "Div", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Min", "Max")
    },
    **{
        kind: (kind, [RANDOM.random((3, 4)) > 0.5, RANDOM.random(4) > 0.5], [], {}, 20) for kind in ("And", "Or", "Xor")
    },
    "Not": ("Not", [RANDOM.random(9) > 0.5], [], {}, 20),
    "Equal": ("Equal", [whole(1, 2, 3), whole(1, 0, 3)], [], {}, 20),
    "Sum": ("Sum", [floats(3), floats(2, 3), floats(1)], [], {}, 20),
    "Mean": ("Mean", [floats(3), floats(2, 3), floats(1)], [], {}, 20),
    "Where": ("Where", [MIXED > 0, MIXED, -MIXED * 2], [], {}, 20),
    "Div-whole": ("Div", [np.array([7, -7, 8], np.int32), np.array([2, 2, -3], np.int32)], [], {}, 20),
    "Mod": ("Mod", [whole(7, -7, 8), whole(3, 3, -3)], [], {}, 20),
    "Mod-fmod": ("Mod", [MIXED, np.array([2.0], F32)], [], {"fmod": 1}, 20),
    "Pow": ("Pow", [np.abs(MIXED), np.array(2.5, F32)], [], {}, 20),
    "Pow-types": ("Pow", [MIXED, np.array(2, I64)], [], {}, 20),
    "PRelu": ("PRelu", [X], [floats(6, 1, 1)], {}, 20),
    "Clip": ("Clip", [MIXED], [np.array(-1, F32), np.array(2, F32)], {}, 20),
    "Clip-whole": ("Clip", [np.array([-9, 9], np.int32)], [np.array(-1, np.int32), np.array(2, np.int32)], {}, 20),
    "Clip-low": ("Clip", [MIXED], [np.array(-1, F32)], {}, 20),
    "Elu-alpha": ("Elu", [MIXED], [], {"alpha": 0.3}, 20),
    "Selu-alpha": ("Selu", [MIXED], [], {"alpha": 0.3, "gamma": 2.0}, 20),
    "HardSigmoid-alpha": ("HardSigmoid", [MIXED], [], {"alpha": 0.5, "beta": 0.1}, 20),
    "LeakyRelu-alpha": ("LeakyRelu", [MIXED], [], {"alpha": 0.3}, 20),
    "Gelu-tanh": ("Gelu", [MIXED], [], {"approximate": "tanh"}, 20),
    "Softmax": ("Softmax", [floats(3, 4, 5)], [], {}, 20),
    "Softmax-12": ("Softmax", [floats(3, 4, 5)], [], {}, 12),
    "LogSoftmax": ("LogSoftmax", [floats(3, 4, 5)], [], {"axis": 1}, 20),
    "Cast-cut": ("Cast", [np.array([0.0, 0.5, 1.5, 2.999, 254.9, 255.0], F32)], [], {"to": TensorProto.UINT8}, 20),
    "Cast-negative": ("Cast", [MIXED], [], {"to": TensorProto.INT32}, 20),
    "Cast-half": ("Cast", [floats(9)], [], {"to": TensorProto.FLOAT16}, 20),
    "Cast-bool": ("Cast", [MIXED], [], {"to": TensorProto.BOOL}, 20),
    "CastLike": ("CastLike", [MIXED, whole(1)], [], {}, 20),
    "MatMul": ("MatMul", [floats(2, 3, 4), floats(4, 5)], [], {}, 20),
    "Gemm": ("Gemm", [floats(4, 3), floats(5, 4), floats(5)], [], {"transA": 1, "transB": 1, "alpha": 0.5}, 20),
    "Gemm-beta": ("Gemm", [floats(3, 4), floats(4, 5), floats(3, 1)], [], {"beta": 3.0}, 20),
    **{
        f"{kind}-18": (kind, [floats(2, 3, 4)], [whole(-1, 0)], {}, 20)
        for kind in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2")
    },
    "ReduceSumSquare": ("ReduceSumSquare", [floats(2, 3, 4)], [whole(1)], {"keepdims": 0}, 20),
    "ReduceLogSumExp": ("ReduceLogSumExp", [floats(2, 3, 4)], [whole(1)], {}, 20),
    "ReduceMean-17": ("ReduceMean", [floats(2, 3, 4)], [], {"axes": [1, 2], "keepdims": 0}, 17),
    "ReduceMean-all": ("ReduceMean", [floats(2, 3, 4)], [], {}, 20),
    "ReduceMean-none": ("ReduceMean", [floats(2, 3, 4)], [], {"noop_with_empty_axes": 1}, 20),
    "ReduceSum-whole": ("ReduceSum", [np.arange(6, dtype=np.int32).reshape(2, 3)], [whole(1)], {}, 20),
    "Reshape": ("Reshape", [floats(2, 3, 4)], [whole(0, -1)], {}, 20),
    "Flatten": ("Flatten", [floats(2, 3, 4)], [], {"axis": -1}, 20),
    "Transpose": ("Transpose", [floats(2, 3, 4)], [], {"perm": [1, 2, 0]}, 20),
    "Transpose-all": ("Transpose", [floats(2, 3, 4)], [], {}, 20),
    "Squeeze": ("Squeeze", [floats(1, 3, 1)], [whole(-1)], {}, 20),
    "Squeeze-all": ("Squeeze", [floats(1, 3, 1)], [], {}, 20),
    "Squeeze-11": ("Squeeze", [floats(1, 3, 1)], [], {"axes": [0]}, 11),
    "Unsqueeze": ("Unsqueeze", [floats(3, 4)], [whole(-1, 0)], {}, 20),
    "Unsqueeze-11": ("Unsqueeze", [floats(3, 4)], [], {"axes": [1]}, 11),
    "Concat": ("Concat", [floats(2, 3), floats(2, 1)], [], {"axis": -1}, 20),
    "Slice": ("Slice", [floats(5, 6, 7)], [whole(1, -3), whole(99, -1), whole(0, 2)], {}, 20),
    "Slice-steps": (
        "Slice",
        [floats(5, 6, 7)],
        [whole(1, -1, 5), whole(5, -99, 1), whole(0, 1, -1), whole(2, -1, -2)],
        {},
        20,
    ),
    "Slice-nothing": ("Slice", [floats(5, 6)], [whole(4), whole(2), whole(0)], {}, 20),
    "Gather": ("Gather", [floats(4, 5)], [np.array([[0, -1], [2, 1]], I64)], {"axis": 1}, 20),
    "Gather-one": ("Gather", [floats(4, 5)], [np.array(-2, I64)], {}, 20),
    "Expand": ("Expand", [floats(3, 1)], [whole(2, 1, 4)], {}, 20),
    "Tile": ("Tile", [floats(2, 3)], [whole(2, 2)], {}, 20),
    "Size": ("Size", [floats(2, 3)], [], {}, 20),
    "Shape": ("Shape", [floats(2, 3, 4)], [], {}, 20),
    "Shape-part": ("Shape", [floats(2, 3, 4)], [], {"start": 1, "end": -1}, 20),
    "DepthToSpace": ("DepthToSpace", [floats(1, 12, 2, 3)], [], {"blocksize": 2}, 20),
    "DepthToSpace-CRD": ("DepthToSpace", [floats(1, 12, 2, 3)], [], {"blocksize": 2, "mode": "CRD"}, 20),
    "SpaceToDepth": ("SpaceToDepth", [floats(1, 3, 4, 6)], [], {"blocksize": 2}, 20),
    "Conv": (
        "Conv",
        [X],
        [floats(4, 3, 3, 2), floats(4)],
        {"group": 2, "strides": [2, 1], "pads": [1, 0, 1, 0], "dilations": [1, 2]},
        20,
    ),
    "Conv-uneven": ("Conv", [X], [floats(4, 6, 3, 3)], {"pads": [0, 1, 2, 3]}, 20),
    "Conv-upper": ("Conv", [X], [floats(4, 6, 4, 3)], {"auto_pad": "SAME_UPPER", "strides": [2, 3]}, 20),
    "Conv-lower": ("Conv", [X], [floats(4, 6, 4, 3)], {"auto_pad": "SAME_LOWER"}, 20),
    "Conv-valid": ("Conv", [X], [floats(4, 6, 3, 3)], {"auto_pad": "VALID"}, 20),
    "Conv-1d": ("Conv", [floats(2, 3, 9)], [floats(4, 3, 3)], {"pads": [1, 1]}, 20),
    "ConvTranspose": (
        "ConvTranspose",
        [X],
        [floats(6, 2, 3, 3), floats(4)],
        {"group": 2, "strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
        20,
    ),
    "ConvTranspose-uneven": ("ConvTranspose", [X], [floats(6, 2, 4, 4)], {"strides": [2, 2], "pads": [0, 1, 2, 1]}, 20),
    "MaxPool": ("MaxPool", [X], [], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 0]}, 20),
    "MaxPool-uneven": ("MaxPool", [X], [], {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1]}, 20),
    "MaxPool-upper": ("MaxPool", [X], [], {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"}, 20),
    "AveragePool": ("AveragePool", [X], [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, 20),
    "AveragePool-all": (
        "AveragePool",
        [X],
        [],
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
        20,
    ),
    "GlobalAveragePool": ("GlobalAveragePool", [X], [], {}, 20),
    "GlobalMaxPool": ("GlobalMaxPool", [X], [], {}, 20),
    "BatchNormalization": (
        "BatchNormalization",
        [X],
        [floats(6), floats(6), floats(6), np.abs(floats(6))],
        {"epsilon": 1e-3},
        20,
    ),
    "InstanceNormalization": ("InstanceNormalization", [X], [floats(6), floats(6)], {"epsilon": 1e-3}, 20),
    "LayerNormalization": ("LayerNormalization", [X], [floats(5, 8), floats(5, 8)], {"axis": -2}, 20),
    "GroupNormalization": ("GroupNormalization", [X], [floats(6), floats(6)], {"num_groups": 3}, 21),
    "Pad": ("Pad", [X], [whole(0, 1, 2, 0, 1, 0, 0, 3), np.array(7, F32)], {}, 20),
    "Pad-reflect": ("Pad", [X], [whole(0, 0, 2, 3, 0, 0, 1, 0)], {"mode": "reflect"}, 20),
    "Pad-reflect-axes": ("Pad", [X], [whole(3, 2), np.array(0, F32), whole(1)], {"mode": "reflect"}, 20),
    "Pad-edge": ("Pad", [X], [whole(1, 0, 2, 3, 0, 0, 1, 9)], {"mode": "edge"}, 20),
    "Pad-wrap": ("Pad", [X], [whole(0, 0, 2, 3, 0, 0, 1, 9)], {"mode": "wrap"}, 20),
    "Pad-bytes": ("Pad", [np.arange(20, dtype=U8).reshape(4, 5)], [whole(3, 0, 0, 4)], {"mode": "edge"}, 20),
    "QuantizeLinear": (
        "QuantizeLinear",
        [np.array([-9, -0.75, -0.25, 0.25, 0.75, 1.25, 9], F32)],
        [np.array(0.5, F32), np.array(3, U8)],
        {},
        20,
    ),
    "QuantizeLinear-int8": (
        "QuantizeLinear",
        [floats(3, 50, scale=60)],
        [np.array([0.5, 1, 2], F32), np.zeros(3, np.int8)],
        {"axis": 0},
        20,
    ),
    "QuantizeLinear-alone": ("QuantizeLinear", [floats(50, scale=60)], [np.array(0.5, F32)], {}, 20),
    "DequantizeLinear": (
        "DequantizeLinear",
        [np.arange(-6, 6, dtype=np.int8).reshape(3, 4)],
        [np.array([0.5, 1, 2], F32), np.array([1, -2, 3], np.int8)],
        {"axis": 0},
        20,
    ),
    **{
        f"GridSample-{mode}-{padding}-{aligned}": (
            "GridSample",
            [X, np.clip(floats(2, 4, 3, 2), -1.4, 1.4)],
            [],
            {"mode": mode, "padding_mode": padding, "align_corners": aligned},
            20,
        )
        for mode, padding, aligned in (("linear", "border", 1), ("cubic", "zeros", 0), ("nearest", "reflection", 1))
    },
    "GridSample-16": ("GridSample", [X, floats(2, 4, 3, 2)], [], {"mode": "bilinear"}, 16),
}
RESIZES = [
    ("nearest", "asymmetric", "floor", [1, 1, 2, 3]),
    ("nearest", "half_pixel", "round_prefer_floor", [1, 1, 2, 2]),
    ("nearest", "half_pixel", "round_prefer_ceil", [1, 1, 0.5, 1.6]),
    ("nearest", "align_corners", "ceil", [1, 1, 1.5, 0.4]),
    ("nearest", "asymmetric", "round_prefer_floor", [1, 1, 2.5, 0.6]),
    ("linear", "half_pixel", "floor", [1, 1, 2, 2]),
    ("linear", "half_pixel", "floor", [1, 1, 1.3, 0.7]),
    ("linear", "align_corners", "floor", [1, 1, 2, 3]),
    ("linear", "asymmetric", "floor", [1, 1, 2, 1.5]),
    ("linear", "pytorch_half_pixel", "floor", [1, 1, 0.2, 2]),
    ("linear", "half_pixel_symmetric", "floor", [1, 1, 1.3, 2]),
    ("cubic", "half_pixel", "floor", [1, 1, 2, 0.8]),
    ("cubic", "align_corners", "floor", [1, 1, 2, 3]),
]


def one_node(name):
    kind, inputs, constants, attributes, opset = CASES[name]
    named = {f"x{i}": value for i, value in enumerate(inputs)}
    rest = {f"c{i}": value for i, value in enumerate(constants)}
    return model_of([helper.make_node(kind, [*named, *rest], ["y"], **attributes)], named, rest, opset=opset), named


@pytest.mark.parametrize("name", CASES)
def test_operators_compute_what_onnx_runtime_does(name):
    check(*one_node(name))


@pytest.mark.parametrize(("mode", "where", "nearest", "scales"), RESIZES)
def test_resize_by_scales_and_to_sizes(mode, where, nearest, scales):
    attributes = {"mode": mode, "coordinate_transformation_mode": where, "nearest_mode": nearest}
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], **attributes)
    model = model_of([node], {"x": X}, {"scales": np.array(scales, F32)})
    check(model, {"x": X})
    sizes = [int(size * factor) for size, factor in zip(X.shape, scales, strict=True)]
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], **attributes)
    check(model_of([node], {"x": X}, {"sizes": whole(*sizes)}), {"x": X})


def test_resize_of_some_axes_and_pictures_of_bytes():
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest", axes=[1, 2])
    picture = RANDOM.integers(0, 256, (1, 4, 5, 3), U8)
    model = model_of([node], {"x": picture}, {"scales": np.array([2, 3], F32)})
    np.testing.assert_array_equal(run_torch(model, {"x": picture})[0], picture.repeat(2, 1).repeat(3, 2))


def test_split_in_parts_of_all_kinds():
    x = floats(2, 7)
    for opset, inputs, constants, attributes, num_outputs in (
        (20, ["x", "sizes"], {"sizes": whole(3, 4)}, {"axis": 1}, 2),
        (20, ["x"], {}, {"axis": 1, "num_outputs": 3}, 3),
        (11, ["x"], {}, {"axis": -1, "split": [1, 6]}, 2),
        (13, ["x"], {}, {"axis": 0}, 2),
    ):
        names = [f"y{i}" for i in range(num_outputs)]
        node = helper.make_node("Split", inputs, names, **attributes)
        check(model_of([node], {"x": x}, constants, names, opset), {"x": x})


SHAPE_CHAIN = [
    helper.make_node("Shape", ["x"], ["shape"]),
    helper.make_node("Gather", ["shape", "two"], ["height"]),
    helper.make_node("Mul", ["height", "two"], ["double"]),
    helper.make_node("Unsqueeze", ["double", "nought"], ["double1"]),
    helper.make_node("Slice", ["shape", "nought", "two1"], ["first"]),
    helper.make_node("Concat", ["first", "double1", "minus"], ["wanted"], axis=0),
    helper.make_node("Cast", ["height"], ["height_float"], to=TensorProto.FLOAT),
    helper.make_node("Relu", ["x"], ["positive"]),
    helper.make_node("Reshape", ["positive", "wanted"], ["reshaped"]),
    helper.make_node("Div", ["reshaped", "height_float"], ["y"]),
]
CHAIN_CONSTANTS = {"two": np.array(2, I64), "nought": whole(0), "two1": whole(2), "minus": whole(-1)}


def test_shapes_are_computed_for_every_new_size_and_only_then(monkeypatch):
    model = model_of(SHAPE_CHAIN, {"x": X}, CHAIN_CONSTANTS)
    module = OnnxModule(model)
    asked = []
    monkeypatch.setattr(torch, "tensor", lambda *args, real=torch.tensor, **kw: asked.append(args) or real(*args, **kw))
    counts = []
    for shape in ((1, 2, 4, 6), (1, 2, 4, 6), (1, 2, 6, 4), (1, 2, 4, 6)):
        x = floats(*shape)
        expected = np.maximum(x, 0).reshape(shape[0], shape[1], 2 * shape[2], -1) / shape[2]
        np.testing.assert_allclose(module(torch.from_numpy(x)).numpy(), expected, rtol=1e-6)
        counts.append(len(asked))
    assert counts == [1, 1, 2, 3]


def test_shapes_that_depend_on_the_picture_are_never_kept():
    nodes = [
        helper.make_node("Cast", ["x"], ["levels"], to=TensorProto.INT64),
        helper.make_node("ReduceMax", ["levels"], ["largest"], keepdims=0),
        helper.make_node("Unsqueeze", ["largest", "nought"], ["size"]),
        helper.make_node("Expand", ["one", "size"], ["y"]),
    ]
    module = OnnxModule(model_of(nodes, {"x": MIXED}, {"nought": whole(0), "one": np.ones(1, F32)}))
    for size in (3, 5, 2):
        assert module(torch.tensor([1.0, size])).shape == (size,)


def test_everything_but_shapes_is_on_the_device():
    # No real device is needed to see where values go: "meta" refuses to be mixed with the CPU.
    module = OnnxModule(model_of(SHAPE_CHAIN, {"x": X}, CHAIN_CONSTANTS)).to("meta")
    result = module(torch.empty(1, 2, 4, 6, device="meta"))
    assert (result.device.type, result.shape) == ("meta", (1, 2, 8, 3))
    style = OnnxModule(list_styles()[0].path).to("meta")
    assert style(torch.empty(1, 32, 64, 3, dtype=torch.uint8, device="meta")).device.type == "meta"
    with pytest.raises(RuntimeError, match=r"node .* fails: "):
        style(torch.zeros(1, 32, 64, 3, dtype=torch.uint8))


def test_tensors_are_let_go_as_soon_as_nobody_needs_them(monkeypatch):
    nodes = [helper.make_node("Exp", [f"v{i}"], [f"v{i + 1}"]) for i in range(6)]
    nodes.append(helper.make_node("Add", ["v1", "v6"], ["y"]))
    alive, most = [], []

    def watched(real):
        def run(*inputs):
            made = real(*inputs)
            alive.append(weakref.ref(made))
            most.append(sum(one() is not None for one in alive))
            return made

        return run

    from vidgan.runtime.onnx_torch.table import OPERATORS, Operator

    monkeypatch.setitem(OPERATORS, "Exp", Operator(make=lambda _: watched(torch.exp)))
    module = OnnxModule(model_of(nodes, {"v0": MIXED}))
    gc.disable()
    try:
        module(torch.zeros(3))
    finally:
        gc.enable()
    assert len(most) == 6
    # v1 is needed at the end; beside it there are one that is read and one that is made.
    assert max(most) == 3


def test_what_depends_on_constants_only_is_computed_once():
    nodes = [
        helper.make_node("Constant", [], ["half"], value=numpy_helper.from_array(np.array(0.5, F32))),
        helper.make_node("Constant", [], ["four"], value_int=4),
        helper.make_node("Cast", ["four"], ["four_float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["half", "four_float"], ["double"]),
        helper.make_node("Mul", ["x", "double"], ["y"]),
    ]
    module = OnnxModule(model_of(nodes, {"x": MIXED}))
    assert [tuple(buffer.shape) for name, buffer in module.named_buffers() if name != "_anchor"] == [()]
    np.testing.assert_array_equal(module(torch.from_numpy(MIXED)).numpy(), 2 * MIXED)


def test_an_input_that_is_an_output_and_an_output_of_constants():
    nodes = [helper.make_node("ConstantOfShape", ["three"], ["y"]), helper.make_node("Shape", ["x"], ["z"])]
    ours = run_torch(model_of(nodes, {"x": MIXED}, {"three": whole(3)}, ("y", "x", "z")), {"x": MIXED})
    for value, expected in zip(ours, (np.zeros(3), MIXED, [9]), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_brain_floats_and_local_functions():
    bfloat = helper.make_tensor("half", TensorProto.BFLOAT16, [1], [0.5])
    nodes = [
        helper.make_node("Cast", ["x"], ["short"], to=TensorProto.BFLOAT16),
        helper.make_node("Twice", ["short"], ["twice"], domain="own"),
        helper.make_node("Mul", ["twice", "half"], ["product"]),
        helper.make_node("Cast", ["product"], ["y"], to=TensorProto.FLOAT),
    ]
    model = model_of(nodes, {"x": MIXED})
    model.graph.initializer.append(bfloat)
    own = helper.make_opsetid("own", 1)
    model.opset_import.append(own)
    twice = helper.make_function(
        "own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 20)]
    )
    model.functions.append(twice)
    np.testing.assert_array_equal(run_torch(model, {"x": MIXED})[0], MIXED)


def test_quantised_styles_are_close_to_onnx_runtime():
    frame = RANDOM.integers(0, 256, (1, 32, 64, 3), U8)
    for style in list_styles():
        assert style.int8_path is not None
        model = onnx.load(style.int8_path)
        # These still say uint8 of what became int8, and ONNX Runtime believes them.
        model.graph.ClearField("value_info")
        name = model.graph.input[0].name
        (ours,), (theirs,) = (run(model, {name: frame}) for run in (run_torch, run_onnxruntime))
        counts = np.bincount(np.abs(ours.astype(int) - theirs).ravel())
        # ONNX Runtime adds up integers, so that values on an edge between two of int8's levels fall elsewhere.
        assert len(counts) <= 8, f"{style.name}: {counts}"
        assert counts[2:].sum() < 0.05 * ours.size, f"{style.name}: {counts}"


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (helper.make_node("Det", ["x"], ["y"], name="seven"), ("'seven'", "operator Det")),
        (helper.make_node("Relu", ["x"], ["y"], name="n", domain="com.microsoft"), ("com.microsoft.Relu",)),
        (helper.make_node("Resize", ["x", "", "s"], ["y"], name="n", antialias=1), ("'n' (Resize)", "antialias")),
        (helper.make_node("Pad", ["x", "s"], ["y"], name="n", mode="odd"), ("'n' (Pad)", "'odd'")),
        (helper.make_node("Cast", ["x"], ["y"], name="n", to=TensorProto.STRING), ("'n' (Cast)", "STRING")),
        (helper.make_node("Relu", ["later"], ["y"], name="n"), ("'later'", "before it is made")),
        (helper.make_node("MatMul", ["s", "two"], ["y"], name="n"), ("'n' (MatMul) fails",)),
    ],
)
def test_what_is_not_supported_is_named(node, words, one_line):
    with pytest.raises(StyleError) as caught:
        OnnxModule(model_of([node], {"x": X}, {"s": np.ones(4, F32), "two": np.ones((2, 2), F32)}))
    one_line(caught.value, *words)


def test_old_operators_and_broken_files(tmp_path, one_line):
    with pytest.raises(StyleError) as caught:
        OnnxModule(model_of([helper.make_node("Relu", ["x"], ["y"])], {"x": X}, opset=9))
    one_line(caught.value, "opset 11")
    path = tmp_path / "model.onnx"
    for contents in (None, b"no network"):
        if contents:
            path.write_bytes(contents)
        with pytest.raises(StyleError) as caught:
            OnnxModule(Path(path))
        one_line(caught.value, path)


def test_a_node_that_fails_is_named():
    model = model_of([helper.make_node("Add", ["x", "c"], ["y"], name="sum")], {"x": X}, {"c": floats(7)})
    with pytest.raises(RuntimeError, match=r"^node 'sum' \(Add\) fails: [^\n]+$"):
        OnnxModule(model)(torch.from_numpy(X))
