"""Real motion for training: crops of neighbouring frames, the flow between them, and what of it can be seen."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidgan.temporal.flow import MotionEstimator
from vidgan.temporal.warp import resize_flow
from vidgan.train.data import choose_window, to_tensor

_STREAM = 1
"""Keeps the random choices of clips apart from those of single pictures, whose generators are (seed, step)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipBatch:
    """Neighbouring frames and the motion between them; float32 on the CPU."""

    before: Tensor
    """RGB `(N, 3, size, size)`, 0..1."""
    after: Tensor
    """The frames that follow."""
    flow: Tensor
    """`(N, 2, size, size)` backward flow in pixels, from `after` to `before`; 0 where nothing is visible."""
    visible: Tensor
    """`(N, 1, size, size)`, 0..1: how surely both frames show the same point. 0 throughout at a cut."""


@dataclass(frozen=True, kw_only=True)
class Clips:
    """Random crops of pairs of frames. The batch of a step depends on `seed` and the step alone."""

    pairs: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]
    """Neighbouring frames, RGB uint8, each side at least `size`."""
    size: int
    """Side of the crops in pixels."""
    seed: int
    """Start of every random choice."""

    def batch(self, step: int, count: int, share: slice) -> ClipBatch:
        """Return the part `share` of the `count` pairs for `step`, with their motion."""
        rng = np.random.default_rng((self.seed, step, _STREAM))
        shapes = [before.shape[:2] for before, _ in self.pairs]
        windows = [choose_window(rng, shapes, self.size) for _ in range(count)][share]
        crops = [[window.cut(frame) for frame in self.pairs[window.index]] for window in windows]
        motions = [_motion(before, after) for before, after in crops]
        return ClipBatch(
            before=torch.cat([to_tensor(before) for before, _ in crops]),
            after=torch.cat([to_tensor(after) for _, after in crops]),
            flow=torch.from_numpy(np.stack([flow for flow, _ in motions])).permute(0, 3, 1, 2).contiguous(),
            visible=torch.from_numpy(np.stack([visible for _, visible in motions]))[:, None],
        )


def _motion(
    before_HWC: NDArray[np.uint8], after_HWC: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    estimate = MotionEstimator()
    estimate(np.ascontiguousarray(before_HWC))
    motion = estimate(np.ascontiguousarray(after_HWC))
    return _resized(motion.flow, motion.visibility, before_HWC.shape[0])


def _resized(
    flow_HW2: NDArray[np.float32] | None, visibility_HW: NDArray[np.float32], size: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Bring motion, estimated on a reduced picture where the crop is large, to the crop's size."""
    if flow_HW2 is None:
        return np.zeros((size, size, 2), np.float32), np.zeros((size, size), np.float32)
    visible = cv2.resize(visibility_HW, (size, size), interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)
    return resize_flow(flow_HW2, size, size), visible
