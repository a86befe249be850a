import math

import pytest
import torch
from torch.nn import functional as F

from vidgan.train.adversarial import cross_entropy, judgement, least_squares, patch_nce, weighted


def test_least_squares_is_the_squared_distance_to_the_verdict():
    scores = torch.tensor([1.0, 0.0, 3.0])
    assert least_squares(scores, is_real=True).item() == pytest.approx(5 / 3)
    assert least_squares(scores, is_real=False).item() == pytest.approx(10 / 3)


def test_cross_entropy_is_that_of_the_sigmoid():
    assert cross_entropy(torch.zeros(4), is_real=True).item() == pytest.approx(math.log(2))
    assert cross_entropy(torch.tensor([30.0]), is_real=True).item() == pytest.approx(0, abs=1e-6)
    assert cross_entropy(torch.tensor([30.0]), is_real=False).item() == pytest.approx(30, abs=1e-4)


@pytest.mark.parametrize("verdict", [least_squares, cross_entropy])
def test_a_discriminator_that_is_right_loses_less(verdict):
    right = judgement(torch.ones(5), torch.zeros(5), verdict)
    assert right < judgement(torch.zeros(5), torch.ones(5), verdict)


def vectors(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(2, count, 64, generator=generator), dim=2)


def test_patches_that_agree_with_their_own_source_have_no_loss_to_speak_of():
    found = vectors(32)
    assert patch_nce([found], [found]).item() < 0.05
    # Agreeing with a neighbour's source instead is what the loss is against.
    assert patch_nce([found], [found.roll(1, dims=1)]).item() > 10


def test_patches_that_are_all_the_same_can_only_guess():
    same = vectors(1).expand(2, 32, 64)
    assert patch_nce([same], [same]).item() == pytest.approx(math.log(32), rel=1e-4)


def test_the_source_gets_no_gradient_and_other_pictures_of_the_batch_do_not_count():
    found, wanted = vectors(8).requires_grad_(), vectors(8, seed=1).requires_grad_()
    patch_nce([found], [wanted]).backward()
    assert wanted.grad is None
    assert found.grad.abs().sum() > 0
    both = patch_nce([found], [wanted])
    each = [patch_nce([found[i : i + 1]], [wanted[i : i + 1]]) for i in range(2)]
    assert both.item() == pytest.approx(sum(loss.item() for loss in each) / 2, rel=1e-5)


def test_only_weighted_losses_count():
    losses = {"a": torch.tensor(2.0), "b": torch.tensor(3.0), "shown": torch.tensor(100.0)}
    assert weighted(losses, {"a": 1.0, "b": 10.0}).item() == pytest.approx(32)
