"""The page that `vidgan measure --report` writes: one file that needs nothing else."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from datetime import datetime
from html import escape
from importlib.resources import files
from pathlib import PurePath

import cv2
import numpy as np
from numpy.typing import NDArray

from vidgan import __version__
from vidgan.cli.figures import clock, number, rows, summary
from vidgan.cli.plot import make_plot
from vidgan.frame import VideoInfo
from vidgan.judge import Judgement
from vidgan.picture import resized
from vidgan.temporal.measure import Measurement, Still, WorstMoment
from vidgan.temporal.meter import Image

_LARGE_SIDE, _SMALL_SIDE = 480, 240
"""Most pixels on the long side of the pictures of worst moments, and of the strip's."""
_QUALITY = 85
_COLOURS = cv2.COLORMAP_INFERNO
_UNCOUNTED_GREY = 128
_SCALE_PERCENTILE = 99.5


def make_page(judgement: Judgement, source: str, result: str, per_frame: str | None = None) -> str:
    """Return the report as HTML.

    Args:
        judgement: what was measured.
        source: the source's name.
        result: the result's name.
        per_frame: the per-frame result's name, where there is one.
    """
    found = judgement.measurement
    name = escape(PurePath(result).name)
    now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}: how steady</title>
<style>{files("vidgan.cli").joinpath("report.css").read_text(encoding="utf-8")}</style>
</head>
<body>
<h1>How steady is {name}?</h1>
{_files(judgement, source, result, per_frame)}
<p>{_verdict(found)}</p>
{_figures(found)}
{_notices(judgement.notices)}
<h2>Warping error over time</h2>
{make_plot(found)}
<h2>The least steady moments</h2>
{_worst(found.worst)}
<h2>Source above result</h2>
<div class="strip">{"".join(_still(still) for still in found.strip)}</div>
<footer>vidgan {__version__} measure, {now}. {escape(summary(found))}. Warping error and masks as Lai et al. 2018, flow
DIS MEDIUM on the source; SSIM as Wang et al. 2004.</footer>
</body>
</html>
"""


def _files(judgement: Judgement, source: str, result: str, per_frame: str | None) -> str:
    entries = [("source", source, _size(judgement.source)), ("result", result, _size(judgement.result))]
    if per_frame is not None:
        entries.insert(1, ("per frame", per_frame, ""))
    return f"""<dl>{
        "".join(f"<dt>{what}</dt><dd>{escape(path)} <small>{size}</small></dd>" for what, path, size in entries)
    }</dl>"""


def _size(info: VideoInfo) -> str:
    rate = f", {float(info.average_rate):.5g} fps" if info.average_rate else ""
    return f"{info.width}×{info.height}{rate}"


def _verdict(found: Measurement) -> str:
    """Say the main thing in a sentence."""
    parts = []
    if found.source_error:
        floors = number(found.result_error / found.source_error)
        parts.append(f"The result's warping error is <b>{floors} times</b> the source's own")
    if found.per_frame_error and found.result_error:
        times = found.per_frame_error / found.result_error
        better = f"{number(times)} times lower" if times >= 1 else f"{number(1 / times)} times higher"
        parts.append(f"<b>{better}</b> than that of the per-frame result")
        if found.sharpness is not None:
            parts.append(f"with <b>{found.sharpness:.0%}</b> of that one's sharpness")
    elif found.sharpness is not None:
        parts.append(f"its sharpness is <b>{found.sharpness:.0%}</b> of the source's")
    return f"{', '.join(parts)}." if parts else ""


def _figures(found: Measurement) -> str:
    with_per_frame = found.per_frame_error is not None
    names = ("source", "per frame", "result") if with_per_frame else ("source", "result")
    body = ""
    for row in rows(found):
        values = (row.source, row.per_frame, row.result) if with_per_frame else (row.source, row.result)
        cells = "".join(f"<td>{value}</td>" for value in values)
        body += f'<tr><th scope="row">{row.name}<small>{escape(row.meaning)}</small></th>{cells}</tr>\n'
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    return f"""<table style="--columns:{len(names)}">
<thead><tr><td></td>{head}</tr></thead>
<tbody>
{body}</tbody>
</table>"""


def _notices(notices: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(notice)}</li>" for notice in notices)
    return f'<ul class="notices">{items}</ul>' if items else ""


def _worst(moments: tuple[WorstMoment, ...]) -> str:
    top = _top_of_scale([w.error_map for w in moments])
    shown = "".join(_moment(rank, worst, top) for rank, worst in enumerate(moments, 1))
    return f"""<div class="scale"><span>0</span><i style="background:linear-gradient(to right,{_gradient()})"></i>
<span>{top:.0%} of full scale or more; grey isn't counted: hidden before, or on a motion boundary</span></div>
{shown}"""


def _moment(rank: int, worst: WorstMoment, top: float) -> str:
    moment = worst.moment
    pictures = (
        ("source", worst.source),
        ("result", worst.result),
        ("change along the motion", paint_errors(worst.error_map, top)),
    )
    figures = "".join(
        f"<figure>{_img(image, what)}<figcaption>{what}</figcaption></figure>" for what, image in pictures
    )
    return f"""<section id="worst-{rank}"><h3><span>{rank}</span> at {clock(moment.seconds)}
<small>warping error {number(moment.result_error)}, source {number(moment.source_error)}</small></h3>
<div class="moment">{figures}</div></section>
"""


def _still(still: Still) -> str:
    time = clock(still.seconds)
    pictures = "".join(
        _img(image, f"{what} at {time}", _SMALL_SIDE)
        for what, image in (("source", still.source), ("result", still.result))
    )
    return f"<figure>{pictures}<figcaption>{time}</figcaption></figure>"


def _top_of_scale(maps: list[NDArray[np.float32]]) -> float:
    """Return a round number that nearly all errors stay below, so that one stray pixel doesn't dim the rest."""
    highest = max((float(np.nanpercentile(errors, _SCALE_PERCENTILE)) for errors in maps), default=0.0)
    steps = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
    return next((step for step in steps if step >= highest), 1.0)


def paint_errors(errors_HW: NDArray[np.float32], top: float) -> Image:
    """Colour an error map.

    Args:
        errors_HW: `(H, W)`, 0..1; nan where not counted, which is painted grey.
        top: the error of the last colour.

    Returns:
        `(H, W, 3)` RGB uint8.
    """
    levels = np.clip(np.nan_to_num(errors_HW) * (255 / top), 0, 255).astype(np.uint8)
    colours = cv2.applyColorMap(levels, _COLOURS)[..., ::-1]
    return np.where(np.isnan(errors_HW)[..., None], np.uint8(_UNCOUNTED_GREY), colours)


def _gradient() -> str:
    ramp = cv2.applyColorMap(np.linspace(0, 255, 9).astype(np.uint8)[None], _COLOURS)[0, :, ::-1]
    return ",".join(f"rgb({red} {green} {blue})" for red, green, blue in ramp)


def _img(image: Image, what: str, most: int = _LARGE_SIDE) -> str:
    """Return an `<img>` that holds its picture."""
    height, width = image.shape[:2]
    scale = min(1.0, most / max(height, width))
    small = resized(image, max(1, math.ceil(width * scale)), max(1, math.ceil(height * scale)))
    _, data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    encoded = base64.b64encode(data.tobytes()).decode()
    height, width = small.shape[:2]
    return (
        f'<img src="data:image/jpeg;base64,{encoded}" width="{width}" height="{height}" alt="{escape(what)}" '
        'loading="lazy">'
    )
