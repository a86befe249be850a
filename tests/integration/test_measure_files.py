"""`vidgan measure` as users start it: real files in, figures, JSON and a page out."""

import json
import re
import signal
import subprocess
import time
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from media.clips import Sound, Video, write_clip
from media.run import command, leftovers, vidgan

from vidgan import EncoderOptions, SinkOptions, SourceOptions, StylizeOptions, stylize_video
from vidgan.errors import InputError
from vidgan.judge import measure_video

FRAMES = 24
CUT = 12
FLICKER = 32
"""Levels by which every other frame of the flickering result is brighter."""


def scene(number, width, height):
    """A slow pan over one picture, over another one from frame CUT on: mid-tones, so that nothing clips."""
    rng = np.random.default_rng(number // CUT)
    grid = rng.uniform(60, 190, (height // 8 + 2, (width + 2 * FRAMES) // 8 + 2, 3))
    image = np.kron(grid, np.ones((8, 8, 1)))[:height, number : number + width]
    return np.rint(image).astype(np.uint8)


def styled(number, width, height):
    return 255 - scene(number, width, height)


def flickering(number, width, height):
    return styled(number, width, height) + np.uint8(FLICKER * (number % 2))


def clip(path, draw, *, num_frames=FRAMES, **options):
    """Lossless RGB: what is drawn is what is measured."""
    video = {"codec": "ffv1", "pixel_format": "bgr0", "options": {}, "pts": range(num_frames), "size": (160, 96)}
    return write_clip(path, Video(draw=draw, **(video | options)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measure")
    clip(folder / "in.mkv", scene)
    clip(folder / "steady.mkv", styled)
    clip(folder / "flicker.mkv", flickering)
    clip(folder / "short.mkv", styled, num_frames=10)
    clip(folder / "one.mkv", styled, num_frames=1)
    clip(folder / "slow.mkv", styled, rate=Fraction(20))
    clip(folder / "tall.mkv", styled, size=(96, 160))
    clip(folder / "beside.mkv", lambda n, w, h: np.hstack([scene(n, w // 2, h), styled(n, w // 2, h)]), size=(320, 96))
    clip(folder / "cuts.mkv", lambda n, w, h: scene(n * CUT, w, h), num_frames=5)
    write_clip(folder / "sound.mp3", Sound(codec="libmp3lame"))
    (folder / "text.mp4").write_text("no video\n" * 50)
    return folder


@pytest.fixture(scope="module")
def measured(folder):
    """All three videos measured by the program, with a page: what it printed, and the page."""
    done = vidgan("measure", "in.mkv", "steady.mkv", "--per-frame", "flicker.mkv", "--report", "page.html", "--json",
                  cwd=folder)  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    return json.loads(done.stdout), (folder / "page.html").read_text(encoding="utf-8")


def test_the_figures_are_those_of_the_flicker(measured):
    facts = measured[0]
    assert (facts["frames"], facts["steps_measured"], facts["steps_skipped"]) == (24, 22, 1)
    assert facts["cuts_seconds"] == [CUT / 25]
    error = facts["warping_error"]
    assert error["per_frame"] == pytest.approx((FLICKER / 255) ** 2, rel=0.1)
    assert error["result"] == pytest.approx(error["source"], rel=0.01, abs=1e-7)
    assert error["per_frame_by_result"] == pytest.approx(error["per_frame"] / error["result"])
    assert facts["pumping_levels"]["per_frame"] == pytest.approx(FLICKER, rel=0.1)
    assert facts["pumping_levels"]["result"] < 0.5
    # Half of the frames are off by FLICKER.
    assert facts["psnr_db"] == pytest.approx(10 * np.log10(255**2 / (FLICKER**2 / 2)), abs=0.01)
    assert 0.5 < facts["ssim"] < 0.999
    assert facts["sharpness"] == {"against": "per_frame", "ratio": pytest.approx(1, abs=0.01)}


def test_the_object_has_a_fixed_form(measured):
    facts = measured[0]
    assert list(facts) == [
        "source", "result", "per_frame", "frames", "steps_measured", "steps_skipped", "cuts_seconds", "warping_error",
        "sharpness", "psnr_db", "ssim", "pumping_levels", "worst", "notices", "report", "seconds",
    ]  # fmt: skip
    assert (facts["source"], facts["result"], facts["per_frame"]) == ("in.mkv", "steady.mkv", "flicker.mkv")
    assert facts["report"] == "page.html"
    assert all(set(worst) == {"seconds", "source", "result"} for worst in facts["worst"])


class Page(HTMLParser):
    """Reads a page strictly: every element that needs an end has it, in order."""

    VOID = {"meta", "img"}  # noqa: RUF012 - never written to

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text = [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag, **wanted):
        return [
            a for t, a in self.elements if t == tag and all(v in (a.get(k) or "").split() for k, v in wanted.items())
        ]


def test_the_page_has_everything_and_needs_nothing(measured):
    facts, text = measured
    page = Page(text)
    for name in ("source", "per-frame", "result"):
        (path,) = [a for a in page.all("path") if a["class"] == f"curve {name}"]
        assert path["d"].count("M") == 2  # interrupted by the cut
        assert len(re.findall(r"[\d.]+ [\d.]+", path["d"])) == 22
    assert len(page.all("path", **{"class": "cut"})) == 1
    images = page.all("img")
    assert len(images) == 3 * len(facts["worst"]) + 2 * 6
    assert all(a["src"].startswith("data:image/jpeg;base64,") and a["alt"] for a in images)
    assert not re.search(r"https?:|//|@import|url\(|<script|<link", re.sub(r"base64,[\w+/=]+", "", text))
    assert len(page.all("section")) == len(facts["worst"])
    for words in ("in.mkv", "steady.mkv", "flicker.mkv", "160×96", "warping error", "SSIM", "22 steps measured"):
        assert words in page.text
    assert len(text) < 3_000_000


def test_without_a_per_frame_result_the_page_has_two_curves(folder):
    done = vidgan("measure", "in.mkv", "flicker.mkv", "--report", "two.html", cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    page = Page((folder / "two.html").read_text())
    assert len(page.all("path", **{"class": "curve"})) == 2
    assert b"PSNR" not in done.stdout
    for words in (b"warping error", b"times the floor", b"sharpness", b"pumping", b"report: two.html"):
        assert words in done.stdout


def test_names_of_files_are_not_markup(folder, tmp_path):
    name = tmp_path / "<b>&amp;'\".mkv"
    name.write_bytes((folder / "steady.mkv").read_bytes())
    done = vidgan("measure", folder / "in.mkv", name, "--report", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr.decode()
    text = (tmp_path / "page.html").read_text()
    assert name.name not in text
    assert name.name in Page(text).text


@pytest.mark.parametrize(("arguments", "words"), [
    (("absent.mkv", "steady.mkv"), "absent.mkv: no such file"),
    (("in.mkv", "absent.mkv"), "absent.mkv: no such file"),
    (("in.mkv", "steady.mkv", "--per-frame", "absent.mkv"), "absent.mkv: no such file"),
    (("in.mkv", "text.mp4"), "text.mp4: not a video"),
    (("in.mkv", "sound.mp3"), "sound.mp3: no video in it"),
    (("in.mkv", "in.mkv"), "IN and OUT are the same"),
    (("-", "-"), "standard input holds one video"),
    (("in.mkv", "beside.mkv"), "beside.mkv: 320x96, but in.mkv is 160x96: two pictures side by side"),
    (("in.mkv", "tall.mkv"), "tall.mkv: 96x160, but in.mkv is 160x96: other proportions"),
    (("in.mkv", "steady.mkv", "--per-frame", "tall.mkv"), "tall.mkv: 96x160"),
    (("in.mkv", "one.mkv"), "in.mkv and one.mkv: 1 frame to compare"),
    (("cuts.mkv", "short.mkv"), "none of the 4 steps"),
    (("in.mkv", "steady.mkv", "--start", "9"), "no frame lies between start and end"),
    (("in.mkv", "steady.mkv", "--end", "soon"), "--end soon: give seconds"),
    (("in.mkv", "steady.mkv", "--report", "in.mkv"), "is one of the videos"),
    (("in.mkv", "steady.mkv", "--report", "text.mp4"), "text.mp4: exists already; --overwrite replaces it"),
    (("in.mkv", "steady.mkv", "--report", "absent/page.html"), "there is no folder"),
])  # fmt: skip
def test_wrong_input_gives_one_line(arguments, words, folder):
    before = leftovers(folder)
    done = vidgan("measure", *arguments, cwd=folder)
    errors = done.stderr.decode()
    assert done.returncode == 2, errors
    assert len(errors.splitlines()) == 1, errors
    assert errors.startswith("vidgan: ")
    assert words in errors
    assert done.stdout == b""
    assert leftovers(folder) == before


def test_an_existing_page_is_replaced_only_when_told(folder, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("old")
    arguments = ("measure", folder / "in.mkv", folder / "steady.mkv", "--report", page)
    assert vidgan(*arguments).returncode == 2
    assert page.read_text() == "old"
    assert vidgan(*arguments, "--overwrite").returncode == 0
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert leftovers(tmp_path) == ["page.html"]


def test_other_lengths_and_times_are_said(folder):
    found = measure_video(folder / "in.mkv", folder / "short.mkv")
    assert found.measurement.num_frames == 10
    assert found.notices == [f"{folder / 'in.mkv'}: goes on after the last frame compared, number 10"]
    (notice,) = measure_video(folder / "short.mkv", folder / "in.mkv").notices
    assert notice.startswith(f"{folder / 'in.mkv'}: goes on")
    (notice,) = measure_video(folder / "in.mkv", folder / "slow.mkv").notices
    assert "slow.mkv: from frame 4 on, its times aren't those of" in notice


def test_equal_lengths_and_times_are_not(folder):
    assert measure_video(folder / "in.mkv", folder / "steady.mkv", folder / "flicker.mkv").notices == []


def test_padding_of_odd_sizes_is_cut_off(tmp_path):
    source = clip(tmp_path / "in.mkv", scene, size=(161, 97))
    padded = clip(
        tmp_path / "out.mkv",
        lambda n, w, h: np.pad(styled(n, w - 1, h - 1), ((0, 1), (0, 1), (0, 0)), mode="edge"),
        size=(162, 98),
    )
    plain = clip(tmp_path / "plain.mkv", styled, size=(161, 97))
    found, expected = (measure_video(source, x).measurement for x in (padded, plain))
    assert found.result_error == expected.result_error
    assert found.sharpness == expected.sharpness


def test_scaled_results_are_measured(folder, tmp_path):
    small = clip(tmp_path / "small.mkv", lambda n, w, h: flickering(n, 2 * w, 2 * h)[::2, ::2], size=(80, 48))
    found = measure_video(folder / "in.mkv", small, folder / "flicker.mkv")
    assert found.measurement.result_error == pytest.approx((FLICKER / 255) ** 2, rel=0.2)
    assert found.notices == [f"{folder / 'flicker.mkv'}: scaled to the size of {small}: sharpness and fidelity suffer"]


@pytest.mark.parametrize("of_the_cut", [True, False])
def test_a_cut_is_measured_with_its_result_or_with_the_whole(of_the_cut, folder, tmp_path):
    start, end = Fraction("0.52"), Fraction("0.8")
    result = folder / "in.mkv"
    if of_the_cut:
        result = tmp_path / "cut.mkv"
        cut = SourceOptions(start_seconds=start, end_seconds=end)
        options = StylizeOptions(source=cut, sink=SinkOptions(encoder=EncoderOptions(codec="ffv1")))
        stylize_video(folder / "in.mkv", result, style="none", options=options)
    found = measure_video(folder / "in.mkv", result, options=SourceOptions(start_seconds=start, end_seconds=end))
    assert found.measurement.num_frames == 7
    assert [round(m.seconds, 2) for m in found.measurement.moments] == [0.56, 0.6, 0.64, 0.68, 0.72, 0.76]
    assert found.measurement.result_error == pytest.approx(found.measurement.source_error, rel=0.05, abs=1e-6)
    assert found.notices == []


def test_a_pipe_is_taken_whole(folder):
    done = vidgan(
        "measure", "in.mkv", "-", "--end", "0.4", "--json", cwd=folder, given=(folder / "short.mkv").read_bytes()
    )
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["frames"] == 10


def test_it_can_be_stopped(folder):
    class Stop:
        def is_set(self):
            return True

    with pytest.raises(KeyboardInterrupt):
        measure_video(folder / "in.mkv", folder / "steady.mkv", stop=Stop())


def test_errors_name_the_files(folder):
    with pytest.raises(InputError, match=r"in\.mkv and .*one\.mkv: 1 frame"):
        measure_video(folder / "in.mkv", folder / "one.mkv")


def catches(pid, number):
    """Say whether a process has a handler of its own for a signal; Python's for Ctrl-C is there from the start."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(re.search(r"SigCgt:\s*([0-9a-f]+)", status)[1], 16)
    return all(caught >> (n - 1) & 1 for n in (number, signal.SIGTERM))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_with_130_and_leaves_nothing(number, tmp_path):
    for name, draw in (("in.mkv", scene), ("out.mkv", styled)):
        clip(tmp_path / name, lambda n, w, h, draw=draw: draw(n % CUT, w, h), num_frames=100, size=(640, 360))
    program = subprocess.Popen(
        command("measure", "in.mkv", "out.mkv", "--report", "page.html", "--json"),
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not catches(program.pid, number):
        assert program.poll() is None
        time.sleep(0.05)
    program.send_signal(number)
    output, errors = program.communicate(timeout=60)
    assert program.returncode == 130, errors
    assert output == b""
    assert b"Traceback" not in errors
    assert leftovers(tmp_path) == ["in.mkv", "out.mkv"]
