import subprocess
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from onnx import TensorProto

from vidgan.errors import MachineError, RuntimeUnavailableError, StyleError
from vidgan.runtime.onnx_torch.module import OnnxModule
from vidgan.runtime.openvino import OpenVINORuntime
from vidgan.runtime.torch import TorchRuntime, find_torch_device
from vidgan.runtime.torch_lanes import CardLane, exact_floats
from vidgan.styles import list_styles

SIZE = (48, 32)


def open_here(path, **options):
    return TorchRuntime(path, **{"size": SIZE, "device": "cpu", **options})


def test_every_array_gets_its_own_new_array(invert_onnx, noise):
    frames = [noise(*SIZE, seed) for seed in range(8)]
    with open_here(invert_onnx) as runtime:
        futures = [runtime.submit(frame) for frame in frames]
    results = [future.result() for future in futures]
    for frame, result in zip(frames, results, strict=True):
        np.testing.assert_array_equal(result, 255 - frame)
        assert result.flags.c_contiguous
        assert result.flags.writeable
    assert not any(np.shares_memory(results[0], other) for other in [*results[1:], *frames])


def test_tensors_stay_tensors(invert_onnx, noise):
    frames = [torch.from_numpy(noise(*SIZE, seed)) for seed in range(3)]
    with open_here(invert_onnx) as runtime:
        futures = [runtime.submit(frame) for frame in frames]
    for frame, future in zip(frames, futures, strict=True):
        result = future.result()
        assert torch.equal(result, 255 - frame)
        assert result.is_contiguous()
        result += 1  # nobody else's, and not of inference mode


def test_a_network_that_copies_gives_a_new_picture(save_onnx, tmp_path, noise):
    port = ("n", "h", "w", 3)
    path = save_onnx(tmp_path / "model.onnx", [("a", TensorProto.UINT8, port)], [("y", TensorProto.UINT8, port)])
    frame = noise(*SIZE)
    with open_here(path) as runtime:
        for given in (frame, torch.from_numpy(frame)):
            result = runtime.submit(given).result()
            np.testing.assert_array_equal(result, frame)
            assert not np.shares_memory(np.asarray(result), frame)


def test_frames_that_are_read_only_or_not_contiguous(invert_onnx, noise):
    image = noise(*SIZE)
    read_only = image.copy()
    read_only.flags.writeable = False
    mirrored = np.flip(image, axis=1)
    with open_here(invert_onnx) as runtime:
        np.testing.assert_array_equal(runtime.submit(read_only).result(), 255 - image)
        np.testing.assert_array_equal(runtime.submit(mirrored).result(), 255 - mirrored)


@pytest.mark.parametrize(("precision", "most"), [("auto", 1), ("f32", 1), ("f16", 2), ("bf16", 8)])
def test_same_picture_as_openvino(small_stylenet_onnx, noise, precision, most):
    image = noise(*SIZE)
    with open_here(small_stylenet_onnx, precision=precision) as runtime:
        styled = runtime.submit(image).result()
    assert runtime.report.precision == ("f32" if precision == "auto" else precision)
    with OpenVINORuntime(small_stylenet_onnx, size=SIZE, precision="f32") as other:
        expected = other.submit(image).result()
    assert expected.std() > 20
    difference = np.abs(styled.astype(int) - expected)
    assert difference.max() <= most, np.bincount(difference.ravel())
    # Each precision is really used: it leaves its own traces.
    assert (precision in ("auto", "f32")) == (difference.mean() < 0.005), np.bincount(difference.ravel())


def test_quantised_networks_run_as_they_stand(noise, one_line):
    style = list_styles()[0]
    with open_here(style.int8_path, precision="int8") as runtime:
        styled = runtime.submit(noise(*SIZE)).result()
    assert runtime.report.precision == "int8"
    with open_here(style.int8_path) as runtime:
        np.testing.assert_array_equal(runtime.submit(noise(*SIZE)).result(), styled)
    assert runtime.report.precision == "int8"
    for path, precision, words in ((style.int8_path, "f16", "is quantised"), (style.path, "int8", "isn't quantised")):
        with pytest.raises(StyleError) as caught:
            open_here(path, precision=precision)
        one_line(caught.value, path, words)


@pytest.mark.parametrize("depth", [None, 1, 3])
def test_submit_waits_while_depth_frames_are_in_flight(small_stylenet_onnx, noise, depth):
    with open_here(small_stylenet_onnx, size=(256, 256), depth=depth) as runtime:
        assert runtime.depth == runtime.report.depth == (depth or 2)
        futures = []
        for seed in range(5):
            futures.append(runtime.submit(noise(256, 256, seed)))
            assert sum(not future.done() for future in futures) <= runtime.depth


def test_wrong_frames_are_refused_and_take_no_slot(invert_onnx, noise):
    frame = torch.from_numpy(noise(*SIZE))
    with open_here(invert_onnx, depth=1) as runtime:
        wrong = [noise(32, 48), noise(*SIZE)[np.newaxis], noise(*SIZE).astype(np.float32), frame.float(), frame[1:]]
        for given in wrong:
            with pytest.raises(ValueError, match=r"compiled for uint8 \(32, 48, 3\)"):
                runtime.submit(given)
        with pytest.raises(ValueError, match="frame is on meta; this network is on cpu"):
            runtime.submit(frame.to("meta"))
        assert torch.equal(runtime.submit(frame).result(timeout=60), 255 - frame)


def test_failed_inference_reaches_its_future_and_no_other(bright_fails_onnx, one_line):
    dark = np.full((16, 16, 3), 9, np.uint8)
    with open_here(bright_fails_onnx, size=(16, 16)) as runtime:
        futures = [runtime.submit(np.full_like(dark, 200 + i) if i % 2 else dark) for i in range(4)]
        for i, future in enumerate(futures):
            if i % 2:
                with pytest.raises(MachineError) as caught:
                    future.result(timeout=60)
                one_line(caught.value, "inference failed on cpu", "Reshape")
            else:
                np.testing.assert_array_equal(future.result(timeout=60), dark)


def test_a_size_at_which_the_network_fails(bright_fails_onnx, one_line):
    with pytest.raises(StyleError) as caught:
        open_here(bright_fails_onnx, size=(32, 32))
    one_line(caught.value, bright_fails_onnx, "doesn't take pictures of 32x32")


def test_devices(one_line):
    assert find_torch_device("CPU") == find_torch_device("cpu") == torch.device("cpu")
    assert find_torch_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for absent in ("GPU.0", "cuda:97", "cuda:x"):
        with pytest.raises(RuntimeUnavailableError) as caught:
            find_torch_device(absent)
        one_line(caught.value, repr(absent), "present: cpu")


def test_unknown_precision(invert_onnx):
    with pytest.raises(ValueError, match="'f8'"):
        open_here(invert_onnx, precision="f8")


def test_report(invert_onnx):
    with open_here(invert_onnx) as runtime:
        report = runtime.report
    assert (report.runtime, report.device, report.precision, report.size) == ("torch", "cpu", "f32", SIZE)
    assert report.version == torch.__version__
    assert len(report.device_name) > 3
    assert not report.from_cache
    assert report.driver is None
    assert report.memory_bytes is None


def test_number_of_threads(invert_onnx):
    code = f"""
from pathlib import Path
import torch
from vidgan.runtime.torch import TorchRuntime
TorchRuntime(Path({str(invert_onnx)!r}), device="cpu", size={SIZE}, num_threads=3).close()
print(torch.get_num_threads())
"""
    # In a process of its own, since the setting stays.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3"


class FakeCard:
    """Stands in for `Cuda` on the CPU, and writes down what happens in which order."""

    device = torch.device("cpu")

    def __init__(self):
        self.log = []

    def new_stream(self):
        self.log.append("stream")
        return self

    def wait_event(self, event):
        self.log.append(f"wait for {event}")

    def synchronize(self):
        self.log.append("synchronize")

    def new_event(self):
        self.log.append("event")
        return "event"

    @contextmanager
    def on(self, stream):
        assert stream is self
        self.log.append("on")
        yield
        self.log.append("off")

    def pinned(self, shape):
        return torch.zeros(shape, dtype=torch.uint8)


def watched(network, log):
    def run(frames):
        log.append("network")
        assert torch.backends.cudnn.conv.fp32_precision == "ieee"
        assert torch.backends.cuda.matmul.fp32_precision == "ieee"
        assert not torch.is_grad_enabled()
        return network(frames)

    return run


def test_order_of_a_frame_on_a_card(invert_onnx, noise):
    card, image = FakeCard(), noise(*SIZE)
    lane = CardLane(watched(OnnxModule(invert_onnx), card.log), card, SIZE)
    assert lane.try_shape(torch.from_numpy(image)) == (1, *image.shape)
    assert card.log == ["stream", "event", "on", "wait for event", "network", "off", "synchronize"]
    card.log.clear()
    styled = torch.empty(image.shape, dtype=torch.uint8)
    assert lane.run_tensor(torch.from_numpy(image), styled, "ready") is styled
    np.testing.assert_array_equal(styled.numpy(), 255 - image)
    assert card.log == ["on", "wait for ready", "network", "off", "synchronize"]
    card.log.clear()
    first, second = lane.run_array(image), lane.run_array(255 - image)
    np.testing.assert_array_equal(first, 255 - image)
    np.testing.assert_array_equal(second, image)
    assert card.log == ["on", "network", "off", "synchronize"] * 2


def test_a_card_is_waited_for_after_an_error(noise):
    card = FakeCard()

    def fails(_frames):
        card.log.append("network")
        raise RuntimeError("out of order")

    lane = CardLane(fails, card, SIZE)
    card.log.clear()
    with pytest.raises(RuntimeError, match="out of order"):
        lane.run_array(noise(*SIZE))
    assert card.log == ["on", "network", "synchronize"]


def test_frames_of_a_card_are_ordered_against_whoever_submits(invert_onnx, noise):
    frame = torch.from_numpy(noise(*SIZE))
    with open_here(invert_onnx) as runtime:
        card = FakeCard()
        runtime._lanes._cuda = card
        runtime._lanes._idle.get()
        runtime._lanes._idle.put(CardLane(watched(OnnxModule(invert_onnx), card.log), card, SIZE))
        assert torch.equal(runtime.submit(frame).result(timeout=60), 255 - frame)
    assert card.log == ["stream", "event", "on", "wait for event", "network", "off", "synchronize"]


def test_settings_of_the_process_come_back():
    cudnn = torch.backends.cudnn

    def settings():
        return cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, cudnn.conv.fp32_precision

    before = settings()
    with exact_floats():
        assert settings()[:3] == before[:3]
        assert not cudnn.allow_tf32
    assert settings() == before


def test_two_threads_do_not_mix_up_the_settings():
    first_is_in, second_is_in, go_on = (threading.Event() for _ in range(3))

    def first():
        with exact_floats():
            first_is_in.set()
            go_on.wait(60)

    def second():
        first_is_in.wait(60)
        with exact_floats():
            second_is_in.set()

    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    assert not second_is_in.wait(0.2)
    go_on.set()
    assert second_is_in.wait(60)
    for thread in threads:
        thread.join(timeout=60)
