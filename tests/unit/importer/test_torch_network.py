import pytest
import torch
from authors.generators import AnimeGAN, ResNet, UNet, patchgan, random_johnson, randomise
from torch import nn

from vidgan.errors import InputError
from vidgan.importer.hints import Hints
from vidgan.importer.torch_network import BlueFirst, find_torch_network
from vidgan.networks.perceptual import VGGFeatures


def resnet(seed=0, **options):
    return randomise(ResNet(4, blocks=1, **options), seed)


def found_in(tmp_path, content, **hints):
    path = tmp_path / "net.pth"
    torch.save(content, path)
    return find_torch_network(path, Hints(**hints))


def refused(tmp_path, content, one_line, *words, **hints):
    with pytest.raises(InputError) as caught:
        found_in(tmp_path, content, **hints)
    one_line(caught.value, tmp_path / "net.pth", *words)


@pytest.mark.parametrize("wrap", [
    lambda state: state,
    lambda state: {"state_dict": state},
    lambda state: {"model": state, "epoch": 3},
    lambda state: {"generator": state, "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}}},
    lambda state: {"params": state},
    lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    lambda state: {"netG": {f"_orig_mod.module.{name}": tensor for name, tensor in state.items()}},
    lambda state: {"state_dict": {f"G.{name}": tensor for name, tensor in state.items()} | {"loss.w": torch.ones(1)}},
])  # fmt: skip
def test_containers_and_prefixes(wrap, tmp_path):
    assert found_in(tmp_path, wrap(dict(resnet().state_dict()))).words.startswith("CycleGAN ResNet, 1 blocks, width 4")


def test_the_generator_beside_the_discriminator(tmp_path):
    content = {"D": patchgan().state_dict(), "G": resnet().state_dict()}
    assert found_in(tmp_path, content).words.startswith("CycleGAN ResNet")


def test_the_mean_of_the_training_beside_the_weights(tmp_path):
    content = {"params": resnet().state_dict(), "params_ema": randomise(ResNet(6, blocks=1)).state_dict()}
    assert "width 6" in found_in(tmp_path, content).words


def test_several_networks_want_a_choice(tmp_path, one_line):
    content = {"netG_A": resnet().state_dict(), "netG_B": randomise(ResNet(6, blocks=1)).state_dict()}
    refused(tmp_path, content, one_line, "holds netG_A (CycleGAN ResNet", "netG_B", "choose one with --hint part=NAME")
    assert "width 6" in found_in(tmp_path, content, part="netG_B").words
    assert "width 6" in found_in(tmp_path, {"nets": content}, part="netG_B").words
    refused(tmp_path, content, one_line, "--hint part=netG_C: there is no such network", part="netG_C")


def test_what_is_not_known_gets_a_list_and_the_first_names(tmp_path, one_line):
    refused(
        tmp_path, VGGFeatures(("2_1",)).state_dict(), one_line,
        "CycleGAN", "U-Net", "TransformerNet", "AnimeGANv2", "begins with convolutions.1_1.weight 64x3x3x3",
        "export it to ONNX", "pip install 'vidgan[restore]'",
    )  # fmt: skip


def test_other_content(tmp_path, one_line):
    refused(tmp_path, patchgan().state_dict(), one_line, "weights of a discriminator")
    refused(tmp_path, torch.zeros(3), one_line, "holds no named weights, but Tensor")
    refused(tmp_path, [1, 2], one_line, "holds no named weights, but list")
    refused(tmp_path, {}, one_line, "holds no named weights")
    refused(tmp_path, ResNet(4, blocks=1, colours=(1, 3)).state_dict(), one_line, "takes pictures of 1 channels")


def test_weights_that_are_no_numbers(tmp_path, one_line):
    network = resnet()
    with torch.no_grad():
        network.model[1].weight[0, 0, 0, 0] = torch.nan
    refused(tmp_path, network.state_dict(), one_line, "infinite or no numbers")


def network_of(found):
    """The network that an import would export."""
    return next(
        cell.cell_contents for cell in found.make_model.__closure__ if isinstance(cell.cell_contents, nn.Module)
    )


def test_the_published_range_or_a_hinted_one(tmp_path):
    author, picture = random_johnson(), torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        found = found_in(tmp_path, author.state_dict())
        torch.testing.assert_close(network_of(found)(picture), author(picture * 255) / 255)
        found = found_in(tmp_path, author.state_dict(), range=(-1.0, 1.0))
        torch.testing.assert_close(network_of(found)(picture), (author(picture * 2 - 1) + 1) / 2)
    assert "range -1..1, as hinted" in found.notes


def test_blue_first(tmp_path):
    author, picture = resnet(), torch.rand(1, 3, 16, 16)
    found = found_in(tmp_path, author.state_dict(), channels="bgr")
    with torch.no_grad():
        expected = (author(picture.flip(1) * 2 - 1).flip(1) + 1) / 2
        torch.testing.assert_close(network_of(found)(picture), expected)
    assert isinstance(network_of(found), BlueFirst)


def test_statistics_of_batch_norms(tmp_path):
    author, picture = randomise(UNet(5, 2)), torch.rand(1, 3, 64, 32)
    with torch.no_grad():
        found = found_in(tmp_path, author.state_dict())
        running = network_of(found)(picture)
        torch.testing.assert_close(running, (author(picture * 2 - 1) + 1) / 2)
        assert any("statistics of their training" in note for note in found.notes)
        # As the authors' program runs it, without eval(): a batch of one is normalised by itself.
        found = found_in(tmp_path, author.state_dict(), statistics="picture")
        own = network_of(found)(picture)
        torch.testing.assert_close(own, (author.train()(picture * 2 - 1) + 1) / 2)
    assert (own - running).abs().max() > 0.05
    with pytest.raises(ValueError, match="this network has no batch norms"):
        found_in(tmp_path, resnet().state_dict(), statistics="picture")


def test_how_animegan_enlarges(tmp_path):
    author, picture = randomise(AnimeGAN(4)), torch.rand(1, 3, 16, 24)
    with torch.no_grad():
        for hints, align in (({}, True), ({"align_corners": "yes"}, True), ({"align_corners": "no"}, False)):
            made = network_of(found_in(tmp_path, author.state_dict(), **hints))(picture)
            torch.testing.assert_close(made, (author(picture * 2 - 1, align_corners=align) + 1) / 2)
    with pytest.raises(ValueError, match="this is for AnimeGANv2"):
        found_in(tmp_path, resnet().state_dict(), align_corners="no")


def test_hints_for_onnx_are_refused(tmp_path):
    with pytest.raises(ValueError, match="layout=nchw means nothing for weights"):
        found_in(tmp_path, resnet().state_dict(), layout="nchw")
