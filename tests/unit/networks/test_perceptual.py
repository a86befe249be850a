from pathlib import Path

import pytest
import torch

from vidgan.errors import InputError
from vidgan.networks import perceptual
from vidgan.networks.perceptual import VGGFeatures


@pytest.fixture(scope="module")
def features():
    return VGGFeatures(("1_1", "2_1", "3_2"))


def test_layers_have_vgg16s_channels_and_strides(features):
    with torch.no_grad():
        got = features(torch.rand(2, 3, 32, 48))
    assert {name: tuple(value.shape) for name, value in got.items()} == {
        "1_1": (2, 64, 32, 48),
        "2_1": (2, 128, 16, 24),
        "3_2": (2, 256, 8, 12),
    }


def test_nothing_deeper_than_asked_for_is_built(features):
    assert list(features.convolutions) == ["1_1", "1_2", "2_1", "2_2", "3_1", "3_2"]


def test_the_weights_never_train(features):
    assert not any(parameter.requires_grad for parameter in features.parameters())
    picture = torch.rand(1, 3, 16, 16, requires_grad=True)
    features(picture)["1_1"].sum().backward()
    assert picture.grad is not None


def test_activations_are_after_the_relu(features):
    with torch.no_grad():
        got = features(torch.rand(1, 3, 32, 32))["1_1"]
    assert got.min() == 0
    assert got.max() > 0


def test_a_red_picture_is_red_to_the_network(features):
    """Channel order matters: Caffe's weights want BGR, and a swap would go unnoticed in training."""
    red, blue = torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)
    red[:, 0], blue[:, 2] = 1, 1
    conv = features.convolutions["1_1"]
    mean = torch.tensor(perceptual._CAFFE_MEAN_BGR).view(1, 3, 1, 1)
    expected = torch.relu(conv(torch.tensor([0.0, 0.0, 255.0]).view(1, 3, 1, 1).expand(1, 3, 16, 16) - mean))
    with torch.no_grad():
        assert torch.allclose(features(red)["1_1"], expected, atol=1e-3)
        assert not torch.allclose(features(blue)["1_1"], expected, atol=1e-3)


VGG16_INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
VGG19_INDICES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)


def channels_of(indices):
    """Channels out of each convolution: 64, 128, 256, 512, 512 by block; a gap of 3 begins a block."""
    widths, block, before = [], 0, -2
    for index in indices:
        block += index - before == 3
        before = index
        widths.append((64, 128, 256, 512, 512)[block])
    return widths


def torchvision_file(folder: Path, indices=VGG16_INDICES) -> Path:
    """A file as torchvision's: random weights under its names, in its shapes."""
    torch.manual_seed(3)
    state, channels_in = {}, 3
    for index, channels_out in zip(indices, channels_of(indices), strict=True):
        state[f"features.{index}.weight"] = torch.randn(channels_out, channels_in, 3, 3) * 0.05
        state[f"features.{index}.bias"] = torch.randn(channels_out) * 0.05
        channels_in = channels_out
    path = folder / "vgg.pth"
    torch.save(state, path)
    return path


@pytest.mark.parametrize(
    ("indices", "architecture", "deepest"), [(VGG16_INDICES, "VGG16", "5_3"), (VGG19_INDICES, "VGG19", "5_4")]
)
def test_the_network_is_known_by_its_file(tmp_path, indices, architecture, deepest):
    path = torchvision_file(tmp_path, indices)
    features = VGGFeatures((deepest,), path)
    assert features.architecture == architecture
    assert len(features.convolutions) == len(indices)
    with torch.no_grad():
        assert features(torch.rand(1, 3, 32, 32))[deepest].shape == (1, 512, 2, 2)
    with pytest.raises(ValueError, match=f"{architecture} has 1_1"):
        VGGFeatures(("5_5",), path)


def test_vgg19_computes_what_torchvisions_layers_would(tmp_path):
    """The pooling comes after the fourth convolution of the third block, which VGG16 doesn't have."""
    path = torchvision_file(tmp_path, VGG19_INDICES)
    state = torch.load(path, weights_only=True)
    x = picture = torch.rand(1, 3, 16, 16)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (x - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    pooled_before = (5, 10, 19)
    for index in VGG19_INDICES[:9]:
        if index in pooled_before:
            x = torch.nn.functional.max_pool2d(x, 2)
        weight, bias = state[f"features.{index}.weight"], state[f"features.{index}.bias"]
        x = torch.relu(torch.nn.functional.conv2d(x, weight, bias, padding=1))
    assert torch.allclose(VGGFeatures(("4_1",), path)(picture)["4_1"], x, atol=1e-4)


def test_torchvisions_file_is_read_and_fed_as_torchvision_does(tmp_path):
    path = torchvision_file(tmp_path)
    state = torch.load(path, weights_only=True)
    picture = torch.rand(1, 3, 16, 16)
    normalised = (picture - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(1, 3, 1, 1)
    expected = torch.relu(
        torch.nn.functional.conv2d(normalised, state["features.0.weight"], state["features.0.bias"], padding=1)
    )
    with torch.no_grad():
        assert torch.allclose(VGGFeatures(("1_1",), path)(picture)["1_1"], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["0_1", "6_1", "3_4", "relu3", ""])
def test_an_unknown_layer_is_refused(name):
    with pytest.raises(ValueError, match="VGG16 has 1_1"):
        VGGFeatures((name,))


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.pth: no such file"):
        VGGFeatures(("1_1",), tmp_path / "nowhere.pth")


@pytest.mark.parametrize("name", ["vgg.pth", "vgg.h5"])
def test_a_file_of_something_else_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"not weights at all" * 10)
    with pytest.raises(InputError, match="not a file of VGG16 or VGG19 weights"):
        VGGFeatures(("1_1",), path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(InputError, match="not a file of VGG16 or VGG19 weights"):
        VGGFeatures(("1_1",), path)
