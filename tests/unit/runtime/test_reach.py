import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vidgan.errors import StyleError
from vidgan.runtime.export import export_onnx
from vidgan.runtime.openvino import compile_any_size, read_network
from vidgan.runtime.openvino_import import ov
from vidgan.runtime.reach import walk

SIZE = 96
op = ov.opset13


@pytest.fixture
def reach_of(tmp_path):
    """A function that exports a network and walks it."""

    def find(network, multiple=4):
        torch.manual_seed(1)
        path = tmp_path / "model.onnx"
        export_onnx(network, path, size_multiple=multiple, minimum_size=SIZE)
        model = read_network(path)
        model.reshape([1, SIZE, SIZE, 3])
        return walk(model, path)

    return find


def seen_from(path):
    """How far from a changed pixel the result changes, in pixels: the truth that a walk must not fall below."""
    infer = compile_any_size(path)
    random = np.random.default_rng(0)
    base = random.integers(0, 256, (1, SIZE, SIZE, 3), dtype=np.uint8)
    furthest = 0
    for place in range(40, 48):
        changed = base.copy()
        changed[:, place, place] = 255 - changed[:, place, place]
        rows, columns = np.nonzero((infer(base) != infer(changed)).any(axis=-1)[0])
        furthest = max(furthest, np.abs(rows - place).max(), np.abs(columns - place).max())
    return furthest


def conv(*args, **options):
    layer = nn.Conv2d(*args, **options)
    # Strong, so that no change is lost in rounding to 255 levels.
    nn.init.normal_(layer.weight, std=0.5)
    return layer


class Unet(nn.Module):
    """Pools, dilates, comes back up in three ways, and adds what it passed by."""

    def __init__(self):
        super().__init__()
        self.first, self.second = conv(3, 4, 5, padding=2), conv(4, 4, 3, padding=2, dilation=2)
        self.third = conv(4, 16, 3, padding=1)
        self.up = nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1)
        nn.init.normal_(self.up.weight, std=0.5)
        self.last = conv(8, 3, 1)

    def forward(self, x):
        high = self.first(x)
        low = self.second(F.max_pool2d(high, 2))
        lower = F.avg_pool2d(low, 2)
        back = F.pixel_shuffle(self.third(lower), 2) + F.interpolate(lower, scale_factor=2.0, mode="bilinear")
        return torch.sin(self.last(torch.cat((self.up(back), high), dim=1)))


NETWORKS = {
    "a chain": (lambda: nn.Sequential(conv(3, 4, 3, padding=1), nn.Tanh(), conv(4, 3, 5, padding=2)), 3, 1),
    "a crop": (lambda: nn.Sequential(nn.ReflectionPad2d(8), nn.ZeroPad2d(-6), conv(3, 3, 5)), 2, 1),
    "of everything": (Unet, None, 4),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_halo_is_what_a_changed_pixel_reaches(name, reach_of, tmp_path):
    make, halo, alignment = NETWORKS[name]
    reach = reach_of(make())
    far = seen_from(tmp_path / "model.onnx")
    assert reach.alignment == alignment
    # Never less than is seen; more only by what rounding up to the grid, and to both neighbours in scaling, adds.
    assert far <= reach.halo + alignment - 1 if alignment > 1 else far <= reach.halo
    assert reach.halo <= far + 3 * alignment
    if halo is not None:
        assert reach.halo == -(-halo // alignment) * alignment


def test_shipped_kind_of_network(small_stylenet_onnx):
    model = read_network(small_stylenet_onnx)
    model.reshape([1, 64, 128, 3])
    reach = walk(model, small_stylenet_onnx)
    assert reach.alignment == 4
    assert [(norm.level, norm.width.step, len(norm.width.sound)) for norm in reach.norms] == [(0, 4, 32), (1, 2, 64)]
    assert reach.norms[0].epsilon == pytest.approx(1e-5)


def graph(make):
    """A network of OpenVINO's own nodes: `make` takes `(1, 3, H, W)` floats to the same, or whatever it likes."""
    frames = op.parameter([1, SIZE, SIZE, 3], np.uint8)
    x = op.transpose(op.convert(frames, "f32"), [0, 3, 1, 2])
    styled = op.convert(op.transpose(make(x), [0, 2, 3, 1]), "u8")
    return ov.Model([op.result(styled)], [frames])


def number(value):
    return op.constant(np.float32(value))


WHOLE = {
    "the mean of all": lambda x: op.subtract(x, op.reduce_mean(x, [2, 3], keep_dims=True)),
    "the most of a row": lambda x: op.subtract(x, op.reduce_max(x, [3], keep_dims=True)),
    "attention": lambda x: op.matmul(x, x, False, True),
    "softmax of a row": lambda x: op.softmax(x, 3),
    "a flip": lambda x: op.slice(x, [-1], [-SIZE - 1], [-1], [3]),
    "corners": lambda x: op.interpolate(
        x, np.array([SIZE, SIZE]), "linear", "sizes", coordinate_transformation_mode="align_corners", axes=[2, 3]
    ),
    "groups": lambda x: op.reshape(
        op.mvn(op.reshape(x, [1, 1, -1], False), [2], True, 1e-5, "inside_sqrt"), [1, 3, SIZE, SIZE], False
    ),
    "the mean alone": lambda x: op.mvn(x, [2, 3], False, 1e-5, "inside_sqrt"),
    "its size": lambda x: op.multiply(x, op.convert(op.gather(op.shape_of(x), [2], 0), "f32")),
    "places of their own": lambda x: op.add(x, op.constant(np.zeros((1, 1, SIZE, 1), np.float32))),
    "rows side by side": lambda x: op.reshape(op.reshape(x, [1, 3, SIZE * SIZE], False), [1, 3, SIZE, SIZE], False),
    "turned": lambda x: op.transpose(x, [0, 1, 3, 2]),
    "every second place": lambda x: op.add(
        x, op.slice(op.pad(x, [0, 0, 0, 0], [0, 0, 0, SIZE], "edge"), [0], [2 * SIZE], [2], [3])
    ),
    "an unknown node": lambda x: op.cum_sum(x, op.constant(np.int64(3))),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_what_looks_at_the_whole_picture_is_refused(name, one_line):
    with pytest.raises(StyleError) as caught:
        walk(graph(WHOLE[name]), "style.onnx")
    one_line(caught.value, "style.onnx: can't be computed in tiles")


HALOS = {
    "nothing": (lambda x: op.relu(op.multiply(x, number(2))), 0, 1),
    "channels": (lambda x: op.subtract(x, op.reduce_mean(x, [1], keep_dims=True)), 0, 1),
    "softmax of channels": (lambda x: op.softmax(x, 1), 0, 1),
    "statistics of channels": (lambda x: op.mvn(x, [1], True, 1e-5, "inside_sqrt"), 0, 1),
    "one channel": (lambda x: op.concat([op.gather(x, [0], 1)] * 3, 1), 0, 1),
    "pooling": (lambda x: op.avg_pool(x, [1, 1], [2, 2], [2, 2], [5, 5], True), 2, 1),
    "depth": (lambda x: op.depth_to_space(op.space_to_depth(x, "blocks_first", 4), "blocks_first", 4), 0, 4),
    "to the side": (
        lambda x: op.slice(op.pad(x, [0, 0, 0, 0], [0, 0, 0, 7], "reflect"), [7], [SIZE + 7], [1], [3]), 7, 1
    ),
    "fake quantisation": (
        lambda x: op.fake_quantize(x, number(0), number(1), number(0), number(1), 256), 0, 1
    ),
    "cubic": (
        lambda x: op.avg_pool(op.interpolate(
            x, np.array([2.0, 2.0], np.float32), "cubic", "scales", axes=[2, 3]), [2, 2], [0, 0], [0, 0], [2, 2], True
        ), 2, 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HALOS)
def test_halos_known_by_hand(name):
    make, halo, alignment = HALOS[name]
    reach = walk(graph(make), "style.onnx")
    assert (reach.halo, reach.alignment) == (halo, alignment)
    assert reach.norms == ()


def test_norms_one_after_another_and_side_by_side():
    def norm(x):
        return op.mvn(x, [2, 3], True, 1e-3, "outside_sqrt")

    reach = walk(graph(lambda x: norm(op.add(norm(x), norm(op.relu(x))))), "style.onnx")
    assert [norm.level for norm in reach.norms] == [0, 0, 1]
    assert [(norm.epsilon, norm.inside) for norm in reach.norms] == [(pytest.approx(1e-3), False)] * 3
