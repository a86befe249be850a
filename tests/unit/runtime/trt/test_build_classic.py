"""Building with `tensorrt`, whose libraries can't be had here: on fakes that have what its real classes have."""

from collections import deque
from types import SimpleNamespace

import pytest
from trt_fakes import SNAPSHOTS, Only

from vidgan.errors import MachineError, StyleError
from vidgan.runtime.plan import Profile
from vidgan.runtime.tensorrt.build import BuildOptions, build_engine
from vidgan.runtime.tensorrt.flavour import CLASSIC, Flavour

API = SNAPSHOTS[CLASSIC]["api"]
PROFILES = (Profile.static((48, 32)), Profile(minimum=(16, 16), optimum=(48, 32), maximum=(64, 64)))


class Classic:
    """A builder that notes what it is told, and fails where it is told to."""

    def __init__(self, *, refuse=(), errors=(), shape=(-1, -1, -1, 3), good_caches=(b"", b"earlier")):
        self.refuse, self.errors, self.shape, self.good_caches = set(refuse), errors, shape, good_caches
        self.calls = []

    def only(self, kind, /, **members):
        return Only(SimpleNamespace(**members), API[kind], kind)

    def note(self, name, *facts):
        self.calls.append((name, *facts))
        return name not in self.refuse

    @property
    def flavour(self):
        flags = self.only("BuilderFlag", TF32="tf32")
        types = self.only("DataType", UINT8=SimpleNamespace(name="UINT8"))
        module = SimpleNamespace(
            Builder=lambda _logger: self.builder(),
            OnnxParser=lambda _network, _logger: self.parser(),
            BuilderFlag=flags,
            DataType=types,
            IProgressMonitor=type("IProgressMonitor", (), {}),
        )
        self.uint8 = types.UINT8
        logger = SimpleNamespace(recent_errors=deque())
        self.logger = logger
        return Flavour(name=CLASSIC, version="11.4.0.106", trt=Only(module, API, CLASSIC), logger=logger)

    def builder(self):
        return self.only(
            "Builder",
            create_network=lambda flags: self.note("network", flags) and self.network(),
            create_builder_config=self.config,
            create_optimization_profile=lambda: self.only(
                "IOptimizationProfile", set_shape=lambda *shapes: self.note("shape", *shapes)
            ),
            build_serialized_network=self.build,
        )

    def network(self):
        def tensor(name):
            return self.only("ITensor", dtype=self.uint8, shape=self.shape, name=name)

        return self.only(
            "INetworkDefinition",
            num_inputs=1,
            num_outputs=1,
            get_input=lambda _index: tensor("frames"),
            get_output=lambda _index: tensor("styled"),
        )

    def parser(self):
        return self.only(
            "OnnxParser",
            parse=lambda model: self.note("parse", model),
            num_errors=len(self.errors),
            get_error=lambda index: self.only("ParserError", **self.errors[index]),
        )

    def config(self):
        def add_profile(_profile):
            return 0 if self.note("profile") else -1

        def set_cache(cache, ignore_mismatch):
            self.note("set cache", cache.blob, ignore_mismatch)
            return cache.blob in self.good_caches

        return self.only(
            "IBuilderConfig",
            clear_flag=lambda flag: self.note("clear", flag),
            add_optimization_profile=add_profile,
            create_timing_cache=lambda blob: SimpleNamespace(blob=blob, serialize=lambda: b"measured"),
            set_timing_cache=set_cache,
            progress_monitor=None,
        )

    def build(self, _network, config):
        config.progress_monitor.phase_start("Measuring", None, 2)
        config.progress_monitor.phase_start("a part", "Measuring", 9)
        config.progress_monitor.step_complete("a part", 0)
        going_on = config.progress_monitor.step_complete("Measuring", 0)
        config.progress_monitor.phase_finish("Measuring")
        self.logger.recent_errors.append("told by the fake")
        return b"plan" if going_on and self.note("build") else None


def build(classic, *, timing_cache=None, **options):
    wanted = BuildOptions(profiles=PROFILES, compute_capabilities=("sm90",), timing_cache=timing_cache)
    return build_engine(classic.flavour, b"model", "made.onnx", wanted, **options)


def test_a_build_on_the_card():
    classic, seen = Classic(), []
    built = build(classic, timing_cache=b"earlier", progress=lambda *step: seen.append(step))
    assert (built.plan, built.timing_cache) == (b"plan", b"measured")
    assert ("clear", "tf32") in classic.calls
    assert [call for call in classic.calls if call[0] == "shape"] == [
        ("shape", "frames", (1, 32, 48, 3), (1, 32, 48, 3), (1, 32, 48, 3)),
        ("shape", "frames", (1, 16, 16, 3), (1, 32, 48, 3), (1, 64, 64, 3)),
    ]
    assert ("set cache", b"earlier", False) in classic.calls
    assert seen == [("Measuring", 1, 2)]


def test_a_timing_cache_of_another_card_is_begun_anew():
    classic = Classic(good_caches=(b"",))
    assert build(classic, timing_cache=b"foreign").timing_cache == b"measured"
    assert [call[1] for call in classic.calls if call[0] == "set cache"] == [b"foreign", b""]
    assert build(Classic(good_caches=()), timing_cache=b"foreign").timing_cache is None


def test_the_parsers_errors_name_the_nodes():
    def error(node, operator, text):
        return {"node_name": lambda: node, "node_operator": lambda: operator, "desc": lambda: text}

    classic = Classic(refuse={"parse"}, errors=[error("up/1", "Resize", "no such mode"), error("", "", "and more")])
    with pytest.raises(StyleError, match=r"node 'up/1' \(Resize\): no such mode; and more"):
        build(classic)


@pytest.mark.parametrize(
    ("refused", "told"), [("profile", "refuses the sizes 48x32"), ("build", r"built no engine \(told by the fake\)")]
)
def test_what_it_refuses_is_the_machines_fault(refused, told):
    with pytest.raises(MachineError, match=told):
        build(Classic(refuse={refused}))


def test_an_output_whose_channels_it_doesnt_know_yet():
    assert build(Classic()).plan
    with pytest.raises(StyleError, match="its input is UINT8"):
        build(Classic(shape=(-1, 3, -1, -1)))
