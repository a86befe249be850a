"""Translation as users start it: from two folders to styles, killed, in two processes, with pictures that fail."""

import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import torch
from media.run import command, leftovers, vidgan

from vidgan.styles import find_style
from vidgan.stylizer import Stylizer
from vidgan.train.checkpoint import read_checkpoint

SMALL = ("--crop", 32, "--load-size", 40, "--width", 4, "--discriminator-width", 4, "--generator", "video")
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}
TWO = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


def picture(seed, width=64, height=48):
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two domains whose pictures belong together by name, one broken and one alone."""
    root = tmp_path_factory.mktemp("domains")
    for name in ("aerial", "map", "wide"):
        (root / name).mkdir()
    for number in range(6):
        image = picture(number)
        cv2.imwrite(str(root / "aerial" / f"{number}.png"), image)
        cv2.imwrite(str(root / "map" / f"{number}.png"), 255 - image)
        cv2.imwrite(str(root / "wide" / f"{number}.png"), np.hstack((image, 255 - image)))
    (root / "aerial" / "broken.jpg").write_bytes(b"\xff\xd8\xff no more than this")
    cv2.imwrite(str(root / "map" / "alone.png"), picture(99))
    return root


def train(recipe, *more, steps=3):
    return (*("train", recipe), *SMALL, "--steps", steps, "--save-every", 0, *more)


def weights(checkpoint):
    saved = read_checkpoint(checkpoint)
    names = [name for name in saved if name.startswith(("generator", "critic", "average", "sampler"))]
    return torch.cat([values.flatten().float() for name in names for values in saved[name].values()])


def test_from_two_folders_to_two_styles_in_use_and_a_page(folders, tmp_path):
    done = vidgan(*train("cyclegan", folders / "aerial", folders / "map", "-o", tmp_path, "--licence", "CC0-1.0"))
    assert done.returncode == 0, done.stderr
    assert b"broken.jpg" in done.stderr
    assert leftovers(tmp_path) == ["aerial2map", "map2aerial"]
    assert leftovers(tmp_path / "aerial2map") == ["card.toml", "model.onnx", "report.html", "training"]
    assert leftovers(tmp_path / "map2aerial") == ["card.toml", "model.onnx"]
    for name in ("aerial2map", "map2aerial"):
        style = find_style(tmp_path / name)
        assert (style.name, style.licence, style.card["training"]["recipe"]) == (name, "CC0-1.0", "cyclegan")
        assert {"cycle_psnr", "warping_error", "unsteadiness", "fps_1280x720"} <= style.card["measured"].keys()
        assert f"--style {tmp_path / name}".encode() in done.stdout
        with Stylizer(style, size=(50, 30)) as stylizer:
            assert stylizer(np.zeros((30, 50, 3), np.uint8)).shape == (30, 50, 3)
    page = (tmp_path / "aerial2map" / "report.html").read_text()
    assert "aerial2map" in page
    assert "data:image/" in page
    # No path of the machine that it was trained on.
    assert str(folders) not in page
    assert str(folders) not in (tmp_path / "aerial2map" / "card.toml").read_text()


@pytest.mark.parametrize("sources", [("aerial", "map"), ("wide",)])
def test_from_pairs_to_a_style(folders, tmp_path, sources):
    arguments = train("pix2pix", *(folders / source for source in sources), "-o", tmp_path, "--name", "inverse")
    done = vidgan(*arguments)
    assert done.returncode == 0, done.stderr
    assert leftovers(tmp_path) == ["inverse"]
    measured = find_style(tmp_path / "inverse").card["measured"]
    assert {"l1", "psnr", "ssim", "psnr_untouched"} <= measured.keys()
    # The pictures as they are, are as far from their inverses as can be.
    assert measured["psnr_untouched"] < 12


@pytest.mark.parametrize("method", ["cut", "fastcut"])
def test_one_direction_without_pairs(folders, tmp_path, method):
    arguments = train("cyclegan", folders / "aerial", folders / "map", "--method", method, "-o", tmp_path)
    done = vidgan(*arguments)
    assert done.returncode == 0, done.stderr
    assert leftovers(tmp_path) == ["aerial2map"]
    card = find_style(tmp_path / "aerial2map").card
    assert card["training"]["recipe"] == method
    assert card["training"]["is_mirrored"] == (method == "fastcut")


def test_published_folders_are_understood(folders, tmp_path):
    for name, source in (("trainA", "aerial"), ("trainB", "map"), ("valA", "map"), ("valB", "aerial")):
        (tmp_path / "maps").mkdir(exist_ok=True)
        (tmp_path / "maps" / name).symlink_to(folders / source, target_is_directory=True)
    done = vidgan(*train("pix2pix", tmp_path / "maps", "-o", tmp_path / "styles"))
    assert done.returncode == 0, done.stderr
    training = find_style(tmp_path / "styles" / "maps").card["training"]
    assert [training[key] for key in ("a", "b", "held_out_a", "held_out_b")] == ["trainA", "trainB", "valA", "valB"]


@pytest.mark.parametrize("recipe", ["cyclegan", "pix2pix"])
def test_killed_at_any_moment_and_resumed_is_as_never_killed(folders, tmp_path, recipe):
    whole, killed = (
        command(*train(recipe, folders / "aerial", folders / "map", "-o", tmp_path / name, steps=40))
        for name in ("whole", "killed")
    )
    subprocess.run(whole, check=True, capture_output=True, env=ONE_THREAD)
    checkpoint = tmp_path / "killed" / "aerial2map" / "training" / "checkpoint.pt"
    for wanted in (1, 15):
        with subprocess.Popen(killed, env=ONE_THREAD, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            while not checkpoint.exists() or read_checkpoint(checkpoint)["step"] < wanted:
                assert process.poll() is None
                time.sleep(0.005)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert wanted <= read_checkpoint(checkpoint)["step"] < 40
        assert not (tmp_path / "killed" / "aerial2map" / "model.onnx").exists()
    subprocess.run(killed, check=True, capture_output=True, env=ONE_THREAD)
    unbroken = tmp_path / "whole" / "aerial2map" / "training" / "checkpoint.pt"
    assert torch.equal(weights(unbroken), weights(checkpoint))


@pytest.mark.parametrize("method", ["cyclegan", "cut"])
def test_two_processes_train_as_one(folders, tmp_path, method):
    def run(name, batch, *launcher):
        arguments = train("cyclegan", folders / "aerial", folders / "map", "-o", tmp_path / name, steps=5)
        arguments = [*map(str, arguments), "--method", method, "--batch", str(batch), "--precision", "f32"]
        started = [*launcher, "-m", "vidgan.cli.main", *arguments] if launcher else command(*arguments)
        subprocess.run(started, check=True, capture_output=True, env=ONE_THREAD, timeout=250)
        return weights(tmp_path / name / "aerial2map" / "training" / "checkpoint.pt")

    one, two, alone = run("one", 2), run("two", 2, *TWO), run("alone", 1)
    apart = (two - one).norm() / one.norm()
    assert apart < 1e-3
    assert (alone - one).norm() / one.norm() > 10 * apart


def test_a_batch_that_two_processes_cannot_share_is_refused(folders, tmp_path):
    arguments = train("cyclegan", folders / "aerial", folders / "map", "-o", tmp_path)
    started = [*TWO, "-m", "vidgan.cli.main", *map(str, arguments)]
    done = subprocess.run(started, capture_output=True, env=ONE_THREAD, timeout=250, check=False)
    assert done.returncode != 0
    assert b"a batch of 1 can't be shared by 2 processes" in done.stderr


def test_a_budget_becomes_steps(folders, tmp_path):
    arguments = ("train", "pix2pix", *SMALL, folders / "wide", "-o", tmp_path, "--budget", "4s")
    done = vidgan(*arguments)
    assert done.returncode == 0, done.stderr
    assert b"steps are left in 4 seconds here" in done.stderr
    assert find_style(tmp_path / "wide").card["training"]["steps"] >= 1


def test_ctrl_c_saves_and_the_same_command_goes_on(folders, tmp_path):
    checkpoint = tmp_path / "aerial2map" / "training" / "checkpoint.pt"
    arguments = command(*train("cyclegan", folders / "aerial", folders / "map", "-o", tmp_path, steps=100_000))
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, env=ONE_THREAD) as process:
        while not checkpoint.exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=100)
    assert process.returncode == 130, said
    assert f"stopped after {read_checkpoint(checkpoint)['step']} steps; the same command goes on".encode() in said


@pytest.mark.parametrize(
    ("recipe", "sources", "more", "words"),
    [
        ("cyclegan", ("aerial",), (), "one folder; give domain A and domain B"),
        ("cyclegan", ("aerial", "map", "wide"), (), "3 folders"),
        ("cyclegan", ("aerial", "nowhere"), (), "nowhere: no such file or folder"),
        ("cyclegan", ("aerial", "map"), ("--method", "magic"), "choose cyclegan, cut, fastcut"),
        (
            "cyclegan",
            ("aerial", "map"),
            ("--method", "cut", "--cycle-weight", 3),
            "--cycle-weight: --method cut has no",
        ),
        ("cyclegan", ("aerial", "map"), ("--generator", "unet"), "choose resnet9"),
        ("cyclegan", ("aerial", "map"), ("--crop", 30), "crop 30"),
        ("cyclegan", ("aerial", "map"), ("--held-out", "aerial"), "--held-out is given 1 times"),
        ("cyclegan", ("aerial", "map"), ("--name", "a/b"), "it becomes a folder"),
        ("cyclegan", ("aerial", "map"), ("--budget", "5s"), "give one of them"),
        ("pix2pix", ("aerial", "nothing"), (), "no picture or video in it"),
    ],
)
def test_what_cannot_be_is_one_line(folders, tmp_path, recipe, sources, more, words):
    (folders / "nothing").mkdir(exist_ok=True)
    more = [folders / value if value == "aerial" else value for value in more]
    done = vidgan(*train(recipe, *(folders / source for source in sources), "-o", tmp_path / "styles", *more))
    assert done.returncode == 2
    assert words in done.stderr.decode().splitlines()[-1]
    assert not (tmp_path / "styles").exists()


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_learnt(folders, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    done = vidgan(*train("cyclegan", folders / "aerial", folders / "map", "-o", tmp_path / "file"))
    assert done.returncode in (2, 3)
    assert b"Traceback" not in done.stderr
    assert b"choose another folder" in done.stderr
