import pytest
import torch

from vidgan.train.losses import (
    clip_feature_loss,
    clip_output_loss,
    content_distance,
    gram,
    style_distance,
    total_variation,
)


def test_gram_is_the_mean_product_of_channels():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # two channels of two positions
    assert torch.equal(gram(features), torch.tensor([[[2.5, 5.5], [5.5, 12.5]]]))


def test_gram_forgets_where_things_are():
    features = torch.rand(1, 4, 6, 6)
    shuffled = features.flatten(2)[..., torch.randperm(36)].view_as(features)
    assert torch.allclose(gram(features), gram(shuffled), atol=1e-6)


def test_style_distance_is_a_fraction_of_the_target():
    target = gram(torch.rand(1, 4, 6, 6))
    assert style_distance(target, target) == 0
    assert style_distance(torch.zeros(3, 4, 4), target) == pytest.approx(1)


def test_content_distance_is_a_fraction_of_the_variance():
    target = torch.randn(1, 4, 32, 32)
    assert content_distance(target, target) == 0
    assert content_distance(target.mean().expand_as(target), target) == pytest.approx(1, abs=1e-3)


def test_total_variation_of_a_ramp_is_its_slope():
    ramp = torch.arange(8.0).view(1, 1, 1, 8).expand(1, 3, 5, 8) / 10
    assert total_variation(ramp) == pytest.approx(0.1)
    assert total_variation(torch.ones(1, 3, 5, 8)) == 0


def test_losses_are_computed_in_float32_under_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        features = torch.nn.functional.conv2d(torch.rand(1, 3, 8, 8), torch.rand(4, 3, 3, 3))
        assert features.dtype == torch.bfloat16
        assert gram(features.float()).dtype in (torch.float32, torch.bfloat16)
        assert total_variation(features).dtype == torch.float32


def test_a_result_that_brightens_as_its_source_does_is_steady():
    ones = torch.ones(1, 3, 4, 4)
    visible = torch.ones(1, 1, 4, 4)
    green = torch.tensor([0.0, 0.1, 0.0]).view(1, 3, 1, 1) * ones
    # Relative luminance of green: 0.7152.
    steady = clip_output_loss(0.5 * ones + 0.07152, 0.5 * ones, 0.3 * ones + green, 0.3 * ones, visible)
    assert steady == pytest.approx(0, abs=1e-12)
    assert clip_output_loss(0.5 * ones + 0.1, 0.5 * ones, ones, ones, visible) == pytest.approx(0.01)


def test_what_cannot_be_seen_does_not_count():
    ones, visible = torch.ones(1, 3, 4, 4), torch.zeros(1, 1, 4, 4)
    visible[..., :2] = 1
    assert clip_output_loss(1.2 * ones, ones, ones, ones, visible) == pytest.approx(0.02)
    assert clip_feature_loss(2 * ones, ones, visible) == pytest.approx(0.5 / 4)
    assert clip_feature_loss(2 * ones, ones, 0 * visible) == 0


def test_smaller_features_are_no_steadier():
    before, after, visible = torch.rand(1, 8, 4, 4), torch.rand(1, 8, 4, 4), torch.ones(1, 1, 4, 4)
    assert clip_feature_loss(after / 9, before / 9, visible) == pytest.approx(
        clip_feature_loss(after, before, visible).item()
    )
