import numpy as np
import pytest
import torch

from vidgan.train.domains import Domain
from vidgan.train.pool import ImagePool


def fakes(*values):
    return torch.tensor(values).view(-1, 1, 1, 1).float()


def test_a_pool_is_filled_first_and_passes_everything_on():
    pool = ImagePool(3, seed=1, stream=2)
    assert [pool.swap(fakes(step), step).item() for step in range(3)] == [0, 1, 2]


def test_a_full_pool_gives_earlier_pictures_half_of_the_time_and_each_only_once():
    pool = ImagePool(50, seed=1, stream=2)
    given = [pool.swap(fakes(step), step).item() for step in range(2000)]
    earlier = [value for step, value in enumerate(given) if step >= 50 and value != step]
    assert 0.45 < len(earlier) / 1950 < 0.55
    assert all(value < step for step, value in enumerate(given) if value != step)
    # What was given back from the pool has left it; the first fifty were shown when they came, too.
    assert len(set(earlier)) == len(earlier)


def test_a_pool_of_no_size_passes_everything_through():
    pool = ImagePool(0, seed=1, stream=2)
    assert pool.swap(fakes(1, 2), 5).flatten().tolist() == [1, 2]
    assert pool.pictures == []


def test_a_restored_pool_goes_on_as_if_nothing_had_happened():
    pool, restored = ImagePool(4, seed=3, stream=2), ImagePool(4, seed=3, stream=2)
    for step in range(20):
        pool.swap(fakes(step), step)
    restored.load_state_dict(pool.state_dict())
    assert [pool.swap(fakes(s), s).item() for s in range(20, 60)] == [
        restored.swap(fakes(s), s).item() for s in range(20, 60)
    ]


def test_what_is_kept_does_not_change_with_the_picture_it_came_from():
    pool = ImagePool(1, seed=1, stream=2)
    picture = fakes(1)
    pool.swap(picture, 0)
    picture.fill_(9)
    assert pool.pictures[0].item() == pytest.approx(1)


def test_what_it_chooses_has_nothing_to_do_with_where_crops_lie():
    """Random numbers of one stream in two places would tie the pool to the crops."""
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    domains = [Domain(images=[noise] * 5, crop=32, seed=1, stream=stream) for stream in (0, 1)]
    pools = [ImagePool(50, seed=1, stream=stream) for stream in (2, 3)]
    swaps = [[pool.swap(fakes(step), step).item() != step for step in range(1500)][50:] for pool in pools]
    for domain in domains:
        corners = [domain.batch(step, 1)[0, 0, 0, 0].item() for step in range(50, 1500)]
        for swap in swaps:
            assert abs(np.corrcoef(corners, swap)[0, 1]) < 0.1
    assert abs(np.corrcoef(*swaps)[0, 1]) < 0.1
