"""Teachers: finished styles, whose pictures and inner features a network learns to make."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vidgan.errors import StyleError
from vidgan.networks.generators import StyleNet
from vidgan.picture_tensor import pad_tensor
from vidgan.runtime.onnx_file import read_picture_network
from vidgan.runtime.onnx_torch.module import OnnxModule
from vidgan.styles import Style
from vidgan.stylizer import Stylizer, fit_size
from vidgan.train.data import to_levels, to_tensor

log = logging.getLogger(__name__)

_PROBED_SIDE = 64
_LEAST_CHANNELS = 4
"""What has fewer channels is a picture, and says nothing that the output doesn't."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """What a teacher makes of a batch."""

    pictures: Tensor
    """`(N, 3, H, W)` in 0..1."""
    features: Tensor | None
    """Inner features `(N, C, H / 4, W / 4)`, at the places of those of `StyleNet.encode`; None where it gives none."""


class Teacher(Protocol):
    """A finished style that can be asked."""

    num_features: int
    """Channels of its features; 0 where it gives none."""

    def __call__(self, content_NCHW: Tensor) -> Lesson:
        """Restyle `(N, 3, size, size)` in 0..1; gives new tensors on the same device, without gradient."""

    def close(self) -> None:
        """Free the teacher."""


def open_teacher(style: Style, size: int, device: torch.device) -> Teacher:
    """Open a style for pictures of `size` pixels a side.

    It runs on torch, where its features can be had: measured with CycleGAN's generator, that takes 1.3 times as long as
    OpenVINO, far less than running it twice. Where torch can't run it, it gives pictures alone, and the log says so.

    Raises:
        StyleError: the style's network can't be run at all.
        RuntimeUnavailableError: no runtime for it.
    """
    try:
        return FeatureTeacher(style, size, device)
    except StyleError as error:
        log.warning("%s teaches by its pictures alone, without its features: %s", style.name, error)
        # As many threads as torch: processes that train side by side share the machine.
        threads = torch.get_num_threads()
        return PictureTeacher(Stylizer(replace(style, int8_path=None), size=(size, size), num_threads=threads))


class FeatureTeacher:
    """A style on torch, in bf16, which shows its features too."""

    def __init__(self, style: Style, size: int, device: torch.device) -> None:
        """Read the network, and choose whose outcome its features are.

        Raises:
            StyleError: torch can't run it, or it has nothing that could be called features.
        """
        self._device, self._margin, self._size = device, style.margin, size
        self._side = fit_size(size, style)
        model = read_picture_network(style.path)
        found = find_features(model, fit_size(_PROBED_SIDE, style))
        if found is None:
            raise StyleError("no node of it makes more than a picture")
        name, self.num_features = found
        log.info("the features of %s are those of %s: %d channels", style.name, name, self.num_features)
        self._network = _with_outputs(model, [name]).to(device)

    def __call__(self, content_NCHW: Tensor) -> Lesson:
        """Restyle `(N, 3, size, size)` in 0..1."""
        padded = [
            pad_tensor(image, width=self._side, height=self._side, margin=self._margin)
            for image in to_levels(content_NCHW)
        ]
        with torch.no_grad(), torch.autocast(self._device.type, torch.bfloat16):
            styled_NHWC, features = self._network(torch.stack(padded))
        inner = slice(self._margin, self._margin + self._size)
        pictures = styled_NHWC[:, inner, inner].permute(0, 3, 1, 2).float() / 255
        return Lesson(pictures=pictures, features=self._at_places_of_student(features.float()))

    def close(self) -> None:
        """Nothing is to be freed."""

    def _at_places_of_student(self, features_NCHW: Tensor) -> Tensor:
        """Fetch the features at the centres of the student's, whatever their own resolution and the padding."""
        stride = StyleNet.size_multiple
        centres = torch.arange(stride / 2, self._size, stride, device=self._device) + self._margin
        places = centres * (2 / self._side) - 1
        ys, xs = torch.meshgrid(places, places, indexing="ij")
        grid_NHW2 = torch.stack((xs, ys), dim=-1).expand(len(features_NCHW), -1, -1, -1)
        return F.grid_sample(features_NCHW, grid_NHW2, mode="bilinear", padding_mode="border", align_corners=False)


class PictureTeacher:
    """A style on vidgan's own runtimes, which gives pictures alone."""

    num_features = 0

    def __init__(self, stylizer: Stylizer) -> None:
        """Take a stylizer of arrays, for squares."""
        self._stylizer = stylizer

    def __call__(self, content_NCHW: Tensor) -> Lesson:
        """Restyle `(N, 3, size, size)` in 0..1."""
        levels = to_levels(content_NCHW).cpu().numpy()
        pictures: list[NDArray[np.uint8]] = [future.result() for future in self._submit(levels)]
        styled = torch.cat([to_tensor(picture) for picture in pictures]).to(content_NCHW.device)
        return Lesson(pictures=styled, features=None)

    def close(self) -> None:
        """Free the stylizer."""
        self._stylizer.close()

    def _submit(self, pictures_NHWC: NDArray[np.uint8]) -> list[Future[NDArray[np.uint8]]]:
        return [self._stylizer.submit(picture) for picture in pictures_NHWC]


def find_features(model: onnx.ModelProto, side: int) -> tuple[str, int] | None:
    """Choose the value of a network that says most about how it works, for `StyleNet` to learn from.

    Of all values whose resolution is nearest to that of `StyleNet`'s own features, a quarter, those with the most
    channels; of these the last. In networks of residual blocks that is what the last block gives; in a U-Net, whose
    bottleneck has lost the places, what the way up has gathered at a quarter.

    Args:
        model: `(N, H, W, 3)` uint8 in and out.
        side: of the square picture that it is tried on, in pixels; a size that the network takes.

    Returns:
        Its name and its channels; None where nothing has more channels than a picture.

    Raises:
        StyleError: torch can't run the network.
    """
    names = list(dict.fromkeys(name for node in model.graph.node for name in node.output if name))
    network = _with_outputs(model, names)
    try:
        with torch.no_grad():
            _, *values = network(torch.full((1, side, side, 3), 128, dtype=torch.uint8))
    except RuntimeError as error:
        raise StyleError(str(error)) from error
    best: tuple[tuple[float, int, int], str] | None = None
    for index, (name, value) in enumerate(zip(names, values, strict=True)):
        if not (value.is_floating_point() and value.ndim == 4 and value.shape[2] == value.shape[3] > 1):
            continue
        channels, distance = value.shape[1], abs(math.log2(side / value.shape[2] / StyleNet.size_multiple))
        if channels >= _LEAST_CHANNELS and (best is None or (-distance, channels, index) > best[0]):
            best = (-distance, channels, index), name
    return (best[1], best[0][1]) if best else None


def _with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> OnnxModule:
    """Return the network with more outputs, behind its own."""
    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    extended.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return OnnxModule(extended)
