"""Descend to a low loss from a picture, look by look, and never lose the best state."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vidgan.errors import InputError
from vidgan.paint.options import Optimiser

HISTORY = 20
"""Steps that L-BFGS remembers: two pictures in float32 for each."""
ADAM_STEP = 0.02
"""Adam's step size at the start, on the 0..1 scale; it falls along a cosine to a tenth."""
LBFGS_STEP = 0.02
"""Mean length of the first step of L-BFGS, on the 0..1 scale, where its line search begins."""
MOST_RESTARTS = 3
"""How often painting goes on from the last good state, with steps a quarter as long, where losses are no
numbers."""

Objective = Callable[[Tensor], dict[str, Tensor]]
"""From a picture to its losses; `total` is the one that is descended."""


class _Enough(Exception):  # noqa: N818 - no error: the way out of an optimiser that has its own loop
    """All looks are taken, or somebody wants to stop."""


class _Diverged(Exception):  # noqa: N818 - handled here
    """The losses are no longer numbers."""


@dataclass(kw_only=True)
class Descent:
    """One descent. `run` it once; then `best` is the result."""

    start: Tensor
    """Where to begin; isn't changed."""
    objective: Objective
    """What becomes less."""
    iterations: int
    """How often `objective` may be called."""
    report: Callable[[Descent], None] = lambda _: None
    """Called after every look."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set it from elsewhere to end early."""
    best: Tensor = field(init=False)
    """The state with the least total loss so far, without gradient."""
    losses: dict[str, float] = field(init=False, default_factory=dict)
    """The losses of `best`."""
    done: int = field(init=False, default=0)
    """Looks so far."""
    restarts: int = field(init=False, default=0)
    """How often the losses were no numbers and the descent went on from the best state."""

    def __post_init__(self) -> None:
        """Begin with the start as the best."""
        self.best = self.start.detach().clone()

    def run(self, optimiser: Optimiser) -> None:
        """Descend until the looks are taken, `stop` is set, or nothing becomes better.

        Raises:
            InputError: the losses of the start itself are no numbers.
        """
        while self.done < self.iterations and self.restarts <= MOST_RESTARTS:
            before = self.losses.get("total")
            x = self.best.clone().requires_grad_()
            step = 0.25**self.restarts
            try:
                if optimiser == "lbfgs":
                    self._lbfgs(x, step)
                else:
                    self._adam(x, step * ADAM_STEP)
            except _Enough:
                return
            except _Diverged:
                self.restarts += 1
                continue
            # L-BFGS ends early where no step helps; a fresh history may, but once that gains nothing, it is the end.
            if self.losses["total"] == before:
                return

    def _look(self, variable: Tensor, unit: float = 1.0) -> Tensor:
        """Return the total loss at `unit * variable`, its gradient in `variable.grad`, and keep count and the best."""
        if self.done >= self.iterations or self.stop.is_set():
            raise _Enough
        variable.grad = None
        x = variable if unit == 1 else unit * variable
        losses = self.objective(x)
        total = losses["total"]
        total.backward()  # type: ignore[no-untyped-call]
        self.done += 1
        assert variable.grad is not None
        if not (torch.isfinite(total) and torch.isfinite(variable.grad).all()):
            if not self.losses:
                raise InputError(
                    "the losses of the very first picture are no numbers: are the weights of --features sound, and the "
                    "other weights not too large?"
                )
            raise _Diverged
        if not self.losses or total.item() < self.losses["total"]:
            self.best.copy_(x.detach())
            self.losses = {name: value.item() for name, value in losses.items()}
        self.report(self)
        return total

    def _lbfgs(self, x: Tensor, step: float) -> None:
        remaining = self.iterations - self.done
        # Torch's first step is the gradient divided by its sum, far too short for a picture: it would take the line
        # search five looks to get going. In larger units that step is longer; those that follow don't change.
        unit = LBFGS_STEP * x.numel()
        variable = (x.detach() / unit).requires_grad_()
        optimiser = torch.optim.LBFGS(
            [variable],
            lr=step,
            max_iter=remaining,
            max_eval=remaining,
            history_size=HISTORY,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )
        optimiser.step(lambda: self._look(variable, unit).item())  # type: ignore[no-untyped-call]

    def _adam(self, x: Tensor, rate: float) -> None:
        optimiser = torch.optim.Adam([x], lr=rate)
        remaining = self.iterations - self.done
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, remaining, rate / 10)
        for _ in range(remaining):
            self._look(x)
            optimiser.step()
            schedule.step()
