"""Progress on standard error, where there is no terminal."""

import pytest

from vidgan.cli import progress
from vidgan.cli.progress import Bar


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("before", [0, 5000])
def test_what_was_done_before_does_not_count_for_the_rate(clock, capsys, before):
    with Bar("train", unit="steps") as bar:
        # The first step takes its time: everything is compiled and read then.
        for second in (60, 61, 65, 72):
            clock[0] = float(second)
            bar.update(before + 1 + 2 * (second - 60), 10_000)
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"train: {before + 25} of 10000 steps, ")
    assert float(line.split(", ")[1].split()[0]) == pytest.approx(2, rel=0.01)
