"""How much memory this process has, and how much a network will take."""

from __future__ import annotations

import ctypes
import math
import os
import sys
from contextlib import suppress
from pathlib import Path

from vidgan.runtime.openvino_import import ov

_M_MMAP_THRESHOLD = -3  # in malloc.h
_LARGE_BLOCK = 1 << 20


def process_memory() -> int:
    """Return how many bytes of memory this process has now (resident); where that can't be read, the most it had."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def give_back_freed_memory() -> None:
    """Have the C library return every large block to the system as soon as it is freed.

    By itself glibc comes to keep blocks of up to 32 MiB in the heaps of the threads that freed them (mallopt(3),
    dynamic M_MMAP_THRESHOLD): with frames of 4K a sixth of the process was such leftovers. Other C libraries are left
    alone.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)


def live_bytes(model: ov.Model) -> int:
    """Return the most bytes of tensors that a network of one size holds at once, when it is run node by node.

    OpenVINO joins nodes and overwrites what nobody needs any more, which takes less; its convolutions may want copies
    in another order, which takes more. Tensors whose size depends on what the picture shows aren't counted.
    """
    nodes = [node for node in model.get_ordered_ops() if node.get_type_name() != "Constant"]
    last = {
        value.get_source_output().get_node().get_name(): i for i, node in enumerate(nodes) for value in node.inputs()
    }
    ends: dict[int, int] = {}
    now = most = 0
    for i, node in enumerate(nodes):
        if node.get_type_name() == "Result":
            continue
        sized = (output for output in node.outputs() if output.get_partial_shape().is_static)
        made = sum(math.prod(output.get_shape()) * output.get_element_type().size for output in sized)
        now += made
        most = max(most, now)
        end = last.get(node.get_name(), len(nodes))
        ends[end] = ends.get(end, 0) + made
        now -= ends.pop(i, 0)
    return most


def weight_bytes(model: ov.Model) -> int:
    """Return how many bytes of constants a network has."""
    constants = (node for node in model.get_ordered_ops() if node.get_type_name() == "Constant")
    return sum(math.prod(node.get_output_shape(0)) * node.get_output_element_type(0).size for node in constants)
