"""Runs of vidgan in which one stage raises at the n-th frame: in this process, or as a program of its own."""

from __future__ import annotations

import itertools
import sys
import time
from contextlib import contextmanager
from unittest.mock import patch

import vidgan.job
import vidgan.stylizer
from vidgan import EncoderOptions, SinkOptions, StylizeOptions, stylize_video
from vidgan.stylizer import Stylizer
from vidgan.temporal.flow import MotionEstimator
from vidgan.temporal.meter import SteadinessMeter
from vidgan.temporal.smoother import Smoother
from vidgan.temporal.still import StillDetector
from vidgan.video.colour import FromRGB, ToRGB
from vidgan.video.decoder import Decoder
from vidgan.video.encoder import Encoder
from vidgan.video.muxing import StreamCopier
from vidgan.video.sink import VideoSink

STAGES = {
    "decode": (Decoder, "__iter__"),
    "to RGB": (ToRGB, "__call__"),
    "scale": (vidgan.job, "resized_picture"),
    "still": (StillDetector, "__call__"),
    "motion": (MotionEstimator, "__call__"),
    "submit": (Stylizer, "submit"),
    "finish": (vidgan.stylizer, "with_colour_of"),
    "smooth": (Smoother, "__call__"),
    "meter": (SteadinessMeter, "__call__"),
    "write": (VideoSink, "write"),
    "from RGB": (FromRGB, "__call__"),
    "encode": (Encoder, "encode"),
    "copy streams": (StreamCopier, "copy"),
    "progress": None,
}
"""What each stage calls once for every frame; None: it is an argument of ours."""
ENDINGS = {"flush": (Encoder, "flush"), "finish copying": (StreamCopier, "finish")}
"""What is called once, after the last frame."""
_UNTIL_QUEUES_ARE_FULL = 0.05


class StageError(Exception):
    """A kind that nothing in vidgan knows."""


class _Breaker:
    """Counts, and raises when it is time. Waits first, so that the other stages have done what they can."""

    def __init__(self, stage, number):
        self._message, self._number, self._counter = f"{stage} broke", number, itertools.count(1)

    def step(self):
        if next(self._counter) == self._number:
            time.sleep(_UNTIL_QUEUES_ARE_FULL)
            raise StageError(self._message)

    def wrap(self, function):
        def call(*arguments, **options):
            self.step()
            return function(*arguments, **options)

        return call

    def wrap_iteration(self, function):
        def iterate(*arguments):
            for item in function(*arguments):
                self.step()
                yield item

        return iterate


@contextmanager
def _patched(place, breaker):
    owner, name = place
    wrap = breaker.wrap_iteration if name == "__iter__" else breaker.wrap
    with patch.object(owner, name, wrap(getattr(owner, name))):
        yield


def run(source, result, style, stage=None, number=0, *, codec="ffv1"):
    """Restyle with everything switched on; `stage` raises `StageError` at its call number `number`."""
    options = StylizeOptions(
        keep_colour=True,
        skip_still=True,
        measure_every=1,
        sink=SinkOptions(encoder=EncoderOptions(codec=codec)),
    )
    breaker = _Breaker(stage, number)
    place = (STAGES | ENDINGS)[stage] if stage else None
    if place is None:
        return stylize_video(source, result, style=style, options=options, progress=lambda *_: breaker.step())
    with _patched(place, breaker):
        return stylize_video(source, result, style=style, options=options)


if __name__ == "__main__":
    run(*sys.argv[1:4], *(sys.argv[4:5] or [None]), *map(int, sys.argv[5:6]))
