import dataclasses

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from vidgan.errors import MachineError
from vidgan.runtime import open_runtime, tiled
from vidgan.runtime.export import PictureNetwork, export_onnx
from vidgan.runtime.tile_graph import Statistics
from vidgan.runtime.tiled import TiledRuntime

MOST_SHARE = 5e-4
"""Of values that may differ by a level in f32: sums in another order, where the result lies half-way between levels."""


def lively(width, height, seed=0):
    """A picture with large shapes and noise, darker on one side: tiles of it have statistics of their own."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * np.linspace(0.2, 1, width)[:, None]
    return np.clip(smooth + random.integers(-20, 20, (height, width, 3)), 0, 255).astype(np.uint8)


def whole(path, image, **options):
    runtime = open_runtime(path, size=(image.shape[1], image.shape[0]), **options)
    try:
        return runtime.submit(image).result()
    finally:
        runtime.close()


def in_tiles(path, image, tile, **options):
    with TiledRuntime(path, size=(image.shape[1], image.shape[0]), tile=tile, **options) as runtime:
        assert runtime.report.tile_size == tile
        return runtime.submit(image).result(), runtime.report


def compare(styled, expected):
    """Largest difference in levels, and the share of values that differ."""
    assert expected.std() > 10, "a flat picture shows nothing"
    difference = np.abs(styled.astype(int) - expected)
    return difference.max(), (difference > 0).mean()


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        layers = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)]
        self.body = nn.Sequential(*layers, nn.ReLU(), nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3))
        self.norm = nn.InstanceNorm2d(channels)

    def forward(self, x):
        return x + self.norm(self.body(x))


class CycleGan(nn.Module):
    """The kind of generator that people bring along: Zhu et al. 2017, with fewer channels."""

    def __init__(self, width=8):
        super().__init__()
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), nn.InstanceNorm2d(width, affine=True), nn.ReLU()]
        for i in (1, 2):
            layers += [nn.Conv2d(i * width, 2 * i * width, 3, 2, 1), nn.InstanceNorm2d(2 * i * width), nn.ReLU()]
        layers += [Block(4 * width), Block(4 * width)]
        for i in (2, 1):
            layers += [
                nn.ConvTranspose2d(2 * i * width, i * width, 3, 2, 1, 1),
                nn.InstanceNorm2d(i * width),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())

    def forward(self, x):
        return self.layers(x * 2 - 1) * 0.5 + 0.5


@pytest.fixture(scope="module")
def cycle_gan():
    torch.manual_seed(0)
    return CycleGan().eval()


@pytest.fixture(scope="module")
def cycle_gan_onnx(cycle_gan, tmp_path_factory):
    path = tmp_path_factory.mktemp("cyclegan") / "model.onnx"
    export_onnx(cycle_gan, path, size_multiple=4, minimum_size=32)
    return path


@pytest.fixture(scope="module")
def plain_onnx(tmp_path_factory):
    """Convolutions alone, with zero padding that shows at the borders."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 8, 5, padding=2),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1),
        nn.Upsample(scale_factor=2),
    ]
    network = nn.Sequential(*layers, nn.Conv2d(8, 3, 5, padding=2), nn.Sigmoid())
    with torch.no_grad():
        network[4].weight *= 8
    path = tmp_path_factory.mktemp("plain") / "model.onnx"
    export_onnx(network, path, size_multiple=2, minimum_size=16)
    return path


@pytest.mark.parametrize(
    ("size", "tile", "count"),
    [
        ((300, 200), (64, 64), None),
        ((302, 202), (40, 202), None),  # as high as the picture
        ((302, 202), (302, 50), None),  # as wide
        ((66, 50), (64, 48), 4),  # leaves two rows and columns
        ((20, 18), (20, 18), 1),
    ],
)
def test_without_norms(plain_onnx, size, tile, count):
    image = lively(*size)
    styled, report = in_tiles(plain_onnx, image, tile, precision="f32")
    assert count in (None, report.tiles)
    most, share = compare(styled, whole(plain_onnx, image, precision="f32"))
    assert most <= 1
    assert share <= MOST_SHARE


def test_a_smaller_halo_would_show(plain_onnx, monkeypatch):
    image = lively(300, 200)
    honest = tiled.read_with_reach

    def less(path, size):
        model, reach = honest(path, size)
        return model, dataclasses.replace(reach, halo=reach.halo - reach.alignment)

    monkeypatch.setattr(tiled, "read_with_reach", less)
    styled, _ = in_tiles(plain_onnx, image, (64, 64), precision="f32")
    most, share = compare(styled, whole(plain_onnx, image, precision="f32"))
    assert most > 1
    assert share > MOST_SHARE


@pytest.mark.parametrize(("size", "tile"), [((300, 200), (76, 60)), ((132, 204), (132, 60)), ((64, 44), (60, 40))])
def test_shipped_kind_of_network(small_stylenet_onnx, size, tile):
    image = lively(*size)
    most, share = compare(
        in_tiles(small_stylenet_onnx, image, tile, precision="f32")[0],
        whole(small_stylenet_onnx, image, precision="f32"),
    )
    assert most <= 1
    assert share <= MOST_SHARE


def test_many_norms_are_exact(cycle_gan, cycle_gan_onnx):
    """Against float64, since OpenVINO's own sums over whole pictures are less exact than those over tiles."""
    image = lively(300, 200)
    styled, report = in_tiles(cycle_gan_onnx, image, (100, 72), precision="f32")
    with torch.no_grad():
        x = torch.from_numpy(image)[None].double().permute(0, 3, 1, 2) / 255
        exact = (cycle_gan.double()(x) * 255).round().clamp(0, 255)[0].permute(1, 2, 0).numpy()
    cycle_gan.float()
    most, share = compare(styled, exact)
    assert report.tiles > 10
    assert most <= 1
    assert share <= MOST_SHARE
    # Each tile with its own statistics would be another picture.
    alone = PictureNetwork(cycle_gan)(torch.from_numpy(image[None, :72, :100]))[0].detach().numpy()
    assert compare(styled[:40, :60], alone[:40, :60])[0] > 10


@pytest.mark.parametrize("network", ["small_stylenet_onnx", "cycle_gan_onnx"])
def test_the_fastest_precision_differs_no_more_than_it_does_from_f32(network, request):
    path, image = request.getfixturevalue(network), lively(300, 200)
    expected = whole(path, image, precision="auto")
    styled, report = in_tiles(path, image, (100, 72), precision="auto")
    most, share = compare(styled, expected)
    allowed, allowed_share = compare(expected, whole(path, image, precision="f32"))
    if report.precision == "f32":
        allowed, allowed_share = 1, MOST_SHARE
    assert most <= max(1, allowed)
    assert share <= allowed_share


def test_statistics_of_far_away_numbers():
    """Numbers near 10000 with a deviation of 1: from float32 squares nothing would be left."""
    random = np.random.default_rng(0)
    values = (10_000 + random.standard_normal((2, 300, 400))).astype(np.float32)
    statistics = Statistics(2)
    for rows, columns in (
        ((0, 100), (0, 150)),
        ((0, 100), (150, 400)),
        ((100, 300), (0, 150)),
        ((100, 300), (150, 400)),
    ):
        part = values[:, slice(*rows), slice(*columns)]
        count = part.shape[2]
        sums = part.sum(axis=2, dtype=np.float64).astype(np.float32)
        squares = ((part - sums[..., None] / np.float32(count)) ** 2).sum(axis=2)
        statistics.add(sums, squares, columns=count)
    for inside in (True, False):
        scale, shift = statistics.finish(0.01, inside=inside)
        exact = values.astype(np.float64)
        deviation = np.sqrt(exact.var(axis=(1, 2)) + 0.01) if inside else exact.std(axis=(1, 2)) + 0.01
        np.testing.assert_allclose(scale.ravel(), 1 / deviation, rtol=1e-4)
        np.testing.assert_allclose(-shift.ravel() * deviation, exact.mean(axis=(1, 2)), rtol=1e-6)


def test_several_frames_in_any_order_and_flags(small_stylenet_onnx):
    images = [lively(120, 80, seed) for seed in range(4)]
    images[1].flags.writeable = False
    images[2] = np.ascontiguousarray(images[2][:, ::-1])[:, ::-1]
    expected = [whole(small_stylenet_onnx, image, precision="f32") for image in images]
    with TiledRuntime(small_stylenet_onnx, size=(120, 80), tile=(80, 60), precision="f32", depth=2) as runtime:
        assert runtime.depth == runtime.report.depth == 2
        futures = [runtime.submit(image) for image in images]
        with pytest.raises(ValueError, match=r"uint8 \(80, 120, 3\)"):
            runtime.submit(images[0][1:])
    for future, image in zip(futures, expected, strict=True):
        assert compare(future.result(), image)[0] <= 1
        assert future.result().flags.c_contiguous
    with pytest.raises(RuntimeError, match="closed"):
        runtime.submit(images[0])
    runtime.close()


def test_compiled_parts_are_kept(small_stylenet_onnx, tmp_path):
    image = lively(120, 80)
    results = [in_tiles(small_stylenet_onnx, image, (80, 60), cache_dir=tmp_path) for _ in range(2)]
    assert [report.from_cache for _, report in results] == [False, True]
    np.testing.assert_array_equal(results[0][0], results[1][0])
    # Another size of tile is another network.
    assert not in_tiles(small_stylenet_onnx, image, (80, 64), cache_dir=tmp_path)[1].from_cache


def test_failure_of_an_inference_reaches_the_future(small_stylenet_onnx, monkeypatch):
    with TiledRuntime(small_stylenet_onnx, size=(120, 80), tile=(80, 60)) as runtime:
        monkeypatch.setattr(tiled._Round, "run", lambda *_: (_ for _ in ()).throw(RuntimeError("out of memory")))
        with pytest.raises(MachineError, match="inference failed on CPU: out of memory"):
            runtime.submit(lively(120, 80)).result()


def test_tiles_of_a_wrong_size_are_refused(small_stylenet_onnx):
    for tile, words in (((20, 80), "tile is 20; give more than"), ((82, 80), "82x80; give multiples of 4")):
        with pytest.raises(ValueError, match=words):
            TiledRuntime(small_stylenet_onnx, size=(120, 80), tile=tile)
