"""Which runtime on which device: what was asked for, or what "auto" takes here, and why."""

from __future__ import annotations

import importlib.util
import logging
from dataclasses import dataclass

from vidgan.errors import RuntimeUnavailableError
from vidgan.runtime.gpu import Card, cuda_index, find_card, list_cards

logger = logging.getLogger(__name__)

RUNTIMES = ("auto", "openvino", "tensorrt", "torch")


@dataclass(frozen=True, kw_only=True)
class RuntimeChoice:
    """A runtime and a device that are there."""

    runtime: str
    """"openvino", "tensorrt" or "torch"."""
    device: str
    """The runtime's name of the device: "CPU", "GPU", "cuda:0"; "auto" where OpenVINO decides."""
    reason: str
    """A clause that says why."""

    @property
    def is_cuda(self) -> bool:
        """The network runs on an NVIDIA card."""
        return cuda_index(self.device) is not None


def choose_runtime(runtime: str = "auto", device: str = "auto") -> RuntimeChoice:
    """Decide where a network runs; nothing is loaded or opened yet.

    Args:
        runtime: one of `RUNTIMES`. "auto" takes TensorRT where a card, its driver and one of NVIDIA's two packages are
            there, and OpenVINO otherwise.
        device: "auto", or the runtime's name of a device; one of CUDA's rules out OpenVINO, and any other TensorRT.

    Raises:
        ValueError: an unknown runtime, or a device that it never runs on.
        RuntimeUnavailableError: what was asked for can't be had here; the text says what is missing.
    """
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime is {runtime!r}; use one of {', '.join(RUNTIMES)}")
    index = cuda_index(device)
    if runtime == "openvino" and index is not None:
        raise ValueError(f"openvino doesn't run on {device!r}; give the runtime tensorrt or torch, or another device")
    if runtime == "openvino" or (runtime == "auto" and device != "auto" and index is None):
        return RuntimeChoice(runtime="openvino", device=device, reason="asked for")
    if runtime == "torch":
        return _choose_torch(device, index)
    if runtime == "tensorrt" and device != "auto" and index is None:
        raise ValueError(f"TensorRT doesn't run on {device!r}; give 'cuda:0' or 'auto'")
    card, lack = card_for_tensorrt(index or 0)
    if card:
        reason = "asked for" if runtime == "tensorrt" else f"{card.name} is there, and TensorRT runs on it"
        return RuntimeChoice(runtime="tensorrt", device=card.device, reason=reason)
    if runtime == "tensorrt" or index is not None:
        raise RuntimeUnavailableError(f"TensorRT can't run here: {lack}")
    # Who has a card expects it to be used.
    logger.log(logging.WARNING if list_cards()[0] else logging.INFO, "on the CPU, since TensorRT can't run: %s", lack)
    return RuntimeChoice(runtime="openvino", device=device, reason=f"TensorRT can't run here: {lack}")


def card_for_tensorrt(index: int = 0) -> tuple[Card | None, str]:
    """Return the card if TensorRT can run on it, and else what is missing for that."""
    from vidgan.runtime.tensorrt.flavour import flavour_for

    try:
        card = find_card(index)
        flavour_for(card.compute_capability)
    except RuntimeUnavailableError as error:
        return None, str(error)
    return card, ""


def _choose_torch(device: str, index: int | None) -> RuntimeChoice:
    if importlib.util.find_spec("torch") is None:
        raise RuntimeUnavailableError("torch isn't installed: pip install 'vidgan[tensorrt]' or 'vidgan[train]'")
    if index is not None:
        return RuntimeChoice(runtime="torch", device=find_card(index).device, reason="asked for")
    if device == "auto":
        try:
            return RuntimeChoice(runtime="torch", device=find_card(0).device, reason="asked for")
        except RuntimeUnavailableError as error:
            return RuntimeChoice(runtime="torch", device="cpu", reason=f"asked for; on the CPU: {error}")
    return RuntimeChoice(runtime="torch", device=device.lower(), reason="asked for")
