"""`vidgan doctor`."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

_PACKAGES = ("av", "numpy", "opencv-python", "openvino", "torch", "kornia", "onnx", "nvidia-ml-py")
UNPROVEN = "what runs on NVIDIA's cards has not been run on one yet; benchmarks/gpu.md says how to prove or disprove it"
_ENCODERS = (
    "libx264", "libx265", "libsvtav1", "libvpx-vp9", "prores_ks", "ffv1", "mpeg4", "gif",
    "h264_nvenc", "hevc_nvenc", "av1_nvenc", "h264_qsv", "hevc_qsv",
)  # fmt: skip


def command(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Say what this machine has: runtimes, devices, precision, encoders, versions, cache; and what `auto` takes."""
    facts = examine()
    if as_json:
        print(json.dumps(facts))
        return
    _show(facts)


def examine() -> dict[str, Any]:
    """Collect everything that `vidgan doctor` shows."""
    import av

    from vidgan import __version__
    from vidgan.bench.machine import installed_version
    from vidgan.runtime import list_devices
    from vidgan.runtime.cache import default_cache_folder

    devices = [
        {"runtime": d.runtime, "device": d.device, "name": d.device_name, "precision": d.precision, "why": d.reason}
        for d in list_devices()
    ]
    cache = default_cache_folder()
    files = [file for file in cache.rglob("*") if file.is_file()] if cache.is_dir() else []
    return {
        "vidgan": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "versions": {name: installed_version(name) for name in _PACKAGES},
        "ffmpeg": av.ffmpeg_version_info,
        "devices": devices,
        "auto": _auto(devices),
        "nvidia": _nvidia(),
        "encoders": {name: name in av.codecs_available for name in _ENCODERS},
        "cache": {"folder": str(cache), "files": len(files), "bytes": sum(file.stat().st_size for file in files)},
    }


def _auto(devices: list[dict[str, str]]) -> dict[str, str]:
    """Return what `--runtime auto` takes, and why."""
    from vidgan.runtime.auto import choose_runtime

    choice = choose_runtime()
    device = next(d for d in devices if d["runtime"] == choice.runtime and choice.device in (d["device"], "auto"))
    return device | {"runtime_why": choice.reason}


def _nvidia() -> dict[str, Any]:
    """Return what there is for NVIDIA's cards, and what is missing."""
    from vidgan.runtime.auto import card_for_tensorrt
    from vidgan.runtime.gpu import list_cards
    from vidgan.runtime.tensorrt.engine import engine_folder
    from vidgan.runtime.tensorrt.flavour import installed_flavours
    from vidgan.runtime.tensorrt.store import list_engines
    from vidgan.video.hardware import card_video

    cards, why_none = list_cards()
    return {
        "cards": [dataclasses.asdict(card) for card in cards],
        "why_none": why_none,
        "tensorrt": installed_flavours(),
        "tensorrt_lacks": card_for_tensorrt()[1],
        "engines": len(list_engines(engine_folder())),
        "video": card_video() if cards else {},
        "note": UNPROVEN,
    }


def _show_nvidia(facts: Mapping[str, Any], say: Callable[[str], None]) -> None:
    for card in facts["cards"]:
        memory = f"{card['memory_bytes'] / 2**30:.0f} GiB"
        say(f"NVIDIA: {card['name']}, {card['compute_capability']}, {memory}, driver {card['driver']}")
    if facts["why_none"]:
        say(f"NVIDIA: {facts['why_none']}")
    packages = ", ".join(f"{name} {version}" for name, version in facts["tensorrt"].items())
    say(f"TensorRT: {packages or 'not installed'}; engines built: {facts['engines']}")
    if facts["tensorrt_lacks"] != facts["why_none"]:
        say(f"TensorRT can't run: {facts['tensorrt_lacks']}")
    for what, answer in facts["video"].items():
        say(f"the card {what}: {answer}")
    say(facts["note"])


def _show(facts: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table("device", "what it is", "precision of auto", "why", box=None, pad_edge=False)
    for device in facts["devices"]:
        table.add_row(f"{device['runtime']} {device['device']}", device["name"], device["precision"], device["why"])
    console.print(f"vidgan {facts['vidgan']}, Python {facts['python']}, {facts['system']}, FFmpeg {facts['ffmpeg']}\n")
    console.print(table)
    auto = facts["auto"]
    if auto:
        console.print(f"\nauto takes: {auto['runtime']} on {auto['device']} in {auto['precision']} ({auto['why']}),")
        console.print("or in int8 where a style has it and it is faster")
    _show_nvidia(facts["nvidia"], lambda text: console.print(text, markup=False))
    console.print("\nversions: " + ", ".join(f"{k} {v or 'not installed'}" for k, v in facts["versions"].items()))
    console.print(
        "encoders in this FFmpeg: "
        + ", ".join(name for name, there in facts["encoders"].items() if there)
        + " (nvenc and qsv also need their hardware)"
    )
    cache = facts["cache"]
    console.print(f"compiled networks: {cache['files']} files, {cache['bytes'] / 1e6:.1f} MB in {cache['folder']}")
