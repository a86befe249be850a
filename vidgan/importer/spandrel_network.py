"""Restoration networks that the package spandrel recognises, where it is installed."""

from __future__ import annotations

from collections.abc import Mapping

import spandrel
from torch import Tensor, nn

from vidgan.errors import InputError
from vidgan.networks.detect import Detected


def detect_restoration(state: Mapping[str, Tensor]) -> Detected | None:
    """Find the network that the weights belong to, and load it.

    Returns:
        The network, or None where spandrel doesn't know it either.

    Raises:
        InputError: it is one that changes the size of pictures, or isn't for colour pictures.
    """
    try:
        model = spandrel.ModelLoader(device="cpu").load_from_state_dict(dict(state))
    except spandrel.UnsupportedModelError:
        return None
    name = model.architecture.name
    if not isinstance(model, spandrel.ImageModelDescriptor):
        raise InputError(f"a {name} network, which needs a mask besides the picture; a style has none")
    if model.scale != 1:
        raise InputError(f"a {name} network that makes pictures {model.scale} times as large; a style keeps the size")
    if (model.input_channels, model.output_channels) != (3, 3):
        raise InputError(
            f"a {name} network of {model.input_channels} channels in and {model.output_channels} out; a style has 3"
        )
    if model.size_requirements.square:
        raise InputError(f"a {name} network that takes square pictures only; a style takes any")
    return Detected(network=_Restoration(model).eval(), words=f"{name} (spandrel)")


class _Restoration(nn.Module):
    """What spandrel loaded, with the size rule and range of a generator."""

    value_range = (0.0, 1.0)

    def __init__(self, model: spandrel.ImageModelDescriptor[nn.Module]) -> None:
        super().__init__()
        self.network = model.model.float().cpu()
        required = model.size_requirements
        self.size_multiple = required.multiple_of
        self.minimum_size = max(required.minimum, required.multiple_of, 16)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        return self.network(x_NCHW)  # type: ignore[no-any-return]
