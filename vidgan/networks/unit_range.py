"""Networks that were published for other ranges of values, as vidgan wants them: 0..1 in and out."""

from __future__ import annotations

from typing import Protocol, cast

from torch import Tensor, nn


class RangedNetwork(Protocol):
    """What `UnitRange` has to know of a network."""

    value_range: tuple[float, float]
    """What black and white are in its pictures."""


class UnitRange(nn.Module):
    """A network of pictures in 0..1 around one of pictures in its own `value_range`.

    It is put around a network when that is exported or trained, so that the network's own weights keep the names under
    which they were published.
    """

    def __init__(self, network: nn.Module) -> None:
        """Wrap `network`, which has a `value_range`."""
        super().__init__()
        self.network = network
        self.black, self.white = cast(RangedNetwork, network).value_range

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Restyle `(N, 3, H, W)` float RGB in 0..1; returns a new tensor of the same shape, not clamped."""
        span = self.white - self.black
        out_NCHW: Tensor = self.network(x_NCHW * span + self.black)
        return (out_NCHW - self.black) / span
