import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from vidgan.errors import MachineError, RuntimeUnavailableError
from vidgan.runtime import list_devices, open_runtime

SIZE = (48, 32)


def open_here(path, **options):
    return open_runtime(path, **{"size": SIZE, **options})


def own_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("vidgan-openvino")]


def test_every_frame_gets_its_own_new_array(invert_onnx, noise):
    frames = [noise(*SIZE, seed) for seed in range(20)]
    runtime = open_here(invert_onnx)
    futures = [runtime.submit(frame) for frame in frames]
    runtime.close()
    results = [future.result() for future in futures]
    for frame, result in zip(frames, results, strict=True):
        np.testing.assert_array_equal(result, 255 - frame)
        assert result.flags.c_contiguous
        assert result.flags.writeable
    assert not any(np.shares_memory(results[0], other) for other in [*results[1:], *frames])


def test_frames_that_are_read_only_or_not_contiguous(invert_onnx, noise):
    image = noise(*SIZE)
    read_only = image.copy()
    read_only.flags.writeable = False
    mirrored = np.flip(image, axis=1)
    runtime = open_here(invert_onnx)
    np.testing.assert_array_equal(runtime.submit(read_only).result(), 255 - image)
    np.testing.assert_array_equal(runtime.submit(mirrored).result(), 255 - mirrored)
    runtime.close()
    np.testing.assert_array_equal(read_only, image)


def test_same_picture_as_torch(small_stylenet, small_stylenet_onnx, noise):
    import torch

    from vidgan.runtime.export import PictureNetwork

    image = noise(*SIZE)
    with torch.no_grad():
        expected = PictureNetwork(small_stylenet)(torch.from_numpy(image)[None])[0].numpy()
    # Flat pictures would be the same whatever happened to the weights.
    assert expected.std() > 20
    for precision in ("f32", "auto"):
        runtime = open_here(small_stylenet_onnx, precision=precision)
        difference = np.abs(runtime.submit(image).result().astype(int) - expected)
        runtime.close()
        # bf16 has 8 significant bits, so every layer may add half a level of 256.
        assert difference.max() <= (1 if runtime.report.precision == "f32" else 8)
        assert difference.mean() <= (0.01 if runtime.report.precision == "f32" else 1)


def test_submit_waits_while_depth_frames_are_in_flight(small_stylenet_onnx, noise):
    runtime = open_here(small_stylenet_onnx, size=(640, 640), depth=2)
    assert runtime.depth == 2
    futures = []
    for seed in range(6):
        futures.append(runtime.submit(noise(640, 640, seed)))
        assert sum(not future.done() for future in futures) <= 2
    runtime.close()


@pytest.mark.parametrize("depth", [None, 1, 5])
def test_depth(invert_onnx, noise, depth):
    runtime = open_here(invert_onnx, depth=depth)
    assert runtime.depth == runtime.report.depth
    assert runtime.depth == depth if depth else runtime.depth >= 2
    futures = [runtime.submit(noise(*SIZE)) for _ in range(8)]
    for future in futures:
        np.testing.assert_array_equal(future.result(timeout=60), 255 - noise(*SIZE))
    runtime.close()


def test_wrong_frames_are_refused_and_take_no_slot(invert_onnx, noise):
    runtime = open_here(invert_onnx, depth=2)
    wrong = [noise(32, 48), noise(*SIZE)[np.newaxis], noise(*SIZE).astype(np.float32), noise(*SIZE)[..., :1]]
    for frame in wrong:
        with pytest.raises(ValueError, match=r"compiled for uint8 \(32, 48, 3\)"):
            runtime.submit(frame)
    np.testing.assert_array_equal(runtime.submit(noise(*SIZE)).result(timeout=60), 255 - noise(*SIZE))
    runtime.close()


def test_failed_inference_reaches_its_future_and_no_other(bright_fails_onnx, one_line):
    runtime = open_here(bright_fails_onnx, size=(16, 16), depth=2)
    dark = np.full((16, 16, 3), 9, np.uint8)
    futures = [runtime.submit(np.full_like(dark, 200 + number) if number % 2 else dark) for number in range(8)]
    for number, future in enumerate(futures):
        if number % 2:
            with pytest.raises(MachineError) as caught:
                future.result(timeout=60)
            one_line(caught.value, "inference failed on CPU")
        else:
            np.testing.assert_array_equal(future.result(timeout=60), dark)
    runtime.close()


def test_close_while_another_thread_submits(invert_onnx, noise):
    runtime = open_here(invert_onnx, depth=1)
    futures, errors = [], []

    def submit_until_closed():
        try:
            while True:
                futures.append(runtime.submit(noise(*SIZE)))
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=submit_until_closed)
    thread.start()
    while len(futures) < 3:
        pass
    runtime.close()
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert len(errors) == 1
    for future in futures:
        np.testing.assert_array_equal(future.result(timeout=0), 255 - noise(*SIZE))


def test_context_manager_closes(invert_onnx):
    with open_here(invert_onnx) as runtime:
        runtime.submit(np.zeros((32, 48, 3), np.uint8))
        assert own_threads()
    assert not own_threads()


def test_absent_device(invert_onnx, one_line):
    with pytest.raises(RuntimeUnavailableError) as caught:
        open_here(invert_onnx, device="GPU.7")
    one_line(caught.value, "'GPU.7'", "present: CPU")


def test_device_in_small_letters(invert_onnx):
    with open_here(invert_onnx, device="cpu") as runtime:
        assert runtime.report.device == "CPU"


def test_report(invert_onnx):
    import openvino

    with open_here(invert_onnx, precision="f32") as runtime:
        report = runtime.report
    assert (report.runtime, report.device, report.precision, report.size) == ("openvino", "CPU", "f32", SIZE)
    assert openvino.__version__.startswith(report.version)
    assert report.version.count(".") == 2
    assert len(report.device_name) > 3


def test_devices_say_what_auto_does(invert_onnx):
    cpu = next(device for device in list_devices() if device.device == "CPU")
    with open_here(invert_onnx) as runtime:
        assert runtime.report.precision == cpu.precision
        assert runtime.report.device_name == cpu.device_name
    assert "bf16" in cpu.reason


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="needs Linux")
def test_bf16_only_where_the_cpu_has_instructions_for_it():
    flags = set(Path("/proc/cpuinfo").read_text().split("flags", 1)[-1].split("\n", 1)[0].split())
    native = bool(flags & {"avx512_bf16", "amx_bf16", "avx_ne_convert"})
    cpu = next(device for device in list_devices() if device.device == "CPU")
    assert cpu.precision == ("bf16" if native else "f32")


def test_precision_that_the_device_replaces_is_refused(invert_onnx, one_line):
    from openvino import Core

    if "FP16" in Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU computes f16")
    with pytest.raises(RuntimeUnavailableError) as caught:
        open_here(invert_onnx, precision="f16")
    one_line(caught.value, "f16", "use precision 'auto'")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"runtime": "onnxruntime"}, "runtime is 'onnxruntime'; use one of auto, openvino"),
        ({"precision": "fp32"}, "precision is 'fp32'; use one of auto, f32"),
        ({"size": (0, 4)}, "size is"),
        ({"depth": 0}, "depth is 0"),
        ({"num_threads": 0}, "num_threads is 0"),
    ],
)
def test_wrong_options(invert_onnx, options, words):
    with pytest.raises(ValueError, match=words):
        open_here(invert_onnx, **options)


def test_runtimes_are_imported_late():
    code = "import sys, vidgan.runtime; sys.exit('openvino' in sys.modules or 'torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_openvino_reports_to_nobody(tmp_path):
    code = """
import os, sys, time
forks = []
os.register_at_fork(before=lambda: forks.append(1))
import vidgan.runtime.openvino
time.sleep(0.5)  # the reporting process would be started by a thread
assert not forks
assert not any(name.startswith("openvino_telemetry") for name in sys.modules)
import openvino_telemetry  # others may still use it
"""
    # Outside CI, where it keeps quiet by itself, and with no decision of the user on record.
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | {"HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert not list(tmp_path.iterdir())


def was_cached(path, cache_dir, **options):
    """Open, check that the pictures are right, and tell whether the network came from the cache."""
    image = np.random.default_rng(3).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    with (
        open_here(path, precision="f32", cache_dir=None) as fresh,
        open_here(path, cache_dir=cache_dir, **options) as it,
    ):
        difference = np.abs(it.submit(image).result().astype(int) - fresh.submit(image).result())
        assert difference.max() <= (0 if it.report.precision == "f32" else 8)
        return it.report.from_cache


def test_cache(small_stylenet_onnx, invert_onnx, tmp_path):
    assert not was_cached(small_stylenet_onnx, tmp_path, precision="f32")
    assert was_cached(small_stylenet_onnx, tmp_path, precision="f32")
    assert not was_cached(small_stylenet_onnx, tmp_path, precision="f32", num_threads=1)
    assert not was_cached(invert_onnx, tmp_path, precision="f32")
    with open_here(small_stylenet_onnx, precision="f32", size=(32, 32), cache_dir=tmp_path) as other_size:
        assert not other_size.report.from_cache


def cut(contents):
    return contents[: len(contents) // 2]


def flip(contents):
    middle = len(contents) // 2
    return contents[:middle] + bytes([contents[middle] ^ 0x40]) + contents[middle + 1 :]


@pytest.mark.parametrize("damage", [cut, flip, lambda contents: b""], ids=["cut", "flip", "empty"])
def test_damaged_cache_is_rebuilt(small_stylenet_onnx, tmp_path, damage):
    was_cached(small_stylenet_onnx, tmp_path, precision="f32")
    (blob,) = tmp_path.rglob("*.blob")
    damaged = damage(blob.read_bytes())
    blob.chmod(0o600)
    blob.write_bytes(damaged)
    assert not was_cached(small_stylenet_onnx, tmp_path, precision="f32")
    assert was_cached(small_stylenet_onnx, tmp_path, precision="f32")


def test_unusable_cache_folder_is_only_warned_about(invert_onnx, tmp_path, monkeypatch, noise, caplog):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("VIDGAN_CACHE", str(tmp_path / "file" / "cache"))
    with open_here(invert_onnx) as runtime:
        np.testing.assert_array_equal(runtime.submit(noise(*SIZE)).result(), 255 - noise(*SIZE))
        assert not runtime.report.from_cache
    assert "can't keep compiled networks" in caplog.text


def test_several_processes_at_once(small_stylenet_onnx, tmp_path):
    code = f"""
import numpy as np, pathlib, sys
from vidgan.runtime import open_runtime
runtime = open_runtime(pathlib.Path({str(small_stylenet_onnx)!r}), size=(128, 128), precision="f32")
image = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
print(runtime.report.from_cache, int(runtime.submit(image).result().astype(np.int64).sum()))
runtime.close()
"""
    environment = {**os.environ, "VIDGAN_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", code]
    processes = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = [process.communicate(timeout=120)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    # One of them compiled, the others waited for it.
    assert sorted(cached for cached, _ in answers) == ["False", "True", "True"]
    assert len({total for _, total in answers}) == 1
