"""Make the int8 network of every shipped style, and measure it beside the float one.

    python benchmarks/quantised.py --photos FOLDER [--styles starry-night,scream]

Ranges come from the photographs that training saw, the comparison from the 20 that it didn't (PSNR at 1280x720, in dB,
to the float network at the precision that "auto" takes). Steadiness is the warping error on the moving ones of the
sequences whose motion is known exactly, in multiples of the video's own, with the default smoothing and without. Speed
is inference alone at 1280x720, in turn. A style keeps its int8 network if the mean PSNR is 35 dB or more and the
smoothed result isn't less steady by more than 2 %. With `--styles` what is known of the others stays in the results.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import machine
import tomli_w
from held_out import Picture, for_training, held_out, lent_clips, spread_frames
from methods import METHODS, VIDGAN
from scoring import estimate_motions, mean_error, smooth
from sequences import lent_photos, standard_sequences
from styles import ENGINES
from trial import STILL_PIXELS, restyle

from vidgan.bench.machine import cpu_name
from vidgan.picture import resized
from vidgan.quantise import quantise_style
from vidgan.styles import CARD_NAME, INT8_NAME, Style, find_style
from vidgan.stylizer import Stylizer
from vidgan.temporal.smoother import DEFAULT_STRENGTH
from vidgan.threads import available_cores

SIZE = (1280, 720)
MOST_UNSTEADY = 1.02
ROUNDS = 7


def main() -> None:
    """Quantise, measure, note it in the cards and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of all photographs; each third is judged")
    parser.add_argument("--styles", default="", help="names of shipped styles with commas between; all if left out")
    arguments = parser.parse_args()
    names = arguments.styles.split(",") if arguments.styles else sorted(p.parent.name for p in ENGINES.glob("*/*.toml"))
    clip = [resized(frame.image, *SIZE) for frame in spread_frames(lent_clips()[0], 8)] * 4
    figures = {name: measure(name, arguments.photos, clip) for name in names}
    print(json.dumps(figures, indent=2))
    known = machine.read("quantised").get("styles", {}) if arguments.styles else {}
    print(machine.write("quantised", {"definitions": __doc__, "styles": known | figures}))


def measure(name: str, photos: Path, clip: Sequence[Picture]) -> dict[str, Any]:
    """Quantise one style; keep the result if it holds."""
    folder = ENGINES / name
    report = quantise_style(folder, for_training(photos), check=held_out(photos))
    quantised = find_style(folder)
    plain = replace(quantised, int8_path=None)
    steadiness = compare_steadiness(quantised, plain)
    speed = compare_speed(quantised, plain, clip)
    is_kept = steadiness["smoothed"]["int8"] <= MOST_UNSTEADY * steadiness["smoothed"]["float"]
    facts = {f"floors_{how}_{key}": value for how, values in steadiness.items() for key, value in values.items()}
    finish(folder, quantised, facts | {"fps_1280x720": speed["fps_1280x720"]["int8"]}, is_kept)
    note_speed(folder, report.compared_with, speed["fps_1280x720"]["float"])
    return {
        "kept": is_kept,
        "psnr_mean": round(report.psnr_mean, 2),
        "psnr_worst": round(report.psnr_worst, 2),
        "compared_with": report.compared_with,
        "frames": report.num_checked,
        "floors": steadiness,
        **speed,
    }


def compare_steadiness(quantised: Style, plain: Style) -> dict[str, dict[str, float]]:
    """Return the mean warping error of both over the moving sequences, in multiples of the video's own."""
    floors: dict[str, dict[str, list[float]]] = {how: {"int8": [], "float": []} for how in ("smoothed", "unsmoothed")}
    for sequence in standard_sequences(lent_photos()):
        frames = list(sequence)
        if not any(frame.flow is not None and abs(frame.flow).mean() > STILL_PIXELS for frame in frames):
            continue
        floor = mean_error(frames, [frame.image for frame in frames])
        motions = estimate_motions(frames)
        for key, style, precision in (("int8", quantised, "int8"), ("float", plain, "auto")):
            styled = restyle(style, frames, precision=precision)
            smoothed = smooth(METHODS[VIDGAN](DEFAULT_STRENGTH), frames, styled, motions)
            floors["unsmoothed"][key].append(mean_error(frames, styled) / floor)
            floors["smoothed"][key].append(mean_error(frames, smoothed) / floor)
    return {
        how: {key: round(statistics.fmean(values), 3) for key, values in each.items()} for how, each in floors.items()
    }


def compare_speed(quantised: Style, plain: Style, clip: Sequence[Picture]) -> dict[str, Any]:
    """Return frames per second and core-milliseconds per frame of both, medians of rounds in turn."""
    with Stylizer(quantised, size=SIZE, precision="int8") as first, Stylizer(plain, size=SIZE) as second:
        stylizers = {"int8": first, "float": second}
        walls: dict[str, list[float]] = {key: [] for key in stylizers}
        cores: dict[str, list[float]] = {key: [] for key in stylizers}
        for _ in range(ROUNDS + 1):
            for key, stylizer in stylizers.items():
                began, worked = time.perf_counter(), time.process_time()
                for future in [stylizer.submit(frame) for frame in clip]:
                    future.result()
                walls[key].append((time.perf_counter() - began) / len(clip))
                cores[key].append((time.process_time() - worked) / len(clip))
    return {
        "fps_1280x720": {key: round(1 / statistics.median(values[1:]), 1) for key, values in walls.items()},
        "core_milliseconds": {key: round(1000 * statistics.median(values[1:]), 1) for key, values in cores.items()},
    }


def finish(folder: Path, style: Style, facts: dict[str, Any], is_kept: bool) -> None:
    """Add `facts` to the card's table `int8`, or take the int8 network away."""
    card = dict(style.card)
    if is_kept:
        card["int8"] = {**card["int8"], **facts}
    else:
        del card["int8"]
        (folder / INT8_NAME).unlink()
    (folder / CARD_NAME).write_text(tomli_w.dumps(card), encoding="utf-8")


def note_speed(folder: Path, precision: str, fps: float) -> None:
    """Write the float network's speed into the card's table `measured`."""
    card = dict(find_style(folder).card)
    where = f"OpenVINO {precision}, inference only, {available_cores()} cores of {cpu_name()}; benchmarks/quantised.py"
    card["measured"] = {**card.get("measured", {}), "fps_1280x720": fps, "fps_measured_on": where}
    (folder / CARD_NAME).write_text(tomli_w.dumps(card), encoding="utf-8")


if __name__ == "__main__":
    main()
