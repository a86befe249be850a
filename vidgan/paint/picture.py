"""Paint one picture: its content in the manner of paintings."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from torch import Tensor

from vidgan.paint.checks import Image, check_picture
from vidgan.paint.options import PaintOptions, PaintProgress
from vidgan.paint.painter import Painter
from vidgan.picture import resized

log = logging.getLogger(__name__)


def paint_picture(
    content_HWC: Image,
    paintings: Sequence[Image],
    options: PaintOptions | None = None,
    *,
    report: Callable[[PaintProgress], None] = lambda _: None,
    begin_HWC: Image | None = None,
    stop: threading.Event | None = None,
) -> Image:
    """Paint a picture in the manner of paintings. All pictures are uint8 RGB `(H, W, 3)`, each side 32 or more.

    Args:
        content_HWC: what to paint.
        paintings: whose manner to take; of several, the mean.
        options: everything else.
        report: called after every look at the picture.
        begin_HWC: go on from this picture of the same content, at full size only; None begins anew, coarse to fine.
        stop: set it from elsewhere to end early with what there is.

    Returns:
        A new picture of the size of `content_HWC`.

    Raises:
        InputError: a picture is too small, the weights can't be read, or the losses are no numbers from the start.
        RuntimeUnavailableError: no VGG16 weights.
        ValueError, TypeError: a picture isn't uint8 RGB.
    """
    check_picture(content_HWC, "picture")
    painter = Painter(paintings, options or PaintOptions())
    size = painter.working_size(content_HWC)
    begin = None
    if begin_HWC is not None:
        check_picture(begin_HWC, "beginning")
        begin = painter.tensor(resized(begin_HWC, *size))

    def render(x: Tensor) -> Image:
        return painter.finish(x, content_HWC)

    content = painter.tensor(resized(content_HWC, *size))
    painted = painter.paint(content, report=report, render=render, begin_1CHW=begin, stop=stop)
    for notice in painter.list_notices():
        log.warning("%s", notice)
    return render(painted)
