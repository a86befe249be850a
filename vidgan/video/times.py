"""Which of a decoded frame's two times is the right one."""

from __future__ import annotations


class TimeChooser:
    """Takes the presentation time, or the decoding time where files prove to have wrong presentation times.

    H.264 with B-frames in AVI is the usual case. This is FFmpeg's `guess_correct_pts`, which PyAV doesn't hand on.
    """

    def __init__(self) -> None:
        self._last_pts: int | None = None
        self._last_dts: int | None = None
        self._faults_of_pts = self._faults_of_dts = 0

    def __call__(self, pts: int | None, dts: int | None) -> int | None:
        """Return the time of the next frame; None if it has neither."""
        if dts is not None:
            self._faults_of_dts += self._last_dts is not None and dts <= self._last_dts
        if pts is not None:
            self._faults_of_pts += self._last_pts is not None and pts <= self._last_pts
        self._last_dts = pts if dts is None else dts
        self._last_pts = dts if pts is None else pts
        if pts is not None and (dts is None or self._faults_of_pts <= self._faults_of_dts):
            return pts
        return dts
