"""From a distilled network to a style: the ONNX file, and a card that says how close it came to its teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vidgan.blend import resolve_style
from vidgan.networks.generators import SIZES, StyleNet, count_parameters
from vidgan.runtime.export import export_onnx
from vidgan.runtime.plan import file_sha256
from vidgan.style_folder import write_style
from vidgan.styles import Style
from vidgan.stylizer import Stylizer
from vidgan.temporal.metrics import sharpness_ratio
from vidgan.train.card import figures_of, settings_of, title_of
from vidgan.train.data import to_tensor
from vidgan.train.distil import DistilConfig, read_material
from vidgan.train.domains import Images, middle_square
from vidgan.train.measures import SPEED_NAME, measure_speed
from vidgan.train.quality import Image, pair_figures, steadiness
from vidgan.train.teacher import PictureTeacher

JUDGED_SIDE, MOST_JUDGED = 384, 40
"""Side in pixels of the squares, cut from the middle of held-out pictures, that networks are compared on, and how many
at most."""
PUBLISHING_SECONDS = 30
"""About what all of this takes: export, the check against torch, comparing, and both speeds."""


def publish_distilled(
    network: StyleNet,
    config: DistilConfig,
    folder: Path,
    *,
    name: str,
    licence: str = "",
    description: str = "",
    notes: Mapping[str, str | float] | None = None,
    speed_seconds: float = 3.0,
) -> Path:
    """Write `model.onnx` and `card.toml` into `folder`, both at the end, when all is measured.

    Args:
        network: as `train_distil` returns it.
        config: what it was trained with.
        folder: made if missing; files of those names are replaced.
        name: of the style.
        licence: of the result; by default that of the teacher.
        description: what it does to a video; by default as the teacher's card says.
        notes: what else the card's table `training` shall say, such as `minutes` and `data`.
        speed_seconds: how long to measure the speed of each of the two.

    Returns:
        The path of the ONNX file.

    Raises:
        StyleError: the ONNX file doesn't compute what torch does, or the teacher is gone.
        InputError: the held-out pictures are gone.
        DiskFullError: no space for the style; what was there before still is.
        SinkError: `folder` can't be written.
    """
    teacher = resolve_style(config.teacher)
    judged = read_material(config).held_out
    sizes: dict[str, Any] = {
        "size_multiple": StyleNet.size_multiple,
        "minimum_size": StyleNet.minimum_size,
        "margin": StyleNet.margin,
    }
    card = {
        "name": name,
        "title": title_of(name),
        "description": description or teacher.description or f"as {teacher.name} does",
        "licence": licence or teacher.licence,
        **sizes,
        "training": {**(notes or {}), **_training(network, config, teacher)},
    }

    def make_model(model: Path) -> dict[str, Any]:
        parity = export_onnx(
            network.fused(), model, size_multiple=StyleNet.size_multiple, minimum_size=StyleNet.minimum_size
        )
        figures = compare(Style(name=name, path=model, **sizes), teacher, judged)
        speed = measure_speed(model, speed_seconds)
        teachers = measure_speed(teacher.path, speed_seconds, teacher.size_multiple)
        return {
            "measured": {
                **figures_of(figures),
                **speed,
                f"{SPEED_NAME}_teacher": teachers[SPEED_NAME],
                "onnx_against_torch_levels": parity.max_difference,
            }
        }

    return write_style(folder, card, make_model)


def compare(student: Style, teacher: Style, pictures: Images) -> dict[str, float]:
    """Compare two styles, as they are used, on the middles of pictures.

    Args:
        student: what is judged.
        teacher: what it should look like.
        pictures: RGB uint8 of any size, at least one; many are thinned out evenly.

    Returns:
        `l1`, `psnr` and `ssim` of the student's pictures to the teacher's, as `pair_figures` gives them, and those of
        the pictures as they are, called `l1_untouched` and so on; what `steadiness` gives for the student, and for the
        teacher, `warping_error_teacher` and so on; `sharpness`, the median ratio to the teacher's pictures; and
        `pictures`, how many were compared.
    """
    squares = [middle_square(image, JUDGED_SIDE) for image in pictures[:: -(-len(pictures) // MOST_JUDGED)]]
    given = torch.cat([to_tensor(square) for square in squares])
    made, steady = _try(student, squares, given)
    wanted, steady_teacher = _try(teacher, squares, given)
    untouched = pair_figures(squares, wanted)
    return {
        **pair_figures(made, wanted),
        **{f"{name}_untouched": value for name, value in untouched.items()},
        **steady,
        **{f"{name}_teacher": value for name, value in steady_teacher.items()},
        "sharpness": float(np.median([sharpness_ratio(*pair) for pair in zip(made, wanted, strict=True)])),
        "pictures": len(squares),
    }


def _try(style: Style, squares: Sequence[Image], given_NCHW: torch.Tensor) -> tuple[list[Image], dict[str, float]]:
    """Return what a style makes of squares, and how steady it is, in floats: int8 is a copy of it."""
    with Stylizer(replace(style, int8_path=None), size=(JUDGED_SIDE, JUDGED_SIDE)) as stylizer:
        network = PictureTeacher(stylizer)
        made = [stylizer(square) for square in squares]
        return made, steadiness(lambda x_NCHW: network(x_NCHW).pictures, given_NCHW, seed=0)


def _training(network: StyleNet, config: DistilConfig, teacher: Style) -> dict[str, Any]:
    """Return how it was trained."""
    sizes = {shape: name for name, shape in SIZES.items()}
    return {
        "recipe": "distil",
        "size": sizes.get((config.width, config.num_blocks), "its own"),
        "parameters": count_parameters(network),
        "torch": torch.__version__,
        **settings_of(asdict(config)),
        "teacher": teacher.name,
        "teacher_sha256": file_sha256(teacher.path),
    }
