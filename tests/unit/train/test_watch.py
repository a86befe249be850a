import io
import logging
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vidgan.train.watch import FIRST_LOOKS, LOOKS_IN_A_ROW, STEPS_OF_WINNING, Watch, diversity


def blobs(count, seed, side=64):
    """Pictures of a few soft blobs, each another."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=rng)
    return F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False).clamp(0, 1)


def noisy(pictures, sigma=0.1):
    return pictures + sigma * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(1))


def same(count=8):
    return blobs(1, 7).expand(count, -1, -1, -1)


def looks(watch, outputs, count=FIRST_LOOKS, **others):
    """Look several times, as at steps of a training."""
    sets = {"inputs": blobs(8, 1), "targets": blobs(8, 2)} | others
    return [watch.look(100 * number, "a2b", outputs=outputs, **sets) for number in range(count)][-1]


class TestDiversity:
    def test_black_and_white_are_as_different_as_can_be(self):
        pictures = torch.stack([torch.zeros(3, 40, 24), torch.ones(3, 40, 24)])
        assert diversity(pictures).item() == pytest.approx(1)

    def test_it_is_the_mean_over_pairs(self):
        levels = torch.tensor([0.0, 0.5, 0.6]).view(3, 1, 1, 1).expand(3, 3, 20, 20)
        assert diversity(levels).item() == pytest.approx((0.5 + 0.6 + 0.1) / 3)

    def test_noise_hardly_counts(self):
        assert diversity(noisy(same())).item() < 0.05 < 0.15 < diversity(blobs(8, 1)).item()
        assert diversity(same()).item() == pytest.approx(0, abs=1e-5)

    def test_one_picture_is_refused(self):
        with pytest.raises(ValueError, match="1 pictures: diversity takes at least 2"):
            diversity(torch.rand(1, 3, 8, 8))


class TestCollapse:
    def test_the_same_for_everything_is_warned_of_once(self, caplog, one_line):
        watch = Watch()
        looks(watch, same(), 3 * FIRST_LOOKS)
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        one_line(record.message, "mode collapse", "a2b", "step 1400", "try")
        assert watch.warnings == [record.message]

    def test_noise_does_not_hide_it(self, caplog):
        looks(Watch(), noisy(same()))
        assert "mode collapse" in caplog.text

    def test_different_results_are_fine(self, caplog):
        watch = Watch()
        curves = looks(watch, blobs(8, 3), 20, cycle=blobs(8, 1))
        assert caplog.text == ""
        assert watch.warnings == []
        names = ("diversity/a2b", "diversity/a2b_of_targets", "diversity/a2b_cycle")
        assert curves == pytest.approx(dict.fromkeys(names, 1), abs=0.2)

    def test_a_generator_that_has_only_begun_is_given_time(self, caplog):
        watch = Watch()
        looks(watch, same(), FIRST_LOOKS - 1)
        looks(watch, blobs(8, 3), 1)
        assert caplog.text == ""

    def test_one_that_was_well_is_given_less(self, caplog):
        watch = Watch()
        looks(watch, blobs(8, 3), 1)
        looks(watch, same(), LOOKS_IN_A_ROW - 1)
        assert caplog.text == ""
        looks(watch, same(), 1)
        assert "mode collapse" in caplog.text

    def test_after_recovery_it_warns_again(self, caplog):
        watch = Watch()
        looks(watch, same())
        looks(watch, blobs(8, 3))
        looks(watch, same())
        assert len(caplog.records) == len(watch.warnings) == 2

    def test_results_need_be_no_more_different_than_targets(self, caplog):
        """Maps are much alike, for aerial photographs that are not."""
        calm = 0.5 + 0.3 * (blobs(8, 2) - 0.5)
        looks(Watch(), calm, targets=calm)
        assert caplog.text == ""
        looks(Watch(), 0.5 + 0.02 * (blobs(8, 2) - 0.5), targets=calm)
        assert "mode collapse" in caplog.text

    def test_targets_that_are_all_the_same_are_named(self, caplog):
        looks(Watch(), same(), targets=same())
        assert "the target pictures are much the same themselves" in caplog.text

    def test_a_way_back_that_collapses_is_warned_of(self, caplog):
        looks(Watch(), blobs(8, 3), cycle=same())
        (record,) = caplog.records
        assert "the way back after a2b" in record.message

    def test_a_collapse_is_not_told_twice_because_of_its_way_back(self, caplog):
        looks(Watch(), same(), cycle=same(), count=20)
        assert len(caplog.records) == 1

    def test_directions_are_watched_apart(self, caplog):
        watch = Watch()
        for step in range(FIRST_LOOKS):
            for direction, outputs in (("a2b", same()), ("b2a", blobs(8, 3))):
                watch.look(step, direction, inputs=blobs(8, 1), outputs=outputs, targets=blobs(8, 2))
        assert [("a2b" in text, "b2a" in text) for text in watch.warnings] == [(True, False)]

    def test_inputs_that_are_all_the_same_say_nothing(self, caplog):
        curves = looks(Watch(), same(), inputs=torch.zeros(4, 3, 32, 32))
        assert math.isnan(curves["diversity/a2b"])
        assert caplog.text == ""

    def test_results_that_are_no_numbers_are_left_to_the_run(self, caplog):
        looks(Watch(), same() * math.nan)
        assert caplog.text == ""

    def test_nothing_random_is_drawn_and_no_gradient_kept(self):
        outputs = blobs(8, 3).requires_grad_()
        before = torch.get_rng_state()
        looks(Watch(), outputs)
        assert torch.equal(torch.get_rng_state(), before)
        assert outputs.grad is None


def play(watch, real, fake, steps, start=0, every=1):
    for step in range(start, start + steps, every):
        curves = watch.scores(step, "b", torch.full((2, 1, 4, 4), real), torch.full((2, 1, 4, 4), fake))
    return curves


class TestScores:
    def test_accuracy_counts_both_halves_alike(self):
        real, fake = torch.tensor([0.9, 0.6, 0.1, 0.7]), torch.tensor([0.9, 0.2])
        curves = Watch().scores(0, "b", real, fake)
        assert curves == pytest.approx({"accuracy/b": (0.75 + 0.5) / 2, "accuracy/b_mean": (0.75 + 0.5) / 2})

    def test_the_mean_follows_slowly_and_by_steps(self):
        watch, sparse = Watch(), Watch()
        play(watch, 0.9, 0.1, 400)
        play(sparse, 0.9, 0.1, 400, every=10)
        means = [play(w, 0.9, 0.9, 100, 400, every)["accuracy/b_mean"] for w, every in ((watch, 1), (sparse, 10))]
        # Half of what it was, and e to the -1 of the difference is left.
        assert means == pytest.approx([0.5 + 0.5 * math.exp(-1)] * 2, abs=0.03)

    @pytest.mark.parametrize("every", [1, 10])
    def test_winning_for_long_is_warned_of_once(self, caplog, one_line, every):
        watch = Watch()
        play(watch, 0.9, 0.1, STEPS_OF_WINNING - 10, every=every)
        assert caplog.text == ""
        play(watch, 0.9, 0.1, STEPS_OF_WINNING, STEPS_OF_WINNING - 10, every=every)
        (record,) = caplog.records
        one_line(record.message, "discriminator b", "always wins")

    def test_an_even_game_is_fine_and_ends_the_warning(self, caplog):
        watch = Watch()
        for round_ in range(2):
            play(watch, 0.9, 0.1, STEPS_OF_WINNING + 200, 2000 * round_)
            play(watch, 0.9, 0.6, 300, 2000 * round_ + STEPS_OF_WINNING + 200)
        assert len(caplog.records) == 2
        play(Watch(), 0.9, 0.6, 2 * STEPS_OF_WINNING)
        assert len(caplog.records) == 2


def norms(watch, lengths, start=0):
    for step, length in enumerate(lengths, start):
        watch.gradient(step, "a2b", length)


HEALTHY = [1.0, 3.0, 0.5, 2.0, 8.0] * 40


class TestGradient:
    def test_healthy_ones_are_fine(self, caplog):
        norms(Watch(), HEALTHY * 10)
        assert caplog.text == ""

    @pytest.mark.parametrize(("length", "fate"), [(1e-4, "vanished"), (0.0, "vanished"), (1e3, "exploded")])
    def test_others_are_warned_of_once(self, caplog, one_line, length, fate):
        watch = Watch()
        norms(watch, HEALTHY)
        norms(watch, [length] * 2000, 200)
        (record,) = caplog.records
        one_line(record.message, "gradient of a2b", fate)

    def test_a_single_long_one_is_no_explosion(self, caplog):
        norms(Watch(), [*HEALTHY, 1e6, *HEALTHY])
        assert caplog.text == ""

    def test_after_recovery_it_warns_again(self, caplog):
        watch = Watch()
        for _ in range(2):
            norms(watch, [*HEALTHY, *[1e-5] * 60])
        norms(watch, HEALTHY)
        assert len(caplog.records) == 2

    def test_what_is_no_number_is_left_to_the_run(self):
        assert Watch().gradient(0, "a2b", math.nan) == {}

    def test_long_runs_take_no_more_memory(self):
        watch = Watch()
        norms(watch, HEALTHY * 30)
        assert len(watch.state_dict()["gradients"]["a2b"]["earlier"]) < 512


def test_a_stopped_watch_goes_on_where_it_was(caplog):
    """Through a file, with torch's restricted unpickler, as checkpoints go."""
    first, whole = Watch(), Watch()
    for watch in (first, whole):
        looks(watch, same(), FIRST_LOOKS - 1)
        play(watch, 0.9, 0.1, 300)
        norms(watch, HEALTHY)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = Watch()
    second.load_state_dict(torch.load(file, weights_only=True))
    for watch in (second, whole):
        looks(watch, same(), 1)
        play(watch, 0.9, 0.1, 300, 300)
        norms(watch, [1e-5] * 60)
    assert len(second.warnings) == 3
    assert second.state_dict() == whole.state_dict()
    assert first.warnings == []


class Generator(nn.Sequential):
    """Looks at a picture coarsely and paints another: small, but free to paint the same for everything."""

    def __init__(self):
        super().__init__(
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(48, 96),
            nn.LeakyReLU(0.2),
            nn.Linear(96, 48),
            nn.Sigmoid(),
            nn.Unflatten(1, (3, 4, 4)),
            nn.Upsample(size=(32, 32), mode="bilinear"),
        )

    def forward(self, x):
        return super().forward(x - 0.5)


def adversarial_run(targets, *, cycle_weight):
    """A real training with LSGAN's losses, looked at every five steps."""
    torch.manual_seed(0)
    inputs = blobs(16, 1, side=32)
    there, back = Generator(), Generator()
    discriminator = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(48, 1))
    painting = torch.optim.Adam([*there.parameters(), *back.parameters()], lr=5e-3, betas=(0.5, 0.999))
    judging = torch.optim.Adam(discriminator.parameters(), lr=5e-4, betas=(0.5, 0.999))
    watch = Watch()
    for step in range(150):
        outputs = there(inputs)
        cycle = back(outputs)
        fooled = (discriminator(outputs) - 1).square().mean()
        painting.zero_grad()
        (fooled + cycle_weight * (cycle - inputs).abs().mean()).backward()
        painting.step()
        real, fake = discriminator(targets), discriminator(outputs.detach())
        judging.zero_grad()
        ((real - 1).square().mean() + fake.square().mean()).backward()
        judging.step()
        if step % 5 == 4:
            curves = watch.look(step, "a2b", inputs=inputs, outputs=outputs, targets=targets)
    return watch, curves


def test_a_real_training_that_collapses_is_caught(caplog):
    """The domain is a single picture, and nothing keeps the content."""
    watch, curves = adversarial_run(blobs(1, 5, side=32).expand(16, -1, -1, -1), cycle_weight=0)
    assert len(watch.warnings) == 1
    assert "mode collapse: a2b" in caplog.text
    assert curves["diversity/a2b"] < 0.04


def test_the_same_training_with_a_cycle_and_many_targets_is_fine(caplog):
    _, curves = adversarial_run(blobs(16, 5, side=32), cycle_weight=10)
    assert caplog.text == ""
    assert curves["diversity/a2b"] > 0.4
