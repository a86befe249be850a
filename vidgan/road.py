"""Where a run's pictures lie between decoder and encoder: arrays in main memory, or tensors on the network's device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vidgan.pipeline import AnySmoother
from vidgan.runtime.auto import RuntimeChoice, choose_runtime
from vidgan.temporal.flow import FlowFunction
from vidgan.temporal.smoother import DEFAULT_STRENGTH, Smoother


@dataclass(frozen=True, kw_only=True)
class Road:
    """What was chosen for a run."""

    choice: RuntimeChoice
    """Where the network runs, and why."""
    pictures_on: str | None
    """The torch device on which pictures are tensors; None where they are arrays."""


def choose_road(runtime: str, device: str, frames_on: str) -> Road:
    """Decide where the network runs and where pictures lie.

    Args:
        runtime: as in `choose_runtime`, like the next one.
        device: of the network.
        frames_on: "auto" is the card where the network runs on one; "array" is always main memory; a torch device must
            be the network's.

    Raises:
        ValueError: an unknown runtime, or pictures can't lie there.
        RuntimeUnavailableError: what was asked for can't be had here.
    """
    choice = choose_runtime(runtime, device)
    if frames_on in ("auto", "array"):
        on_card = choice.is_cuda and frames_on == "auto"
        return Road(choice=choice, pictures_on=choice.device if on_card else None)
    if choice.runtime == "openvino" or frames_on != choice.device:
        allowed = "'auto' or 'array'" if choice.runtime == "openvino" else f"'auto', 'array' or {choice.device!r}"
        raise ValueError(
            f"frames_on is {frames_on!r}, but the network runs with {choice.runtime} on {choice.device}; give {allowed}"
        )
    return Road(choice=choice, pictures_on=frames_on)


def make_smoother(road: Road, strength: float | None) -> AnySmoother:
    """Return a smoother for the road's pictures; `strength` 0..1, None is the smoother's own default."""
    strength = DEFAULT_STRENGTH if strength is None else strength
    if road.pictures_on is None:
        return Smoother(strength)
    from vidgan.temporal.smoother_tensor import PictureSmoother

    return PictureSmoother(strength)


def open_flow(road: Road, flow: str | Path) -> FlowFunction | None:
    """Return what finds motion: None is DIS, for "dis"; else the network in an ONNX file, where the style's runs.

    Raises:
        StyleError: the file isn't there, or isn't a flow network.
    """
    if flow == "dis":
        return None
    from vidgan.runtime.flow_network import open_flow_network

    return open_flow_network(Path(flow), road.choice.device if road.choice.is_cuda else "cpu")
