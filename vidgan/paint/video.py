"""Paint a video: each frame begins with the last result moved along the flow, and held to it where visible.

Ruder et al. 2016, "Artistic style transfer for videos".
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidgan.frame import Frame
from vidgan.paint.checks import check_picture
from vidgan.paint.options import PaintOptions, PaintProgress
from vidgan.paint.painter import Anchor, Painter
from vidgan.picture import resized
from vidgan.temporal.flow import Motion, MotionEstimator
from vidgan.temporal.warp import resize_flow, warp


def paint_video(
    frames: Iterable[Frame],
    paintings: Sequence[NDArray[np.uint8]],
    options: PaintOptions | None = None,
    *,
    report: Callable[[PaintProgress], None] = lambda _: None,
    stop: threading.Event | None = None,
) -> Iterator[Frame]:
    """Yield every frame painted, in order, each with its own time. Two pictures are kept, whatever the length.

    Args:
        frames: all of one size, each side 32 or more.
        paintings: uint8 RGB pictures whose manner to take; of several, the mean.
        options: everything else. The first frame of each shot takes `iterations` looks, coarse to fine; those that
            follow take `frame_iterations` at full size.
        report: called after every look.
        stop: set it from elsewhere to end early: the frame in work is yielded as it is, and is the last.

    Raises:
        InputError, RuntimeUnavailableError, ValueError, TypeError: as `paint_picture`.
    """
    painter = Painter(paintings, options or PaintOptions())
    yield from painted_frames(frames, painter, report=report, stop=stop or threading.Event())


def painted_frames(
    frames: Iterable[Frame], painter: Painter, *, report: Callable[[PaintProgress], None], stop: threading.Event
) -> Generator[Frame]:
    """Do what `paint_video` does, with a painter whose notices can be read afterwards."""
    estimate = MotionEstimator()
    last: Tensor | None = None
    for number, frame in enumerate(frames, 1):
        check_picture(frame.image, f"frame {number}")
        small = resized(frame.image, *painter.working_size(frame.image))
        anchor = _anchor(painter, last, estimate(small))

        def render(painted: Tensor, frame: Frame = frame) -> NDArray[np.uint8]:
            return painter.finish(painted, frame.image)

        last = painter.paint(
            painter.tensor(small),
            report=report,
            render=render,
            begin_1CHW=anchor.picture if anchor else None,
            anchor=anchor,
            iterations=painter.options.frame_iterations if anchor else None,
            stop=stop,
            frame=number,
        )
        yield replace(frame, image=render(last))
        if stop.is_set():
            return


def _anchor(painter: Painter, last_1CHW: Tensor | None, motion: Motion) -> Anchor | None:
    """Move the last result to where things are now; None where a shot begins."""
    if last_1CHW is None or motion.flow is None:
        return None
    height, width = last_1CHW.shape[2:]
    last_HWC = np.ascontiguousarray(last_1CHW[0].permute(1, 2, 0).cpu().numpy())
    # Cubic: bilinear would blur what passes from frame to frame a little more each time.
    moved = warp(last_HWC, resize_flow(motion.flow, height, width), cubic=True).clip(0, 1)
    visibility = cv2.resize(motion.visibility, (width, height), interpolation=cv2.INTER_LINEAR).reshape(
        height, width, 1
    )
    return Anchor(picture=_planes(painter, moved), visibility=_planes(painter, visibility))


def _planes(painter: Painter, array_HWC: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array_HWC.transpose(2, 0, 1)))[None].to(painter.device)
