"""Train the four shipped styles again, from nothing.

    python benchmarks/train_styles.py --photos FOLDER --clips FOLDER --paintings FOLDER -o engines [--minutes 100]

Photographs that `styles.py` judges on are left out (`held_out.py`). First comes an ancestor, a mild starry-night: the
styles begin with its weights and need fewer steps. Last comes `unsteady`, starry-night's twin without the temporal
term in either stage, which goes into `benchmarks/`. The shipped ones were trained so, but that their ancestors were
runs of 1,400 steps stopped after 865 and 704, with the learning rate still high. Checkpoints and the gathered pictures
are kept in `--work`: started again, the program goes on where it was stopped. `--minutes` shortens or lengthens all
runs alike; 100 minutes, at 1.1 s a step, are those of the table.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from held_out import gather_content
from likeness import find_painting

from vidgan.train.checkpoint import seconds_of
from vidgan.train.moments import VIDEO_SUFFIXES
from vidgan.train.publish import publish_style
from vidgan.train.run import RunOptions, StepReport
from vidgan.train.style import StyleConfig, family_of, train_style

FRAMES_PER_CLIP, LEAST_SIDE = 5, 256
MINUTES = 100
"""What the steps below are meant for."""
LICENCE = "Apache-2.0"
DATA = (
    "painting in the public domain; 38 photographs (OpenCV's samples, Debian's wallpaper packages, samples of "
    "style-transfer projects) and frames of clips (OpenCV's samples, DAVIS)"
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How one style is trained."""

    painting: str
    """File name without its extension."""
    steps: int
    """At `MINUTES`."""
    description: str = ""
    """For the card; without one it is only a beginning for others and isn't published."""
    start_from: str | None = None
    """Whose weights it begins with."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the recipe's defaults."""


def _later(painting: str, steps: int, description: str, **settings: float) -> Plan:
    """Plan a descendant: the ancestor's weights keep the content already, so the style counts almost at once."""
    settings = {"style_weight": 10.0, "temporal_weight": 250.0, "warm_up_part": 0.05, **settings}
    return Plan(painting=painting, steps=steps, description=description, start_from=ANCESTOR, settings=settings)


ANCESTOR, UNSTEADY, UNSTEADY_ANCESTOR = "ancestor", "unsteady", "unsteady-ancestor"
PLANS = {
    ANCESTOR: Plan(painting="starry-night", steps=860),
    "starry-night": _later("starry-night", 700, "blues, greys and glints of light in short strokes, after van Gogh"),
    "scream": _later("scream", 900, "flaming orange and dark blue in wavy bands, after Edvard Munch"),
    "great-wave": _later("great-wave", 800, "Prussian blue, foam and old paper, after Katsushika Hokusai"),
    "shipwreck": _later("shipwreck", 800, "dark water and golden spray, after J. M. W. Turner"),
    UNSTEADY_ANCESTOR: Plan(painting="starry-night", steps=700, settings={"temporal_weight": 0.0}),
    UNSTEADY: Plan(
        painting="starry-night",
        steps=700,
        description="For benchmarks only: starry-night trained without the temporal term, to show what that term does.",
        start_from=UNSTEADY_ANCESTOR,
        settings={"style_weight": 10.0, "temporal_weight": 0.0, "warm_up_part": 0.05},
    ),
}


def main() -> None:
    """Gather pictures, train one after the other, and publish each as soon as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of all photographs")
    parser.add_argument("--clips", type=Path, required=True, help="folder of clips that frames are taken from")
    parser.add_argument("--paintings", type=Path, required=True, help="folder of paintings, named like the styles")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the styles, such as engines")
    parser.add_argument("--unsteady", type=Path, default=Path(__file__).parent, help="folder for the unsteady twin")
    parser.add_argument("--work", type=Path, default=Path("style-runs"), help="checkpoints and gathered pictures")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for all together")
    parser.add_argument("--only", action="append", choices=[*PLANS], help="train this one; may be repeated")
    arguments = parser.parse_args()
    clips = sorted(path for path in arguments.clips.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
    content = arguments.work / "content"
    count = gather_content(arguments.photos, clips, content, frames_per_clip=FRAMES_PER_CLIP, least_side=LEAST_SIDE)
    print(f"{count} pictures in {content}")
    for name, plan in PLANS.items():
        if arguments.only is None or name in arguments.only:
            config = configure(plan, content, arguments.paintings, arguments.work, arguments.minutes / MINUTES)
            print(f"{name}: {config.steps} steps", flush=True)
            checkpoint = checkpoint_of(name, arguments.work)
            network = train_style(config, checkpoint, RunOptions(report=_show))
            if not plan.description:
                continue
            folder = (arguments.unsteady if name == UNSTEADY else arguments.output) / name
            publish_style(
                network,
                config,
                folder,
                name=name,
                licence=LICENCE,
                description=plan.description,
                family=family_of(config, checkpoint),
                notes={"minutes": round(seconds_of(checkpoint) / 60, 1), "data": DATA},
            )
            print(folder, flush=True)


def configure(plan: Plan, content: Path, paintings: Path, work: Path, length: float) -> StyleConfig:
    """Make the configuration of a plan, `length` times as long as it says."""
    return StyleConfig(
        styles=(find_painting(paintings, plan.painting),),
        content=(content,),
        steps=max(1, round(plan.steps * length)),
        start_from=checkpoint_of(plan.start_from, work) if plan.start_from else None,
        **plan.settings,
    )


def checkpoint_of(name: str, work: Path) -> Path:
    """Return where the run of a style is kept."""
    return work / name / "checkpoint.pt"


def _show(report: StepReport) -> None:
    if report.step % 50 == 0:
        losses = " ".join(f"{name} {value:.3g}" for name, value in report.losses.items())
        print(f"  step {report.step}, {report.seconds:.0f} s: {losses}", flush=True)


if __name__ == "__main__":
    main()
