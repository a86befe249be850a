"""Distillation as users start it: killed, stopped, in two processes, and to the finished style."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from media.run import command, leftovers, vidgan

from vidgan.cli.main import main
from vidgan.cli.names import check_name
from vidgan.networks.generators import StyleNet
from vidgan.runtime.plan import file_sha256
from vidgan.styles import find_style
from vidgan.stylizer import Stylizer
from vidgan.train.checkpoint import read_checkpoint
from vidgan.train.distil import DistilConfig, train_distil
from vidgan.train.run import RunOptions

TEACHER = "scream"
DISTIL = """
import sys
from pathlib import Path
import torch
from vidgan.train.distil import DistilConfig, train_distil
from vidgan.train.run import RunOptions
torch.set_num_threads(1)
content, checkpoint, settings = Path(sys.argv[1]), Path(sys.argv[2]), eval(sys.argv[3])
config = DistilConfig(teacher="scream", content=(content,), width=16, num_blocks=1, crop=64, **settings)
train_distil(config, checkpoint, RunOptions(save_every_seconds=0, has_curves=False))
"""
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """Four pictures, one of them too small, and one that is broken."""
    folder = tmp_path_factory.mktemp("content")
    random = np.random.default_rng(3)
    for number, (width, height) in enumerate([(128, 96), (96, 96), (96, 160), (60, 40)]):
        coarse = random.integers(0, 256, (9, 12, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no more than this")
    return folder


@pytest.fixture
def one_thread():
    """As in the other processes: sums of several threads come out a little different."""
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(count)


def config_of(content, **settings):
    """The same as in the script."""
    return DistilConfig(teacher=TEACHER, content=(content,), width=16, num_blocks=1, crop=64, **settings)


def script(content, checkpoint, settings, *launcher):
    path = checkpoint.with_suffix(".py")
    path.write_text(DISTIL)
    return [sys.executable, *launcher, str(path), str(content), str(checkpoint), repr(settings)]


def weights(checkpoint):
    saved = read_checkpoint(checkpoint)
    return torch.cat([values.flatten() for part in ("network", "adapter") for values in saved[part].values()])


@pytest.mark.usefixtures("one_thread")
def test_killed_at_any_moment_and_resumed_is_as_never_killed(content, tmp_path):
    settings = {"steps": 40, "batch": 2}
    whole, killed = tmp_path / "whole.pt", tmp_path / "killed.pt"
    train_distil(config_of(content, **settings), whole)
    arguments = script(content, killed, settings)
    with subprocess.Popen(arguments, env=ONE_THREAD, stderr=subprocess.DEVNULL) as process:
        while not killed.exists() or read_checkpoint(killed)["step"] < 5:
            assert process.poll() is None
            time.sleep(0.005)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert 5 <= read_checkpoint(killed)["step"] < 40
    train_distil(config_of(content, **settings), killed)
    assert torch.equal(weights(whole), weights(killed))


@pytest.mark.usefixtures("one_thread")
def test_two_processes_distil_as_one(content, tmp_path):
    one, two, alone = tmp_path / "one.pt", tmp_path / "two.pt", tmp_path / "alone.pt"
    settings = {"steps": 6, "batch": 4}
    arguments = script(content, two, settings, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    subprocess.run(arguments, check=True, timeout=250, capture_output=True, env=ONE_THREAD)
    train_distil(config_of(content, **settings), one)
    train_distil(config_of(content, steps=6, batch=2), alone)
    torch.manual_seed(1)
    parts = (StyleNet(width=16, num_blocks=1), torch.nn.Conv2d(16, 32, 1))
    beginning = torch.cat([values.flatten() for part in parts for values in part.state_dict().values()])
    travelled = (weights(one) - beginning).norm()
    # Sums in bf16 come out a little different for other batches; half a batch goes another way altogether.
    assert (weights(two) - weights(one)).norm() < 0.1 * travelled
    assert (weights(alone) - weights(one)).norm() > 0.4 * travelled


def distil_command(content, folder, *more, steps=3):
    return (
        *("distil", TEACHER, "--content", content, "-o", folder, "--size", "tiny", "--crop", 64, "--batch", 1),
        *("--save-every", 0, "--steps", steps, *more),
    )


def test_from_the_command_to_a_style_in_use(content, tmp_path):
    folder = tmp_path / "mine"
    done = vidgan(*distil_command(content, folder))
    assert done.returncode == 0, done.stderr
    assert b"left out" in done.stderr
    assert b"broken.jpg" in done.stderr
    closeness, use = done.stdout.decode().splitlines()
    assert "dB and SSIM" in closeness
    assert use == f"vidgan stylize IN.mp4 -o OUT.mp4 --style {folder}"
    assert leftovers(folder) == ["card.toml", "model.onnx", "training"]
    assert leftovers(folder / "training") == ["checkpoint.pt", "tensorboard"]
    style, teacher = find_style(folder), find_style(TEACHER)
    assert (style.name, style.licence, style.description) == (f"{TEACHER}-tiny", teacher.licence, teacher.description)
    assert style.card["training"]["teacher_sha256"] == file_sha256(teacher.path)
    assert style.card["measured"]["fps_1280x720_teacher"] > 0
    with Stylizer(style, size=(40, 30)) as stylizer:
        assert stylizer(np.zeros((30, 40, 3), np.uint8)).shape == (30, 40, 3)


def test_ctrl_c_saves_and_the_same_command_goes_on(content, tmp_path):
    folder = tmp_path / "mine"
    checkpoint = folder / "training" / "checkpoint.pt"
    arguments = command(*distil_command(content, folder, steps=100_000))
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, env=ONE_THREAD) as process:
        while not checkpoint.exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=100)
    assert process.returncode == 130, said
    step = read_checkpoint(checkpoint)["step"]
    assert f"stopped after {step} steps; the same command goes on".encode() in said
    assert not (folder / "model.onnx").exists()


def said_by(arguments, monkeypatch, capsys):
    """Run the program in this process, which has torch already; return its exit code and its last line of errors."""
    monkeypatch.setattr(sys, "argv", ["vidgan", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    return caught.value.code, capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--size", "huge"], "choose tiny, small, base"),
        (["--budget", "5s"], "give one of them"),
        (["--name", "a+b"], "it becomes a folder"),
        (["--crop", "66"], "crop 66"),
        (["--crop", "512"], "no pictures or videos of at least 512 pixels a side"),
        (["--learning-rate", "0"], "learning_rate 0"),
        (["--held-out", "nowhere"], "nowhere: no such file or folder"),
    ],
)
def test_what_cannot_be_is_one_line(content, tmp_path, monkeypatch, capsys, change, words):
    code, line = said_by([*distil_command(content, tmp_path / "mine"), *change], monkeypatch, capsys)
    assert code == 2
    assert words in line


def test_an_unknown_teacher_is_one_line(content, monkeypatch, capsys):
    code, line = said_by(["distil", "screem", "--content", content], monkeypatch, capsys)
    assert code == 2
    assert "no style is called 'screem'; did you mean scream?" in line


def test_without_torch_it_says_what_to_install(content, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torch" else name)
    code, line = said_by(["distil", TEACHER, "--content", content], monkeypatch, capsys)
    assert code == 3
    assert "distilling needs torch: pip install 'vidgan[train]'" in line


def test_a_blend_is_a_teacher_too(content, tmp_path, monkeypatch):
    """Its name isn't one that a style may have."""
    monkeypatch.setenv("VIDGAN_STYLES", str(tmp_path / "styles"))
    monkeypatch.setenv("VIDGAN_CACHE", str(tmp_path / "cache"))
    blend, name = "scream+great-wave", []
    monkeypatch.setattr("vidgan.cli.distil._distil", lambda config, result, *_: name.append(result.name))
    monkeypatch.setattr(sys, "argv", ["vidgan", "distil", blend, "--content", str(content), "--size", "tiny"])
    with pytest.raises(SystemExit):
        main()
    check_name(name[0], None)
    assert name[0].endswith("-tiny")
    config = replace(config_of(content, steps=1, batch=1), teacher=blend)
    losses = []
    train_distil(config, tmp_path / "run.pt", RunOptions(report=lambda report: losses.append(report.losses)))
    assert losses[0]["feature"] > 0
