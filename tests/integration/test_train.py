"""Training as users start it: killed, stopped, on a full disk, in two processes, and to the finished style."""

import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import torch
from media.clips import Video, write_clip
from media.run import command, leftovers, vidgan

from vidgan.styles import find_style
from vidgan.stylizer import Stylizer
from vidgan.train.checkpoint import read_checkpoint
from vidgan.train.style import StyleNet

TRAIN = """
import json, sys
from pathlib import Path
import torch
from vidgan.train.run import RunOptions
from vidgan.train.style import StyleConfig, train_style
torch.set_num_threads(1)
settings = json.loads(sys.argv[1])
for key in ("styles", "content"):
    settings[key] = tuple(Path(path) for path in settings[key])
from vidgan.train.run import open_accelerator
count = open_accelerator().num_processes
Path(sys.argv[2]).with_suffix(f".{open_accelerator().process_index}of{count}").touch()
train_style(StyleConfig(**settings), Path(sys.argv[2]), RunOptions(save_every_seconds=0, has_curves=False))
"""
WITH_SMALL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.argv = ["vidgan", *sys.argv[2:]]
from vidgan.cli.main import main
main()
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A painting, photographs of which one is broken, and a clip."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "content").mkdir()
    random = np.random.default_rng(3)
    names = ["painting.png", *(f"content/{number}.png" for number in range(3))]
    for name in names:
        coarse = random.integers(0, 256, (9, 12, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / name), cv2.resize(coarse, (128, 96), interpolation=cv2.INTER_CUBIC))
    (folder / "content" / "broken.jpg").write_bytes(b"\xff\xd8\xff no more than this")
    write_clip(folder / "content" / "clip.mp4", Video())
    return folder


@pytest.fixture
def settings(pictures):
    return {
        "styles": [str(pictures / "painting.png")],
        "content": [str(pictures / "content")],
        "width": 16,
        "num_blocks": 1,
        "batch": 2,
        "crop": 64,
        "style_scale": 0.2,
    }


def run_script(settings, checkpoint, *launcher):
    return subprocess.run(
        [sys.executable, *launcher, *script(checkpoint), json.dumps(settings), str(checkpoint)],
        check=True,
        timeout=250,
        capture_output=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def script(checkpoint):
    path = checkpoint.with_suffix(".py")
    path.write_text(TRAIN)
    return [str(path)]


def weights(checkpoint):
    return torch.cat([values.flatten() for values in read_checkpoint(checkpoint)["network"].values()])


def test_killed_at_any_moment_and_resumed_is_as_never_killed(settings, tmp_path):
    settings |= {"steps": 60, "batch": 1}
    whole, killed = tmp_path / "whole.pt", tmp_path / "killed.pt"
    run_script(settings, whole)
    for wanted in (1, 20):
        with subprocess.Popen(
            [sys.executable, *script(killed), json.dumps(settings), str(killed)],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stderr=subprocess.DEVNULL,
        ) as process:
            while not killed.exists() or read_checkpoint(killed)["step"] < wanted:
                assert process.poll() is None
                time.sleep(0.005)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert wanted <= read_checkpoint(killed)["step"] < 60
    run_script(settings, killed)
    assert torch.equal(weights(whole), weights(killed))


TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


def test_two_processes_train_as_one(settings, tmp_path):
    settings |= {"steps": 6, "batch": 4, "warm_up_part": 0.0}
    one, two, alone = tmp_path / "one.pt", tmp_path / "two.pt", tmp_path / "alone.pt"
    run_script(settings, one)
    run_script(settings | {"batch": 2}, alone)
    run_script(settings, two, *TWO)
    assert (tmp_path / "two.1of2").exists()
    torch.manual_seed(1)
    beginning = torch.cat([v.flatten() for v in StyleNet(width=16, num_blocks=1).state_dict().values()])
    travelled = (weights(one) - beginning).norm()
    # Sums in bf16 come out a little different for other batches; half a batch goes another way altogether.
    assert (weights(two) - weights(one)).norm() < 0.1 * travelled
    assert (weights(alone) - weights(one)).norm() > 0.5 * travelled


def test_a_batch_that_two_processes_cannot_share_is_refused(settings, tmp_path):
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run_script(settings | {"batch": 3}, tmp_path / "run.pt", *TWO)
    assert b"a batch of 3 can't be shared by 2 processes" in caught.value.stderr


def style_command(pictures, folder, *more, steps=3):
    return (
        *("train", "style", pictures / "painting.png", "--content", pictures / "content", "-o", folder),
        *("--size", "tiny", "--crop", 64, "--batch", 1, "--style-scale", 0.2, "--save-every", 0, "--steps", steps),
        *more,
    )


def test_from_the_command_to_a_style_in_use(pictures, tmp_path):
    folder = tmp_path / "mine"
    done = vidgan(*style_command(pictures, folder, "--description", "soft and grey", "--licence", "CC0-1.0"))
    assert done.returncode == 0, done.stderr
    assert b"broken.jpg" in done.stderr
    assert leftovers(folder) == ["card.toml", "model.onnx", "training"]
    assert leftovers(folder / "training") == ["checkpoint.pt", "tensorboard"]
    style = find_style(folder)
    assert (style.description, style.licence, style.card["training"]["size"]) == ("soft and grey", "CC0-1.0", "tiny")
    assert style.card["family"] == read_checkpoint(folder / "training" / "checkpoint.pt")["family"]
    assert style.card["measured"]["fps_1280x720"] > 0
    with Stylizer(style, size=(40, 30)) as stylizer:
        assert stylizer(np.zeros((30, 40, 3), np.uint8)).shape == (30, 40, 3)


def test_ctrl_c_saves_and_the_same_command_goes_on(pictures, tmp_path):
    folder = tmp_path / "mine"
    checkpoint = folder / "training" / "checkpoint.pt"
    arguments = command(*style_command(pictures, folder, steps=100_000))
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"}) as process:
        while not checkpoint.exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=100)
    assert process.returncode == 130, said
    step = read_checkpoint(checkpoint)["step"]
    assert f"stopped after {step} steps; the same command goes on".encode() in said
    assert not (folder / "model.onnx").exists()


def test_on_a_full_disk_the_run_goes_on_and_the_old_checkpoint_stays(pictures, tmp_path):
    """A limit on the size of files makes writing fail as a full disk does: checkpoints don't fit, the style does."""
    folder = tmp_path / "mine"
    checkpoint = folder / "training" / "checkpoint.pt"
    checkpoint.parent.mkdir(parents=True)
    limited = [sys.executable, "-c", WITH_SMALL_DISK, "150000"]
    environment = os.environ | {"VIDGAN_CACHE": os.devnull}
    done = subprocess.run(
        [*limited, *map(str, style_command(pictures, folder))], capture_output=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"the run goes on and tries again later" in done.stderr
    assert b"Traceback" not in done.stderr
    assert leftovers(folder) == ["card.toml", "model.onnx", "training"]
    assert leftovers(checkpoint.parent) == ["tensorboard"]
    assert find_style(folder).card["measured"]["onnx_against_torch_levels"] <= 2


def test_a_style_that_does_not_fit_is_one_line_and_the_checkpoint_stays(pictures, tmp_path):
    folder = tmp_path / "mine"
    assert vidgan(*style_command(pictures, folder)).returncode == 0
    before = {file.name: file.read_bytes() for file in (folder / "model.onnx", folder / "training" / "checkpoint.pt")}
    done = subprocess.run(
        [sys.executable, "-c", WITH_SMALL_DISK, "20000", *map(str, style_command(pictures, folder))],
        capture_output=True,
        env=os.environ | {"VIDGAN_CACHE": os.devnull},
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert b"no space left for the style" in done.stderr
    assert b"Traceback" not in done.stderr
    for file in (folder / "model.onnx", folder / "training" / "checkpoint.pt"):
        assert file.read_bytes() == before[file.name]
    assert leftovers(folder) == ["card.toml", "model.onnx", "training"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--size", "huge"], "choose tiny, small, base"),
        (["--budget", "soon"], "such as 45m"),
        (["--steps", "3", "--budget", "5s"], "give one of them"),
        (["--name", "a/b"], "it becomes a folder"),
        (["--name", "a+b"], "it becomes a folder"),
        (["--style-scale", "100"], "style_scale 100"),
        (["--features", "nowhere.pth"], "nowhere.pth: no such file"),
        (["--teacher", "nobody"], "no style is called 'nobody'"),
    ],
)
def test_what_cannot_be_is_one_line(pictures, tmp_path, change, words):
    arguments = style_command(pictures, tmp_path / "mine")
    kept = arguments[:-2] if "--budget" in change else arguments
    done = vidgan(*kept, *change)
    assert done.returncode == 2
    assert words in done.stderr.decode().splitlines()[-1]


def test_a_shipped_style_is_not_hidden_by_accident(pictures):
    arguments = ["train", "style", str(pictures / "painting.png"), "--content", str(pictures), "--name", "scream"]
    done = vidgan(*arguments)
    assert done.returncode == 2
    assert "it would hide the style" in done.stderr.decode().splitlines()[-1]
