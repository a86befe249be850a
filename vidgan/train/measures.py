"""What a finished style is measured by, for its card."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from vidgan.networks.generators import StyleNet
from vidgan.runtime import open_runtime
from vidgan.train.data import Crops, load_content
from vidgan.train.style import StyleConfig
from vidgan.train.style_losses import StyleCriterion

JUDGED_BATCHES = 16
SPEED_SIZE, SPEED_NAME = (1280, 720), "fps_1280x720"
"""Width and height in pixels at which speed is measured, and how cards call it."""
_WARM_UP_PICTURES = 4


def measure_style(network: StyleNet, config: StyleConfig) -> dict[str, float]:
    """Judge a trained `network` over batches that the training didn't see.

    The pictures are those of the training; the crops, motions and noises are new.

    Returns:
        `style_distance`, the sum of normalised Gram distances, of the results; `style_distance_untouched` of the
        pictures as they are; `style_ratio`, the first as a part of the second; `content_distance`; `variation`;
        `warping_error`, the mean squared difference between the result of a picture that was moved and made noisy and
        the moved result, on the 0..1 scale; `warping_error_input`, the same of the pictures as they are.
    """
    device = torch.device("cpu")
    crops = Crops(images=load_content(config.content, minimum=config.crop).images, size=config.crop, seed=config.seed)
    network = network.eval().to(device)
    judged, untouched = [], []
    # Neither teacher nor clips: they are means to an end.
    criterion = StyleCriterion(replace(config, teacher=None, clip_weight=0.0), device)
    with torch.no_grad():
        for step in range(config.steps, config.steps + JUDGED_BATCHES):
            pictures = crops.batch(step, config.batch)
            judged.append(criterion(network, pictures, step))
            with torch.autocast(device.type, torch.bfloat16):
                untouched.append(criterion.perceptual(pictures, criterion.perceptual.content_of(pictures))["style"])
    means = {name: float(torch.stack([losses[name] for losses in judged]).mean()) for name in judged[0]}
    style_untouched = float(torch.stack(untouched).mean())
    return {
        "style_distance": means["style"],
        "style_distance_untouched": style_untouched,
        "style_ratio": means["style"] / style_untouched,
        "content_distance": means["content"],
        "variation": means["variation"],
        "warping_error": means["temporal"],
        # A picture differs from its moved self by the noise alone.
        "warping_error_input": config.noise**2,
    }


def measure_speed(model: Path, seconds: float, size_multiple: int = 1) -> dict[str, float | str]:
    """Run a style on one picture of 1280x720 again and again, inference only.

    Args:
        model: the ONNX file.
        seconds: for how long.
        size_multiple: what width and height are rounded up to, as stylizing pads pictures.

    Returns:
        `fps_1280x720`, and `fps_measured_on`: the runtime, its precision and the device.
    """
    width, height = (-(-length // size_multiple) * size_multiple for length in SPEED_SIZE)
    coarse = np.random.default_rng(0).integers(0, 256, (9, 16, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)
    runtime = open_runtime(model, size=(width, height))
    try:
        for _ in range(_WARM_UP_PICTURES):
            runtime.submit(picture).result()
        waiting: deque[Future[NDArray[np.uint8]]] = deque()
        began, done = time.monotonic(), 0
        while time.monotonic() - began < seconds or not done:
            waiting.append(runtime.submit(picture))
            if len(waiting) >= runtime.depth:
                waiting.popleft().result()
                done += 1
        fps = done / (time.monotonic() - began)
    finally:
        runtime.close()
    report = runtime.report
    return {
        SPEED_NAME: round(fps, 1),
        "fps_measured_on": f"{report.runtime} {report.precision}, {report.device_name}",
    }
