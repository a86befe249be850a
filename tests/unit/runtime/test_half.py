import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from vidgan.errors import StyleError
from vidgan.runtime.half import to_half
from vidgan.runtime.onnx_torch.module import OnnxModule
from vidgan.styles import list_styles

F32, F16, BF16, U8, I64 = (
    TensorProto.FLOAT,
    TensorProto.FLOAT16,
    TensorProto.BFLOAT16,
    TensorProto.UINT8,
    TensorProto.INT64,
)


def graph_of(*nodes, made=(F32, "y"), constants=()):
    """A network of uint8 `(N, 3, H, W)` whose nodes begin at "x", the floats of the picture."""
    graph = helper.make_graph(
        [helper.make_node("Cast", ["bytes"], ["x"], "first", to=F32), *nodes],
        "test",
        [helper.make_tensor_value_info("bytes", U8, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info(made[1], made[0], ["a", "b", "c", "d"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in dict(constants).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def types_of(model):
    """The type of every value, after ONNX's own check that they fit."""
    onnx.checker.check_model(model, full_check=True)
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    types = {port.name: port.type.tensor_type.elem_type for port in (*graph.input, *graph.output, *graph.value_info)}
    return types | {tensor.name: tensor.data_type for tensor in graph.initializer}


def computes_in(model, kind):
    """The types that nodes of a kind make."""
    types = types_of(model)
    return [types[node.output[0]] for node in model.graph.node if node.op_type == kind]


def same_on(model, half, picture, most):
    with torch.no_grad():
        expected, found = (OnnxModule(each)(picture).double() for each in (model, half))
    assert expected.shape == found.shape
    assert (expected - found).abs().max() <= most * max(1, float(expected.abs().max()))


PICTURE = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 3, 8, 12), np.uint8))
WEIGHTS = {
    "w": np.random.default_rng(1).standard_normal((3, 3, 3, 3)).astype(np.float32),
    "ones": np.ones(3, np.float32),
}
CONV = helper.make_node("Conv", ["x", "w"], ["c"], "conv", pads=[1, 1, 1, 1])


@pytest.mark.parametrize(("dtype", "kind"), [("f16", F16), ("bf16", BF16)])
def test_norms_stay_in_f32_between_casts(dtype, kind):
    nodes = [
        CONV,
        helper.make_node("InstanceNormalization", ["c", "ones", "ones"], ["n"], "norm"),
        helper.make_node("Add", ["n", "c"], ["s"], "sum"),
        helper.make_node("Relu", ["s"], ["y"], "relu"),
    ]
    model = graph_of(*nodes, constants=WEIGHTS)
    half = to_half(model, dtype=dtype)
    assert [node.op_type for node in half.graph.node] == [
        *("Cast", "Conv", "Cast", "InstanceNormalization", "Cast", "Add", "Relu", "Cast")
    ]
    assert computes_in(half, "InstanceNormalization") == [F32]
    for other in ("Conv", "Add", "Relu"):
        assert computes_in(half, other) == [kind]
    types = types_of(half)
    assert (types["bytes"], types["y"], types["ones"], types["w_half"]) == (U8, F32, F32, kind)
    assert "w" not in types
    same_on(model, half, PICTURE, 0.004 if dtype == "f16" else 0.03)
    everything = to_half(model, norms_in_f32=False, dtype=dtype)
    assert computes_in(everything, "InstanceNormalization") == [kind]
    assert len(everything.graph.node) == len(model.graph.node) + 1


def test_norms_that_were_taken_apart_stay_in_f32():
    """Values near 1000 have squares beyond the largest f16."""
    nodes = [
        CONV,
        helper.make_node("ReduceMean", ["c", "sides"], ["mean"], "mean"),
        helper.make_node("Sub", ["c", "mean"], ["centred"], "sub"),
        helper.make_node("Pow", ["centred", "two"], ["squares"], "pow"),
        helper.make_node("ReduceMean", ["squares", "sides"], ["variance"], "variance"),
        helper.make_node("Add", ["variance", "epsilon"], ["safe"], "add"),
        helper.make_node("Sqrt", ["safe"], ["deviation"], "sqrt"),
        helper.make_node("Div", ["centred", "deviation"], ["n"], "div"),
        helper.make_node("Mul", ["n", "gamma"], ["scaled"], "mul"),
        helper.make_node("Conv", ["scaled", "w"], ["y"], "conv2"),
    ]
    constants = WEIGHTS | {
        "sides": np.array([2, 3]),
        "two": np.float32(2),
        "epsilon": np.float32(1e-5),
        "gamma": np.ones((3, 1, 1), np.float32),
    }
    model = graph_of(*nodes, constants=constants)
    half = to_half(model)
    for kind in ("ReduceMean", "Sub", "Pow", "Add", "Sqrt", "Div", "Mul"):
        assert set(computes_in(half, kind)) == {F32}, kind
    assert computes_in(half, "Conv") == [F16, F16]
    same_on(model, half, PICTURE, 0.004)
    overflows = to_half(model, norms_in_f32=False)
    assert computes_in(overflows, "Pow") == [F16]
    with torch.no_grad():
        assert not OnnxModule(overflows)(PICTURE).abs().max() > 0.01


def test_sizes_are_computed_exactly():
    """2051 is no f16; neither are most sizes above 2048."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"], "shape", start=3, end=4),
        helper.make_node("Cast", ["shape"], ["width"], "to_float", to=F32),
        helper.make_node("Mul", ["width", "one"], ["same"], "mul"),
        helper.make_node("Cast", ["same"], ["whole"], "to_int", to=I64),
        helper.make_node("Concat", ["nchw", "whole"], ["wanted"], "concat", axis=0),
        helper.make_node("Relu", ["x"], ["positive"], "relu"),
        helper.make_node("Reshape", ["positive", "wanted"], ["reshaped"], "reshape"),
        helper.make_node("Div", ["reshaped", "same"], ["y"], "div"),
    ]
    constants = {"one": np.float32(1), "nchw": np.array([1, 3, -1])}
    model = graph_of(*nodes, constants=constants)
    half = to_half(model)
    assert (computes_in(half, "Relu"), computes_in(half, "Mul"), computes_in(half, "Div")) == ([F16], [F32], [F32])
    same_on(model, half, torch.full((1, 3, 2, 2051), 200, dtype=torch.uint8), 1e-6)


def test_inputs_that_onnx_wants_in_f32_and_constants_of_nodes():
    nodes = [
        helper.make_node("Resize", ["x", "", "scales"], ["big"], "resize", mode="linear"),
        helper.make_node("Constant", [], ["third"], "third", value_float=1 / 3),
        helper.make_node("Constant", [], ["seven"], "seven", value=numpy_helper.from_array(np.float32(7))),
        helper.make_node("Mul", ["big", "third"], ["m"], "mul"),
        helper.make_node("Clip", ["m", "", "seven"], ["y"], "clip"),
    ]
    model = graph_of(*nodes, constants={"scales": np.array([1, 1, 2, 2], np.float32)})
    half = to_half(model)
    assert (computes_in(half, "Resize"), computes_in(half, "Mul"), computes_in(half, "Clip")) == ([F16], [F16], [F16])
    same_on(model, half, PICTURE, 0.002)


def test_a_constant_wanted_in_both_types():
    nodes = [
        helper.make_node("Mul", ["x", "half"], ["m"], "mul"),
        helper.make_node("Pow", ["m", "half"], ["p"], "pow"),
        helper.make_node("Neg", ["p"], ["y"], "neg"),
    ]
    half = to_half(graph_of(*nodes, constants={"half": np.float32(0.5), "unused": np.float32(1)}))
    assert {tensor.name: tensor.data_type for tensor in half.graph.initializer} == {"half": F32, "half_half": F16}
    # Made in f32, and wanted so.
    assert half.graph.node[-1].op_type == "Neg"
    assert types_of(half)["y"] == F32


def test_coordinates_stay_in_f32():
    nodes = [
        helper.make_node("Slice", ["x", "nought", "two", "one"], ["uv"], "slice"),
        helper.make_node("Transpose", ["uv"], ["grid"], "transpose", perm=[0, 2, 3, 1]),
        helper.make_node("Div", ["grid", "levels"], ["small"], "div"),
        helper.make_node("GridSample", ["x", "small"], ["y"], "sample"),
    ]
    constants = {"nought": np.array([0]), "two": np.array([2]), "one": np.array([1]), "levels": np.float32(255)}
    half = to_half(graph_of(*nodes, constants=constants))
    (sample,) = (node for node in half.graph.node if node.op_type == "GridSample")
    types = types_of(half)
    assert [types[name] for name in sample.input] == [F32, F32]


def test_what_a_norm_made_is_taken_in_f32_where_that_is_wanted():
    nodes = [
        helper.make_node("InstanceNormalization", ["x", "ones", "ones"], ["n"], "norm"),
        helper.make_node("Relu", ["n"], ["n_f32"], "relu"),  # a name that one might want for something else
        helper.make_node("InstanceNormalization", ["n", "ones", "ones"], ["m"], "again"),
        helper.make_node("Add", ["n_f32", "m"], ["y"], "sum"),
    ]
    half = to_half(graph_of(*nodes, constants=WEIGHTS))
    first, second = (node for node in half.graph.node if node.op_type == "InstanceNormalization")
    assert first.output[0] == second.input[0]
    assert computes_in(half, "Add") == [F16]


def test_weights_that_do_not_fit():
    values = np.array([1e6, -1e6, 1e-9], np.float32).reshape(3, 1, 1)
    nodes = [helper.make_node("Mul", ["x", "w"], ["y"], "mul")]
    (constant,) = to_half(graph_of(*nodes, constants={"w": values})).graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(constant), values)
    (constant,) = to_half(graph_of(*nodes, constants={"w": values[2:]})).graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(constant).ravel(), np.array([0], np.float16))
    (constant,) = to_half(graph_of(*nodes, constants={"w": values}), dtype="bf16").graph.initializer
    np.testing.assert_allclose(numpy_helper.to_array(constant).astype(np.float32), values, rtol=2**-8)


def test_bf16_is_rounded_to_even():
    values = np.random.default_rng(0).standard_normal(4000).astype(np.float32).reshape(4000, 1, 1)
    model = graph_of(helper.make_node("Mul", ["x", "w"], ["y"], "mul"), constants={"w": values})
    (constant,) = to_half(model, dtype="bf16").graph.initializer
    expected = torch.from_numpy(values).bfloat16().float().numpy()
    np.testing.assert_array_equal(numpy_helper.to_array(constant).astype(np.float32), expected)


def test_the_given_network_is_left_as_it_is():
    model = graph_of(CONV, helper.make_node("Relu", ["c"], ["y"], "relu"), constants=WEIGHTS)
    before = model.SerializeToString(deterministic=True)
    to_half(model)
    assert model.SerializeToString(deterministic=True) == before


def test_what_cannot_be_halved(one_line):
    style = list_styles()[0]
    with pytest.raises(ValueError, match="quantised"):
        to_half(onnx.load(style.int8_path))
    with pytest.raises(ValueError, match="'f8'"):
        to_half(onnx.load(style.path), dtype="f8")
    body = helper.make_graph([], "body", [], [helper.make_tensor_value_info("x", F32, None)])
    branch = helper.make_node("If", ["yes"], ["y"], "choice", then_branch=body, else_branch=body)
    with pytest.raises(StyleError) as caught:
        to_half(graph_of(branch, constants={"yes": np.array(True)}))
    one_line(caught.value, "'choice' (If)")


@pytest.mark.parametrize("style", list_styles(), ids=lambda style: style.name)
def test_uint8_touches_nothing_but_casts(style):
    """TensorRT takes it nowhere else."""
    half = to_half(onnx.load(style.path))
    types = types_of(half)
    for node in half.graph.node:
        if any(types[name] == U8 for name in (*node.input, *node.output)):
            assert node.op_type == "Cast"
    assert set(computes_in(half, "Conv")) == {F16}
    assert set(computes_in(half, "InstanceNormalization")) == {F32}
    assert half.ByteSize() < 0.55 * onnx.load(style.path).ByteSize()


def test_numbers_that_f16_cant_hold_stay_in_f32():
    """A factor of a million that is taken back: in f16 the picture would be black."""
    nodes = [helper.make_node("Mul", ["x", "million"], ["a"]), helper.make_node("Mul", ["a", "millionth"], ["y"])]
    model = graph_of(*nodes, constants={"million": np.float32(1e6), "millionth": np.float32(1e-6)})
    half = to_half(model)
    assert computes_in(half, "Mul")[0] == F32
    same_on(model, half, PICTURE, 1e-3)


def test_an_operator_of_somebody_elses_is_the_files_fault():
    model = graph_of(helper.make_node("Frobnicate", ["x"], ["y"], domain="acme"))
    with pytest.raises(StyleError, match="can't be made f16"):
        to_half(model)
