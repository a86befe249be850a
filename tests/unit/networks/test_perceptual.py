from pathlib import Path

import pytest
import torch

from vidgan.errors import InputError
from vidgan.networks import perceptual
from vidgan.networks.perceptual import VGG16Features


@pytest.fixture(scope="module")
def features():
    return VGG16Features(("1_1", "2_1", "3_2"))


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


def torchvision_file(folder: Path) -> Path:
    """A file as torchvision's: random weights under its names, in its shapes."""
    torch.manual_seed(3)
    state = {}
    for index, (channels_in, channels_out) in zip(
        perceptual._TORCHVISION_INDEX, perceptual._CONVOLUTIONS.values(), strict=True
    ):
        state[f"features.{index}.weight"] = torch.randn(channels_out, channels_in, 3, 3) * 0.05
        state[f"features.{index}.bias"] = torch.randn(channels_out) * 0.05
    path = folder / "vgg16.pth"
    torch.save(state, path)
    return path


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
        assert torch.allclose(VGG16Features(("1_1",), path)(picture)["1_1"], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["0_1", "6_1", "3_4", "relu3", ""])
def test_an_unknown_layer_is_refused(name):
    with pytest.raises(ValueError, match="VGG16 has 1_1"):
        VGG16Features((name,))


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.pth: no such file"):
        VGG16Features(("1_1",), tmp_path / "nowhere.pth")


@pytest.mark.parametrize("name", ["vgg.pth", "vgg.h5"])
def test_a_file_of_something_else_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"not weights at all" * 10)
    with pytest.raises(InputError, match="not a file of VGG16 weights"):
        VGG16Features(("1_1",), path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(InputError, match="not a file of VGG16 weights"):
        VGG16Features(("1_1",), path)
