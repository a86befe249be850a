"""The figures of shipped styles: the split, distances, arithmetic, and networks without normalisation."""

import av
import cv2
import numpy as np
import onnx
import pytest
import tiles
import torch
from graphs import count_gflop, freeze_normalisation
from held_out import Named, for_training, gather_content, held_out, shrunk, spread_frames
from likeness import Eye, Likeness, content_between, find_painting, judge, style_between, summarise
from torch import nn
from train_styles import ANCESTOR, PLANS, UNSTEADY, UNSTEADY_ANCESTOR, configure

from vidgan.errors import InputError
from vidgan.networks.perceptual import VGGFeatures
from vidgan.runtime.export import export_onnx
from vidgan.runtime.openvino import compile_any_size
from vidgan.train.criterion import CONTENT_LAYER, STYLE_LAYERS, PerceptualCriterion
from vidgan.train.data import to_tensor


@pytest.fixture(scope="module")
def eye():
    return Eye()


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (3, 6, 8, 3), np.uint8)
    return [cv2.resize(picture, (64, 48), interpolation=cv2.INTER_CUBIC) for picture in coarse]


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(58):
        cv2.imwrite(str(folder / f"{number:02}.jpg"), np.full((8, 8, 3), number, np.uint8))
    (folder / "a note.txt").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Frame n has the level 4n everywhere."""
    path = tmp_path_factory.mktemp("clip") / "steps.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        for number in range(20):
            picture = np.full((48, 64, 3), 4 * number, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        file.mux(stream.encode())
    return path


def test_a_third_is_held_out_and_never_trained_on(photos):
    judged, trained = held_out(photos), for_training(photos)
    assert (len(judged), len(trained)) == (20, 38)
    assert set(judged).isdisjoint(trained)
    assert [path.stem for path in judged[:3]] == ["00", "03", "06"]


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(InputError, match="no pictures"):
        held_out(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        for_training(tmp_path / "nowhere")


def test_frames_are_spread_evenly_over_a_clip(clip):
    frames = spread_frames(clip, 5)
    assert [frame.name for frame in frames] == [f"steps-{number}" for number in (2, 6, 10, 14, 18)]
    assert [round(frame.image.mean() / 4) for frame in frames] == [2, 6, 10, 14, 18]


def test_training_sees_the_other_photographs_and_frames_of_large_clips(photos, clip, tmp_path):
    gathered = tmp_path / "gathered"
    assert gather_content(photos, [clip], gathered, frames_per_clip=2, least_side=48) == 38 + 2
    names = {path.stem for path in gathered.iterdir()}
    assert names == {path.stem for path in for_training(photos)} | {"steps-5", "steps-15"}
    assert gather_content(photos, [clip], tmp_path / "other", frames_per_clip=2, least_side=49) == 38


def test_nothing_else_lies_among_what_training_sees(photos, clip, tmp_path):
    gathered = tmp_path / "gathered"
    assert gather_content(photos, [], gathered, frames_per_clip=2, least_side=48) == 38
    assert gather_content(photos, [], gathered, frames_per_clip=2, least_side=48) == 38
    (gathered / "00.png").write_bytes(b"a held-out one")
    with pytest.raises(InputError, match=r"holds 00\.png"):
        gather_content(photos, [], gathered, frames_per_clip=2, least_side=48)
    with pytest.raises(InputError, match="same name"):
        gather_content(photos, [clip, clip], tmp_path / "other", frames_per_clip=2, least_side=48)


def test_pictures_are_shrunk_but_never_enlarged():
    assert shrunk(np.zeros((300, 600, 3), np.uint8), 100).shape == (50, 100, 3)
    small = np.zeros((30, 60, 3), np.uint8)
    assert shrunk(small, 100) is small


def test_distances_are_those_of_the_recipe(eye, pictures):
    photo, result, painting = pictures
    criterion = PerceptualCriterion(VGGFeatures((*STYLE_LAYERS, CONTENT_LAYER)), [to_tensor(painting)])
    losses = criterion(to_tensor(result), criterion.content_of(to_tensor(photo)))
    looks = [eye(picture) for picture in pictures]
    assert style_between(looks[1], looks[2]) == pytest.approx(float(losses["style"]), rel=1e-5)
    assert content_between(looks[1], looks[0]) == pytest.approx(float(losses["content"]), rel=1e-5)
    assert style_between(looks[2], looks[2]) == 0


def test_what_becomes_the_painting_has_no_distance_left(eye, pictures):
    photo, other, painting = pictures
    made = judge(
        eye,
        [Named(name="photo", image=photo), Named(name="other", image=other)],
        {"perfect": lambda _: painting, "idle": lambda image: image},
        {"perfect": painting, "idle": painting},
    )
    assert [like.ratio for like in made["perfect"]] == [0, 0]
    assert made["perfect"][0].content > 0
    assert [(like.picture, like.ratio, like.content) for like in made["idle"]] == [("photo", 1, 0), ("other", 1, 0)]


def test_ratios_are_summarised_by_picture_and_by_means():
    values = [("a", 1.0, 0.5), ("b", 2.0, 0.2), ("c", 5.0, 0.5)]
    summary = summarise([Likeness(picture=n, unstyled=u, style=s, content=u) for n, u, s in values])
    assert summary["ratio_mean"] == pytest.approx(0.7 / 3)
    assert summary["ratio_median"] == pytest.approx(0.1)
    assert (summary["ratio_worst"], summary["worst_picture"]) == (0.5, "a")
    assert summary["ratio_of_means"] == pytest.approx(1.2 / 8)
    assert (summary["pictures"], summary["content_worst"]) == (3, 5)


def test_a_painting_is_found_by_name_whatever_its_extension(tmp_path):
    for name in ("wave.txt", "wave.webp", "waves.jpg"):
        (tmp_path / name).write_text("")
    assert find_painting(tmp_path, "wave") == tmp_path / "wave.webp"
    with pytest.raises(InputError, match="no painting called scream"):
        find_painting(tmp_path, "scream")


@pytest.fixture(scope="module")
def network_with_norm(tmp_path_factory):
    """Halves the size, normalises, groups, and comes back: its arithmetic is known."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.InstanceNorm2d(8, affine=True),
        nn.Conv2d(8, 12, 3, padding=1, groups=4),
        nn.PixelShuffle(2),
    )
    with torch.no_grad():
        network[1].weight.copy_(torch.linspace(0.1, 0.5, 8))
        network[1].bias.copy_(torch.linspace(-0.2, 0.8, 8))
    path = tmp_path_factory.mktemp("norm") / "model.onnx"
    export_onnx(network, path, size_multiple=4, minimum_size=16)
    return network, path


def test_arithmetic_is_counted_at_the_size_asked_for(network_with_norm):
    _, path = network_with_norm
    products = 16 * 24 * (8 * 3 * 9 + 12 * 2 * 9)
    assert count_gflop(path, width=48, height=32) == pytest.approx(2 * products / 1e9)
    assert count_gflop(path, width=96, height=32) == pytest.approx(4 * products / 1e9)


def test_arithmetic_of_transposed_convolutions_is_counted(tmp_path):
    network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ConvTranspose2d(8, 3, 4, stride=2, padding=1))
    export_onnx(network, tmp_path / "model.onnx", size_multiple=4, minimum_size=16)
    products = 16 * 24 * (8 * 3 * 9 + 8 * 3 * 16)
    assert count_gflop(tmp_path / "model.onnx", width=48, height=32) == pytest.approx(2 * products / 1e9)


def test_arithmetic_that_isnt_counted_is_refused(tmp_path):
    class Matrix(nn.Module):
        def forward(self, x_NCHW):
            return x_NCHW @ x_NCHW.transpose(2, 3) @ x_NCHW

    export_onnx(Matrix(), tmp_path / "model.onnx", size_multiple=4, minimum_size=16)
    with pytest.raises(ValueError, match="has a MatMul"):
        count_gflop(tmp_path / "model.onnx", width=16, height=16)


def test_frozen_normalisation_scales_and_shifts_and_nothing_else(network_with_norm, tmp_path, noise):
    network, path = network_with_norm
    frozen = tmp_path / "frozen.onnx"
    assert freeze_normalisation(path, frozen) == 1
    operators = [node.op_type for node in onnx.load(frozen).graph.node]
    assert "InstanceNormalization" not in operators
    picture = noise(32, 16)
    with torch.no_grad():
        norm = network[1]
        x = network[0](to_tensor(picture)) * norm.weight.view(1, -1, 1, 1) + norm.bias.view(1, -1, 1, 1)
        expected = (network[2:](x) * 255).round().clamp(0, 255)[0].permute(1, 2, 0).numpy()
    found = compile_any_size(frozen)(picture[None])[0]
    assert np.abs(found - expected).max() <= 1
    assert np.abs(compile_any_size(path)(picture[None])[0] - expected).max() > 10
    assert count_gflop(frozen, width=32, height=16) == count_gflop(path, width=32, height=16)


def test_a_network_without_normalisation_stays_as_it_is(invert_onnx, tmp_path):
    assert freeze_normalisation(invert_onnx, tmp_path / "same.onnx") == 0
    assert onnx.load(tmp_path / "same.onnx") == onnx.load(invert_onnx)


def test_sheets_are_tiles_with_captions():
    red = Named(name="red", image=np.full((10, 20, 3), (255, 0, 0), np.uint8))
    made = tiles.sheet(tiles.pairs([red] * 5, [red] * 5, 2), (40, 40))
    assert made.shape == (4 * (40 + tiles.CAPTION), 80, 3)
    assert (made[20, 20] == (255, 0, 0)).all()
    assert (made[2, 20] == tiles.PAPER).all()


@pytest.fixture
def paintings(tmp_path):
    folder = tmp_path / "paintings"
    folder.mkdir()
    for plan in PLANS.values():
        (folder / f"{plan.painting}.png").write_text("")
    return folder


def test_styles_begin_with_the_ancestor_and_the_unsteady_twin_never_saw_a_temporal_term(paintings, tmp_path):
    def configured(name, length=1.0):
        return configure(PLANS[name], tmp_path, paintings, tmp_path / "work", length)

    assert configured(ANCESTOR).start_from is None
    for name in ("starry-night", "scream", "great-wave", "shipwreck"):
        assert configured(name).start_from == tmp_path / "work" / ANCESTOR / "checkpoint.pt"
        assert configured(name).temporal_weight > 0
        assert configured(name, 0.5).steps == round(PLANS[name].steps / 2)
    twin = configured(UNSTEADY)
    assert (twin.styles, twin.steps, twin.style_weight) == tuple(
        getattr(configured("starry-night"), field) for field in ("styles", "steps", "style_weight")
    )
    assert twin.start_from == tmp_path / "work" / UNSTEADY_ANCESTOR / "checkpoint.pt"
    assert twin.temporal_weight == configured(UNSTEADY_ANCESTOR).temporal_weight == 0
