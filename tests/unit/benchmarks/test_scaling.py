import cv2
import numpy as np
import pytest
from scaling import Case, make_lengths, make_resolutions, measure
from scaling_plot import curves_of, draw
from spine import summarise

from vidgan.bench.clip import read_clip
from vidgan.bench.whole import Run


def run(frames=10, seconds=2.0, core_seconds=3.0, peak=5e8, **stages):
    return Run(
        frames=frames,
        seconds=seconds,
        setup_seconds=0.5,
        core_seconds=core_seconds,
        peak_memory_bytes=peak,
        stage_seconds=stages,
        runtime=None,
    )


def case(fps, megabytes, *, times=1, size=(640, 360), frames=50):
    return {
        "size": list(size),
        "times": times,
        "frames": frames,
        "fps": {"median": fps},
        "seconds": {"median": frames / fps},
        "peak_megabytes": {"median": megabytes},
    }


def test_a_case_is_summed_up(tmp_path):
    found = Case(name="360p", size=(640, 360), times=1, clip=tmp_path)
    found.runs += [run(seconds=2.0), run(seconds=1.0, core_seconds=1.5, peak=4e8), run(seconds=4.0)]
    summary = found.summary()
    assert summary["fps"] == {"median": 5.0, "lowest": 2.5, "highest": 10.0}
    assert summary["core_ms"] == {"median": 300.0, "lowest": 150.0, "highest": 300.0}
    assert summary["peak_megabytes"] == {"median": 500.0, "lowest": 400.0, "highest": 500.0}
    assert (summary["size"], summary["times"], summary["frames"]) == ([640, 360], 1, 10)


def test_curves_are_multiples_of_the_first_and_labels_the_values():
    cases = [case(100, 200), case(25, 250), case(2.5, 400)]
    time, memory = curves_of(cases, per_frame=True)
    assert time.multiples == pytest.approx([1, 4, 40])
    assert time.labels == ["100 fps", "25 fps", "2.5 fps"]
    assert memory.multiples == pytest.approx([1, 1.25, 2])
    assert memory.labels == ["200 MB", "250 MB", "400 MB"]


def test_lengths_are_drawn_by_their_whole_time():
    time, _ = curves_of([case(50, 200), case(100, 200, times=10, frames=500)], per_frame=False)
    assert time.multiples == pytest.approx([1, 5])
    assert time.labels == ["1 s", "5 s"]


def test_the_plot_has_two_panels_with_curves(tmp_path):
    resolutions = {"360p": case(88, 260), "720p": case(25, 450, size=(1280, 720))}
    lengths = {"1x": case(80, 260), "10x": case(88, 266, times=10, frames=500)}
    draw({"style": "ink", "resolutions": resolutions, "lengths": lengths}, tmp_path / "plot.png")
    plot = cv2.cvtColor(cv2.imread(str(tmp_path / "plot.png")), cv2.COLOR_BGR2HSV)
    coloured = plot[..., 1] > 150
    for half in np.array_split(coloured, 2, axis=1):
        assert 0.002 < half.mean() < 0.1


def test_clips_and_runs_of_every_case(tmp_path, monkeypatch):
    monkeypatch.setattr("scaling.LENGTH_SIZE", (64, 32))
    cases = make_resolutions(tmp_path, [(64, 48)], 4) + make_lengths(tmp_path, (1, 3), 6)
    clips = [read_clip(case.clip, None) for case in cases]
    assert [clip.num_frames for clip in clips] == [4, 6, 18]
    assert all(clip.has_sound for clip in clips)
    measure(cases, "none", 1, tmp_path)
    assert [[run.frames for run in case.runs] for case in cases] == [[4], [6], [18]]


def test_the_spine_sums_up_speed_and_stages():
    runs = [run(10, 2.0, decode=0.1), run(10, 1.0, decode=0.3), run(10, 4.0, decode=0.2)]
    summary = summarise(runs)
    assert (summary["fps_median"], summary["fps_lowest"], summary["fps_highest"]) == (5, 2.5, 10)
    assert summary["stage_milliseconds_per_frame"] == {"decode": 20}
    assert (summary["runs"], summary["precision"]) == (3, None)
