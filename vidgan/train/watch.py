"""Watches an adversarial training go wrong: mode collapse, a discriminator that always wins, gradients that vanish.

It only looks: nothing here changes a training, and the same numbers always lead to the same words.
"""

from __future__ import annotations

import logging
import math
from copy import deepcopy
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

log = logging.getLogger(__name__)

DIVERSITY_SIDE = 16
"""Side in pixels that pictures are averaged down to before they are compared. Noise of 0.05 on 256-pixel pictures is
0.004 then, where maps differ by 0.07 and photographs by 0.3 (at 32 pixels: 0.009, 0.08, 0.34)."""
COLLAPSED, RECOVERED = 0.15, 0.25
"""Results with less than the first part of the diversity that they should have are taken for the same picture; with
more than the second part they have recovered."""
LEAST_SHARE = 1 / 3
"""Part of the inputs' diversity that results should have even where the targets have less. Aerial photographs have 0.12
and their maps 0.07, but eight of the maps at a time between 0.03 and 0.12."""
LOOKS_IN_A_ROW, FIRST_LOOKS = 5, 15
"""So many looks must agree before anything is said; at first more, for a generator that has learnt nothing yet paints
everything grey."""
ALWAYS_WINS, BALANCED = 0.99, 0.95
"""A discriminator whose mean accuracy is above the first wins; below the second it no longer does."""
STEPS_OF_WINNING = 500
"""Steps it must win for."""
_MEMORY_STEPS = 100
_RECENT, _LEAST_EARLIER, _MOST_EARLIER = 20, 50, 512
VANISHED, EXPLODED, NORMAL = 1e-3, 1e2, (1e-2, 1e1)
"""Gradients whose recent median is below or above these multiples of the earlier median; between the last two they are
as before. Wide apart on purpose: adversarial gradients wander."""


def diversity(pictures_NCHW: Tensor) -> Tensor:
    """Say how different the pictures of a set are from each other.

    `mean over all pairs i < j of sqrt(mean((a_i - a_j)^2))`, a being the pictures averaged down to 16x16, so that
    neither noise nor grain counts, nor anything that a generator hides from the eye. The measure is our own.

    Args:
        pictures_NCHW: N of at least 2, of any size, float in 0..1.

    Returns:
        A scalar, 0 (all alike) to 1, float32.

    Raises:
        ValueError: fewer than two pictures.
    """
    if len(pictures_NCHW) < 2:
        raise ValueError(f"{len(pictures_NCHW)} pictures: diversity takes at least 2; 8 or more say something")
    small_NP = F.adaptive_avg_pool2d(pictures_NCHW.detach().float(), DIVERSITY_SIDE).flatten(1)
    distances: Tensor = torch.pdist(small_NP) / small_NP.shape[1] ** 0.5
    return distances.mean()


class Watch:
    """Remembers what it saw, and warns in the log: once when something begins, and again only after it was over.

    It has a `state_dict`, so that it can be one of the parts of a run: then a run that was stopped goes on with the
    same curves and warnings.
    """

    def __init__(self) -> None:
        self._state: dict[str, Any] = {"alarms": {}, "scores": {}, "gradients": {}, "warnings": []}

    @property
    def warnings(self) -> list[str]:
        """Every warning so far, in order, as a new list."""
        return list(self._state["warnings"])

    def state_dict(self) -> dict[str, Any]:
        """Return everything that it remembers, in numbers, texts, lists and dictionaries."""
        return deepcopy(self._state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with what `state_dict` returned."""
        self._state = deepcopy(state)

    def look(
        self,
        step: int,
        direction: str,
        *,
        inputs: Tensor,
        outputs: Tensor,
        targets: Tensor,
        cycle: Tensor | None = None,
    ) -> dict[str, float]:
        """Compare how different a generator's results are with how different they should be.

        That is as different as the inputs or as real pictures of the target domain are, whichever is less, but not
        less than a third of the inputs'. Each set needs at least 2 pictures `(N, 3, H, W)` in 0..1; give 8 or more.

        Args:
            step: of the training.
            direction: name of the generator, for curves and warnings.
            inputs: what it was given.
            outputs: what it made of that.
            targets: real pictures of the domain that it should paint.
            cycle: what the way back made of `outputs`.

        Returns:
            Curves: `diversity/{direction}`, the outputs' diversity as a part of the inputs';
            `diversity/{direction}_of_targets`, as a part of the targets'; `diversity/{direction}_cycle`, that of
            `cycle` as a part of the inputs'. nan where there is no diversity to be a part of.
        """
        given, made, wanted = (diversity(pictures).item() for pictures in (inputs, outputs, targets))
        reference = max(min(given, wanted), LEAST_SHARE * given)
        is_collapsed = made < COLLAPSED * reference
        few = "" if wanted >= LEAST_SHARE * given else "; the target pictures are much the same themselves"
        self._judge(
            f"look {direction}",
            is_bad=is_collapsed,
            is_well=made > RECOVERED * reference,
            patience=LOOKS_IN_A_ROW,
            first_patience=FIRST_LOOKS,
            words=f"step {step}: mode collapse: {direction} paints nearly the same whatever it is given (diversity "
            f"{made:.2g}, of its inputs {given:.2g}, of real pictures {wanted:.2g}{few}); try more weight on keeping "
            "the content (cycle, L1 or PatchNCE), a lower learning rate, or more varied pictures",
        )
        curves = {
            f"diversity/{direction}": _part(made, given),
            f"diversity/{direction}_of_targets": _part(made, wanted),
        }
        if cycle is not None:
            back = diversity(cycle).item()
            self._judge(
                f"cycle {direction}",
                # Where the results are all the same, what comes back can't be otherwise: one warning is enough.
                is_bad=back < COLLAPSED * given and not is_collapsed,
                is_well=back > RECOVERED * given,
                patience=LOOKS_IN_A_ROW,
                first_patience=FIRST_LOOKS,
                words=f"step {step}: mode collapse: the way back after {direction} paints nearly the same whatever it "
                f"is given (diversity {back:.2g}, of the pictures {given:.2g}); try more weight on the cycle",
            )
            curves[f"diversity/{direction}_cycle"] = _part(back, given)
        return curves

    def scores(self, step: int, name: str, real: Tensor, fake: Tensor) -> dict[str, float]:
        """See how often a discriminator is right.

        Args:
            step: of the training; need not be each of them.
            name: of the discriminator.
            real: its scores of real patches, of any shape, 1 being real: those of LSGAN; the sigmoid of logits.
            fake: its scores of painted patches.

        Returns:
            Curves: `accuracy/{name}`, the share of real patches above 0.5 and of painted ones below, both counting
            half; `accuracy/{name}_mean`, its moving mean over about the last hundred steps.
        """
        right = torch.stack([(real.detach() > 0.5).float().mean(), (fake.detach() < 0.5).float().mean()]).mean().item()
        kept = self._state["scores"].setdefault(name, {"step": step - 1, "sum": 0.0, "weight": 0.0})
        passed = max(1, step - kept["step"])
        fade = (1 - 1 / _MEMORY_STEPS) ** passed
        # The weights say how much of the mean is there already: it isn't drawn to 0 at the beginning.
        kept.update(step=step, sum=fade * kept["sum"] + (1 - fade) * right, weight=fade * kept["weight"] + 1 - fade)
        mean = kept["sum"] / kept["weight"]
        self._judge(
            f"scores {name}",
            is_bad=mean > ALWAYS_WINS,
            is_well=mean < BALANCED,
            patience=STEPS_OF_WINNING,
            passed=passed,
            words=f"step {step}: the discriminator {name} always wins (right in {mean:.1%} of all patches for "
            f"{STEPS_OF_WINNING} steps), so that its generator learns little from it; if results don't get better, try "
            "a lower learning rate, or more pictures: with few it knows them by heart",
        )
        return {f"accuracy/{name}": right, f"accuracy/{name}_mean": mean}

    def gradient(self, step: int, name: str, norm: float) -> dict[str, float]:
        """See whether a network's gradient is as long as it used to be.

        Args:
            step: of the training.
            name: of the network.
            norm: length of its gradient. One that is no number is left to the run, which skips such steps.

        Returns:
            The curve `gradient/{name}`; nothing where the length is no number.
        """
        if not math.isfinite(norm):
            return {}
        kept = self._state["gradients"].setdefault(name, {"recent": [], "earlier": [], "seen": 0, "stride": 1})
        kept["recent"].append(norm)
        if len(kept["recent"]) > _RECENT:
            self._remember(name, kept, kept["recent"].pop(0))
        if len(kept["earlier"]) >= _LEAST_EARLIER:
            recent, earlier = median(kept["recent"]), median(kept["earlier"])
            has_vanished, has_exploded = recent < VANISHED * earlier, recent > EXPLODED * earlier > 0
            fate = "vanished; its discriminator may have won" if has_vanished else "exploded; try a lower learning rate"
            self._judge(
                f"gradient {name}",
                is_bad=has_vanished or has_exploded,
                is_well=NORMAL[0] * earlier < recent < NORMAL[1] * earlier,
                patience=1,
                words=f"step {step}: the gradient of {name} ({recent:.2g} long, {earlier:.2g} before) has {fate}",
            )
        return {f"gradient/{name}": norm}

    def _remember(self, name: str, kept: dict[str, Any], norm: float) -> None:
        """Keep some of all earlier lengths, evenly over the run, but none of a time that was warned of."""
        if self._state["alarms"].get(f"gradient {name}", {}).get("is_on"):
            return
        if kept["seen"] % kept["stride"] == 0:
            kept["earlier"].append(norm)
        kept["seen"] += 1
        if len(kept["earlier"]) == _MOST_EARLIER:
            kept["earlier"], kept["stride"] = kept["earlier"][::2], 2 * kept["stride"]

    def _judge(
        self,
        key: str,
        *,
        is_bad: bool,
        is_well: bool,
        patience: int,
        words: str,
        first_patience: int | None = None,
        passed: int = 1,
    ) -> None:
        """Warn where it has been bad for `patience`, or `first_patience` if never well; this time counts `passed`."""
        alarm = self._state["alarms"].setdefault(key, {"bad_for": 0, "is_on": False, "was_well": False})
        alarm["bad_for"] = alarm["bad_for"] + passed if is_bad else 0
        if is_well:
            alarm.update(is_on=False, was_well=True)
        needed = patience if alarm["was_well"] or first_patience is None else first_patience
        if alarm["bad_for"] >= needed and not alarm["is_on"]:
            alarm["is_on"] = True
            self._state["warnings"].append(words)
            log.warning("%s", words)


def _part(value: float, whole: float) -> float:
    return value / whole if whole > 0 else math.nan
