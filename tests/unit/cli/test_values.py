import pytest

from vidgan.cli import values
from vidgan.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("2GiB", 2 << 30),
        ("2 gib", 2 << 30),
        ("1.5GiB", 3 << 29),
        ("1500MB", 1_500_000_000),
        ("1500M", 1_500_000_000),
        ("512MiB", 512 << 20),
        ("4096KiB", 4 << 20),
        ("2000000000", 2_000_000_000),
        ("64b", 64),
    ],
)
def test_amounts_of_memory(text, expected):
    assert values.num_bytes(text, "--max-memory") == expected


@pytest.mark.parametrize("text", ["", "GiB", "2XB", "-1GiB", "0", "0.0MB", "2iB", "1,5GiB", "2GiB more"])
def test_what_is_no_amount(text, one_line):
    with pytest.raises(InputError) as caught:
        values.num_bytes(text, "--max-memory")
    one_line(caught.value, f"--max-memory {text}: give an amount of memory, such as 2GiB")


@pytest.mark.parametrize(
    ("text", "read"),
    [("fp16", "f16"), ("FP32", "f32"), ("f16", "f16"), (" Int8 ", "int8"), ("auto", "auto"), ("fp8", "fp8")],
)
def test_precision(text, read):
    assert values.precision(text) == read


@pytest.mark.parametrize(
    ("text", "seconds"), [("45m", 2700), ("1h30m", 5400), ("90s", 90), ("1.5h", 5400), ("1h1m1s", 3661), (" 2M ", 120)]
)
def test_durations_are_read(text, seconds):
    assert values.duration(text, "--budget") == seconds


@pytest.mark.parametrize("text", ["", "45", "m", "0m", "30m1h", "-5m", "an hour", "1:30"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(InputError, match="such as 45m"):
        values.duration(text, "--budget")
