"""What the program says, and its exit code, when a graphics card fails in the middle of the work."""

import pytest

from vidgan.cli import main as program

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, torch.AcceleratorError])
def test_a_cards_own_errors_are_the_machines(monkeypatch, capsys, kind):
    def fail():
        raise kind("CUDA out of memory. Tried to allocate 2 GiB\nmore of it")

    monkeypatch.setattr(program, "app", fail)
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 3
    assert capsys.readouterr().err == "vidgan: CUDA out of memory. Tried to allocate 2 GiB\n"


def test_other_errors_stay_what_they_are(monkeypatch):
    def fail():
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(program, "app", fail)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        program.main()
