import pytest
import torch

from vidgan.train.pool import ImagePool


def fakes(*values):
    return torch.tensor(values).view(-1, 1, 1, 1).float()


def test_a_pool_is_filled_first_and_passes_everything_on():
    pool = ImagePool(3, seed=1)
    assert [pool.swap(fakes(step), step).item() for step in range(3)] == [0, 1, 2]


def test_a_full_pool_gives_earlier_pictures_half_of_the_time_and_each_only_once():
    pool = ImagePool(50, seed=1)
    given = [pool.swap(fakes(step), step).item() for step in range(2000)]
    earlier = [value for step, value in enumerate(given) if step >= 50 and value != step]
    assert 0.45 < len(earlier) / 1950 < 0.55
    assert all(value < step for step, value in enumerate(given) if value != step)
    # What was given back from the pool has left it; the first fifty were shown when they came, too.
    assert len(set(earlier)) == len(earlier)


def test_a_pool_of_no_size_passes_everything_through():
    pool = ImagePool(0, seed=1)
    assert pool.swap(fakes(1, 2), 5).flatten().tolist() == [1, 2]
    assert pool.pictures == []


def test_a_restored_pool_goes_on_as_if_nothing_had_happened():
    pool, restored = ImagePool(4, seed=3), ImagePool(4, seed=3)
    for step in range(20):
        pool.swap(fakes(step), step)
    restored.load_state_dict(pool.state_dict())
    assert [pool.swap(fakes(s), s).item() for s in range(20, 60)] == [
        restored.swap(fakes(s), s).item() for s in range(20, 60)
    ]


def test_what_is_kept_does_not_change_with_the_picture_it_came_from():
    pool = ImagePool(1, seed=1)
    picture = fakes(1)
    pool.swap(picture, 0)
    picture.fill_(9)
    assert pool.pictures[0].item() == pytest.approx(1)
