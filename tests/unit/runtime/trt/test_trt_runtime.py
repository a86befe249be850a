"""How an engine is run: on fakes that have what the real classes have, and that fail when they are told to."""

import gc
import threading
import weakref
from dataclasses import replace
from unittest.mock import create_autospec

import numpy as np
import pytest
import torch
from trt_fakes import SNAPSHOTS, FakeCuda, Only, World

from vidgan.errors import MachineError
from vidgan.runtime.gpu import Card
from vidgan.runtime.plan import Profile
from vidgan.runtime.tensorrt.engine import Network, Workshop, identify
from vidgan.runtime.tensorrt.flavour import CLASSIC, RTX
from vidgan.runtime.tensorrt.runtime import TensorRTRuntime
from vidgan.runtime.tensorrt.store import list_engines, write_engine

CARD = Card(index=0, name="A card", compute_capability="sm89", memory_bytes=1 << 30, driver="600.1")
SIZE = (32, 16)
STATIC = Profile.static(SIZE)


@pytest.fixture(params=[CLASSIC, RTX])
def world(request):
    return World(request.param)


@pytest.fixture
def open_runtime(world, invert_onnx, tmp_path):
    opened = []
    flavour = world.flavour

    class Shop(Workshop):
        """Builds plans without a builder."""

        def build(self, _identity):
            world.plans += 1
            return f"plan {world.plans}".encode()

    def open_it(*, depth=2, profiles=(STATIC,)):
        network = Network(path=invert_onnx, precision="f32")
        shop = Shop(network=network, flavour=flavour, folder=tmp_path / "engines")
        wanted = identify(network, flavour, profiles, card=CARD)
        runtime = TensorRTRuntime(FakeCuda(world), CARD, shop, wanted, depth=depth)
        opened.append(runtime)
        return runtime

    yield open_it
    for runtime in opened:
        runtime.close()


def test_arrays_and_tensors_come_back_restyled(open_runtime, world, noise):
    runtime = open_runtime()
    frames = [noise(*SIZE, seed) for seed in range(7)]
    for frame, future in [(frame, runtime.submit(frame)) for frame in frames]:
        styled = future.result()
        np.testing.assert_array_equal(styled, 255 - frame)
        assert styled.flags.owndata
        assert styled.flags.writeable
    for frame in frames:
        styled = runtime.submit(torch.from_numpy(frame)).result()
        np.testing.assert_array_equal(styled.numpy(), 255 - frame)
    assert len(world.said("new_event")) == len(world.said("wait_event")) == len(frames)
    # Opening ran each slot as it is; since then graphs do, where this flavour doesn't make them itself.
    is_rtx = world.flavour_name == RTX
    assert len(world.said("capture")) == (0 if is_rtx else 2)
    assert len(world.said("replay")) == (0 if is_rtx else 2 * len(frames))
    assert len(world.said("execute")) == (2 * 3 + 2 * len(frames) if is_rtx else 2)


def test_the_order_of_calls(open_runtime, world):
    open_runtime(depth=1)
    order = [call[0] for call in world.calls if not call[0].startswith(("cache", "set_runtime", "get_engine"))]
    expected = [
        "deserialize", "create_execution_context", "set_optimization_profile_async", "synchronize", "set_input_shape",
        "infer_shapes", "get_tensor_shape", "set_tensor_address", "set_tensor_address", "execute", "synchronize",
    ]  # fmt: skip
    expected += ["capture", "execute_captured"] if world.flavour_name == CLASSIC else ["execute", "synchronize"] * 2
    assert order == expected
    assert world.said("set_optimization_profile_async") == [("set_optimization_profile_async", 0, 7)]
    assert world.said("set_input_shape") == [("set_input_shape", "frames", (1, 16, 32, 3))]


def test_a_new_size_is_prepared_and_captured_anew(open_runtime, world, noise):
    wide = Profile(minimum=(16, 16), optimum=(32, 16), maximum=(64, 64))
    runtime = open_runtime(depth=1, profiles=(STATIC, wide))
    captures = len(world.said("capture"))
    for size in ((32, 16), (64, 48), (64, 48), (32, 16)):
        frame = noise(*size)
        np.testing.assert_array_equal(runtime.submit(frame).result(), 255 - frame)
    assert [call[2][1:3] for call in world.said("set_input_shape")] == [(16, 32), (48, 64), (16, 32)]
    assert [call[1] for call in world.said("set_optimization_profile_async")] == [0, 1, 0]
    assert len(world.said("capture")) == captures * 3
    with pytest.raises(ValueError, match="built for"):
        runtime.submit(noise(80, 16))


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        ("set_optimization_profile_async", "refuses the profile"),
        ("set_input_shape", "refuses pictures of 32x16"),
        ("infer_shapes", "unknown: styled"),
        ("get_tensor_shape", r"makes \(1, -1, -1, 3\)"),
        ("set_tensor_address", "refuses the address of frames"),
        ("execute", "refuses to run"),
        ("create_execution_context", "makes no context"),
    ],
)
def test_what_returns_false_or_none_is_an_error_at_opening(open_runtime, world, refused, told):
    world.refuse.add(refused)
    with pytest.raises(MachineError, match=told):
        open_runtime()


def test_an_error_while_running_reaches_the_future_and_frees_the_slot(open_runtime, world, noise):
    if world.flavour_name == CLASSIC:
        pytest.skip("a recorded graph doesn't ask TensorRT again")
    runtime = open_runtime(depth=1)
    world.refuse.add("execute")
    failed = runtime.submit(noise(*SIZE))
    with pytest.raises(MachineError, match="refuses to run"):
        failed.result()
    world.refuse.clear()
    frame = noise(*SIZE)
    np.testing.assert_array_equal(runtime.submit(frame).result(timeout=10), 255 - frame)


def test_an_error_of_torch_is_the_machines(open_runtime, world, noise, monkeypatch):
    runtime = open_runtime(depth=1)
    frame = noise(*SIZE)

    def broken(*_args, **_options):
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(runtime._all[0], "_launch", broken)
    with pytest.raises(MachineError, match="inference failed on A card: CUDA error"):
        runtime.submit(frame).result()
    monkeypatch.undo()
    np.testing.assert_array_equal(runtime.submit(frame).result(), 255 - frame)


def test_submit_waits_while_all_slots_are_busy(open_runtime, world, noise):
    gate = threading.Event()
    runtime = open_runtime(depth=2)
    for slot in runtime._all:
        slot.run_array = lambda frame: gate.wait(10) and frame
    busy = [runtime.submit(noise(*SIZE)) for _ in range(2)]
    late = threading.Thread(target=lambda: busy.append(runtime.submit(noise(*SIZE))))
    late.start()
    late.join(0.2)
    assert late.is_alive()
    gate.set()
    late.join(10)
    assert [future.result() is not None for future in busy] == [True] * 3


@pytest.mark.parametrize(
    "frame",
    [np.zeros((16, 32, 4), np.uint8), np.zeros((16, 32, 3), np.float32), np.zeros((16, 32), np.uint8),
     torch.zeros(16, 32, 3), torch.zeros((16, 36, 3), dtype=torch.uint8)],
)  # fmt: skip
def test_frames_of_the_wrong_kind_are_refused(open_runtime, frame):
    with pytest.raises(ValueError, match="built for uint8"):
        open_runtime().submit(frame)


def test_a_tensor_elsewhere_is_refused(open_runtime):
    with pytest.raises(ValueError, match="frame is on meta"):
        open_runtime().submit(torch.zeros((16, 32, 3), dtype=torch.uint8, device="meta"))


def test_a_closed_runtime_takes_nothing(open_runtime, noise):
    runtime = open_runtime()
    runtime.close()
    runtime.close()
    with pytest.raises(RuntimeError, match="closed"):
        runtime.submit(noise(*SIZE))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("vidgan-tensorrt")]


def test_the_report(open_runtime, world):
    report = open_runtime(depth=2).report
    assert (report.runtime, report.device, report.device_name) == ("tensorrt", "cuda:0", "A card")
    assert (report.driver, report.copy_ms, report.memory_bytes) == ("600.1", 0.5, 0)
    assert report.version == f"{world.flavour_name} {SNAPSHOTS[world.flavour_name]['version']}"
    assert not report.from_cache
    assert open_runtime().report.from_cache


def test_an_engine_that_is_there_and_doesnt_load_is_built_once_more(open_runtime, world, tmp_path, caplog):
    open_runtime()
    world.bad_plans = {b"plan 1"}
    runtime = open_runtime()
    assert world.plans == 2
    assert "is built anew" in caplog.text
    assert not runtime.report.from_cache
    assert [entry.path.read_bytes() for entry in list_engines(tmp_path / "engines")] == [b"plan 2"]


def test_a_new_engine_that_doesnt_load_is_an_error(open_runtime, world):
    world.bad_plans = {b"plan 1", b"plan 2"}
    with pytest.raises(MachineError, match="doesn't load the engine that it has just built: told by the fake"):
        open_runtime()
    assert world.plans == 1
    with pytest.raises(MachineError, match="just built"):
        open_runtime()
    assert world.plans == 2


def test_a_card_whose_memory_is_full(open_runtime, world, monkeypatch):
    def full(_cuda, _shape):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nand more")

    monkeypatch.setattr(FakeCuda, "empty", full)
    with pytest.raises(MachineError, match=r"A card can't run .*model.onnx at 32x16: CUDA out of memory.* 2 GiB$"):
        open_runtime()


def test_closing_frees_the_card_at_once(open_runtime, world, noise):
    """Without waiting for Python's collector of cycles, which knows nothing of a card's memory."""
    gc.disable()
    try:
        runtime = open_runtime()
        runtime.submit(noise(*SIZE)).result()
        freed = [weakref.ref(context) for context in world.contexts]
        world.contexts.clear()
        world.captured = None
        runtime.close()
        assert [reference() for reference in freed] == [None, None]
    finally:
        gc.enable()


def test_an_engine_made_ahead_for_several_cards_is_used(open_runtime, world, tmp_path, invert_onnx):
    network = Network(path=invert_onnx, precision="f32")
    ahead = identify(network, world.flavour, (STATIC,), card=CARD)
    ahead = replace(ahead, gpu=None, driver=None, compute_capabilities=("sm86", "sm89"))
    write_engine(tmp_path / "engines" / "copied.engine", b"made elsewhere", ahead, "x")
    assert open_runtime().report.from_cache
    assert world.plans == 0
    assert ("deserialize", b"made elsewhere") in world.calls


def test_rtx_keeps_its_kernels_and_records_graphs_itself(open_runtime, world, tmp_path):
    if world.flavour_name == CLASSIC:
        pytest.skip("it has neither")
    open_runtime()
    assert world.config.cuda_graph_strategy == "whole"
    assert world.config.dynamic_shapes_kernel_specialization_strategy == "eager"
    (kept,) = (tmp_path / "engines").glob("kernels-*.cache")
    assert kept.read_bytes() == b"compiled"
    assert not world.said("cache.deserialize")
    world.kernels_accepted = False  # of another driver: they are compiled anew, without ado
    open_runtime()
    assert world.said("cache.deserialize") == [("cache.deserialize", b"compiled")]
    world.refuse.add("set_runtime_cache")
    with pytest.raises(MachineError, match="cache of kernels"):
        open_runtime()


def test_the_fakes_have_nothing_that_the_real_classes_lack():
    """A method that TensorRT drops raises here, as it would there."""
    context = Only(object(), SNAPSHOTS[CLASSIC]["api"]["IExecutionContext"], "IExecutionContext")
    with pytest.raises(AttributeError, match="has no execute_v4"):
        context.execute_v4(1)
    with pytest.raises(AttributeError, match="has no cuda_graph_strategy"):
        context.cuda_graph_strategy = 1


def test_slots_ask_the_real_class_for_nothing_that_it_lacks(noise):
    """The same with a fake made from the class in the installed package itself."""
    trt = pytest.importorskip("tensorrt_rtx")
    from vidgan.runtime.tensorrt.slot import Slot

    context = create_autospec(trt.IExecutionContext, instance=True, spec_set=True)
    context.get_tensor_shape.return_value = (1, 16, 32, 3)
    context.infer_shapes.return_value = []
    slot = Slot(context, ("frames", "styled"), (STATIC,), FakeCuda(World(RTX)), capture=False)
    slot.run_array(noise(*SIZE))
    assert context.execute_async_v3.call_count == 4
    with pytest.raises(AttributeError):
        context.execute_v4(1)
