from dataclasses import replace

import pytest

from vidgan.runtime.plan import PRECISIONS, BuildIdentity, choose_precision


@pytest.mark.parametrize(
    ("device", "capabilities", "precision"),
    [
        ("CPU", ["BF16", "WINOGRAD", "FP32", "INT8"], "bf16"),
        ("CPU", ["BF16", "FP32", "FP16"], "bf16"),
        ("CPU", ["WINOGRAD", "FP32", "INT8"], "f32"),
        ("CPU", ["FP32", "FP16"], "f32"),
        ("GPU.1", ["FP32", "FP16", "INT8"], "f16"),
        ("NPU", ["FP16", "INT8"], "f16"),
        ("GPU", ["FP32"], "f32"),
    ],
)
def test_precision(device, capabilities, precision):
    chosen, reason = choose_precision(device, capabilities)
    assert chosen == precision
    assert chosen in PRECISIONS
    assert reason


IDENTITY = BuildIdentity(
    model_sha256="ab", runtime="openvino 2026.4", device="CPU X", precision="bf16", size=(640, 360), options="a=1"
)


@pytest.mark.parametrize(
    "change",
    [
        {"model_sha256": "cd"},
        {"runtime": "openvino 2026.5"},
        {"device": "CPU Y"},
        {"precision": "f32"},
        {"size": (360, 640)},
        {"options": "a=2"},
    ],
)
def test_everything_that_matters_is_in_the_key(change):
    assert replace(IDENTITY, **change).key != IDENTITY.key


def test_key_is_stable_and_readable():
    assert replace(IDENTITY).key == IDENTITY.key
    assert IDENTITY.key.startswith("640x360-bf16-")
    assert "/" not in IDENTITY.key
