"""Looks at a run of translation from outside: rows of pictures for TensorBoard, and the watch on mode collapse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from vidgan.train.domains import Domain
from vidgan.train.run import Run, RunOptions
from vidgan.train.translation import Learner, TranslationConfig
from vidgan.train.watch import Watch

LOOK_EVERY = 50
"""Steps between two looks at what the generators make of the same few pictures."""
PICTURES = 8
_SHOWN = 4
_SHOWN_STEP = 2**31
"""A step beyond every run: its crops are the fixed pictures."""


class Onlooker:
    """Sees what generators make of fixed pictures. Nothing of it changes the training."""

    def __init__(
        self, config: TranslationConfig, generators: Mapping[str, nn.Module], crops: Mapping[str, Domain]
    ) -> None:
        """Choose the pictures.

        Args:
            config: of the run.
            generators: by direction, `a2b` and where there is one `b2a`.
            crops: pictures of domain `a` and `b`.
        """
        self._config, self._generators = config, generators
        self.watch, self._is_awake = Watch(), True
        self._pictures = {name: domain.batch(_SHOWN_STEP, PICTURES) for name, domain in crops.items()}

    def open_run(
        self, checkpoint: Path, accelerator: Accelerator, parts: Mapping[str, Any], options: RunOptions | None
    ) -> Run:
        """Open the run that is looked at, in one of its processes only; the watch becomes one of its `parts`."""
        self._is_awake = accelerator.is_main_process
        return Run(
            checkpoint,
            accelerator,
            parts={**parts, "watch": self.watch},
            config=asdict(self._config),
            num_steps=self._config.steps,
            pictures=self.grid,
            options=options,
        )

    def look(self, step: int) -> dict[str, float]:
        """Return how different the generators' pictures are, if it is time; warns in the log."""
        if not self._is_awake or (step + 1) % LOOK_EVERY:
            return {}
        curves: dict[str, float] = {}
        for way, made in self._made(PICTURES).items():
            target = way.split("2")[1]
            inputs, outputs, *cycle = made
            curves |= self.watch.look(
                step + 1,
                way,
                inputs=inputs,
                outputs=outputs,
                targets=self._pictures[target],
                cycle=cycle[0] if cycle else None,
            )
        return curves

    def judged(self, step: int, name: str, scores_real: Tensor, scores_fake: Tensor) -> dict[str, float]:
        """Return how often a discriminator was right; scores are 1 for real and 0 for fake."""
        return self.watch.scores(step + 1, name, scores_real, scores_fake) if self._is_awake else {}

    def learnt(self, step: int, learners: Mapping[str, Learner]) -> dict[str, float]:
        """Return how long the gradients of the step were."""
        if not self._is_awake:
            return {}
        found = [self.watch.gradient(step + 1, name, learner.gradient.item()) for name, learner in learners.items()]
        return {name: value for curves in found for name, value in curves.items()}

    def grid(self) -> Tensor:
        """Return pictures above what is made of them and, where there is a way back, of that; `(3, H, W)` in 0..1."""
        rows = [row for made in self._made(_SHOWN).values() for row in made]
        return torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)

    def _made(self, count: int) -> dict[str, list[Tensor]]:
        """Return, by direction, pictures, the results, and what comes back where there is a generator for that."""
        found = {}
        training = {way: network.training for way, network in self._generators.items()}
        for network in self._generators.values():
            network.eval()
        device = next(next(iter(self._generators.values())).parameters()).device
        with torch.no_grad(), self._config.autocast(device):
            for way, network in self._generators.items():
                source, target = way.split("2")
                pictures = self._pictures[source][:count]
                made = network(pictures.to(device)).float()
                back = self._generators.get(f"{target}2{source}")
                rows = [made] if back is None else [made, back(made).float()]
                found[way] = [pictures, *(row.cpu() for row in rows)]
        for way, network in self._generators.items():
            network.train(training[way])
        return found
