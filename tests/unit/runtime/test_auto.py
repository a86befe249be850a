import importlib.util
from types import SimpleNamespace

import pytest

from vidgan.errors import InputError, RuntimeUnavailableError
from vidgan.runtime import auto, gpu, open_runtime
from vidgan.runtime.auto import choose_runtime
from vidgan.runtime.gpu import Card, cuda_index, find_card, list_cards

ADA = Card(index=0, name="RTX 4090", compute_capability="sm89", memory_bytes=24 << 30, driver="600.1")
has_no_card = pytest.mark.skipif(bool(list_cards()[0]), reason="there is a card")


@pytest.fixture
def with_card(monkeypatch):
    """A machine with one card, as the driver and torch describe it."""
    torch = pytest.importorskip("torch")
    facts = SimpleNamespace(name=ADA.name, major=8, minor=9, total_memory=ADA.memory_bytes)
    monkeypatch.setattr(gpu, "list_cards", lambda: ((ADA,), ""))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _index: ADA.name)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _index: facts)
    return facts


def test_names_of_cuda_devices():
    assert [cuda_index(name) for name in ("cuda", "cuda:0", "CUDA:12")] == [0, 0, 12]
    assert [cuda_index(name) for name in ("CPU", "GPU", "cuda:", "cuda:x", "auto", "cuda:1 ")] == [None] * 6


@has_no_card
def test_without_a_card_auto_is_openvino_and_says_why():
    choice = choose_runtime()
    assert (choice.runtime, choice.device, choice.is_cuda) == ("openvino", "auto", False)
    assert "no NVIDIA driver answers on this machine" in choice.reason


@has_no_card
@pytest.mark.parametrize("asked", [("tensorrt", "auto"), ("tensorrt", "cuda:0"), ("auto", "cuda"), ("torch", "cuda:1")])
def test_without_a_card_what_needs_one_is_refused(asked):
    with pytest.raises(RuntimeUnavailableError, match="no NVIDIA driver answers"):
        choose_runtime(*asked)


def test_with_a_card_auto_is_tensorrt(with_card):
    pytest.importorskip("tensorrt_rtx")
    choice = choose_runtime()
    assert (choice.runtime, choice.device, choice.is_cuda) == ("tensorrt", "cuda:0", True)
    assert choice.reason == "RTX 4090 is there, and TensorRT runs on it"
    assert choose_runtime("tensorrt").reason == "asked for"
    assert choose_runtime("torch").device == "cuda:0"
    assert find_card(0) == ADA


def test_openvino_stays_openvino_with_a_card(with_card):
    assert choose_runtime("openvino").runtime == "openvino"
    assert choose_runtime("auto", "CPU").runtime == "openvino"
    assert choose_runtime("torch", "cpu").device == "cpu"


def test_a_card_that_tensorrt_doesnt_support(with_card):
    pytest.importorskip("tensorrt_rtx")
    with_card.major, with_card.minor = 9, 0
    choice = choose_runtime()
    assert choice.runtime == "openvino"
    assert "doesn't support sm90; tensorrt may" in choice.reason
    with pytest.raises(RuntimeUnavailableError, match="doesn't support sm90"):
        choose_runtime("tensorrt")


def test_a_number_of_a_card_that_isnt_there(with_card):
    with pytest.raises(RuntimeUnavailableError, match="no device cuda:3 on this machine; present: cuda:0 RTX 4090"):
        choose_runtime("tensorrt", "cuda:3")


def test_a_torch_without_cuda(with_card, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "can't use RTX 4090 with driver 600.1" in choose_runtime().reason
    with pytest.raises(RuntimeUnavailableError, match="install a build of torch"):
        choose_runtime("tensorrt")


def test_missing_packages_are_named(with_card, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert "torch and kornia must be installed for RTX 4090" in choose_runtime().reason
    with pytest.raises(RuntimeUnavailableError, match=r"pip install 'vidgan\[tensorrt\]'"):
        choose_runtime("tensorrt")
    with pytest.raises(RuntimeUnavailableError, match="torch isn't installed"):
        choose_runtime("torch", "cpu")


def test_wrong_names():
    with pytest.raises(ValueError, match="use one of auto, openvino, tensorrt, torch"):
        choose_runtime("onnx")
    with pytest.raises(ValueError, match="TensorRT doesn't run on 'NPU'"):
        choose_runtime("tensorrt", "NPU")
    with pytest.raises(ValueError, match="openvino doesn't run on 'cuda:0'; give the runtime tensorrt or torch"):
        choose_runtime("openvino", "cuda:0")


def test_what_was_chosen_and_why_is_in_the_report(invert_onnx):
    with open_runtime(invert_onnx, size=(16, 16)) as runtime:
        assert runtime.report.reason == choose_runtime().reason
    with open_runtime(invert_onnx, size=(16, 16), runtime="openvino") as runtime:
        assert runtime.report.reason == "asked for"


def test_a_limit_of_memory_is_openvinos_alone(invert_onnx, monkeypatch):
    pytest.importorskip("torch")
    with pytest.raises(InputError, match="works with the runtime openvino, not with torch"):
        open_runtime(invert_onnx, size=(16, 16), runtime="torch", device="cpu", max_memory=1 << 30)


def test_the_drivers_own_words(monkeypatch):
    """With a driver that answers: what NVML says becomes a card."""
    pynvml = pytest.importorskip("pynvml")
    for name, answer in {
        "nvmlInit": None, "nvmlShutdown": None, "nvmlSystemGetDriverVersion": "600.1", "nvmlDeviceGetCount": 1,
        "nvmlDeviceGetHandleByIndex": "h", "nvmlDeviceGetCudaComputeCapability": (12, 0),
        "nvmlDeviceGetName": "RTX 5090", "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=32 << 30),
    }.items():  # fmt: skip
        monkeypatch.setattr(pynvml, name, lambda *_args, answer=answer: answer)
    list_cards.cache_clear()
    try:
        cards, reason = list_cards()
        assert cards == (
            Card(index=0, name="RTX 5090", compute_capability="sm120", memory_bytes=32 << 30, driver="600.1"),
        )
        assert cards[0].device == "cuda:0"
        assert reason == ""
        list_cards.cache_clear()
        monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 0)
        assert "finds no card" in list_cards()[1]
    finally:
        list_cards.cache_clear()


def test_auto_module_has_no_heavy_imports():
    assert not {"torch", "numpy", "pynvml"} & set(vars(auto))
