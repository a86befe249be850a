"""Stylizer: pictures of any size in, the same pictures in another look out. Home of the size and range contract."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from vidgan.blend import resolve_style
from vidgan.picture import Picture, with_colour_of
from vidgan.runtime import Runtime, RuntimeReport, open_runtime
from vidgan.styles import IDENTITY_NAME, Style

if TYPE_CHECKING:
    from torch import Tensor

Image = NDArray[np.uint8]
Kind = TypeVar("Kind")
"""Of a picture, array or tensor: what comes out is what went in."""
_BYTES_PER_PIXEL = 3
# Of these a network takes pictures as tensors too.
_ON_TORCH = frozenset({"torch", "tensorrt"})


class Stylizer:
    """A style, ready for pictures of one size. A context manager; one thread submits, any thread takes the results.

    All pictures are uint8 RGB `(H, W, 3)`, 0..255: arrays, or tensors on the device of a runtime on torch. A size that
    the style can't take is extended at the right and at the bottom, by mirroring, as often as it takes (a single row or
    column is repeated), and so is every side by the style's margin; the result is cropped. The top left corner lies at
    the same place of the network's grid whatever the size.

    Args:
        style: A style, its name, the path of its folder or ONNX file, or a blend such as "ink:0.7+chalk:0.3". "none"
            copies pictures untouched, and then only `size` matters.
        size: Width and height of the pictures, in pixels.
        strength: 0..1, the share of the style in a linear blend of RGB values with the source. At 0 the result is
            the source, at 1 the style, both to the bit.
        keep_colour: Take only the luma from the style, and chroma from the source: both in full-range YCrCb with
            the luma weights of BT.601. Blending comes after that.
        runtime: As in `vidgan.runtime.open_runtime`, like the following ones.
        device: "auto", or the runtime's name of a device.
        precision: "auto", "f32", "f16", "bf16" or "int8".
        cache_dir: Where compiled networks and blends are kept; by default the user's cache folder.
        depth: How many pictures may be in flight; by default what the device needs to stay busy.
        num_threads: CPU threads; by default the runtime decides.
        max_memory: Bytes that the process may have; larger pictures are computed in tiles. By default without limit.
        reserved_memory: How many of these the caller will take later.

    Raises:
        ValueError: an argument is out of range.
        InputError: `max_memory` is too little.
        StyleError: the style is not there, or is broken.
        RuntimeUnavailableError: the runtime, the device or the precision is not to be had here.
    """

    def __init__(
        self,
        style: Style | str | Path,
        *,
        size: tuple[int, int],
        strength: float = 1.0,
        keep_colour: bool = False,
        runtime: str = "auto",
        device: str = "auto",
        precision: str = "auto",
        cache_dir: Path | None = None,
        depth: int | None = None,
        num_threads: int | None = None,
        max_memory: int | None = None,
        reserved_memory: int = 0,
    ) -> None:
        if not 0 <= strength <= 1:
            raise ValueError(f"strength is {strength}; give a number from 0 (the source) to 1 (the style)")
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f"size is {size!r}; give width and height in pixels, each 1 or more")
        self.size, self.strength, self.keep_colour = size, strength, keep_colour
        self.style: Style | None = None
        self._runtime: Runtime | None = None
        if style != IDENTITY_NAME:
            self.style = style if isinstance(style, Style) else resolve_style(style, cache_dir=cache_dir)
            padded_size = tuple(fit_size(length, self.style) for length in size)
            self._runtime = open_runtime(
                self.style.path,
                int8_path=self.style.int8_path,
                runtime=runtime,
                device=device,
                precision=precision,
                size=(padded_size[0], padded_size[1]),
                cache_dir=cache_dir,
                depth=depth,
                num_threads=num_threads,
                max_memory=max_memory,
                # The source's picture, and the styled one cropped and blended.
                reserved_memory=reserved_memory + 3 * _BYTES_PER_PIXEL * size[0] * size[1],
            )

    def __enter__(self) -> Stylizer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __call__(self, image_HWC: Kind) -> Kind:
        """Restyle one picture and wait for it: `submit(image_HWC).result()`."""
        styled_HWC: Kind = self.submit(image_HWC).result()
        return styled_HWC

    @property
    def depth(self) -> int:
        """How many pictures may be in flight before `submit` waits."""
        return self._runtime.depth if self._runtime else 1

    @property
    def report(self) -> RuntimeReport | None:
        """What really runs; None for the style "none"."""
        return self._runtime.report if self._runtime else None

    def submit(self, image_HWC: Picture) -> Future[Picture]:
        """Start one picture; wait first while `depth` pictures are in flight.

        Args:
            image_HWC: uint8 RGB of the stylizer's size: an array, or a tensor on the runtime's device. Nobody may write
                into it until the future is done.

        Returns:
            A future of a new contiguous array or tensor of the same shape, where the given one is; of `image_HWC`
            itself with the style "none". Futures complete in any order, and those that do more than the network can't
            be cancelled. What a future gives on a graphics card is complete as far as the default stream is concerned.

        Raises:
            ValueError: wrong shape or dtype, or a tensor for a runtime that takes arrays alone.
            RuntimeError: the stylizer is closed.
        """
        width, height = self.size
        is_array = isinstance(image_HWC, np.ndarray)
        # By name: torch isn't loaded to find out.
        if tuple(image_HWC.shape) != (height, width, 3) or str(image_HWC.dtype).removeprefix("torch.") != "uint8":
            given = f"{image_HWC.dtype} {tuple(image_HWC.shape)}"
            raise ValueError(f"picture is {given}; give uint8 ({height}, {width}, 3)")
        if self._runtime is None:
            return _completed(image_HWC)
        if not is_array and self._runtime.report.runtime not in _ON_TORCH:
            raise ValueError(f"picture is a {type(image_HWC).__name__}; {self._runtime.report.runtime} takes arrays")
        padded_width, padded_height = self._runtime.report.size
        assert self.style is not None
        padded = _pad(image_HWC, width=padded_width, height=padded_height, margin=self.style.margin)
        raw = self._runtime.submit(padded)
        if is_array and (padded_width, padded_height) == self.size and self.strength == 1 and not self.keep_colour:
            return raw
        finish = self._finish if is_array else self._finish_tensor
        return _then(raw, lambda styled_HWC: finish(image_HWC, styled_HWC))

    def close(self) -> None:
        """Finish what is in flight and free the device. Calling it twice is harmless."""
        if self._runtime:
            self._runtime.close()

    def _finish(self, image_HWC: Image, styled_HWC: Image) -> Image:
        """Crop, keep colours, blend; returns a new array."""
        width, height = self.size
        first = self.style.margin if self.style else 0
        styled_HWC = np.ascontiguousarray(styled_HWC[first : first + height, first : first + width])
        if self.keep_colour:
            styled_HWC = with_colour_of(image_HWC, styled_HWC)
        if self.strength < 1:
            styled_HWC = _as_image(cv2.addWeighted(styled_HWC, self.strength, image_HWC, 1 - self.strength, 0))
        return styled_HWC

    def _finish_tensor(self, image_HWC: Tensor, styled_HWC: Tensor) -> Tensor:
        """Do the same on tensors."""
        from vidgan.picture_tensor import blended_tensor, default_stream, with_colour_of_tensor

        width, height = self.size
        first = self.style.margin if self.style else 0
        # This runs in a thread of the runtime, whose current stream may be one of its own. A runtime completes its
        # futures only when the result lies on the device, so whatever is begun now comes after the network. It is put
        # on the default stream, where the source's picture was made and the smoother and the encoder work: they need
        # no event to come after this. The network's result is kept from being overwritten until then, though its memory
        # may belong to the runtime's stream and its last name goes when this function returns.
        with default_stream(styled_HWC):
            styled_HWC = styled_HWC[first : first + height, first : first + width].contiguous()
            if self.keep_colour:
                styled_HWC = with_colour_of_tensor(image_HWC, styled_HWC)
            if self.strength < 1:
                styled_HWC = blended_tensor(styled_HWC, self.strength, image_HWC)
        return styled_HWC


def fit_size(length: int, style: Style) -> int:
    """Return the smallest width or height that holds `length` pixels and the margins, and that `style` can take."""
    return -(-max(length + 2 * style.margin, style.minimum_size) // style.size_multiple) * style.size_multiple


def pad(image_HWC: Image, *, width: int, height: int, margin: int = 0) -> Image:
    """Extend a picture by `margin` at the left and top and by the rest at the right and bottom, by mirroring.

    The edge itself isn't repeated. Where the picture is smaller than what is added, it is mirrored again and again; a
    single row or column is repeated.

    Returns:
        A new `(height, width, 3)` array, or `image_HWC` itself where it has that size already.
    """
    bottom, right = height - image_HWC.shape[0] - margin, width - image_HWC.shape[1] - margin
    if not any((margin, bottom, right)):
        return image_HWC
    return _as_image(cv2.copyMakeBorder(image_HWC, margin, bottom, margin, right, cv2.BORDER_REFLECT_101))


def _pad(picture_HWC: Picture, *, width: int, height: int, margin: int) -> Picture:
    if isinstance(picture_HWC, np.ndarray):
        return pad(picture_HWC, width=width, height=height, margin=margin)
    from vidgan.picture_tensor import pad_tensor

    return pad_tensor(picture_HWC, width=width, height=height, margin=margin)


def _as_image(array: cv2.typing.MatLike) -> Image:
    # OpenCV's annotations don't say that uint8 in gives uint8 out.
    return array  # type: ignore[return-value]


def _completed(image_HWC: Picture) -> Future[Picture]:
    future: Future[Picture] = Future()
    future.set_result(image_HWC)
    return future


def _then(raw: Future[Picture], finish: Callable[[Picture], Picture]) -> Future[Picture]:
    """Return a future of `finish(raw.result())`, computed by the thread that completes `raw`."""
    finished: Future[Picture] = Future()
    # From here on it can't be cancelled, so that setting its result can't fail.
    finished.set_running_or_notify_cancel()

    def complete(raw: Future[Picture]) -> None:
        try:
            finished.set_result(finish(raw.result()))
        except BaseException as error:  # noqa: BLE001 - not swallowed: it goes to whoever waits for the future
            finished.set_exception(error)

    raw.add_done_callback(complete)
    return finished
