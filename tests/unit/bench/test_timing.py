import hashlib
import threading

import pytest

from vidgan.bench.timing import Spread, Stopwatch, percentile, spread


@pytest.mark.parametrize(
    ("values", "percent", "found"),
    [
        (range(1, 101), 50, 50),
        (range(1, 101), 99, 99),
        (range(1, 201), 99, 198),
        ([3, 1, 2], 50, 2),
        ([3, 1, 2], 99, 3),
        ([7], 50, 7),
    ],
)
def test_percentiles_are_values_that_occurred(values, percent, found):
    assert percentile(list(values), percent) == found


def test_a_spread():
    assert spread([4.0, 1.0, 2.0]) == Spread(median=2.0, lowest=1.0, highest=4.0)


def test_work_of_other_threads_counts():
    """A thread that is done before the stopwatch is read has worked while this one waited."""
    watch = Stopwatch()
    thread = threading.Thread(target=hashlib.pbkdf2_hmac, args=("sha256", b"", b"", 20_000))
    thread.start()
    thread.join()
    with_thread = watch.per_frame(1).core_ms
    alone = Stopwatch()
    threading.Event().wait(0.001)
    assert with_thread > 2 * alone.per_frame(1).core_ms


def test_costs_are_per_frame():
    watch = Stopwatch()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 20_000)
    one, hundred = watch.per_frame(1), watch.per_frame(100)
    assert 1 < one.wall_ms / hundred.wall_ms <= 100
    assert hundred.core_ms > 0
