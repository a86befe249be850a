import os
import pickle
import struct
import zipfile
from collections import OrderedDict

import pytest
import torch
from safetensors.torch import save_file

from vidgan.errors import InputError
from vidgan.importer.state import read_weights, states_in

STATE = {"model.1.weight": torch.arange(6.0).reshape(2, 3), "model.1.bias": torch.ones(2)}


class Attack:
    """What it does when somebody unpickles it: it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def same(loaded, expected=STATE):
    return loaded.keys() == expected.keys() and all(torch.equal(loaded[name], expected[name]) for name in expected)


def test_files_of_torch_old_and_new_and_of_safetensors(tmp_path):
    torch.save(OrderedDict(STATE), tmp_path / "new.pth")
    torch.save(STATE, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    save_file(STATE, tmp_path / "net.safetensors")
    for name in ("new.pth", "old.pt", "net.safetensors"):
        assert same(read_weights(tmp_path / name)), name


@pytest.mark.parametrize("is_zip", [True, False])
def test_an_attack_is_refused_and_not_executed(is_zip, tmp_path, one_line):
    trace, path = tmp_path / "executed", tmp_path / "net.pth"
    torch.save(STATE | {"epoch": Attack(trace)}, path, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(InputError) as caught:
        read_weights(path)
    one_line(caught.value, path, "holds a Python object (posix.mkdir)", "torch.save(network.state_dict()")
    assert not trace.exists()
    torch.load(path, weights_only=False)  # the attack is a real one
    assert trace.exists()


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_bare_pickle_is_refused_and_not_executed(protocol, tmp_path, one_line):
    trace, path = tmp_path / "executed", tmp_path / "net.pth"
    path.write_bytes(pickle.dumps(Attack(trace), protocol=protocol))
    with pytest.raises(InputError) as caught:
        read_weights(path)
    one_line(caught.value, path)
    assert not trace.exists()
    pickle.loads(path.read_bytes())
    assert trace.exists()


def test_a_whole_network_is_refused(tmp_path, one_line):
    path = tmp_path / "net.pth"
    torch.save(torch.nn.Conv2d(3, 3, 3), path)
    with pytest.raises(InputError) as caught:
        read_weights(path)
    one_line(caught.value, "holds a Python object (torch.nn.modules.conv.Conv2d)", "torch.save(network.state_dict()")


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_program_is_refused(tmp_path, one_line):
    path = tmp_path / "net.pt"
    torch.jit.save(torch.jit.trace(torch.nn.Conv2d(3, 3, 3), torch.zeros(1, 3, 8, 8)), path)
    with pytest.raises(InputError) as caught:
        read_weights(path)
    one_line(caught.value, path, "a TorchScript program", "export it to ONNX")


def test_files_that_end_too_early(tmp_path, one_line):
    path = tmp_path / "net.pth"
    for is_zip in (True, False):
        torch.save({"weight": torch.rand(5000)}, path, _use_new_zipfile_serialization=is_zip)
        whole = path.read_bytes()
        for length in (len(whole) - 12, len(whole) // 2, 70):
            path.write_bytes(whole[:length])
            with pytest.raises(InputError) as caught:
                read_weights(path)
            one_line(caught.value, path, "a damaged file")


def test_a_damaged_file_of_safetensors(tmp_path, one_line):
    path = tmp_path / "net.safetensors"
    save_file(STATE, path)
    whole = path.read_bytes()
    for content in (whole[:-4], whole[:5], b"", struct.pack("<Q", 2**60) + b"{}", b"\x89PNG\r\n\x1a\n" * 9):
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            read_weights(path)
        one_line(caught.value, path)


@pytest.mark.parametrize(("content", "words"), [
    (b"", "an empty file"),
    (b"To be, or not to be\n" * 40, "not a file of weights"),
    (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not a file of weights"),
    (b"\xff\xd8\xff\xe0" + bytes(range(256)), "not a file of weights"),
    (b"\x80\x02" + bytes(range(256)), "not a file of weights"),
    (b"\x00" * 500, "not a file of weights"),
])  # fmt: skip
def test_other_files(content, words, tmp_path, one_line):
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_weights(path)
    one_line(caught.value, path, words)


def test_an_archive_of_something_else(tmp_path, one_line):
    path = tmp_path / "net.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(InputError) as caught:
        read_weights(path)
    one_line(caught.value, path, "no file of weights")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path, one_line):
    path = tmp_path / "net.pth"
    torch.save(STATE, path)
    path.chmod(0)
    with pytest.raises(InputError) as caught:
        read_weights(path)
    one_line(caught.value, path, "Permission denied")


def test_containers_and_prefixes_are_levels():
    loaded = {
        "epoch": 3,
        "state_dict": {f"module.{name}": tensor for name, tensor in STATE.items()},
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(1)}}, "param_groups": []},
    }
    found = dict(states_in(loaded))
    assert same(found["state_dict.module"])
    assert "state_dict" in found
    assert not list(states_in([STATE["model.1.bias"]]))
    assert next(where for where, _ in states_in(STATE)) == ""
