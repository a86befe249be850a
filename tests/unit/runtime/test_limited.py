import re

import numpy as np
import pytest

from vidgan.errors import InputError, StyleError
from vidgan.runtime import open_runtime
from vidgan.runtime.limited import Cost
from vidgan.runtime.memory import live_bytes, process_memory, weight_bytes
from vidgan.runtime.openvino import read_network
from vidgan.runtime.openvino_import import ov

SIZE = (1280, 960)
MIB = 1 << 20


def open_within(path, more, size=SIZE, **options):
    """Allow so many bytes more than this process has."""
    return open_runtime(path, size=size, max_memory=process_memory() + more, precision="f32", **options)


def test_what_fits_is_computed_whole(small_stylenet_onnx):
    runtime = open_within(small_stylenet_onnx, 4096 * MIB)
    unlimited = open_runtime(small_stylenet_onnx, size=SIZE, precision="f32")
    runtime.close()
    unlimited.close()
    assert (runtime.report.tiles, runtime.report.tile_size) == (1, None)
    assert runtime.depth == unlimited.depth


def test_less_memory_means_fewer_frames_then_tiles_then_an_error(small_stylenet_onnx, noise, one_line):
    with pytest.raises(InputError) as caught:
        open_within(small_stylenet_onnx, MIB)
    one_line(caught.value, "1280x960", "it takes at least", "--scale")
    least = int(re.search(r"it takes at least (\d+)MiB", str(caught.value))[1]) * MIB - process_memory()
    seen = []
    for more in (4096, 50, 40, 30, 20, 10, 1):
        # What the error asks for is enough.
        runtime = open_within(small_stylenet_onnx, least + more * MIB)
        seen.append((runtime.report.tiles, runtime.depth))
        styled = runtime.submit(noise(*SIZE)).result()
        runtime.close()
    tiles = [count for count, _ in seen]
    assert tiles == sorted(tiles)
    assert tiles[0] == 1 < tiles[-1]
    assert seen[0][1] > 1
    assert all(depth == 1 for count, depth in seen if count > 1)
    whole = open_runtime(small_stylenet_onnx, size=SIZE, precision="f32")
    assert np.abs(styled.astype(int) - whole.submit(noise(*SIZE)).result()).max() <= 1
    whole.close()


def test_memory_that_the_caller_will_take_counts(small_stylenet_onnx):
    with pytest.raises(InputError, match="it takes at least"):
        open_within(small_stylenet_onnx, 4096 * MIB, reserved_memory=4096 * MIB)


def test_networks_that_cannot_be_tiled_say_so(bright_fails_onnx, one_line):
    runtime = open_within(bright_fails_onnx, 4096 * MIB, size=(16, 16))
    runtime.close()
    with pytest.raises(StyleError) as caught:
        open_within(bright_fails_onnx, 10 * MIB, size=(16, 16))
    one_line(caught.value, "16x16 don't fit into", "can't be computed in tiles")


@pytest.mark.parametrize("max_memory", [0, -1])
def test_no_memory_at_all(invert_onnx, max_memory):
    with pytest.raises(ValueError, match=f"max_memory is {max_memory}; give 1 or more"):
        open_runtime(invert_onnx, size=(32, 32), max_memory=max_memory)


def test_live_bytes_of_a_chain():
    """Each of four tensors of 4 kB lives until the next is there; the first of all is of bytes, the sum joins three."""
    op = ov.opset13
    x = op.parameter([1, 10, 100, 1], np.uint8)
    a = op.convert(x, "f32")
    b = op.relu(a)
    c = op.relu(b)
    model = ov.Model([op.result(op.add(a, c))], [x])
    assert live_bytes(model) == 3 * 4000
    assert weight_bytes(model) == 0


def test_weights_are_counted_in_bytes(small_stylenet, small_stylenet_onnx):
    floats = sum(parameter.numel() for parameter in small_stylenet.parameters())
    assert 4 * floats <= weight_bytes(read_network(small_stylenet_onnx)) < 4 * floats + 2000


def test_memory_of_this_process():
    before = process_memory()
    block = np.ones(64 * MIB, np.uint8)
    assert 60 * MIB < process_memory() - before < 80 * MIB
    del block


def test_cost():
    assert Cost(fixed=100, per_pixel=2.5).at(10) == 125
