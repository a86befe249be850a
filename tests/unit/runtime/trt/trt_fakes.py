"""Stand-ins for TensorRT and CUDA that really move pictures, through the addresses that they are given.

Every object is wrapped in `Only`: what the real class, as listed in `api/*.json`, doesn't have, raises AttributeError.
"""

from __future__ import annotations

import ctypes
import enum
import json
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from vidgan.runtime.tensorrt.flavour import CLASSIC, RTX, Flavour

API = Path(__file__).parent / "api"
SNAPSHOTS = {
    RTX: json.loads((API / "tensorrt_rtx_1.7.1.116.json").read_text()),
    CLASSIC: json.loads((API / "tensorrt_11.4.0.106.json").read_text()),
}


class Only:
    """Lets through what the real class has."""

    def __init__(self, target, allowed, name):
        object.__setattr__(self, "_parts", (target, frozenset(allowed), name))

    def __getattr__(self, attribute):
        target, allowed, name = self._parts
        if attribute not in allowed:
            raise AttributeError(f"{name} has no {attribute}")
        return getattr(target, attribute)

    def __setattr__(self, attribute, value):
        target, allowed, name = self._parts
        if attribute not in allowed:
            raise AttributeError(f"{name} has no {attribute}")
        setattr(target, attribute, value)


class World:
    """What the fakes do, in order, and how they are made to fail."""

    def __init__(self, flavour_name=CLASSIC):
        self.flavour_name = flavour_name
        self.calls = []
        self.refuse = set()  # names of methods that return False or None
        self.bad_plans = set()
        self.plans = 0
        self.is_capturing = False
        self.api = SNAPSHOTS[flavour_name]["api"]
        self.kernels_accepted = True
        self.contexts = []

    def only(self, target, name):
        return Only(target, self.api[name], name)

    def said(self, name):
        return [call for call in self.calls if call[0] == name]

    def answer(self, name, *arguments):
        self.calls.append((name, *arguments))
        return name not in self.refuse

    @property
    def flavour(self):
        is_rtx = self.flavour_name == RTX
        modes = SimpleNamespace(INPUT="in", OUTPUT="out")
        trt = SimpleNamespace(
            Runtime=lambda _logger: self.only(FakeRuntime(self), "Runtime"),
            TensorIOMode=self.only(modes, "TensorIOMode"),
        )
        if is_rtx:
            capabilities = [name for name in self.api["ComputeCapability"] if name.startswith("SM")]
            trt.ComputeCapability = enum.Enum("ComputeCapability", capabilities)
            trt.EngineValidity = self.only(SimpleNamespace(VALID=0, SUBOPTIMAL=1, INVALID=2), "EngineValidity")
            trt.CudaGraphStrategy = self.only(SimpleNamespace(WHOLE_GRAPH_CAPTURE="whole"), "CudaGraphStrategy")
            name = "DynamicShapesKernelSpecializationStrategy"
            setattr(trt, name, self.only(SimpleNamespace(EAGER="eager"), name))
        return Flavour(
            name=self.flavour_name,
            version=SNAPSHOTS[self.flavour_name]["version"],
            trt=Only(trt, self.api, self.flavour_name),
            logger=SimpleNamespace(recent_errors=["told by the fake"]),
        )


class FakeRuntime:
    def __init__(self, world):
        self.world = world

    def get_engine_validity(self, plan):
        self.world.calls.append(("get_engine_validity", plan))
        return (2 if plan in self.world.bad_plans else 0), 0

    def deserialize_cuda_engine(self, plan):
        self.world.calls.append(("deserialize", plan))
        return None if plan in self.world.bad_plans else self.world.only(FakeEngine(self.world), "ICudaEngine")


class FakeEngine:
    def __init__(self, world):
        self.world = world

    def get_tensor_name(self, index):
        return ("styled", "frames")[index]  # the output first: nobody promises an order

    def get_tensor_mode(self, name):
        return {"frames": "in", "styled": "out"}[name]

    def create_runtime_config(self):
        self.config = FakeConfig(self.world)
        return self.world.only(self.config, "IRuntimeConfig")

    def create_execution_context(self, config=None):
        if not self.world.answer("create_execution_context", config is not None):
            return None
        context = FakeContext(self.world)
        self.world.contexts.append(context)
        return self.world.only(context, "IExecutionContext")


class FakeConfig:
    def __init__(self, world):
        self.world = world
        self.cuda_graph_strategy = self.dynamic_shapes_kernel_specialization_strategy = None
        world.config = self

    def create_runtime_cache(self):
        return self.world.only(FakeCache(self.world), "IRuntimeCache")

    def set_runtime_cache(self, _cache):
        return self.world.answer("set_runtime_cache")


class FakeCache:
    def __init__(self, world):
        self.world, self.blob = world, b"compiled"

    def deserialize(self, blob):
        self.world.calls.append(("cache.deserialize", blob))
        return self.world.kernels_accepted

    def serialize(self):
        return self.blob


class FakeContext:
    """255 - x, read from and written to the addresses that were set."""

    def __init__(self, world):
        self.world, self.addresses, self.shape = world, {}, None

    def set_optimization_profile_async(self, index, stream):
        return self.world.answer("set_optimization_profile_async", index, stream)

    def set_input_shape(self, name, shape):
        self.shape = tuple(shape)
        return self.world.answer("set_input_shape", name, tuple(shape))

    def infer_shapes(self):
        return [] if self.world.answer("infer_shapes") else ["styled"]

    def get_tensor_shape(self, _name):
        return self.shape if self.world.answer("get_tensor_shape") else (1, -1, -1, 3)

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return self.world.answer("set_tensor_address", name, address)

    def execute_async_v3(self, stream):
        name = "execute_captured" if self.world.is_capturing else "execute"
        if not self.world.answer(name, stream):
            return False
        if not self.world.is_capturing:
            self.run()
        else:
            self.world.captured = self
        return True

    def run(self):
        size = int(np.prod(self.shape))
        styled, frames = (
            np.frombuffer((ctypes.c_uint8 * size).from_address(self.addresses[name]), np.uint8)
            for name in ("styled", "frames")
        )
        styled[:] = 255 - frames


class FakeCuda:
    """CUDA on the CPU: everything happens at once."""

    device = torch.device("cpu")

    def __init__(self, world):
        self.world = world

    def current(self):
        return nullcontext()

    def new_stream(self):
        calls = self.world.calls
        return SimpleNamespace(
            cuda_stream=7,
            synchronize=lambda: calls.append(("synchronize",)),
            wait_event=lambda event: calls.append(("wait_event", event)),
        )

    @contextmanager
    def on(self, _stream):
        yield

    def new_event(self):
        self.world.calls.append(("new_event",))
        return "event"

    def empty(self, shape):
        return torch.empty(shape, dtype=torch.uint8)

    pinned = empty

    def capture(self, _stream, enqueue):
        self.world.calls.append(("capture",))
        self.world.is_capturing = True
        enqueue()
        self.world.is_capturing = False
        context = self.world.captured

        def replay():
            self.world.calls.append(("replay",))
            context.run()

        return replay

    def release_unused(self):
        pass

    def free_memory(self):
        return 1000

    def time_copies(self, _host, _card):
        return 0.5
