"""The pool of earlier fakes: discriminators see the history of a generator, not only its last pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class ImagePool:
    """Keeps up to `size` pictures and gives them back later (Shrivastava et al. 2017; 50 in CycleGAN).

    What happens at a step depends on the seed, the step and what is in the pool alone, so that a run which is resumed
    goes on as if it had never stopped.
    """

    def __init__(self, size: int, seed: int, stream: int) -> None:
        """Make an empty pool; of `size` 0 it passes everything through.

        Args:
            size: pictures it keeps.
            seed: of the run.
            stream: a number that neither another pool nor a domain of the run has: its choices are its own then.
        """
        self.size, self.seed, self.stream = size, seed, stream
        self.pictures: list[Tensor] = []

    def swap(self, fakes_NCHW: Tensor, step: int) -> Tensor:
        """Put fakes in; each comes back itself or, half the time once the pool is full, as an earlier one instead.

        Args:
            fakes_NCHW: the whole batch, without gradient; in every process the same.
            step: of the run.
        """
        if not self.size:
            return fakes_NCHW
        rng = np.random.default_rng((self.seed, step, self.stream))
        given = []
        for fake in fakes_NCHW:
            if len(self.pictures) < self.size:
                self.pictures.append(fake.clone())
                given.append(fake)
            elif rng.random() < 0.5:
                index = int(rng.integers(self.size))
                given.append(self.pictures[index].to(fake.device))
                self.pictures[index] = fake.clone()
            else:
                given.append(fake)
        return torch.stack(given)

    def state_dict(self) -> dict[str, list[Tensor]]:
        """Return what is in the pool."""
        return {"pictures": self.pictures}

    def load_state_dict(self, state: dict[str, list[Tensor]]) -> None:
        """Take over what was in a pool."""
        self.pictures = list(state["pictures"])
