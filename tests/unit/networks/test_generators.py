import pytest
import torch

from vidgan.networks.generators import StyleNet, count_parameters


@pytest.fixture
def trained():
    """A network whose running statistics have seen pictures."""
    torch.manual_seed(0)
    network = StyleNet(width=16, num_blocks=2)
    network.train()
    with torch.no_grad():
        for _ in range(20):
            network(torch.rand(2, 3, 32, 48))
    return network


def test_the_output_has_the_size_of_the_input(trained):
    for height, width in ((16, 16), (20, 36), (64, 16)):
        assert trained(torch.rand(1, 3, height, width)).shape == (1, 3, height, width)


def test_a_new_network_begins_near_mid_grey():
    torch.manual_seed(0)
    out = StyleNet(width=16, num_blocks=2)(torch.rand(1, 3, 64, 64))
    assert (out - 0.5).abs().max() < 0.3


def test_folding_keeps_the_result(trained):
    picture = torch.rand(1, 3, 40, 64)
    with torch.no_grad():
        expected = trained.eval()(picture)
        difference = (trained.folded()(picture) - expected).abs().max()
    assert difference < 1e-4


def test_a_folded_network_has_no_normalisation_left(trained):
    kinds = {type(module).__name__ for module in trained.folded().modules()}
    assert "InstanceNorm2d" not in kinds
    assert "ConvNorm" not in kinds


def test_measured_statistics_are_those_of_the_pictures(trained):
    """With them, pictures that all look alike come out the same with frozen statistics as with their own."""
    picture = torch.rand(1, 3, 64, 64)
    trained.measure_norm([picture] * 3)
    with torch.no_grad():
        own = trained.train()(picture)
        frozen = trained.eval()(picture)
    assert (own - frozen).abs().max() < 0.01


def test_parameters_are_counted():
    assert count_parameters(torch.nn.Conv2d(2, 3, 3)) == 2 * 3 * 9 + 3
