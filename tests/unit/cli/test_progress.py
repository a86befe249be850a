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
        for second in range(1, 12):
            clock[0] = float(second)
            bar.update(before + 2 * second, 10_000)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"train: {before + 20} of 10000 steps, ")
    rate = float(line.split(", ")[1].split()[0])
    assert rate == pytest.approx(2, rel=0.1)
