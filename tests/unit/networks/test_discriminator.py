import pytest
import torch

from vidgan.networks.discriminator import PatchGAN, initialise
from vidgan.networks.patch_sampler import PatchSampler, choose_places
from vidgan.networks.resnet import ResNetGenerator


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_a_score_sees_seventy_pixels(norm):
    """The published receptive field: the gradient of one score reaches 70x70 pixels, no more and no less."""
    torch.manual_seed(0)
    network = PatchGAN(width=4, norm=norm).eval()
    # The statistics of instance norms look at the whole picture, which isn't meant here.
    for index, layer in enumerate(network.model):
        if isinstance(layer, torch.nn.InstanceNorm2d):
            network.model[index] = torch.nn.Identity()
    x = torch.rand(1, 3, 256, 256, requires_grad=True)
    scores = network(x)
    assert scores.shape == (1, 1, 30, 30)
    scores[0, 0, 15, 15].backward()
    rows, columns = (x.grad.abs().sum((0, 1, dim)).nonzero().flatten() for dim in (3, 2))
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (70, 70)


def test_layers_have_the_published_shapes():
    shapes = {name: tuple(value.shape) for name, value in PatchGAN().state_dict().items() if value.ndim == 4}
    assert shapes == {
        "model.0.weight": (64, 3, 4, 4),
        "model.2.weight": (128, 64, 4, 4),
        "model.5.weight": (256, 128, 4, 4),
        "model.8.weight": (512, 256, 4, 4),
        "model.11.weight": (1, 512, 4, 4),
    }


@pytest.mark.parametrize("channels", [3, 6])
def test_the_least_picture_has_a_score(channels):
    side = PatchGAN.minimum_size
    assert PatchGAN(channels=channels, width=2)(torch.rand(2, channels, side, side)).numel() > 0


def test_weights_begin_as_published():
    torch.manual_seed(1)
    network = initialise(ResNetGenerator(width=16, num_blocks=2, norm="batch"))
    weights = torch.cat([m.weight.flatten() for m in network.modules() if isinstance(m, torch.nn.Conv2d)])
    assert abs(weights.mean()) < 1e-3
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)
    scales = torch.cat([m.weight for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)])
    assert scales.mean().item() == pytest.approx(1, abs=0.01)
    biases = [m.bias for m in network.modules() if getattr(m, "bias", None) is not None]
    assert all((bias == 0).all() for bias in biases)


def test_samples_are_unit_vectors_of_the_chosen_places():
    torch.manual_seed(2)
    features = [torch.rand(2, 5, 8, 8), torch.rand(2, 7, 4, 4)]
    places = choose_places(features, 20)
    assert [len(place) for place in places] == [20, 16]
    assert all(len(set(place.tolist())) == len(place) for place in places)
    sampler = PatchSampler([5, 7], width=12)
    found = sampler(features, places)
    assert [part.shape for part in found] == [(2, 20, 12), (2, 16, 12)]
    assert torch.allclose(found[0].norm(dim=2), torch.ones(2, 20))
    # A change at a place that wasn't chosen changes nothing.
    other = features[0].clone()
    (free,) = [index for index in range(64) if index not in places[0].tolist()][:1]
    other.flatten(2)[:, :, free] += 1
    assert torch.equal(sampler([other, features[1]], places)[0], found[0])
