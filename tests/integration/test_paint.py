"""`vidgan paint` from files to file, and as users start it."""

import json
import signal
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest
from media.clips import Sound, Video, write_clip
from media.look import look
from media.run import leftovers

from vidgan.errors import SinkError
from vidgan.paint.job import paint_file
from vidgan.paint.options import PaintOptions
from vidgan.video.sink import SinkOptions

OPTIONS = PaintOptions(iterations=3, frame_iterations=2, num_scales=1, style_scale=0.1)
QUICK = ("--iterations", "3", "--frame-iterations", "2", "--scales", "1", "--style-scale", "0.1")
# The command by itself: what the program adds is its exit codes, and those are the same for all commands.
PROGRAM = """
import typer
from vidgan.cli import main, paint
main.app = typer.Typer(pretty_exceptions_enable=False)
main.app.command("paint")(paint.command)
main.main()
"""
# Says on standard output when painting has begun.
ANNOUNCED = """
from vidgan.cli import paint
show = paint._Show.__call__
def announced(*arguments):
    print("a look", flush=True)
    show(*arguments)
paint._Show.__call__ = announced
"""


def run(*arguments, cwd):
    line = [sys.executable, "-c", PROGRAM, *(str(argument) for argument in arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=200, check=False, cwd=cwd)


@pytest.fixture
def folder(tmp_path):
    """A folder with something of every kind."""
    rng = np.random.default_rng(1)
    photo = cv2.resize(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), (80, 64))
    cv2.imwrite(str(tmp_path / "photo.png"), photo)
    cv2.imwrite(str(tmp_path / "grey.png"), photo[..., 0])
    cv2.imwrite(str(tmp_path / "clear.png"), cv2.cvtColor(photo, cv2.COLOR_BGR2BGRA))
    cv2.imwrite(str(tmp_path / "waves.png"), rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    cv2.imwrite(str(tmp_path / "dot.png"), photo[:10, :10])
    (tmp_path / "text.jpg").write_text("To be, or not to be")
    return tmp_path


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    video = Video(size=(64, 48), pts=range(4))
    return write_clip(tmp_path_factory.mktemp("clip") / "in.mp4", video, Sound(seconds=0.16))


def test_a_picture(folder):
    told = []
    report = paint_file(
        folder / "photo.png", [folder / "waves.png"], folder / "out.png", OPTIONS, report=lambda p, _: told.append(p)
    )
    assert report.path == folder / "out.png"
    assert (report.frames, report.iterations, report.interrupted, report.notices) == (1, 3, False, [])
    assert set(report.losses) == {"content", "style", "variation", "total"}
    assert len(told) == 3
    result = cv2.imread(str(report.path))
    assert result.shape == (64, 80, 3)
    assert cv2.PSNR(result, cv2.imread(str(folder / "photo.png"))) < 35


@pytest.mark.parametrize(("name", "notices"), [("grey.png", []), ("clear.png", [])])
def test_grey_and_transparent_pictures(folder, name, notices):
    report = paint_file(folder / name, [folder / name], folder / "out.png", OPTIONS)
    assert cv2.imread(str(report.path)).shape == (64, 80, 3)
    assert report.notices == notices


def test_a_video_keeps_its_times_and_its_sound(clip, folder):
    report = paint_file(clip, [folder / "waves.png"], folder / "out.mp4", OPTIONS)
    before, after = look(clip), look(folder / "out.mp4")
    assert (report.frames, report.iterations) == (4, 3 + 3 * 2)
    assert "temporal" in report.losses
    assert after.times == before.times
    assert after.size == before.size
    assert after.of_kind("audio")[0].data == before.of_kind("audio")[0].data


def test_a_stopped_picture_stands_under_its_name(folder):
    stop = threading.Event()
    report = paint_file(
        folder / "photo.png", [folder / "waves.png"], folder / "out.png",
        PaintOptions(iterations=500), report=lambda p, _: p.iteration == 3 and stop.set(), stop=stop,
    )  # fmt: skip
    assert report.interrupted
    assert report.iterations == 3
    assert report.path == folder / "out.png"
    assert cv2.imread(str(report.path)).shape == (64, 80, 3)


def test_a_stopped_video_is_a_playable_part(clip, folder):
    stop = threading.Event()
    report = paint_file(
        clip, [folder / "waves.png"], folder / "out.mp4", OPTIONS,
        report=lambda p, _: p.frame == 2 and stop.set(), stop=stop,
    )  # fmt: skip
    assert report.interrupted
    assert report.path == folder / "out.partial.mp4"
    assert len(look(report.path).frames) == report.frames == 2
    assert not (folder / "out.mp4").exists()


def test_ctrl_c_twice_keeps_nothing_half_made(folder):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = leftovers(folder)
    with pytest.raises(KeyboardInterrupt):
        paint_file(folder / "photo.png", [folder / "waves.png"], folder / "out.png", OPTIONS, report=interrupt)
    assert leftovers(folder) == before


@pytest.mark.parametrize("given", ["photo.png", "waves.png"])
def test_what_is_painted_from_is_not_replaced(folder, given):
    with pytest.raises(SinkError, match=f"would replace .*{given}"):
        paint_file(
            folder / "photo.png", [folder / "waves.png"], folder / given, sink_options=SinkOptions(overwrite=True)
        )


def test_the_program_paints_and_reports(folder):
    done = run("photo.png", "waves.png", "grey.png", "-o", "out.png", *QUICK, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["output"] == "out.png"
    assert report["iterations"] == 3
    assert not report["interrupted"]
    assert report["losses"]["style"] > 0
    assert (folder / "out.png").exists()


@pytest.mark.parametrize(("arguments", "words"), [
    (("photo.png", "absent.jpg", "-o", "out.png"), "absent.jpg: no such file"),
    (("photo.png", "text.jpg", "-o", "out.png"), "text.jpg: not a picture"),
    (("photo.png", "dot.png", "-o", "out.png"), "dot.png: a painting of 10x10 pixels"),
    (("dot.png", "waves.png", "-o", "out.png"), "dot.png: a picture of 10x10 pixels"),
    (("absent.jpg", "waves.png", "-o", "out.png"), "absent.jpg: no such file"),
    (("photo.png", "waves.png", "-o", "grey.png"), "grey.png: exists already; --overwrite replaces it"),
    (("photo.png", "waves.png", "-o", "out.xyz"), "unknown kind of file"),
    (("photo.png", "waves.png", "-o", "out.png", "--iterations", "0"), "iterations 0: must be at least 1"),
    (("photo.png", "waves.png", "-o", "out.png", "--optimiser", "sgd"), "must be one of lbfgs, adam"),
    (("photo.png", "waves.png", "-o", "out.png", "--features", "text.jpg"), "text.jpg: not a file of VGG"),
])  # fmt: skip
def test_wrong_input_gives_one_line(folder, capsys, monkeypatch, arguments, words):
    import typer

    from vidgan.cli import main, paint

    before = leftovers(folder)
    monkeypatch.chdir(folder)
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command("paint")(paint.command)
    monkeypatch.setattr(main, "app", app)
    monkeypatch.setattr(sys, "argv", ["vidgan", *arguments])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 2
    errors = capsys.readouterr().err
    assert len(errors.splitlines()) == 1, errors
    assert words in errors
    assert leftovers(folder) == before


def test_ctrl_c_leaves_a_usable_picture(folder):
    line = [sys.executable, "-c", ANNOUNCED + PROGRAM, "photo.png", "waves.png", "-o", "out.png"]
    with subprocess.Popen(
        [*line, "--iterations", "100000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder
    ) as process:
        assert process.stdout.readline() == "a look\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=100)
    assert process.returncode == 130, errors
    assert "what was painted is in out.png" in errors
    assert "Traceback" not in errors
    assert cv2.imread(str(folder / "out.png")).shape == (64, 80, 3)
