"""`vidgan doctor`."""

from __future__ import annotations

import json
import platform
from typing import Annotated, Any

import typer

_PACKAGES = ("av", "numpy", "opencv-python", "openvino", "torch", "kornia", "onnx", "tensorrt-rtx-cu13")
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
        "auto": next((d for d in devices if d["device"] == "CPU"), None),
        "not_yet": {"tensorrt": "comes with a later release", "torch": "comes with a later release"},
        "encoders": {name: name in av.codecs_available for name in _ENCODERS},
        "cache": {"folder": str(cache), "files": len(files), "bytes": sum(file.stat().st_size for file in files)},
    }


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
    for name, why in facts["not_yet"].items():
        console.print(f"{name}: {why}")
    console.print("\nversions: " + ", ".join(f"{k} {v or 'not installed'}" for k, v in facts["versions"].items()))
    console.print(
        "encoders in this FFmpeg: "
        + ", ".join(name for name, there in facts["encoders"].items() if there)
        + " (nvenc and qsv also need their hardware)"
    )
    cache = facts["cache"]
    console.print(f"compiled networks: {cache['files']} files, {cache['bytes'] / 1e6:.1f} MB in {cache['folder']}")
