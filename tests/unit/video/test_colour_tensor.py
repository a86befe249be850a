"""Colour on tensors beside swscale's, which `test_colour.py` holds to the book."""

import itertools

import av
import numpy as np
import pytest
import torch
from media.colours import FULL, LIMITED, LUMA_WEIGHTS, PATCHES, patch_picture, read_patches, to_rgb
from torch.utils.dlpack import from_dlpack

from vidgan.frame import Colour
from vidgan.video.colour import FromRGB, ToRGB
from vidgan.video.colour_tensor import (
    LAYOUTS,
    Layout,
    padded,
    plane_memory,
    planes_from_rgb,
    planes_in,
    rgb_from_planes,
)

MATRICES = (1, 4, 5, 6, 7, 9)
LEVELS_TO_RGB = 1
"""From swscale: both round once, from coefficients of 13 bits there and 24 here. At 10 bits of full range swscale takes
1023 for 255.75 rather than 255, a quarter of a level on average."""
LEVELS_FROM_RGB = 1
"""From swscale, in steps of the format: the same; swscale cuts full-range chroma off where we round it."""
WRAPS_AT = 511.5
"""swscale has 9 bits before the point: blue beyond that, which no camera makes, comes out as black there."""


def frame_of(planes, name):
    """Return arrays of one format's planes as a frame."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, name)
    for plane, values in zip(frame.planes, planes, strict=True):
        from_dlpack(plane).copy_(torch.from_numpy(values))
    return frame


def random_planes(name, width, height, low=0, high=None, seed=0):
    """Return arrays of all numbers that the format can hold, or of a range of them."""
    layout, random = LAYOUTS[name], np.random.default_rng(seed)
    rows, columns = -(-height // 2), -(-width // 2)
    shapes = [(height, width)] + ([(rows, columns, 2)] if layout.is_interleaved else [(rows, columns)] * 2)
    dtype = np.uint8 if layout.bits == 8 else np.uint16
    high = 1 << layout.bits if high is None else high
    return [(random.integers(low, high, shape) << layout.shift).astype(dtype) for shape in shapes]


def tensors(planes):
    return tuple(torch.from_numpy(plane) for plane in planes)


def exact_rgb(planes, name, colour):
    """Return RGB of planes by the book, as floats, not clipped."""
    layout = LAYOUTS[name]
    if layout.is_interleaved:
        planes = [planes[0], planes[1][..., 0], planes[1][..., 1]]
    height, width = planes[0].shape
    yuv = np.stack([
        plane if number == 0 else plane.repeat(2, 0).repeat(2, 1)[:height, :width]
        for number, plane in enumerate(planes)
    ], -1) / (1 << layout.shift)  # fmt: skip
    if colour.full_range:
        peak, middle = (1 << layout.bits) - 1, 1 << (layout.bits - 1)
        yuv = (yuv - (0, middle, middle)) * (255 / peak) + (0, 128, 128)
    else:
        yuv = yuv / (1 << (layout.bits - 8))
    return to_rgb(yuv, colour.matrix, FULL if colour.full_range else LIMITED)


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("name", ["yuv420p", "nv12", "yuv420p10le", "p010le"])
def test_rgb_is_swscales_for_every_number(name, full_range, matrix):
    colour, planes = Colour(matrix=matrix, full_range=full_range), random_planes(name, 96, 64)
    expected = ToRGB()(frame_of(planes, name), colour).astype(int)
    made = rgb_from_planes(tensors(planes), LAYOUTS[name], colour)
    assert (made.dtype, made.shape, made.is_contiguous()) == (torch.uint8, (64, 96, 3), True)
    weights = {4: (0.30, 0.11), 5: LUMA_WEIGHTS[6], 7: (0.212, 0.087)} | LUMA_WEIGHTS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("media.colours.LUMA_WEIGHTS", weights)
        exact = exact_rgb(planes, name, colour)
    wraps = exact > WRAPS_AT
    assert np.abs(made.numpy() - expected)[~wraps].max() <= LEVELS_TO_RGB
    assert (made.numpy()[wraps] == 255).all()
    # Rounding alone parts us from the book, but for the last bits of float32.
    assert np.abs(made.numpy() - exact.clip(0, 255)).max() <= 0.501


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize(("name", "full_range"), [
    *itertools.product(("yuv420p", "nv12", "yuv420p10le", "p010le"), (False, True)), ("yuvj420p", True),
])  # fmt: skip
def test_luma_and_chroma_are_swscales(name, full_range, matrix, noise):
    colour, image, layout = Colour(matrix=matrix, full_range=full_range), noise(96, 64), LAYOUTS[name]
    planes = planes_in(plane_memory(64, 96, layout, "cpu"), 64, 96, layout)
    planes_from_rgb(torch.from_numpy(image), layout, colour, planes)
    expected = [from_dlpack(plane).numpy().astype(int) for plane in FromRGB(name, colour)(image).planes]
    assert len(planes) == len(expected)
    for made, values in zip(planes, expected, strict=True):
        steps = (made.numpy().astype(int) - values) / (1 << layout.shift)
        assert np.abs(steps).max() <= LEVELS_FROM_RGB
        assert (steps == np.rint(steps)).all()


@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("name", ["yuv420p", "nv12", "yuv420p10le", "p010le"])
def test_patches_come_back(name, full_range, matrix):
    colour, layout = Colour(matrix=matrix, full_range=full_range), LAYOUTS[name]
    image = torch.from_numpy(np.rint(patch_picture()).astype(np.uint8))
    planes = planes_in(plane_memory(*image.shape[:2], layout, "cpu"), *image.shape[:2], layout)
    planes_from_rgb(image, layout, colour, planes)
    # Half a level of luma and of chroma, times up to 2.1 in blue; none at 10 bits but the last rounding.
    tolerance = 1.6 if layout.bits == 8 else 0.6
    np.testing.assert_allclose(read_patches(rgb_from_planes(planes, layout, colour).numpy()), PATCHES, atol=tolerance)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (31, 22), (32, 21)])
@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le"])
def test_odd_sizes_replicate_and_average_the_same_pixels(size, name, noise):
    """swscale stretches chroma over an odd size; here each sample belongs to the same 2x2 pixels as everywhere."""
    layout, colour, (width, height) = LAYOUTS[name], Colour(matrix=6, full_range=False), size
    planes = random_planes(name, width, height, low=16 << (layout.bits - 8), high=235 << (layout.bits - 8))
    made = rgb_from_planes(tensors(planes), layout, colour).numpy()
    assert np.abs(made - exact_rgb(planes, name, colour).clip(0, 255)).max() <= 0.501
    image = torch.from_numpy(noise(width, height))
    back = planes_in(plane_memory(height, width, layout, "cpu"), height, width, layout)
    planes_from_rgb(image, layout, colour, back)
    even = padded(image, height % 2, width % 2)
    expected = planes_in(plane_memory(*even.shape[:2], layout, "cpu"), *even.shape[:2], layout)
    planes_from_rgb(even, layout, colour, expected)
    assert torch.equal(back[0].int(), expected[0][:height, :width].int())
    assert all(torch.equal(a.int(), b.int()) for a, b in zip(back[1:], expected[1:], strict=True))


def test_chroma_that_lacks_its_last_row_and_column_repeats_them():
    """So PyAV hands out the planes of an odd NV12 picture."""
    planes, colour = random_planes("nv12", 7, 5), Colour(matrix=1, full_range=True)
    cut = rgb_from_planes((tensors(planes)[0], tensors(planes)[1][:-1, :-1]), LAYOUTS["nv12"], colour)
    planes[1][-1], planes[1][:, -1] = planes[1][-2], planes[1][:, -2]
    planes[1][-1, -1] = planes[1][-2, -2]
    assert torch.equal(cut, rgb_from_planes(tensors(planes), LAYOUTS["nv12"], colour))


@pytest.mark.parametrize(("name", "size"), list(itertools.product(["nv12", "p010le"], [(6, 4), (300, 8)])))
def test_aligned_planes_lie_as_nvenc_reads_them(name, size, noise):
    """One piece of memory, rows 256 bytes apart or multiples of it, chroma right behind luma."""
    layout, colour, (width, height) = LAYOUTS[name], Colour(matrix=6, full_range=False), size
    memory = plane_memory(height, width, layout, "cpu", is_aligned=True)
    luma, chroma = planes_in(memory, height, width, layout, is_aligned=True)
    pitch = luma.stride(0) * luma.element_size()
    assert pitch % 256 == 0
    assert pitch - width * luma.element_size() < 256
    assert chroma.data_ptr() - luma.data_ptr() == pitch * height
    assert chroma.stride() == (luma.stride(0), 2, 1)
    assert memory.numel() == luma.stride(0) * height * 3 // 2
    image = torch.from_numpy(noise(width, height))
    planes_from_rgb(image, layout, colour, (luma, chroma))
    tight = planes_in(plane_memory(height, width, layout, "cpu"), height, width, layout)
    planes_from_rgb(image, layout, colour, tight)
    assert torch.equal(luma.int(), tight[0].int())
    assert torch.equal(chroma.int(), tight[1].int())
    assert torch.equal(rgb_from_planes((luma, chroma), layout, colour), rgb_from_planes(tight, layout, colour))


def test_planes_without_alignment_are_packed():
    for name, layout in LAYOUTS.items():
        memory = plane_memory(5, 7, layout, "cpu")
        assert memory.numel() == 5 * 7 + 2 * 3 * 4, name
        assert sum(plane.numel() for plane in planes_in(memory, 5, 7, layout)) == memory.numel()


@pytest.mark.parametrize("full_range", [False, True])
def test_sixteen_bits_are_read_whole(full_range):
    """What NVDEC makes of 12 bits."""
    colour, layout = Colour(matrix=1, full_range=full_range), LAYOUTS["p016le"]
    eight = random_planes("nv12", 16, 8)
    scale = 257 if full_range else 256
    sixteen = [plane.astype(np.uint16) * scale for plane in eight]
    if full_range:
        sixteen[1] = ((eight[1].astype(int) - 128) * 257 + 32768).clip(0, 65535).astype(np.uint16)
    expected = rgb_from_planes(tensors(eight), LAYOUTS["nv12"], colour)
    made = rgb_from_planes(tensors(sixteen), layout, colour)
    assert (made.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize(("down", "across"), [(0, 0), (1, 0), (0, 1), (2, 3)])
def test_padding_repeats_the_edge(down, across, noise):
    image = noise(5, 4)
    expected = np.pad(image, ((0, down), (0, across), (0, 0)), mode="edge")
    np.testing.assert_array_equal(padded(torch.from_numpy(image), down, across).numpy(), expected)


def test_a_layout_says_its_type():
    assert Layout().dtype == torch.uint8
    assert Layout(bits=10).dtype == torch.uint16
