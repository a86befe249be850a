"""Motion that is made up: the temporal term of recipes that have no video (ReReVST; Recycle-GAN without video)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vidgan.temporal.warp import warp_tensor
from vidgan.train.data import random_flow

_WHOLE = slice(None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Motion:
    """A smooth random motion for each picture of a batch, and noise. That of a step depends on seed and step alone."""

    flow: Tensor
    """Backward flow `(N, 2, S, S)` in pixels."""
    noise: Tensor
    """`(N, 3, S, S)`, to be added."""

    @classmethod
    def of_step(cls, seed: int, step: int, shape: tuple[int, int], noise: float, share: slice = _WHOLE) -> Motion:
        """Make the part `share` of a batch's motion.

        Args:
            seed: of the run.
            step: of the run.
            shape: how many pictures, and their side in pixels.
            noise: standard deviation, on the 0..1 scale.
            share: which part of the batch.
        """
        count, side = shape
        # Another start than the recipes' own choices of the same step.
        rng = torch.Generator().manual_seed((seed * 1_000_003 + step) ^ 0x5EED)
        flow = random_flow(count, side, rng)[share]
        return cls(flow=flow, noise=torch.randn((count, 3, side, side), generator=rng)[share] * noise)

    def to(self, device: torch.device) -> Motion:
        """Return the same on a device."""
        return Motion(flow=self.flow.to(device), noise=self.noise.to(device))

    def move(self, x_NCHW: Tensor) -> Tensor:
        """Return the pictures moved."""
        return warp_tensor(x_NCHW, self.flow)

    def move_and_disturb(self, x_NCHW: Tensor) -> Tensor:
        """Return the pictures moved and made noisy: the next frame, as it were."""
        return self.move(x_NCHW) + self.noise

    def unsteadiness(self, after_NCHW: Tensor, before_NCHW: Tensor) -> Tensor:
        """Mean absolute difference between G(W(x) + n) and W(G(x)), a scalar."""
        return (after_NCHW - self.move(before_NCHW)).abs().mean()
