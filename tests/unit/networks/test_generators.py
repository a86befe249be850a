import pytest
import torch

from vidgan.networks.generators import SIZES, StyleNet, count_parameters


@pytest.mark.parametrize("size", SIZES)
def test_the_output_has_the_size_of_the_input(size):
    width, num_blocks = SIZES[size]
    network = StyleNet(width=width, num_blocks=num_blocks)
    for height, width in ((16, 16), (20, 36), (64, 16)):
        assert network(torch.rand(1, 3, height, width)).shape == (1, 3, height, width)


def test_the_sizes_grow():
    counts = [count_parameters(StyleNet(width=width, num_blocks=blocks)) for width, blocks in SIZES.values()]
    assert list(SIZES) == ["tiny", "small", "base"]
    assert counts == sorted(set(counts))


def test_features_are_a_quarter_of_the_size_and_enough_to_paint_from():
    torch.manual_seed(0)
    network = StyleNet(width=16, num_blocks=2)
    picture = torch.rand(1, 3, 24, 32)
    features = network.encode(picture)
    assert features.shape == (1, 16, 6, 8)
    assert torch.equal(network.decode(features), network(picture))


def test_a_new_network_begins_near_mid_grey():
    torch.manual_seed(0)
    out = StyleNet(width=16, num_blocks=2)(torch.rand(1, 3, 64, 64))
    assert 0.01 < (out - 0.5).abs().mean() < 0.15


def test_blocks_begin_as_the_identity():
    network = StyleNet(width=16, num_blocks=3)
    picture = torch.rand(1, 3, 32, 32)
    assert torch.equal(network.encode(picture), network.down(picture))


def test_the_contrast_of_a_picture_is_taken_out():
    torch.manual_seed(0)
    network = StyleNet(width=16, num_blocks=1).double()
    for norm in (network.down[2], network.up[1]):
        norm.eps = 1e-12
    picture = torch.rand(1, 3, 64, 64).double()
    with torch.no_grad():
        bright, dim = network(picture), network(picture * 0.25)
    assert (bright - dim).abs().max() < 1e-6 * bright.std()


def test_the_fused_network_computes_the_same_to_the_border():
    torch.manual_seed(0)
    network = StyleNet(width=16, num_blocks=1).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    pictures = torch.rand(2, 3, 24, 36).double()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fused = network.fused()
    assert not any(isinstance(module, torch.nn.PixelUnshuffle) for module in fused.modules())
    with torch.no_grad():
        torch.testing.assert_close(fused(pictures), network(pictures), rtol=0, atol=1e-11)
        torch.nn.init.zeros_(fused.to_rgb[0].weight)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_parameters_are_counted():
    assert count_parameters(torch.nn.Conv2d(2, 3, 3)) == 2 * 3 * 9 + 3
