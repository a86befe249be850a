import sys

import pytest
import torch

from vidgan.train.curves import Curves


def read(folder):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    return events


def points(folder, name="losses/style"):
    return [(event.step, round(event.value, 3)) for event in read(folder).Scalars(name)]


def test_numbers_become_points_and_others_are_left_out(tmp_path):
    curves = Curves(tmp_path, 1)
    curves.scalars(1, {"losses/style": 2.5, "losses/content": float("nan")})
    curves.scalars(2, {"losses/style": float("inf"), "losses/content": 0.5})
    curves.close()
    assert points(tmp_path) == [(1, 2.5)]
    assert points(tmp_path, "losses/content") == [(2, 0.5)]


def test_pictures_can_be_seen(tmp_path):
    curves = Curves(tmp_path, 1)
    curves.picture(3, "grid", torch.rand(3, 8, 12) * 2)
    curves.close()
    (event,) = read(tmp_path).Images("grid")
    assert (event.step, event.width, event.height) == (3, 12, 8)


def test_what_is_done_again_replaces_what_was(tmp_path):
    first = Curves(tmp_path, 1)
    for step in range(1, 6):
        first.scalars(step, {"losses/style": 1.0})
    # Killed here, with a checkpoint at step 3; nothing is closed.
    second = Curves(tmp_path, 4)
    for step in range(4, 8):
        second.scalars(step, {"losses/style": 2.0})
    second.close()
    assert points(tmp_path) == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0), (5, 2.0), (6, 2.0), (7, 2.0)]
    first.close()


def test_a_missing_package_is_a_notice(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    curves = Curves(tmp_path, 1)
    curves.scalars(1, {"losses/style": 1.0})
    curves.picture(1, "grid", torch.rand(3, 8, 8))
    curves.close()
    assert "pip install tensorboard" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_notice(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    curves = Curves(tmp_path / "file" / "tensorboard", 1)
    curves.scalars(1, {"losses/style": 1.0})
    curves.close()
    assert "no more curves are kept" in caplog.text
