import itertools

import numpy as np
import onnx
import pytest
import torch

from vidgan.networks.animegan import AnimeGANGenerator
from vidgan.networks.generators import count_parameters
from vidgan.networks.johnson import JohnsonNet
from vidgan.networks.resnet import ResNetGenerator
from vidgan.networks.unet import UNetGenerator
from vidgan.networks.unit_range import UnitRange
from vidgan.runtime.export import export_onnx

SMALL = {
    "resnet": lambda: ResNetGenerator(width=4, num_blocks=2),
    "resnet-resize": lambda: ResNetGenerator(width=4, num_blocks=1, upsample="resize"),
    "resnet-batch": lambda: ResNetGenerator(width=4, num_blocks=1, norm="batch", dropout=True),
    "resnet-blur": lambda: ResNetGenerator(width=4, num_blocks=1, downsample="blur", upsample="blur"),
    "unet": lambda: UNetGenerator(width=2, num_downs=5),
    "unet-instance": lambda: UNetGenerator(width=2, num_downs=6, norm="instance", dropout=True),
    "johnson": lambda: JohnsonNet(width=4),
    "animegan": lambda: AnimeGANGenerator(width=4),
    "animegan-pixels": lambda: AnimeGANGenerator(width=4, align_corners=False),
}


@pytest.fixture(params=SMALL)
def network(request):
    torch.manual_seed(0)
    return SMALL[request.param]().eval()


def test_the_output_has_the_size_of_the_input(network):
    step, least = network.size_multiple, network.minimum_size
    for height, width in ((least, least), (least + step, least + 3 * step)):
        with torch.no_grad():
            assert network(torch.rand(2, 3, height, width)).shape == (2, 3, height, width)


def test_the_size_rule_is_not_stricter_than_it_must_be(network):
    half = network.size_multiple // 2
    with torch.no_grad():
        sizes = []
        for height in (network.minimum_size + half, network.minimum_size - network.size_multiple):
            try:
                sizes.append(network(torch.rand(1, 3, height, 64)).shape == (1, 3, height, 64))
            except (RuntimeError, ValueError):
                sizes.append(False)
    assert sizes == [False, False]


# The others are exported in tests/integration/test_runtimes_agree.py.
@pytest.mark.parametrize("name", ["resnet-batch", "unet-instance"])
def test_other_norms_and_dropout_are_exported(name, tmp_path):
    torch.manual_seed(0)
    network, path = SMALL[name]().eval(), tmp_path / "model.onnx"
    report = export_onnx(
        UnitRange(network), path, size_multiple=network.size_multiple, minimum_size=network.minimum_size
    )
    assert report.max_difference <= 1
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert not kinds & {"If", "Loop", "Dropout"}


def test_ranges():
    class Same(torch.nn.Module):
        def __init__(self, value_range):
            super().__init__()
            self.value_range = value_range

        def forward(self, x_NCHW):
            self.seen = x_NCHW.min().item(), x_NCHW.max().item()
            return x_NCHW

    pictures = torch.linspace(0, 1, 48).reshape(1, 3, 4, 4)
    for value_range in ((-1.0, 1.0), (0.0, 255.0)):
        network = Same(value_range)
        torch.testing.assert_close(UnitRange(network)(pictures), pictures)
        assert network.seen == pytest.approx(value_range)
    assert ResNetGenerator(width=1).value_range == UNetGenerator(width=1, num_downs=5).value_range == (-1, 1)
    assert JohnsonNet(width=1).value_range == (0, 255)


def convolution(channels_in, channels_out, size, *, bias=True):
    return channels_in * channels_out * size**2 + bias * channels_out


def test_parameters_of_the_published_resnet():
    down = convolution(3, 64, 7) + convolution(64, 128, 3) + convolution(128, 256, 3)
    up = convolution(256, 128, 3) + convolution(128, 64, 3) + convolution(64, 3, 7)
    for num_blocks, millions in ((9, 11.378), (6, 7.838)):
        count = count_parameters(ResNetGenerator(num_blocks=num_blocks))
        assert count == down + 2 * num_blocks * convolution(256, 256, 3) + up
        assert round(count / 1e6, 3) == millions


def test_parameters_of_the_published_unet():
    ladder = [64, 128, 256, 512, 512, 512, 512, 512]
    count = convolution(3, 64, 4, bias=False) + convolution(128, 3, 4)
    for level, (outer, inner) in enumerate(itertools.pairwise(ladder)):
        is_innermost = level == len(ladder) - 2
        count += convolution(outer, inner, 4, bias=False)
        count += convolution(inner * (1 if is_innermost else 2), outer, 4, bias=False)
        count += 2 * outer + (0 if is_innermost else 2 * inner)  # batch norms
    with torch.device("meta"):
        network = UNetGenerator()
    assert count_parameters(network) == count
    assert round(count / 1e6, 2) == 54.41


def test_parameters_of_the_published_johnson_net():
    layers = [(3, 32, 9), (32, 64, 3), (64, 128, 3), *[(128, 128, 3)] * 10, (128, 64, 3), (64, 32, 3)]
    count = sum(convolution(*layer) + 2 * layer[1] for layer in layers) + convolution(32, 3, 9)
    assert count_parameters(JohnsonNet()) == count
    assert round(count / 1e6, 3) == 1.679


def test_parameters_of_the_published_animegan():
    # (in, out, size, channels of a group, bias), each with a norm behind it; the last has none.
    plain = [(3, 32, 7), (32, 64, 3), (64, 64, 3), (64, 128, 3), *[(128, 128, 3)] * 2, (256, 128, 3)]
    plain += [(128, 128, 3)] * 2 + [(128, 64, 3), (64, 64, 3), (64, 32, 7)]
    count = sum(convolution(*layer, bias=False) + 2 * layer[1] for layer in plain)
    for channels in (128, 256, 256, 256):
        inner = 2 * channels
        count += convolution(channels, inner, 1, bias=False) + 2 * inner
        count += convolution(1, inner, 3) + 2 * inner
        count += convolution(inner, 256, 1, bias=False) + 2 * 256
    count += convolution(32, 3, 1, bias=False)
    assert count_parameters(AnimeGANGenerator()) == count
    assert round(count / 1e6, 2) == 2.14


def names(network):
    return {name for name, _ in network.named_parameters()}


def test_names_of_the_published_resnet():
    with torch.device("meta"):
        network = ResNetGenerator(num_blocks=9)
    convolutions = ["1", "4", "7", *(f"{i}.conv_block.{j}" for i in range(10, 19) for j in (1, 5)), "19", "22", "26"]
    assert names(network) == {f"model.{name}.{kind}" for name in convolutions for kind in ("weight", "bias")}
    assert network.model[19].weight.shape == (256, 128, 3, 3)
    assert "model.10.conv_block.6.weight" in names(ResNetGenerator(width=1, dropout=True))
    with_norms = set(ResNetGenerator(width=1, num_blocks=1, norm="batch").state_dict())
    assert {"model.2.running_mean", "model.10.conv_block.2.weight", "model.15.running_var"} <= with_norms
    assert "model.1.bias" not in with_norms


def test_names_of_the_published_unet():
    with torch.device("meta"):
        network = UNetGenerator(num_downs=8)
    found = set(network.state_dict())
    inner = "model.model.1.model."  # the first block within the outermost
    assert {"model.model.0.weight", "model.model.3.weight", "model.model.3.bias", inner + "1.weight"} <= found
    assert {inner + "2.running_mean", inner + "5.weight", inner + "6.bias"} <= found
    innermost = "model.model.1" + 6 * ".model.3" + ".model."
    assert {name for name in found if name.startswith(innermost)} == {
        innermost + name
        for name in (
            *("1.weight", "3.weight", "4.weight", "4.bias"),
            *("4.running_mean", "4.running_var", "4.num_batches_tracked"),
        )
    }
    assert "model.model.0.bias" not in found
    instance = names(UNetGenerator(num_downs=5, width=1, norm="instance"))
    assert {"model.model.0.bias", inner + "1.bias", inner + "5.bias"} <= instance
    assert inner + "6.weight" not in instance


def test_names_of_the_published_johnson_net():
    expected = set()
    for layer in ("conv1", "conv2", "conv3", "deconv1", "deconv2", "deconv3"):
        expected |= {f"{layer}.conv2d.weight", f"{layer}.conv2d.bias"}
    for norm in [*(f"in{i}" for i in range(1, 6)), *(f"res{i}.in{j}" for i in range(1, 6) for j in (1, 2))]:
        expected |= {f"{norm}.weight", f"{norm}.bias"}
    for layer in (f"res{i}.conv{j}" for i in range(1, 6) for j in (1, 2)):
        expected |= {f"{layer}.conv2d.weight", f"{layer}.conv2d.bias"}
    assert set(JohnsonNet(width=1).state_dict()) == expected


def test_names_of_the_published_cut():
    found = set(ResNetGenerator(width=1, num_blocks=2, downsample="blur", upsample="blur").state_dict())
    filters = {f"model.{i}.filt" for i in (7, 11, 14, 18)}
    convolutions = ["1", "4", "8", *(f"{i}.conv_block.{j}" for i in (12, 13) for j in (1, 5)), "15", "19", "23"]
    assert found == filters | {f"model.{name}.{kind}" for name in convolutions for kind in ("weight", "bias")}


def test_names_of_the_published_animegan():
    with torch.device("meta"):
        found = set(AnimeGANGenerator().state_dict())
    assert {"block_a.0.1.weight", "block_a.0.2.bias", "block_c.1.layers.0.1.weight"} <= found
    assert {"block_c.4.layers.1.1.bias", "block_c.4.layers.3.weight", "block_e.2.2.weight"} <= found
    assert {name for name in found if name.startswith("out_layer")} == {"out_layer.0.weight"}
    assert "block_c.1.layers.2.bias" not in found


def test_the_unet_skips():
    torch.manual_seed(0)
    network = UNetGenerator(width=2, num_downs=5, norm="instance").eval()
    picture = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        before = network(picture)
        # What comes from inside stands behind what is skipped.
        network.model.model[3].weight[2:] = 0
        assert not torch.equal(network(picture), before)
        assert network(picture).std() > 1e-4


def test_wrong_arguments():
    for make in (
        lambda: ResNetGenerator(norm="layer"),
        lambda: ResNetGenerator(upsample="shuffle"),
        lambda: ResNetGenerator(downsample="shuffle"),
        lambda: ResNetGenerator(num_blocks=0),
        lambda: UNetGenerator(num_downs=4),
        lambda: JohnsonNet(width=0),
        lambda: AnimeGANGenerator(width=0),
    ):
        with pytest.raises(ValueError, match=r"; (use|give) "):
            make()


def test_dropout_is_for_training_only():
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 64, 64)
    for network in (SMALL["resnet-batch"](), SMALL["unet-instance"]()):
        with torch.no_grad():
            assert not torch.equal(network(picture), network(picture))
            network.eval()
            np.testing.assert_array_equal(network(picture), network(picture))
