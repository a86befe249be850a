"""NVIDIA's graphics cards on this machine, asked of the driver (NVML): quick, and without starting CUDA."""

from __future__ import annotations

import functools
import importlib.util
import re
from dataclasses import dataclass

from vidgan.errors import RuntimeUnavailableError

_CUDA_DEVICE = re.compile(r"cuda(?::(\d+))?")


@dataclass(frozen=True, kw_only=True)
class Card:
    """One graphics card."""

    index: int
    """0 is "cuda:0"."""
    name: str
    """The maker's name."""
    compute_capability: str
    """"sm89" and the like."""
    memory_bytes: int
    """All that it has of its own; 0 where it shares the processor's."""
    driver: str
    """The driver's version."""

    @property
    def device(self) -> str:
        """The name that torch gives it."""
        return f"cuda:{self.index}"


def cuda_index(device: str) -> int | None:
    """Return which card a device's name means ("cuda", "cuda:1"); None if it means something else."""
    match = _CUDA_DEVICE.fullmatch(device.lower())
    return int(match[1] or 0) if match else None


def find_card(index: int) -> Card:
    """Return the card that torch calls "cuda:index": CUDA has an order of its own, and may be told to hide some.

    Raises:
        RuntimeUnavailableError: it isn't there, or the driver or torch is missing; the text says which.
    """
    cards, reason = list_cards()
    if reason:
        raise RuntimeUnavailableError(reason)
    missing = [name for name in ("torch", "kornia") if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeUnavailableError(
            f"{' and '.join(missing)} must be installed for {cards[0].name}: pip install 'vidgan[tensorrt]'"
        )
    import torch

    if not torch.cuda.is_available():
        raise RuntimeUnavailableError(
            f"PyTorch {torch.__version__} can't use {cards[0].name} with driver {cards[0].driver}: install a build of "
            "torch for a CUDA that this driver supports"
        )
    count = torch.cuda.device_count()
    if index >= count:
        present = ", ".join(f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(count))
        raise RuntimeUnavailableError(f"no device cuda:{index} on this machine; present: {present}")
    facts = torch.cuda.get_device_properties(index)
    return Card(
        index=index,
        name=facts.name,
        compute_capability=f"sm{facts.major}{facts.minor}",
        memory_bytes=facts.total_memory,
        driver=cards[0].driver,
    )


@functools.cache
def list_cards() -> tuple[tuple[Card, ...], str]:
    """Return all cards in the driver's order, and why there are none: exactly one of the two is empty."""
    try:
        import pynvml
    except ImportError:
        return (), "vidgan's parts for NVIDIA GPUs aren't installed: pip install 'vidgan[tensorrt]'"
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return (), f"no NVIDIA driver answers on this machine ({error})"
    try:
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        cards = tuple(_read_card(index, driver) for index in range(pynvml.nvmlDeviceGetCount()))
    except pynvml.NVMLError as error:
        return (), f"the NVIDIA driver doesn't tell what cards there are ({error})"
    finally:
        pynvml.nvmlShutdown()
    return cards, "" if cards else f"the NVIDIA driver {driver} finds no card on this machine"


def _read_card(index: int, driver: str) -> Card:
    import pynvml

    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    try:
        memory_bytes = int(pynvml.nvmlDeviceGetMemoryInfo(handle).total)
    except pynvml.NVMLError_NotSupported:  # it shares the processor's memory
        memory_bytes = 0
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    return Card(
        index=index,
        name=str(pynvml.nvmlDeviceGetName(handle)),
        compute_capability=f"sm{major}{minor}",
        memory_bytes=memory_bytes,
        driver=driver,
    )
