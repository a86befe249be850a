import threading

import pytest
import torch

from vidgan.errors import InputError
from vidgan.paint.descent import MOST_RESTARTS, Descent

START = torch.full((1, 3, 4, 4), 0.9)


def bowl(x):
    """Least at 0.25."""
    return {"total": (x - 0.25).square().mean()}


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_it_finds_the_bottom_and_leaves_the_start(optimiser):
    descent = Descent(start=START, objective=bowl, iterations=150)
    descent.run(optimiser)
    torch.testing.assert_close(descent.best, torch.full_like(START, 0.25), atol=0.01, rtol=0)
    assert (START == 0.9).all()
    assert descent.losses["total"] == pytest.approx(bowl(descent.best)["total"].item())


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_every_look_counts_and_no_more_are_taken(optimiser):
    looks, told = [], []

    def rough(x):
        looks.append(x)
        return {"total": (x - 0.25).abs().pow(1.3).sum() + (7 * x).sin().sum()}

    descent = Descent(start=START, objective=rough, iterations=7, report=lambda d: told.append(d.done))
    descent.run(optimiser)
    assert len(looks) == 7
    assert told == [1, 2, 3, 4, 5, 6, 7]


def test_lbfgs_ends_early_at_the_bottom():
    descent = Descent(start=torch.full_like(START, 0.25), objective=bowl, iterations=50)
    descent.run("lbfgs")
    assert descent.done <= 3


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_it_stops_when_told(optimiser):
    stop = threading.Event()

    def report(descent):
        if descent.done == 3:
            stop.set()

    descent = Descent(
        start=START, objective=lambda x: {"total": x.pow(4).sum()}, iterations=50, report=report, stop=stop
    )
    descent.run(optimiser)
    assert descent.done == 3
    assert descent.losses["total"] < START.pow(4).sum()


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_after_losses_that_are_no_numbers_it_goes_on_from_the_best(optimiser):
    looks = []

    def once_broken(x):
        looks.append(x.detach().clone())
        total = bowl(x)["total"]
        return {"total": total * float("nan") if len(looks) == 3 else total}

    descent = Descent(start=START, objective=once_broken, iterations=150)
    descent.run(optimiser)
    assert descent.restarts == 1
    assert bowl(descent.best)["total"] < 0.5 * bowl(START)["total"]
    best_before = min(looks[:2], key=lambda x: bowl(x)["total"].item())
    assert torch.equal(looks[3], best_before)


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_where_only_the_start_is_a_number_the_start_is_kept(optimiser):
    def cliff(x):
        total = (x - 0.25).square().mean()
        return {"total": total if torch.equal(x, START) else total * float("nan")}

    descent = Descent(start=START, objective=cliff, iterations=60)
    descent.run(optimiser)
    assert descent.restarts == MOST_RESTARTS + 1
    assert torch.equal(descent.best, START)


def test_a_gradient_that_is_no_number_counts_too():
    def flat_root(x):
        return {"total": (x - x.detach()).abs().sum().sqrt() + x.mean()}

    with pytest.raises(InputError, match="no numbers"):
        Descent(start=START, objective=flat_root, iterations=5).run("adam")
