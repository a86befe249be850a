from dataclasses import replace

import pytest

from vidgan.errors import InputError
from vidgan.train.style import family_of, train_style


def test_a_child_inherits_the_family_and_so_do_its_children(config, other_painting, tmp_path):
    config = replace(config, steps=1)
    train_style(config, tmp_path / "first.pt")
    child = replace(config, styles=(other_painting,), seed=7, start_from=tmp_path / "first.pt")
    train_style(child, tmp_path / "child.pt")
    grandchild = replace(child, start_from=tmp_path / "child.pt")
    assert family_of(grandchild) == family_of(child) == family_of(config)
    (tmp_path / "first.pt").unlink()
    assert family_of(child, tmp_path / "child.pt") == family_of(config)


@pytest.mark.parametrize("change", [{"seed": 2}, {"width": 24}, {"style_weight": 7.0}, "styles"])
def test_runs_that_begin_anew_are_strangers(config, other_painting, change):
    other = replace(config, **({"styles": (other_painting,)} if change == "styles" else change))
    assert family_of(other) != family_of(config)


def test_a_missing_ancestor_is_an_error(config, tmp_path):
    with pytest.raises(InputError, match=r"gone\.pt"):
        family_of(replace(config, start_from=tmp_path / "gone.pt"))
