"""`vidgan build` and `vidgan engines` as users start them; processes that build the same engine, or die over it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from media.clips import Video, write_clip
from media.run import command, leftovers

from vidgan.runtime.gpu import list_cards

pytest.importorskip("tensorrt_rtx")
BUILD = ("build", "starry-night", "--gpu", "sm86,sm89", "--precision", "fp32", "--size", "320x180")
has_no_card = pytest.mark.skipif(bool(list_cards()[0]), reason="there is a card")

SLOW = """
import sys, time
from pathlib import Path
import vidgan.runtime.tensorrt.engine as engine
marker, seconds = sys.argv[1:3]
real = engine.build_engine
def slow(*arguments, **options):
    Path(marker).touch()
    time.sleep(float(seconds))
    return real(*arguments, **options)
engine.build_engine = slow
sys.argv = ["vidgan", *sys.argv[3:]]
from vidgan.cli.main import main
main()
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """The engines of each test by themselves."""
    monkeypatch.setenv("VIDGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VIDGAN_STYLES", str(tmp_path / "styles"))
    return tmp_path / "cache" / "tensorrt"


def vidgan(*arguments, cwd=None):
    return subprocess.run(command(*arguments), capture_output=True, text=True, cwd=cwd, timeout=120, check=False)


def build_slowly(marker, seconds):
    """Start a build that says when it has begun, and then takes so long."""
    return subprocess.Popen(
        [sys.executable, "-c", SLOW, str(marker), str(seconds), *BUILD], stderr=subprocess.PIPE, text=True
    )


def wait_for(marker):
    deadline = time.monotonic() + 60
    while not marker.exists():
        assert time.monotonic() < deadline, "the build doesn't begin"
        time.sleep(0.02)


def listed():
    return json.loads(vidgan("engines", "--json").stdout)["engines"]


def test_build_list_and_clear(own_cache):
    done = vidgan(*BUILD, "--size", "640x360", "--dynamic", "256x256", "640x360", "1280x720", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["identity"]["compute_capabilities"] == ["sm86", "sm89"]
    assert facts["identity"]["precision"] == "f32"
    # 320x180 with margins of 16 is 352x212.
    assert [profile["optimum"] for profile in facts["identity"]["profiles"]] == [[352, 212], [672, 392], [672, 392]]
    assert not facts["was_there"]
    again = vidgan(*BUILD, "--size", "640x360", "--dynamic", "256x256", "640x360", "1280x720")
    assert "is there already" in again.stderr
    assert [engine["path"] for engine in listed()] == [facts["path"]]
    table = vidgan("engines")
    assert "starry-night" in table.stdout
    assert table.stdout.replace("\n", "").endswith(": 1")
    cleared = vidgan("engines", "clear")
    assert "engines deleted: 1, " in cleared.stderr
    assert listed() == []
    assert list(own_cache.iterdir()) == []


def test_an_engine_written_where_it_is_wanted(tmp_path, own_cache):
    target = tmp_path / "mine.engine"
    done = vidgan(*BUILD, "-o", target)
    assert done.returncode == 0, done.stderr
    assert sorted(file.name for file in tmp_path.glob("mine*")) == ["mine.engine", "mine.engine.json"]
    assert listed() == []
    refused = vidgan(*BUILD, "-o", target)
    assert refused.returncode == 2
    assert refused.stderr.strip() == f"vidgan: {target}: exists already; --overwrite replaces it"
    assert vidgan(*BUILD, "-o", target, "--overwrite").returncode == 0
    # Copied into the cache folder, both files together are an engine like any other.
    own_cache.mkdir(parents=True, exist_ok=True)
    for file in tmp_path.glob("mine*"):
        file.rename(own_cache / file.name)
    assert [engine["name"] for engine in listed()] == ["starry-night"]


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (("nonsense", "--gpu", "sm86"), 2, "no style is called 'nonsense'"),
    (("none", "--gpu", "sm86"), 2, "there is no network to build"),
    (("scream", "--gpu", "fast"), 2, "--gpu fast: give compute capabilities such as sm86,sm89, or here alone"),
    (("scream", "--gpu", "here,sm86"), 2, "or here alone"),
    (("scream", "--gpu", ""), 2, "or here alone"),
    (("scream", "--gpu", "sm90"), 3, "can't build for sm90; it knows sm75"),
    (("scream", "--gpu", "sm86", "--precision", "fp8"), 2, "precision is 'fp8'; use auto, f32, f16, int8"),
    (("scream", "--gpu", "sm86", "--precision", "bf16"), 3, "isn't used in bf16"),
    (("scream:2", "--gpu", "sm86"), 2, "a share needs another style to blend with"),
    (("scream+shipwreck", "--gpu", "sm86", "--precision", "int8"), 2, "blends have none"),
    (("scream", "--gpu", "sm86", "--size", "99999999999999999999x5"), 2, "16384 pixels are the most"),
    (("scream", "--gpu", "sm86", "--dynamic", "1x1", "1280x720", "100000x100000"), 2, "16384 pixels are the most"),
    (("scream", "--gpu", "sm86", "--size", "big"), 2, "--size big: give width x height"),
    (("scream", "--gpu", "sm86", "--dynamic", "640x360", "256x256", "1280x720"), 2, "minimum <= optimum <= maximum"),
    (("scream", "--gpu", "sm86", "--flavour", "vanilla"), 2, "use auto, tensorrt_rtx or tensorrt"),
    (("scream", "--gpu", "sm86", "--flavour", "tensorrt"), 3, "builds on the card itself"),
    (("scream", "--gpu", "sm86", "-o", "absent/y.engine"), 2, "there is no folder"),
    (("scream", "--gpu", "sm86", "-o", "folder.engine"), 2, "is a folder"),
    (("scream", "--gpu", "sm86", "-o", "y.plan"), 2, "y.plan: give it a name that ends in .engine"),
    (("scream", "--gpu", "sm86,sm86", "-o", "y.engine"), 0, "sm86, pictures"),
    (("scream", "--gpu", "sm86", "-o", "/proc/x.engine"), 2, "/proc/x.engine: "),
])  # fmt: skip
def test_what_cant_be_built_gives_one_line(arguments, code, words, tmp_path):
    (tmp_path / "folder.engine").mkdir()
    done = vidgan("build", *arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    if code:
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_broken_network_gives_one_line(tmp_path, precision):
    (tmp_path / "broken.onnx").write_bytes(b"no network at all")
    done = vidgan("build", "broken.onnx", "--gpu", "sm86", "--precision", precision, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "broken.onnx: " in done.stderr


@has_no_card
def test_without_a_card_one_line_says_what_is_missing(tmp_path):
    write_clip(tmp_path / "in.mp4", Video(pts=range(3)))
    for arguments in (
        ("build", "scream", "--gpu", "here"),
        ("stylize", "in.mp4", "-o", "out.mp4", "--runtime", "tensorrt"),
        ("stylize", "in.mp4", "-o", "out.mp4", "--device", "cuda:0"),
        ("stylize", "in.mp4", "-o", "out.mp4", "--runtime", "torch", "--device", "cuda"),
        ("bench", "--runtime", "tensorrt"),
    ):
        done = vidgan(*arguments, cwd=tmp_path)
        assert done.returncode == 3, done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert "no NVIDIA driver answers on this machine" in done.stderr
    assert set(leftovers(tmp_path)) <= {"in.mp4", "cache"}


@has_no_card
def test_auto_says_why_it_took_the_cpu(tmp_path):
    write_clip(tmp_path / "in.mp4", Video(pts=range(3)))
    done = vidgan("--verbose", "stylize", "in.mp4", "-o", "out.mp4", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    runtime = json.loads(done.stdout)["runtime"]
    assert runtime["runtime"] == "openvino"
    assert "no NVIDIA driver answers" in runtime["reason"]
    assert "no NVIDIA driver answers" in done.stderr
    doctor = json.loads(vidgan("doctor", "--json").stdout)
    assert "no NVIDIA driver answers" in doctor["auto"]["runtime_why"]
    assert doctor["nvidia"]["tensorrt"]["tensorrt_rtx"].startswith("1.7")


def test_two_processes_that_build_the_same_engine_end_with_one(tmp_path, own_cache):
    first = build_slowly(tmp_path / "first", 3)
    wait_for(tmp_path / "first")
    second = build_slowly(tmp_path / "second", 0)
    told = [process.communicate(timeout=100)[1] for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [0, 0], told
    assert "built" in told[0]
    # The second waited, and found what the first had made.
    assert "is there already" in told[1]
    assert not (tmp_path / "second").exists()
    assert len(list(own_cache.glob("*.engine"))) == len(listed()) == 1


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_build_leaves_no_engine_and_doesnt_block_the_next(tmp_path, own_cache, kill):
    killed = build_slowly(tmp_path / "begun", 60 if kill == signal.SIGKILL else 3)
    wait_for(tmp_path / "begun")
    killed.send_signal(kill)
    assert killed.wait(timeout=60) != 0
    killed.stderr.close()
    assert {file.suffix for file in own_cache.iterdir()} <= {".lock"}
    assert vidgan(*BUILD).returncode == 0
    assert len(listed()) == 1


def test_a_truncated_engine_is_rebuilt(own_cache):
    assert vidgan(*BUILD).returncode == 0
    (engine,) = own_cache.glob("*.engine")
    whole = engine.stat().st_size
    with engine.open("r+b") as file:
        file.truncate(whole // 2)
    again = vidgan(*BUILD)
    assert again.returncode == 0
    assert "is damaged; it is deleted" in again.stderr
    assert "built" in again.stderr
    assert abs(engine.stat().st_size - whole) < 4096
    assert "is there already" in vidgan(*BUILD).stderr


def test_a_build_that_is_interrupted_says_so(tmp_path, own_cache):
    building = build_slowly(tmp_path / "begun", 2)
    wait_for(tmp_path / "begun")
    building.send_signal(signal.SIGINT)
    told = building.communicate(timeout=60)[1]
    assert building.returncode == 130
    assert told.strip().endswith("interrupted; nothing was kept")
    assert listed() == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [("engines",), ("doctor",), (*BUILD, "--json")], ids=lambda a: a[0])
def test_an_output_that_cant_be_written(arguments):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command(*arguments), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert done.stderr.splitlines()[-1] == "vidgan: can't write: No space left on device"
    assert "Traceback" not in done.stderr


def test_help_teaches():
    for name in ("build", "engines"):
        text = subprocess.run(command(name, "--help"), capture_output=True, text=True, check=True).stdout
        assert "TensorRT" in text
