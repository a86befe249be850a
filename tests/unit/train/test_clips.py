import pytest
import torch

from vidgan.temporal.warp import warp_tensor
from vidgan.train.clips import Clips
from vidgan.train.data import load_content


@pytest.fixture(scope="module")
def clips(moving_clip):
    return Clips(pairs=load_content([moving_clip], minimum=64).pairs, size=64, seed=1)


def test_the_motion_leads_from_the_later_frame_to_the_earlier(clips):
    batch = clips.batch(3, 4, slice(None))
    assert batch.before.shape == batch.after.shape == (4, 3, 64, 64)
    assert batch.flow.shape == (4, 2, 64, 64)
    assert batch.visible.shape == (4, 1, 64, 64)
    assert batch.visible.mean() > 0.5
    still = (batch.visible * (batch.after - batch.before).square()).mean()
    moved = (batch.visible * (batch.after - warp_tensor(batch.before, batch.flow)).square()).mean()
    assert moved < 0.1 * still


def test_a_step_always_gets_the_same_pairs(clips):
    first, again, other = clips.batch(3, 2, slice(None)), clips.batch(3, 2, slice(None)), clips.batch(4, 2, slice(None))
    assert torch.equal(first.after, again.after)
    assert torch.equal(first.flow, again.flow)
    assert not torch.equal(first.after, other.after)


def test_shares_make_up_the_batch(clips):
    whole, second = clips.batch(3, 4, slice(None)), clips.batch(3, 4, slice(2, 4))
    assert torch.equal(whole.before[2:], second.before)
    assert torch.equal(whole.flow[2:], second.flow)


def test_nothing_is_visible_across_a_cut(clips):
    before, _ = clips.pairs[0]
    cut = Clips(pairs=[(before, 255 - before[::-1])], size=64, seed=1).batch(0, 2, slice(None))
    assert cut.visible.max() == 0
    assert cut.flow.abs().max() == 0
