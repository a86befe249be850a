from dataclasses import asdict, replace

import pytest
import torch

from vidgan.errors import InputError
from vidgan.train.checkpoint import save_checkpoint
from vidgan.train.family import initial_weights, read_family
from vidgan.train.style import StyleNet, family_of, train_style


def test_a_child_inherits_the_family_and_so_do_its_children(config, other_painting, tmp_path):
    train_style(replace(config, steps=1), tmp_path / "first.pt")
    child = replace(config, steps=1, styles=(other_painting,), seed=7, start_from=tmp_path / "first.pt")
    train_style(child, tmp_path / "child.pt")
    grandchild = replace(child, start_from=tmp_path / "child.pt")
    assert family_of(grandchild) == family_of(child) == family_of(config)
    (tmp_path / "first.pt").unlink()
    assert family_of(child, tmp_path / "child.pt") == family_of(config)


@pytest.mark.parametrize("change", [{"seed": 2}, {"width": 24}, {"num_blocks": 2}, "styles"])
def test_runs_that_begin_anew_are_strangers(config, other_painting, change):
    other = replace(config, **({"styles": (other_painting,)} if change == "styles" else change))
    assert family_of(other) != family_of(config)


def test_the_first_weights_are_those_of_the_run(config, tmp_path):
    torch.manual_seed(config.seed)
    expected = StyleNet(width=16, num_blocks=1).state_dict()
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    got = initial_weights(seed=config.seed, width=16, num_blocks=1)
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_checkpoint_of_before_tells_its_family_by_its_settings(config, tmp_path):
    old = asdict(config)
    old["style"] = old.pop("styles")[0]
    save_checkpoint(tmp_path / "old.pt", {}, old, 4)
    assert read_family(tmp_path / "old.pt") == family_of(config)
    save_checkpoint(tmp_path / "child.pt", {}, old | {"seed": 5, "start_from": tmp_path / "old.pt"}, 4)
    assert read_family(tmp_path / "child.pt") == family_of(config)


def test_a_missing_ancestor_is_an_error(config, tmp_path):
    with pytest.raises(InputError, match=r"gone\.pt"):
        family_of(replace(config, start_from=tmp_path / "gone.pt"))
