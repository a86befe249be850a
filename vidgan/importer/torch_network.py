"""Files of weights whose network is known: rebuilt, and exported."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from vidgan.errors import InputError
from vidgan.importer.found import Found
from vidgan.importer.hints import Hints, range_text
from vidgan.importer.state import read_weights, states_in
from vidgan.networks.animegan import AnimeGANGenerator
from vidgan.networks.detect import KNOWN, Detected, describe, detect
from vidgan.networks.unit_range import UnitRange
from vidgan.runtime.export import export_onnx


def find_torch_network(path: Path, hints: Hints) -> Found:
    """Recognise the network whose weights are in a file of torch or safetensors.

    Raises:
        InputError: the file can't be read, or holds no network, or several, that vidgan knows.
        ValueError: a hint that means nothing for this network.
    """
    hints.refuse_for("weights")
    detected = _choose(path, read_weights(path), hints.part)
    network, notes = detected.network, list(detected.notes)
    if not all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values()):
        raise InputError(f"{path}: some of its weights are infinite or no numbers: the training of it failed")
    _set_statistics(network, hints, notes)
    _set_corners(network, hints, notes)
    if hints.range is not None:
        cast(Any, network).value_range = hints.range
        notes.append(f"range {range_text(hints.range)}, as hinted")
    else:
        notes.append(f"range {range_text(cast(Any, network).value_range)}, as published")
    whole: nn.Module = UnitRange(network)
    if hints.channels == "bgr":
        whole = BlueFirst(whole)
        notes.append("blue first, as hinted")
    rules = {key: int(getattr(network, key)) for key in ("size_multiple", "minimum_size")}

    def make_model(draft: Path) -> Mapping[str, Any]:
        report = export_onnx(whole, draft, **rules)
        return {"measured": {"onnx_against_torch_levels": report.max_difference}}

    return Found(words=detected.words, notes=tuple(notes), make_model=make_model, **rules)


class BlueFirst(nn.Module):
    """A network that was trained on pictures with blue first, as OpenCV reads them, for pictures with red first."""

    def __init__(self, network: nn.Module) -> None:
        """Wrap `network`."""
        super().__init__()
        self.network = network
        self.register_buffer("order", torch.tensor([2, 1, 0]), persistent=False)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Restyle `(N, 3, H, W)`; returns a new tensor of the same shape."""
        order = cast(Tensor, self.order)
        styled_NCHW: Tensor = self.network(x_NCHW.index_select(1, order))
        return styled_NCHW.index_select(1, order)


def _choose(path: Path, loaded: Any, part: str | None) -> Detected:  # noqa: ANN401
    """Return the one network that the file is about."""
    states = list(states_in(loaded))
    if not states:
        raise InputError(f"{path}: holds no named weights, but {type(loaded).__name__}; give a state dict")
    found, problem = _known_among(states)
    if not found:
        if problem is not None:
            raise InputError(f"{path}: {problem}") from problem
        return _ask_spandrel(path, states[0][1])
    if part is not None:
        found = {where: each for where, each in found.items() if part in (where, where.rpartition(".")[2])}
        if not found:
            raise InputError(f"{path}: --hint part={part}: there is no such network in it")
    elif len(found) > 1:
        # The mean over the training, kept for use, beside the weights that went on learning.
        found = {where: each for where, each in found.items() if "ema" in where.lower()} or found
    if len(found) > 1:
        names = " and ".join(f"{where} ({each.words})" for where, each in found.items())
        raise InputError(f"{path}: holds {names}; choose one with --hint part=NAME")
    return next(iter(found.values()))


def _known_among(states: list[tuple[str, dict[str, Tensor]]]) -> tuple[dict[str, Detected], InputError | None]:
    """Return the networks by where they are, and what was wrong with the first that seemed to be one."""
    found: dict[str, Detected] = {}
    problem: InputError | None = None
    for where, state in states:
        if any(where == outer or where.startswith(f"{outer}.") for outer in found if outer) or "" in found:
            continue  # a part of what is known already
        try:
            detected = detect(state)
        except InputError as error:
            problem = problem or error
            continue
        if detected is not None:
            found[where] = detected
    return found, problem


def _ask_spandrel(path: Path, state: Mapping[str, Tensor]) -> Detected:
    advice = "for restoration networks: pip install 'vidgan[restore]'"
    if importlib.util.find_spec("spandrel") is not None:
        from vidgan.importer.spandrel_network import detect_restoration

        try:
            detected = detect_restoration(state)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        if detected is not None:
            return detected
        advice = "spandrel doesn't know it either"
    raise InputError(
        f"{path}: not a network that vidgan knows: {', '.join(KNOWN)}; it begins with {describe(state)}; "
        f"export it to ONNX and import that; {advice}"
    )


def _set_statistics(network: nn.Module, hints: Hints, notes: list[str]) -> None:
    """Let batch norms take each picture's own statistics, if hinted: an instance norm with their weights does that."""
    norms = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)]
    if hints.statistics is None:
        if norms:
            notes.append("batch norms use the statistics of their training (--hint statistics=picture: each picture's)")
        return
    if not norms:
        raise ValueError(f"--hint statistics={hints.statistics}: this network has no batch norms")
    if hints.statistics == "picture":
        for name, norm in norms:
            own = nn.InstanceNorm2d(norm.num_features, eps=norm.eps, affine=True)
            own.weight, own.bias = norm.weight, norm.bias
            network.set_submodule(name, own.eval())
        notes.append("batch norms use each picture's own statistics, as hinted")


def _set_corners(network: nn.Module, hints: Hints, notes: list[str]) -> None:
    if isinstance(network, AnimeGANGenerator):
        network.align_corners = hints.align_corners != "no"
        if hints.align_corners is None:
            notes.append("corners aligned when it enlarges (--hint align_corners=no: not aligned)")
    elif hints.align_corners is not None:
        raise ValueError(f"--hint align_corners={hints.align_corners}: this is for AnimeGANv2's generator")
