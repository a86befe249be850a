import pytest

from vidgan.threads import available_cores, plan_threads


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 6, 8, 16, 24, 64, 128])
def test_nobody_gets_more_than_there_is(cores):
    plan = plan_threads(cores)
    assert plan.network_streams * plan.network <= cores
    assert 1 <= plan.opencv <= cores


def test_on_two_cores_the_network_has_two_frames_with_a_core_each():
    plan = plan_threads(2)
    assert (plan.network_streams, plan.network, plan.opencv) == (2, 1, 1)


def test_by_default_it_is_about_this_machine():
    assert plan_threads() == plan_threads(available_cores())


def test_no_cores():
    with pytest.raises(ValueError, match="cores is 0"):
        plan_threads(0)
