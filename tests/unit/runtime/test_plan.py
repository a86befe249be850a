from dataclasses import replace
from pathlib import Path

import pytest

from vidgan.errors import StyleError
from vidgan.runtime.plan import (
    PRECISIONS,
    BuildIdentity,
    EngineIdentity,
    Profile,
    check_profiles,
    choose_precision,
    choose_profile,
    take_network,
)


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


WIDE = Profile(minimum=(256, 128), optimum=(640, 352), maximum=(1952, 1120))


def test_a_profile_made_for_the_size_comes_before_the_first_that_holds_it():
    profiles = (WIDE, Profile.static((1312, 752)), Profile.static((640, 352)))
    assert choose_profile(profiles, (1312, 752)) == 1
    assert choose_profile(profiles, (640, 352)) == 0  # the dynamic one is made for it too, and comes first
    assert choose_profile(profiles, (256, 1120)) == 0
    assert choose_profile(profiles, (255, 1120)) is None
    assert choose_profile(profiles[1:], (256, 256)) is None


@pytest.mark.parametrize("change", [{"minimum": (641, 128)}, {"maximum": (1952, 351)}, {"minimum": (0, 128)}])
def test_profiles_in_the_wrong_order_are_refused(change):
    with pytest.raises(ValueError, match="minimum <= optimum <= maximum"):
        replace(WIDE, **change)


def test_sizes_that_a_style_cant_take_are_refused():
    check_profiles([WIDE], size_multiple=32, minimum_size=128)
    with pytest.raises(ValueError, match="from 160 on, and 128 is none"):
        check_profiles([WIDE], size_multiple=32, minimum_size=160)
    with pytest.raises(ValueError, match="multiples of 64 pixels from 16 on, and 352 is none"):
        check_profiles([WIDE], size_multiple=64, minimum_size=16)
    with pytest.raises(ValueError, match="no sizes"):
        check_profiles([], size_multiple=4, minimum_size=16)
    with pytest.raises(ValueError, match="twice"):
        check_profiles([WIDE, WIDE], size_multiple=4, minimum_size=16)


def test_the_name_of_an_engine_says_what_it_is():
    engine = EngineIdentity(
        model_sha256="ab",
        precision="f16",
        profiles=(Profile.static((1312, 752)), WIDE),
        flavour="tensorrt_rtx",
        version="1.7.1.116",
        compute_capabilities=("sm86", "sm120"),
    )
    assert engine.key.startswith("tensorrt_rtx-sm86+sm120-1312x752+1-f16-")
    assert replace(engine, version="1.7.2").key != engine.key


def test_the_int8_network_is_taken_where_it_is_asked_for_and_there():
    float_path, int8_path = Path("model.onnx"), Path("model.int8.onnx")
    assert take_network(float_path, int8_path, "int8") == int8_path
    assert take_network(float_path, int8_path, "f16") == float_path
    with pytest.raises(StyleError, match="vidgan quantise"):
        take_network(float_path, None, "int8")
