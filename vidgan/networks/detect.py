"""Which of the published generators does a state dict belong to? Found from the names and shapes of its weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from vidgan.errors import InputError
from vidgan.networks.animegan import AnimeGANGenerator
from vidgan.networks.johnson import JohnsonNet
from vidgan.networks.resnet import ResNetGenerator
from vidgan.networks.unet import UNetGenerator

State = Mapping[str, Tensor]

KNOWN = (
    "CycleGAN, pix2pix and CUT ResNet generators",
    "pix2pix U-Nets",
    "Johnson's TransformerNet (fast_neural_style)",
    "AnimeGANv2's generator",
)
"""What is recognised, for messages."""

_BLOCK = re.compile(r"model\.(\d+)\.conv_block\.")
_STATISTICS = re.compile(r"\.running_(mean|var)$")
_COUNTER = ".num_batches_tracked"
_PUBLISHED_UNETS = {7: "128", 8: "256", 9: "512"}


@dataclass(frozen=True, kw_only=True)
class Detected:
    """A recognised network."""

    network: nn.Module
    """With the weights, in f32, in evaluation mode; it has `size_multiple`, `minimum_size` and `value_range`."""
    words: str
    """What it is, such as "CycleGAN ResNet, 9 blocks, width 64, instance norm"."""
    notes: tuple[str, ...] = ()
    """What was done to the weights."""


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """How to build the network that a state dict seems to be of."""

    make: Callable[..., nn.Module]
    arguments: dict[str, Any]
    title: str
    """What it seems to be."""
    words: tuple[str, ...] = field(default=())
    """What else is to say."""


def detect(state: State) -> Detected | None:
    """Find the network that the weights belong to, build it, and load them.

    Args:
        state: tensors by their names, without prefixes of wrappers. Left as it is.

    Returns:
        The network, or None where the weights look like none of `KNOWN`.

    Raises:
        InputError: they look like one, but don't fit it, or it isn't a network from colour pictures to colour pictures.
    """
    _refuse_discriminator(state)
    for plan_of in (_plan_resnet, _plan_unet, _plan_johnson, _plan_animegan):
        plan = plan_of(state)
        if plan is not None:
            kept, notes = _without_old_statistics(state, has_weight=plan.make is not JohnsonNet)
            return Detected(network=_load(plan, kept), words=", ".join((plan.title, *plan.words)), notes=tuple(notes))
    return None


def describe(state: State, count: int = 4) -> str:
    """Return the first names with their shapes, for messages."""
    shown = [f"{name} {_shape(tensor)}" for name, tensor in list(state.items())[:count]]
    more = len(state) - count
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _plan_resnet(state: State) -> _Plan | None:
    first = state.get("model.1.weight")
    blocks = sorted({int(match[1]) for match in map(_BLOCK.match, state) if match})
    if first is None or first.ndim != 4 or not blocks:
        return None
    behind = blocks[-1] + 1
    # Dropout takes a place of its own: the second convolution is then where a norm would be.
    second = state.get(f"model.{blocks[0]}.conv_block.6.weight")
    is_blurred = "model.7.filt" in state
    upsample = "transpose"
    if f"model.{behind}.filt" in state:
        upsample = "blur"
    elif f"model.{behind}.2.weight" in state:
        upsample = "resize"
    arguments = {
        "width": first.shape[0],
        "num_blocks": len(blocks),
        "norm": "batch" if "model.2.weight" in state else "instance",
        "dropout": second is not None and second.ndim == 4,
        "downsample": "blur" if is_blurred else "stride",
        "upsample": upsample,
    }
    name = "CUT" if is_blurred or upsample == "blur" else "CycleGAN"
    words = [f"{len(blocks)} blocks", f"width {first.shape[0]}", f"{arguments['norm']} norm"]
    words += ["dropout in training"] if arguments["dropout"] else []
    words += ["resize-convolutions"] if upsample == "resize" else []
    return _Plan(make=ResNetGenerator, arguments=arguments, title=f"{name} ResNet", words=tuple(words))


def _plan_unet(state: State) -> _Plan | None:
    first = state.get("model.model.0.weight")
    if first is None or first.ndim != 4 or "model.model.1.model.1.weight" not in state:
        return None
    # The skip connections lie in each other: the deepest has the longest name.
    num_downs = max(name.count(".model") for name in state)
    norm = "batch" if "model.model.1.model.2.weight" in state else "instance"
    published = _PUBLISHED_UNETS.get(num_downs)
    return _Plan(
        make=UNetGenerator,
        arguments={"width": first.shape[0], "num_downs": num_downs, "norm": norm},
        title=f"pix2pix U-Net {published}" if published else f"pix2pix U-Net, size halved {num_downs} times",
        words=(f"width {first.shape[0]}", f"{norm} norm"),
    )


def _plan_johnson(state: State) -> _Plan | None:
    first = state.get("conv1.conv2d.weight")
    if first is None or "res1.conv1.conv2d.weight" not in state:
        return None
    return _Plan(
        make=JohnsonNet,
        arguments={"width": first.shape[0]},
        title="Johnson's TransformerNet",
        words=(f"width {first.shape[0]}",),
    )


def _plan_animegan(state: State) -> _Plan | None:
    first = state.get("block_a.0.1.weight")
    if first is None or "out_layer.0.weight" not in state:
        return None
    return _Plan(
        make=AnimeGANGenerator,
        arguments={"width": first.shape[0]},
        title="AnimeGANv2 generator",
        words=(f"width {first.shape[0]}",),
    )


def _refuse_discriminator(state: State) -> None:
    """Name the usual mistake: a PatchGAN's first layers look like a generator's, its last gives a single channel."""
    weights = [tensor for name, tensor in state.items() if name.startswith("model.") and tensor.ndim == 4]
    if "model.0.weight" in state and weights and weights[0].shape[2] == 4 and weights[-1].shape[0] == 1:
        raise InputError(
            "these are the weights of a discriminator; give the generator's (..._net_G.pth, ..._net_G_A.pth)"
        )


def _without_old_statistics(state: State, *, has_weight: bool) -> tuple[dict[str, Tensor], list[str]]:
    """Leave out running statistics that instance norms of PyTorch before 0.4 saved and never used since.

    A batch norm has a weight beside them, and needs them. Counters of batches serve nothing here.

    Args:
        state: tensors by their names.
        has_weight: statistics beside a weight are a batch norm's. False: instance norms of this network have weights.
    """
    kept, num_dropped = {}, 0
    for name, tensor in state.items():
        layer = name.rpartition(".")[0]
        if name.endswith(_COUNTER):
            continue
        if _STATISTICS.search(name) and not (has_weight and f"{layer}.weight" in state):
            num_dropped += 1
            continue
        kept[name] = tensor
    return kept, [f"left out {num_dropped} running statistics of instance norms"] if num_dropped else []


def _load(plan: _Plan, state: dict[str, Tensor]) -> nn.Module:
    """Build the network around the weights, if they fit to the last one."""
    try:
        # Without memory: the tensors of `state` become its weights.
        with torch.device("meta"):
            network = plan.make(**plan.arguments)
    except ValueError as error:
        raise InputError(f"looks like a {plan.title}, but {error}") from error
    expected = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(_COUNTER)}
    _check_channels(plan, expected, state)
    _check_fit(plan, expected, state)
    # Without a version, as here, counters that are missing are made.
    network.load_state_dict({name: tensor.detach().float() for name, tensor in state.items()}, assign=True)
    return network.requires_grad_(False).eval()


def _check_channels(plan: _Plan, expected: State, state: State) -> None:
    """Refuse other than three channels in words that say so: the first and the last weights tell."""
    weights = [name for name, tensor in expected.items() if tensor.ndim == 4]
    is_unet = plan.make is UNetGenerator
    for name, axis, kind in ((weights[0], 1, "takes"), (weights[-1], 1 if is_unet else 0, "makes")):
        tensor = state.get(name)
        if tensor is not None and tensor.ndim == 4 and tensor.shape[axis] != 3:
            raise InputError(
                f"a {plan.title} that {kind} pictures of {tensor.shape[axis]} channels; a style takes and makes 3: "
                "red, green and blue"
            )


def _check_fit(plan: _Plan, expected: State, state: State) -> None:
    problems: Sequence[tuple[str, str]] = (
        *((name, "is missing") for name in expected if name not in state),
        *(
            (name, f"is {_shape(state[name])}, not {_shape(tensor)}")
            for name, tensor in expected.items()
            if name in state and state[name].shape != tensor.shape
        ),
        *((name, "doesn't belong to it") for name in state if name not in expected),
    )
    if problems:
        name, what = problems[0]
        others = f", nor do {len(problems) - 1} others fit" if len(problems) > 1 else ""
        raise InputError(f"looks like a {plan.title}, but {name} {what}{others}")


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"
