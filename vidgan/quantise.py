"""A style's int8 twin: made, compared with the float network on pictures it wasn't made with, and kept if it holds."""

from __future__ import annotations

import logging
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import tomli_w
from numpy.typing import NDArray

from vidgan.errors import InputError, SourceError, StyleError
from vidgan.picture import resized
from vidgan.runtime.int8 import quantise_onnx
from vidgan.runtime.plan import file_sha256
from vidgan.styles import CARD_NAME, INT8_NAME, MODEL_NAME, Style, find_style
from vidgan.stylizer import Stylizer, fit_size, pad
from vidgan.video.source import open_source
from vidgan.video.target import as_sink_error

log = logging.getLogger(__name__)

Picture = NDArray[np.uint8]
Item = TypeVar("Item")

FRAMES_OF_A_VIDEO = 8
CALIBRATION_SIZE = (640, 360)
"""Width and height. At 1280x720 the ranges become wider, and the pictures 1 dB worse at both sizes."""
CHECK_SIZE = (1280, 720)


@dataclass(frozen=True, kw_only=True)
class QuantiseOptions:
    """What `quantise_style` does beside the pictures."""

    least_psnr: float = 35.0
    """Mean PSNR to the float network's pictures, in dB, below which the result isn't kept."""
    most_frames: int = 60
    """For calibration; more are thinned out evenly."""
    num_checked: int = 20
    """Frames to compare on; more are thinned out evenly."""

    def __post_init__(self) -> None:
        for name in ("most_frames", "num_checked"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: give 1 or more")
        if not self.least_psnr >= 0:
            raise ValueError(f"least_psnr is {self.least_psnr}: give decibels, 0 or more")


@dataclass(frozen=True, kw_only=True)
class QuantiseReport:
    """How close the int8 network is to the float one."""

    path: Path
    """The int8 network, beside the style's other files."""
    psnr_mean: float
    """Of the pictures at 1280x720 to those of the float network, in dB, over all checked frames."""
    psnr_worst: float
    """Of the frame that suffers most."""
    compared_with: str
    """Precision of the float network: bf16, f16 or f32."""
    num_calibrated: int
    """Frames that the ranges were taken from."""
    num_checked: int
    """Other frames that both networks were compared on."""


def quantise_style(
    style: str | Path,
    content: Sequence[str | Path],
    *,
    check: Sequence[str | Path] = (),
    folder: Path | None = None,
    options: QuantiseOptions | None = None,
    progress: Callable[[str, int, int], None] = lambda _what, _done, _of: None,
) -> QuantiseReport:
    """Give a style an int8 network, which `precision="auto"` takes where it is faster.

    Args:
        style: its name or path; a style with a card.
        content: pictures, videos and folders of them, of the kind that it will be used on.
        check: likewise, to compare on; without them each third frame of `content` is kept back for that.
        folder: a copy of the style is written there; by default the style's own folder is changed.
        options: everything else.
        progress: called with what is done, how many of it are done, and of how many.

    Returns:
        How close it is.

    Raises:
        InputError: no or too few frames.
        StyleError: no such style, it has no card, it can't be quantised, or the result is too far from the float
            network; then nothing is changed.
        RuntimeUnavailableError: NNCF isn't installed.
        SinkError: the folder can't be written.
        DiskFullError: no space for it.
    """
    options = options or QuantiseOptions()
    found = find_style(style)
    if found.path.name != MODEL_NAME or not found.card:
        raise StyleError(f"{found.path}: needs a {CARD_NAME} beside a {MODEL_NAME}, to note in it what was measured")
    calibration, checked = _collect(content, check, options)
    progress("quantise", 0, 1)
    folder = folder or found.path.parent
    with as_sink_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # In the same folder, since a file can be moved in one step only within a file system.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".int8-") as name:
            draft = Path(name)
            shutil.copy(found.path, draft / MODEL_NAME)
            version = quantise_onnx(found.path, draft / INT8_NAME, [_fitted(frame, found) for frame in calibration])
            progress("quantise", 1, 1)
            report = _compare(replace(found, int8_path=draft / INT8_NAME), checked, len(calibration), progress)
            if report.psnr_mean < options.least_psnr:
                raise StyleError(
                    f"{found.name}: int8 reaches {report.psnr_mean:.1f} dB to {report.compared_with} on "
                    f"{report.num_checked} frames, below {options.least_psnr:g}: not kept"
                )
            _write_card(draft, found, report, version)
            for file in (MODEL_NAME, INT8_NAME, CARD_NAME):
                (draft / file).replace(folder / file)
    return replace(report, path=folder / INT8_NAME)


def _collect(
    content: Sequence[str | Path], check: Sequence[str | Path], options: QuantiseOptions
) -> tuple[list[Picture], list[Picture]]:
    """Return frames to calibrate on, at their size, and others to check on, at theirs."""
    most = options.most_frames + (0 if check else options.num_checked)
    frames = list(_frames(_thinned(_files(content), most)))
    if check:
        calibration, checked = frames, list(_frames(_thinned(_files(check), options.num_checked)))
    else:
        calibration, checked = [frame for number, frame in enumerate(frames) if number % 3], frames[::3]
    if not calibration or not checked:
        raise InputError("too few frames to calibrate and to check: give two pictures, or a video, or more of them")
    return (
        [_covering(frame, *CALIBRATION_SIZE) for frame in _thinned(calibration, options.most_frames)],
        [_covering(frame, *CHECK_SIZE) for frame in _thinned(checked, options.num_checked)],
    )


def _files(locations: Sequence[str | Path]) -> list[str]:
    files = []
    for location in locations:
        if Path(location).is_dir():
            files += sorted(str(path) for path in Path(location).iterdir() if path.is_file())
        else:
            files.append(str(location))
    return files


def _frames(files: Sequence[str]) -> Iterator[Picture]:
    """Yield pictures, and some frames of videos; what can't be read is only warned about while anything can."""
    complaints, is_empty = [], True
    for file in files:
        try:
            for image in _spread(file):
                is_empty = False
                yield image
        except SourceError as error:
            complaints.append(str(error))
            log.warning("left out: %s", error)
    if is_empty and complaints:
        raise InputError(complaints[0])


def _spread(file: str) -> Iterator[Picture]:
    with open_source(file) as source:
        step = max(1, (source.info.num_frames or 1) // FRAMES_OF_A_VIDEO)
        taken = 0
        for number, frame in enumerate(source):
            if number % step == 0:
                taken += 1
                # Made small at once, so that many large photographs fit into memory.
                yield _covering(frame.image, *CHECK_SIZE)
            if taken == FRAMES_OF_A_VIDEO:
                return


def _thinned(items: Sequence[Item], most: int) -> list[Item]:
    """Return at most so many of the items, evenly spread."""
    if len(items) <= most:
        return list(items)
    return [items[number] for number in sorted({int((part + 0.5) * len(items) / most) for part in range(most)})]


def _covering(image_HWC: Picture, width: int, height: int) -> Picture:
    """Return the middle of a picture, scaled so that it just covers the size."""
    factor = max(width / image_HWC.shape[1], height / image_HWC.shape[0])
    size = (max(width, round(image_HWC.shape[1] * factor)), max(height, round(image_HWC.shape[0] * factor)))
    scaled = resized(image_HWC, *size)
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    return np.ascontiguousarray(scaled[top : top + height, left : left + width])


def _fitted(frame: Picture, style: Style) -> Picture:
    width, height = (fit_size(length, style) for length in CALIBRATION_SIZE)
    return pad(frame, width=width, height=height, margin=style.margin)


def _compare(
    style: Style, frames: Sequence[Picture], num_calibrated: int, progress: Callable[[str, int, int], None]
) -> QuantiseReport:
    assert style.int8_path
    psnrs = []
    with (
        Stylizer(style, size=CHECK_SIZE, runtime="openvino", precision="int8") as quantised,
        Stylizer(replace(style, int8_path=None), size=CHECK_SIZE, runtime="openvino") as exact,
    ):
        for number, frame in enumerate(frames):
            progress("compare", number, len(frames))
            psnrs.append(cv2.PSNR(exact(frame), quantised(frame)))
        assert exact.report
        precision = exact.report.precision
    progress("compare", len(frames), len(frames))
    return QuantiseReport(
        path=style.int8_path,
        psnr_mean=statistics.fmean(psnrs),
        psnr_worst=min(psnrs),
        compared_with=precision,
        num_calibrated=num_calibrated,
        num_checked=len(frames),
    )


def _write_card(folder: Path, style: Style, report: QuantiseReport, version: str) -> None:
    facts: dict[str, Any] = {
        "sha256": file_sha256(folder / INT8_NAME),
        "psnr_mean": round(report.psnr_mean, 2),
        "psnr_worst": round(report.psnr_worst, 2),
        "compared_with": report.compared_with,
        "calibrated_on": report.num_calibrated,
        "checked_on": report.num_checked,
        "nncf": version,
    }
    (folder / CARD_NAME).write_text(tomli_w.dumps({**style.card, "int8": facts}), encoding="utf-8")
