"""The real TensorRT-RTX builder, which needs no card: what it takes, what it refuses, and how we say so."""

import threading

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vidgan.errors import MachineError, RuntimeUnavailableError, StyleError
from vidgan.runtime.plan import Profile
from vidgan.runtime.tensorrt.build import BuildOptions, build_engine
from vidgan.runtime.tensorrt.flavour import RTX, load_flavour

pytest.importorskip("tensorrt_rtx")
SMS = ("sm86", "sm89", "sm120")
STATIC = Profile.static((48, 32))


@pytest.fixture(scope="module")
def rtx():
    return load_flavour(RTX)


def build(rtx, model, profiles=(STATIC,), capabilities=SMS, **options):
    content = model if isinstance(model, bytes) else model.SerializeToString()
    wanted = BuildOptions(profiles=profiles, compute_capabilities=capabilities)
    return build_engine(rtx, content, "made.onnx", wanted, **options)


def network(nodes, initializers=(), *, dtype=TensorProto.UINT8, channels=3, opset=20):
    """A graph from `frames` to `styled`."""
    shape = ["n", "h", "w", channels]
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("frames", dtype, shape)],
        [helper.make_tensor_value_info("styled", dtype, shape)],
        [numpy_helper.from_array(array, name) for name, array in initializers],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def between_casts(nodes, initializers=(), *, to=TensorProto.FLOAT, opset=20):
    """`nodes` from `x` to `y` in NCHW, with pictures as uint8 around them."""
    ends = [
        helper.make_node("Cast", ["frames"], ["floats"], to=to),
        helper.make_node("Transpose", ["floats"], ["x"], perm=[0, 3, 1, 2]),
        *nodes,
        helper.make_node("Transpose", ["y"], ["last"], perm=[0, 2, 3, 1]),
        helper.make_node("Cast", ["last"], ["styled"], to=TensorProto.UINT8),
    ]
    return network(ends, initializers, opset=opset)


def test_a_style_builds_with_a_static_and_a_dynamic_profile(rtx, small_stylenet_onnx):
    seen = []
    wide = Profile(minimum=(16, 16), optimum=(64, 32), maximum=(128, 128))
    model = small_stylenet_onnx.read_bytes()
    built = build(rtx, model, (STATIC, wide), progress=lambda *step: seen.append(step))
    assert len(built.plan) > 10_000
    assert built.timing_cache is None
    assert seen
    assert all(0 < done <= of for _, done, of in seen)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_one_card_makes_a_smaller_engine_than_three(rtx, small_stylenet_onnx):
    model = small_stylenet_onnx.read_bytes()
    assert len(build(rtx, model, capabilities=("sm89",)).plan) < len(build(rtx, model).plan)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x00" * 100])
def test_what_isnt_onnx_is_the_files_fault(rtx, content):
    with pytest.raises(StyleError, match=r"^made.onnx: (tensorrt_rtx can't read it|has 0 inputs)"):
        build(rtx, content)


def test_a_truncated_style_is_the_files_fault(rtx, small_stylenet_onnx):
    with pytest.raises(StyleError, match="can't read it"):
        build(rtx, small_stylenet_onnx.read_bytes()[:-500])


def test_the_parser_names_the_node(rtx):
    odd = helper.make_node("Det", ["x"], ["y"], name="the odd one")
    with pytest.raises(StyleError, match=r"node 'the odd one' \(Det\)"):
        build(rtx, between_casts([odd]))


def test_a_uint8_tensor_may_only_touch_a_cast(rtx):
    """Should this begin to build, pictures could be transposed as bytes: faster."""
    nodes = [
        helper.make_node("Transpose", ["frames"], ["turned"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["turned"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Relu", ["x"], ["y"]),
        helper.make_node("Transpose", ["y"], ["last"], perm=[0, 2, 3, 1]),
        helper.make_node("Cast", ["last"], ["styled"], to=TensorProto.UINT8),
    ]
    with pytest.raises((MachineError, StyleError)):
        build(rtx, network(nodes))


def transposed_convolution(to, numpy_type):
    kernel = np.ones((3, 3, 4, 4), np.float32)
    weight = numpy_helper.from_array(kernel.astype(numpy_type), "weight")
    if to == TensorProto.BFLOAT16:
        weight = helper.make_tensor("weight", to, kernel.shape, kernel.ravel())
    nodes = [
        helper.make_node("ConvTranspose", ["x", "weight"], ["large"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("AveragePool", ["large"], ["y"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    model = between_casts(nodes, to=to, opset=22)
    model.graph.initializer.append(weight)
    return model


def test_a_transposed_convolution_builds_in_f16(rtx):
    build(rtx, transposed_convolution(TensorProto.FLOAT16, np.float16))


@pytest.mark.xfail(strict=True, raises=(MachineError, StyleError), reason="TensorRT-RTX 1.7 can't compile it")
def test_a_transposed_convolution_builds_in_bf16(rtx):
    """Should this begin to build, `choose_network` may offer bf16."""
    build(rtx, transposed_convolution(TensorProto.BFLOAT16, np.float32))


@pytest.mark.parametrize("channels", [4, 1])
def test_other_pictures_than_rgb_are_refused(rtx, channels):
    nodes = [
        helper.make_node("Cast", ["frames"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["floats"], ["styled"], to=TensorProto.UINT8),
    ]
    with pytest.raises(StyleError, match=rf"its input is UINT8 \(-1, -1, -1, {channels}\)"):
        build(rtx, network(nodes, channels=channels))


def test_other_numbers_than_bytes_are_refused(rtx):
    nodes = [helper.make_node("Relu", ["frames"], ["styled"])]
    with pytest.raises(StyleError, match="its input is FLOAT"):
        build(rtx, network(nodes, dtype=TensorProto.FLOAT))


def test_two_outputs_are_refused(rtx, small_stylenet_onnx):
    model = onnx.load(small_stylenet_onnx)
    inner = next(node.output[0] for node in model.graph.node if node.op_type == "Conv")
    model.graph.output.append(helper.make_tensor_value_info(inner, TensorProto.FLOAT, None))
    with pytest.raises(StyleError, match="has 2 outputs"):
        build(rtx, model)


@pytest.mark.parametrize("capabilities", [("sm90",), ("sm86", "sm50"), ()])
def test_cards_that_it_doesnt_know_are_refused(rtx, small_stylenet_onnx, capabilities):
    with pytest.raises(RuntimeUnavailableError, match=r"can't build for .*it knows sm75"):
        build(rtx, small_stylenet_onnx.read_bytes(), capabilities=capabilities)


def test_the_builder_doesnt_check_sizes_so_we_must(rtx):
    """A network for multiples of 4 builds for 49x33, of which it makes 48x32; `check_profiles` prevents it."""
    nodes = [
        helper.make_node("AveragePool", ["x"], ["small"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Resize", ["small", "", "scales"], ["y"], mode="nearest"),
    ]
    scales = np.array([1, 1, 4, 4], np.float32)
    build(rtx, between_casts(nodes, [("scales", scales)]), (Profile.static((49, 33)),))


def test_a_network_of_one_size_is_built_for_that_alone(rtx):
    nodes = [
        helper.make_node("Cast", ["frames"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Relu", ["floats"], ["positive"]),
        helper.make_node("Cast", ["positive"], ["styled"], to=TensorProto.UINT8),
    ]
    model = network(nodes)
    for port in (*model.graph.input, *model.graph.output):
        for dim, length in zip(port.type.tensor_type.shape.dim, (1, 32, 48, 3), strict=True):
            dim.dim_value = length
    build(rtx, model, (STATIC,))
    with pytest.raises(StyleError, match="takes pictures of 48x32 only, not of 64x64"):
        build(rtx, model, (Profile.static((64, 64)),))


def test_a_build_that_is_stopped(rtx, small_stylenet_onnx):
    stop = threading.Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        build(rtx, small_stylenet_onnx.read_bytes(), stop=stop)


def test_an_error_in_the_progress_bar_reaches_the_caller(rtx, small_stylenet_onnx):
    def broken(*_step):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build(rtx, small_stylenet_onnx.read_bytes(), progress=broken)


def test_identical_builds_differ_in_their_bytes_or_not_but_both_are_whole(rtx, small_stylenet_onnx):
    """Names of engines are made from what goes in, never from what comes out."""
    first, second = (build(rtx, small_stylenet_onnx.read_bytes()).plan for _ in range(2))
    assert abs(len(first) - len(second)) < 4096


def test_without_a_driver_an_engine_is_called_invalid_and_doesnt_load(rtx, small_stylenet_onnx):
    from vidgan.runtime.gpu import list_cards

    if list_cards()[0]:
        pytest.skip("there is a card")
    plan = build(rtx, small_stylenet_onnx.read_bytes()).plan
    runtime = rtx.trt.Runtime(rtx.logger)
    assert runtime.get_engine_validity(plan)[0] == rtx.trt.EngineValidity.INVALID
    assert runtime.deserialize_cuda_engine(plan) is None
    assert any("driver" in error for error in rtx.logger.recent_errors)
