"""A foreign ONNX network, run on OpenVINO to see what it does."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray

from vidgan.errors import InputError
from vidgan.importer.hints import Layout, Range
from vidgan.importer.onnx_wrap import Ports, freed
from vidgan.runtime.openvino import OPENVINO_ERRORS, reason_of
from vidgan.runtime.openvino_import import frontend, ov

Size = tuple[int, int]
"""Height and width in pixels."""


class DoesNotRunError(InputError):
    """The network doesn't take pictures of this kind."""


class ForeignNetwork:
    """An ONNX network of any layout, with free sizes whatever it declares."""

    def __init__(self, model: Any, ports: Ports) -> None:  # noqa: ANN401
        """Read it.

        Raises:
            InputError: it has operators that OpenVINO doesn't know.
        """
        self._dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(ports.input_type))
        with tempfile.TemporaryDirectory(prefix="vidgan-import-") as folder:
            draft = Path(folder) / "network.onnx"
            onnx.save(freed(model, ports, batch=True), draft)
            try:
                reader = frontend.FrontEndManager().load_by_framework("onnx")
                network = reader.convert(reader.load(str(draft)))
                # Once for all sizes: that is slower to run, but much faster than compiling for each.
                self._compiled = ov.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            except OPENVINO_ERRORS as error:
                raise InputError(f"OpenVINO can't read this network: {reason_of(error)}") from error

    def run(self, pictures_NHWC: NDArray[np.float32], layout: Layout, limits: Range) -> NDArray[np.float32]:
        """Run pictures `(N, H, W, 3)` in 0..1, given as the network wants them; returns what it makes, as it is.

        Raises:
            DoesNotRunError: it doesn't take them.
        """
        black, white = limits
        given = pictures_NHWC * (white - black) + black
        if layout == "nchw":
            given = given.transpose(0, 3, 1, 2)
        given = np.ascontiguousarray(given.astype(self._dtype))
        try:
            # Not shared: OpenVINO crashes at the second size where a network gives back its input itself.
            made = self._compiled([given], share_inputs=False)[0]
        except OPENVINO_ERRORS as error:
            raise DoesNotRunError(reason_of(error)) from error
        return np.array(made, np.float32)


def probe_pictures(size: Size) -> NDArray[np.float32]:
    """Make a few pictures that look somewhat natural: soft light, shapes with edges, fine grain.

    Returns:
        `(3, H, W, 3)` in 0..1: one bright, one dark, one of full contrast; the same every time.
    """
    height, width = size
    random = np.random.default_rng(0)
    pictures = []
    for low, high in ((0.35, 1.0), (0.0, 0.5), (0.0, 1.0)):
        coarse = random.random((5, 5, 3), np.float32)
        picture = np.ascontiguousarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
        for _ in range(6):
            x, y = (int(random.integers(0, length)) for length in (width, height))
            colour = tuple(float(value) for value in random.random(3))
            cv2.circle(picture, (x, y), max(2, min(size) // 6), colour, -1)
        picture += random.normal(0, 0.03, picture.shape).astype(np.float32)
        pictures.append(np.clip(picture, 0, 1) * (high - low) + low)
    return np.stack(pictures).astype(np.float32)
