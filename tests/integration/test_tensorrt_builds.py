"""Every shipped style and the published architectures, through the real TensorRT-RTX builder, for three cards."""

import numpy as np
import onnx
import pytest

from vidgan.runtime.half import to_half
from vidgan.runtime.plan import Profile, check_profiles
from vidgan.runtime.tensorrt.build import BuildOptions, build_engine
from vidgan.runtime.tensorrt.flavour import RTX, load_flavour
from vidgan.styles import find_style

pytest.importorskip("tensorrt_rtx")
torch = pytest.importorskip("torch")
SMS = ("sm86", "sm89", "sm120")
STYLES = ("great-wave", "scream", "shipwreck", "starry-night")
ARCHITECTURES = ("resnet-9", "unet-256", "johnson")


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """Export a published architecture at its full width, with random weights; each once."""
    from vidgan.networks.johnson import JohnsonNet
    from vidgan.networks.resnet import ResNetGenerator
    from vidgan.networks.unet import UNetGenerator
    from vidgan.networks.unit_range import UnitRange
    from vidgan.runtime.export import export_onnx

    kinds = {"resnet-9": ResNetGenerator, "unet-256": UNetGenerator, "johnson": JohnsonNet}
    made = {}

    def export_it(name):
        if name not in made:
            torch.manual_seed(0)
            network = kinds[name]().eval()
            path = tmp_path_factory.mktemp(name) / "model.onnx"
            export_onnx(
                UnitRange(network), path, size_multiple=network.size_multiple, minimum_size=network.minimum_size
            )
            made[name] = path, network.size_multiple, network.minimum_size
        return made[name]

    return export_it


def profiles_for(multiple, minimum, kind):
    def fit(width, height):
        return tuple(max(minimum, -(-length // multiple) * multiple) for length in (width, height))

    static = Profile.static(fit(1280, 720))
    wide = Profile(minimum=fit(1, 1), optimum=fit(640, 360), maximum=fit(1920, 1080))
    profiles = {"static": (static,), "dynamic": (wide,), "both": (static, wide)}[kind]
    check_profiles(profiles, size_multiple=multiple, minimum_size=minimum)
    return profiles


def build(model, profiles):
    options = BuildOptions(profiles=profiles, compute_capabilities=SMS)
    return build_engine(load_flavour(RTX), model.SerializeToString(), "model.onnx", options).plan


def compute_type(model):
    """Return the type that convolutions have their weights in."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    types = {
        weights[node.input[1]].data_type for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose")
        if node.input[1] in weights
    }  # fmt: skip
    assert len(types) == 1
    return onnx.helper.tensor_dtype_to_np_dtype(types.pop())


@pytest.mark.parametrize("kind", ["static", "dynamic", "both"])
@pytest.mark.parametrize("precision", ["f32", "f16"])
@pytest.mark.parametrize("name", STYLES)
def test_a_style_builds(name, precision, kind):
    style = find_style(name)
    model = onnx.load(style.path)
    model = to_half(model) if precision == "f16" else model
    assert compute_type(model) == (np.float16 if precision == "f16" else np.float32)
    assert len(build(model, profiles_for(style.size_multiple, style.minimum_size, kind))) > 100_000


@pytest.mark.parametrize("kind", ["static", "dynamic"])
@pytest.mark.parametrize("name", STYLES)
def test_a_styles_int8_network_builds(name, kind):
    style = find_style(name)
    model = onnx.load(style.int8_path)
    assert sum(node.op_type == "QuantizeLinear" for node in model.graph.node) > 5
    build(model, profiles_for(style.size_multiple, style.minimum_size, kind))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["static", "dynamic"])
@pytest.mark.parametrize("precision", ["f32", "f16"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_published_architecture_builds(export, name, precision, kind):
    path, multiple, minimum = export(name)
    model = onnx.load(path)
    model = to_half(model) if precision == "f16" else model
    assert compute_type(model) == (np.float16 if precision == "f16" else np.float32)
    weights = sum(np.prod(tensor.dims) for tensor in model.graph.initializer)
    # Weights are in the engine once for all cards.
    assert len(build(model, profiles_for(multiple, minimum, kind))) > weights * (2 if precision == "f16" else 4)
