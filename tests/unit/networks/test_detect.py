import pytest
import torch
from authors.generators import AnimeGAN, ResNet, UNet, patchgan, random_johnson, randomise, without_statistics

from vidgan.errors import InputError
from vidgan.networks.detect import describe, detect
from vidgan.networks.perceptual import VGGFeatures
from vidgan.networks.resnet import ResNetGenerator

# By name: the author's network, the words for it, the size rule, and two sizes to compare at.
PUBLISHED = {
    "resnet-9": (lambda: ResNet(), "CycleGAN ResNet, 9 blocks, width 8, instance norm", 4),
    "resnet-6-dropout": (
        lambda: ResNet(12, blocks=6, dropout=True),
        "CycleGAN ResNet, 6 blocks, width 12, instance norm, dropout in training",
        4,
    ),
    "resnet-batch": (lambda: ResNet(blocks=6, norm="batch"), "CycleGAN ResNet, 6 blocks, width 8, batch norm", 4),
    "resnet-batch-dropout": (
        lambda: ResNet(blocks=2, norm="batch", dropout=True),
        "CycleGAN ResNet, 2 blocks, width 8, batch norm, dropout in training",
        4,
    ),
    "resnet-old": (lambda: ResNet(blocks=3, norm="tracked"), "CycleGAN ResNet, 3 blocks, width 8, instance norm", 4),
    "cut": (lambda: ResNet(blur=(True, True)), "CUT ResNet, 9 blocks, width 8, instance norm", 4),
    "cut-down-only": (
        lambda: ResNet(blocks=2, blur=(True, False)),
        "CUT ResNet, 2 blocks, width 8, instance norm",
        4,
    ),
    "cut-up-only": (lambda: ResNet(blocks=2, blur=(False, True)), "CUT ResNet, 2 blocks, width 8, instance norm", 4),
    "unet-128": (lambda: UNet(7), "pix2pix U-Net 128, width 4, batch norm", 128),
    "unet-256-instance": (
        lambda: UNet(8, 2, norm="instance", dropout=True),
        "pix2pix U-Net 256, width 2, instance norm",
        256,
    ),
    "unet-512-old": (lambda: UNet(9, 2, norm="tracked"), "pix2pix U-Net 512, width 2, instance norm", 512),
    "unet-64": (lambda: UNet(6), "pix2pix U-Net, size halved 6 times, width 4, batch norm", 64),
    "johnson": (random_johnson, "Johnson's TransformerNet, width 8", 4),
    "johnson-old": (lambda: random_johnson(tracked=True), "Johnson's TransformerNet, width 8", 4),
    "animegan": (AnimeGAN, "AnimeGANv2 generator, width 8", 4),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_authors_weights_give_the_authors_pictures(name):
    make, words, multiple = PUBLISHED[name]
    author = make() if name.startswith("johnson") else randomise(make())
    state = dict(author.state_dict())
    found = detect(state)
    assert found.words == words
    assert found.network.size_multiple == multiple
    assert bool(found.notes) == name.endswith("old")
    without_statistics(author)
    black, white = found.network.value_range
    for height, width in ((multiple, 2 * multiple), (2 * multiple, multiple)) if multiple > 4 else ((36, 52), (64, 24)):
        pictures = torch.rand(1, 3, height, width) * (white - black) + black
        with torch.no_grad():
            expected, made = author(pictures), found.network(pictures)
        assert expected.std() > (white - black) / 20, "a flat picture would be the same whatever happened"
        torch.testing.assert_close(made, expected, rtol=1e-5, atol=1e-5 * (white - black))


def test_the_given_state_is_left_as_it_is():
    state = dict(ResNet(blocks=1, norm="tracked").state_dict())
    before = {name: tensor.clone() for name, tensor in state.items()}
    detect(state)
    assert state.keys() == before.keys()
    assert all(torch.equal(state[name], before[name]) for name in before)


def test_half_precision_becomes_single():
    author = ResNet(blocks=1).half()
    found = detect(author.state_dict())
    assert {tensor.dtype for tensor in found.network.state_dict().values()} == {torch.float32}
    assert torch.equal(found.network.model[1].weight.half(), author.model[1].weight)


def test_batch_norms_of_before_the_counters():
    state = {name: tensor for name, tensor in UNet(5).state_dict().items() if not name.endswith("num_batches_tracked")}
    assert detect(state).words.endswith("batch norm")


def test_our_own_resize_convolutions():
    found = detect(ResNetGenerator(width=4, num_blocks=1, upsample="resize").state_dict())
    assert found.words == "CycleGAN ResNet, 1 blocks, width 4, instance norm, resize-convolutions"


def test_what_is_no_generator():
    assert detect({}) is None
    assert detect(VGGFeatures(("1_1",)).state_dict()) is None
    with pytest.raises(InputError, match="weights of a discriminator"):
        detect(patchgan().state_dict())


@pytest.mark.parametrize(("make", "words"), [
    (lambda: ResNet(blocks=1, colours=(1, 3)), "CycleGAN ResNet that takes pictures of 1 channels"),
    (lambda: ResNet(blocks=1, colours=(3, 1)), "CycleGAN ResNet that makes pictures of 1 channels"),
    (lambda: UNet(5, 2, colours=(6, 3)), "U-Net, size halved 5 times that takes pictures of 6 channels"),
    (lambda: UNet(5, 2, colours=(3, 4)), "U-Net, size halved 5 times that makes pictures of 4 channels"),
])  # fmt: skip
def test_other_channels_than_three(make, words, one_line):
    with pytest.raises(InputError) as caught:
        detect(make().state_dict())
    one_line(caught.value, words, "a style takes and makes 3")


def test_weights_that_almost_fit(one_line):
    state = dict(ResNet(blocks=2).state_dict())
    for change, words in (
        ({"model.11.conv_block.5.weight": torch.zeros(32, 32, 5, 5)}, "5.weight is 32x32x5x5, not 32x32x3x3"),
        ({"model.30.weight": torch.zeros(3)}, "model.30.weight doesn't belong to it"),
        ({"model.4.bias": None}, "model.4.bias is missing"),
        ({"model.2.weight": torch.zeros(8)}, "nor do"),
    ):
        changed = {name: tensor for name, tensor in (state | change).items() if tensor is not None}
        with pytest.raises(InputError) as caught:
            detect(changed)
        one_line(caught.value, "looks like a CycleGAN ResNet, but", words)
    with pytest.raises(InputError, match="looks like a pix2pix U-Net, size halved 4 times, but num_downs is 4"):
        detect({name.replace(".model.3.model", ".model", 1): each for name, each in UNet(5, 1).state_dict().items()})


def test_a_description_is_short():
    state = {f"layer.{number}": torch.zeros(2, number) for number in range(9)}
    assert describe(state, 2) == "layer.0 2x0, layer.1 2x1 and 7 more"
    assert describe({"x": torch.tensor(1)}) == "x a number"
