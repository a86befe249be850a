import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from vidgan.errors import InputError, StyleError
from vidgan.networks.generators import StyleNet
from vidgan.runtime.plan import file_sha256
from vidgan.styles import Style, find_style
from vidgan.stylizer import Stylizer
from vidgan.train import distil_publish
from vidgan.train.checkpoint import read_checkpoint
from vidgan.train.data import Crops
from vidgan.train.distil import DistilConfig, read_material, train_distil
from vidgan.train.distil_losses import channel_loss, distil_losses, feature_loss, structure_loss
from vidgan.train.distil_publish import compare, publish_distilled
from vidgan.train.measures import SPEED_NAME
from vidgan.train.motion import Motion
from vidgan.train.run import RunOptions, TrainingInterrupted
from vidgan.train.teacher import FeatureTeacher, Lesson, PictureTeacher, find_features, open_teacher

CPU = torch.device("cpu")


class KilledError(Exception):
    """Stands for a process that is gone between two steps."""


@pytest.fixture
def config(small_stylenet_onnx, photographs):
    return DistilConfig(
        teacher=str(small_stylenet_onnx),
        content=(photographs,),
        steps=4,
        width=8,
        num_blocks=1,
        batch=2,
        crop=64,
    )


@pytest.fixture
def style_of(small_stylenet_onnx):
    """A function that makes the small generator a style with a margin."""

    def make(margin=0):
        return Style(name="small", path=small_stylenet_onnx, size_multiple=4, minimum_size=16, margin=margin)

    return make


@pytest.fixture(scope="session")
def odd_onnx(tmp_path_factory):
    """A style that copies pictures through an operator that isn't run on torch."""
    nodes = [
        helper.make_node("Cast", ["frames"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Celu", ["levels"], ["kept"]),
        helper.make_node("Cast", ["kept"], ["styled"], to=TensorProto.UINT8),
    ]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", "h", "w", 3]) for name in ("frames", "styled")
    ]
    graph = helper.make_graph(nodes, "odd", ports[:1], ports[1:])
    path = tmp_path_factory.mktemp("odd") / "odd.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


@pytest.fixture
def pictures(photographs):
    images = read_material(DistilConfig(teacher="", content=(photographs,), crop=64)).learnt
    return Crops(images=images, size=64, seed=3).batch(0, 2)


def same(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(expected, got) for expected, got in pairs)


def losses_of(config, checkpoint):
    found = []
    train_distil(config, checkpoint, RunOptions(report=lambda report: found.append(report.losses), has_curves=False))
    return found


@pytest.mark.parametrize("loss", [structure_loss, feature_loss, channel_loss])
def test_nothing_is_lost_where_both_are_equal(loss):
    x = torch.rand(2, 3, 32, 32)
    assert loss(x, x) == pytest.approx(0, abs=1e-6)


def test_structure_is_that_of_one_place():
    x = torch.rand(2, 3, 32, 32)
    assert structure_loss(x.roll(3, dims=-1), x) > 0.5
    # Constants of SSIM aside, contrast and brightness cost less than structure.
    assert structure_loss(0.5 * x + 0.2, x) < structure_loss(x.roll(3, dims=-1), x)


def test_a_shifted_feature_is_lost_but_as_strong():
    x = torch.randn(2, 4, 16, 16)
    shifted = x.roll(1, dims=-1)
    # Noise is as far from its shifted self as two noises are: twice its variance.
    assert feature_loss(shifted, x) == pytest.approx(2, rel=0.2)
    assert channel_loss(shifted, x) == pytest.approx(0, abs=1e-6)


def test_channels_that_change_places_are_lost():
    strengths = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1)
    x = strengths.expand(2, 4, 8, 8)
    # Every mean is off by 1 or 3: (9 + 1 + 1 + 9) / 4 as a part of (1 + 4 + 9 + 16) / 4.
    assert channel_loss(x.flip(1), x) == pytest.approx(20 / 30)
    assert feature_loss(x.flip(1), x) > 1


def test_the_scale_of_the_teacher_does_not_matter():
    x, wanted = torch.randn(2, 4, 8, 8) + 1, torch.randn(2, 4, 8, 8) + 1
    for loss in (feature_loss, channel_loss):
        assert loss(100 * x, 100 * wanted) == pytest.approx(loss(x, wanted).item(), rel=1e-4)


def test_a_silent_teacher_gives_numbers():
    x, silence = torch.randn(1, 4, 8, 8), torch.zeros(1, 4, 8, 8)
    assert feature_loss(silence, silence) == channel_loss(silence, silence) == 0
    assert torch.isfinite(feature_loss(x, silence))


def test_every_loss_reaches_the_network(pictures):
    network, adapter = StyleNet(width=8, num_blocks=1), nn.Conv2d(8, 6, 1)
    lesson = Lesson(pictures=pictures.flip(1), features=torch.randn(2, 6, 16, 16))
    motion = Motion.of_step(1, 0, (2, 64), 0.01)
    losses = distil_losses(network, adapter, pictures, lesson, motion)
    assert set(losses) == set(DistilConfig(teacher="", content=(".",)).weights)
    for name, loss in losses.items():
        assert loss.dtype == torch.float32
        (gradient,) = torch.autograd.grad(loss, [network.down[1].weight], retain_graph=True)
        assert gradient.abs().max() > 0, name
    for name in ("feature", "channel"):
        (gradient,) = torch.autograd.grad(losses[name], [adapter.weight], retain_graph=True)
        assert gradient.abs().max() > 0


def test_the_spoilt_borders_do_not_count(pictures):
    network, adapter = StyleNet(width=8, num_blocks=1), nn.Identity()
    motion = Motion.of_step(1, 0, (2, 64), 0.01)
    framed = pictures.clone()
    framed[..., : StyleNet.margin, :] = 0
    framed[..., -StyleNet.margin :] = 1
    first, second = (
        distil_losses(network, adapter, pictures, Lesson(pictures=wanted, features=None), motion)
        for wanted in (pictures, framed)
    )
    assert first["output"] == second["output"]
    assert first["structure"] == second["structure"]
    assert "feature" not in first


def test_a_batch_is_the_mean_of_its_shares(pictures):
    torch.manual_seed(0)
    network, adapter = StyleNet(width=8, num_blocks=1), nn.Conv2d(8, 6, 1)
    features = torch.randn(2, 6, 16, 16) * torch.tensor([1.0, 5.0]).view(2, 1, 1, 1)

    def losses(share):
        lesson = Lesson(pictures=pictures.flip(1)[share], features=features[share])
        return distil_losses(network, adapter, pictures[share], lesson, Motion.of_step(1, 0, (2, 64), 0.01, share))

    first, second, both = losses(slice(0, 1)), losses(slice(1, 2)), losses(slice(None))
    for name, value in both.items():
        assert value.item() == pytest.approx((first[name] + second[name]).item() / 2, rel=0.02), name


@pytest.mark.parametrize(("margin", "multiple", "side"), [(0, 4, 64), (16, 4, 96), (12, 36, 108)])
def test_a_teacher_shows_the_features_at_the_students_places(
    small_stylenet, style_of, pictures, margin, multiple, side
):
    """Those of a StyleNet are what it decodes from, and with its margin they are cut as its picture is."""
    lesson = FeatureTeacher(replace(style_of(margin), size_multiple=multiple), 64, CPU)(pictures)
    padded = nn.functional.pad(pictures, (margin, side - 64 - margin) * 2, mode="reflect")
    levels = (padded * 255).round() / 255
    with torch.no_grad():
        features, styled = small_stylenet.encode(levels), small_stylenet(levels).clamp(0, 1)
    inner, cells = slice(margin, margin + 64), slice(margin // 4, margin // 4 + 16)
    assert lesson.features.shape == (2, 8, 16, 16)
    assert (lesson.features - features[..., cells, cells]).abs().mean() < 0.02 * features.std()
    assert (lesson.pictures - styled[..., inner, inner]).abs().mean() < 0.01


def test_pictures_are_the_same_whatever_runs_the_teacher(style_of, pictures):
    shown = FeatureTeacher(style_of(16), 64, CPU)(pictures)
    with Stylizer(style_of(16), size=(64, 64)) as stylizer:
        assert (PictureTeacher(stylizer)(pictures).pictures - shown.pictures).abs().mean() < 0.01


def test_noise_beyond_white_stays_white(style_of):
    """uint8 would begin anew at black."""
    with Stylizer(style_of(), size=(64, 64)) as stylizer:
        for teacher in (FeatureTeacher(style_of(), 64, CPU), PictureTeacher(stylizer)):
            beyond = teacher(torch.full((1, 3, 64, 64), 1.02)).pictures
            assert torch.equal(beyond, teacher(torch.ones(1, 3, 64, 64)).pictures)


def test_features_lie_at_a_quarter_with_the_most_channels_as_late_as_possible():
    """Down to a sixteenth and up again, as a U-Net goes."""
    random = np.random.default_rng(0)
    widths = [("down4", 3, 6, 4), ("more4", 6, 12, 1), ("down16", 12, 48, 4)]
    nodes = [
        helper.make_node("Cast", ["frames"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["levels"], ["planes"], perm=[0, 3, 1, 2]),
    ]
    constants, last = [], "planes"
    for name, given, made, stride in widths:
        weight = random.standard_normal((made, given, stride, stride)).astype(np.float32)
        constants.append(onnx.numpy_helper.from_array(weight, f"{name}_weight"))
        nodes.append(helper.make_node("Conv", [last, f"{name}_weight"], [name], strides=[stride, stride]))
        last = name
    weight = random.standard_normal((48, 12, 4, 4)).astype(np.float32)
    constants.append(onnx.numpy_helper.from_array(weight, "up_weight"))
    constants.append(
        onnx.numpy_helper.from_array(random.standard_normal((12, 3, 4, 4)).astype(np.float32), "rgb_weight")
    )
    nodes += [
        helper.make_node("ConvTranspose", ["down16", "up_weight"], ["up4"], strides=[4, 4]),
        helper.make_node("ConvTranspose", ["up4", "rgb_weight"], ["rgb"], strides=[4, 4]),
        helper.make_node("Transpose", ["rgb"], ["whole"], perm=[0, 2, 3, 1]),
        helper.make_node("Cast", ["whole"], ["styled"], to=TensorProto.UINT8),
    ]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", "h", "w", 3]) for name in ("frames", "styled")
    ]
    graph = helper.make_graph(nodes, "hourglass", ports[:1], ports[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    assert find_features(model, 64) == ("up4", 12)


def test_a_teacher_without_features_teaches_by_its_pictures(invert_onnx, pictures, caplog):
    """255 - x has nothing inside but pictures."""
    teacher = open_teacher(find_style(invert_onnx), 64, CPU)
    lesson = teacher(pictures)
    teacher.close()
    assert (teacher.num_features, lesson.features) == (0, None)
    assert (lesson.pictures - (1 - pictures)).abs().max() < 1 / 255
    assert "teaches by its pictures alone" in caplog.text


def test_a_teacher_that_torch_cannot_run_still_teaches(config, odd_onnx, tmp_path, caplog):
    losses = losses_of(replace(config, teacher=str(odd_onnx), steps=1), tmp_path / "run.pt")
    assert set(losses[0]) == {"output", "structure", "variation", "temporal"}
    assert "operator Celu isn't supported on torch" in caplog.text


@pytest.mark.parametrize("step", [1, 3])
def test_a_run_that_was_killed_ends_with_the_same_weights(config, tmp_path, step):
    def report(done):
        if done.step == step + 1:
            raise KilledError

    whole = train_distil(config, tmp_path / "whole.pt")
    with pytest.raises(KilledError):
        train_distil(config, tmp_path / "killed.pt", RunOptions(report=report, save_every_seconds=0))
    assert read_checkpoint(tmp_path / "killed.pt")["step"] == step
    assert same(whole, train_distil(config, tmp_path / "killed.pt"))
    adapters = [read_checkpoint(tmp_path / name)["adapter"]["weight"] for name in ("whole.pt", "killed.pt")]
    assert torch.equal(*adapters)


def test_a_run_can_be_stopped(config, tmp_path):
    stop = threading.Event()
    stop.set()
    with pytest.raises(TrainingInterrupted) as caught:
        train_distil(config, tmp_path / "run.pt", RunOptions(stop=stop))
    assert caught.value.step == 1


def test_a_teacher_that_has_changed_is_another_run(config, invert_onnx, tmp_path, one_line):
    teacher = tmp_path / "teacher.onnx"
    teacher.write_bytes(invert_onnx.read_bytes())
    train_distil(replace(config, teacher=str(teacher), steps=1), tmp_path / "run.pt")
    model = onnx.load(teacher)
    model.doc_string = "retouched"
    onnx.save(model, teacher)
    with pytest.raises(InputError) as caught:
        train_distil(replace(config, teacher=str(teacher), steps=1), tmp_path / "run.pt")
    one_line(caught.value, "other settings", "teacher_sha256")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"content": ()}, "content"),
        ({"steps": 0}, "steps 0"),
        ({"batch": 0}, "batch 0"),
        ({"crop": 66}, "crop 66"),
        ({"crop": 32}, "crop 32"),
        ({"feature_weight": -1.0}, "feature_weight -1"),
        ({"temporal_weight": float("nan")}, "temporal_weight nan"),
        ({"noise": -0.1}, "noise -0.1"),
        ({"learning_rate": 0.0}, "learning_rate 0"),
    ],
)
def test_what_cannot_be_trained_is_refused(config, change, word, one_line):
    with pytest.raises(ValueError) as caught:
        replace(config, **change)
    one_line(caught.value, word)


def test_without_any_weight_there_is_nothing_to_learn(config):
    with pytest.raises(ValueError, match="nothing to learn"):
        replace(config, **{f"{name}_weight": 0.0 for name in config.weights})


def test_features_that_nobody_shows_cannot_be_all_that_counts(config, invert_onnx, tmp_path, one_line):
    alone = replace(config, **{f"{name}_weight": float(name == "feature") for name in config.weights})
    assert losses_of(replace(alone, steps=1), tmp_path / "run.pt")
    with pytest.raises(InputError) as caught:
        train_distil(replace(alone, teacher=str(invert_onnx)), tmp_path / "other.pt")
    one_line(caught.value, "shows no features")


def test_an_unknown_teacher_and_missing_pictures_are_one_line(config, tmp_path, one_line):
    with pytest.raises(StyleError) as caught:
        train_distil(replace(config, teacher="nobody"), tmp_path / "run.pt")
    one_line(caught.value, "no style is called 'nobody'")
    (tmp_path / "empty").mkdir()
    for content, crop, words in (("empty", 64, "no pictures"), ("nowhere", 64, "no such file or folder")):
        with pytest.raises(InputError) as caught:
            train_distil(replace(config, content=(tmp_path / content,), crop=crop), tmp_path / "run.pt")
        one_line(caught.value, content, words)
    with pytest.raises(InputError) as caught:
        train_distil(replace(config, crop=512), tmp_path / "run.pt")
    one_line(caught.value, config.content[0], "at least 512 pixels")


def test_held_out_pictures_are_not_learnt_from(config, moving_clip):
    kept_back = read_material(config)
    assert (len(kept_back.learnt), len(kept_back.held_out)) == (2, 1)
    assert not any(np.array_equal(kept_back.held_out[0], image) for image in kept_back.learnt)
    given = read_material(replace(config, held_out=(moving_clip,)))
    assert (len(given.learnt), len(given.held_out)) == (3, 12)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(distil_publish, "JUDGED_SIDE", 64)
    monkeypatch.setattr("vidgan.train.measures.SPEED_SIZE", (64, 48))


@pytest.mark.usefixtures("quick")
def test_a_style_compared_with_itself_and_with_its_negative(style_of, invert_onnx, photographs):
    images = read_material(DistilConfig(teacher="", content=(photographs,), crop=64)).learnt
    itself = compare(style_of(16), style_of(16), images)
    assert (itself["l1"], itself["sharpness"], itself["pictures"]) == (0, 1, 2)
    assert itself["ssim"] == pytest.approx(1)
    assert itself["warping_error"] == itself["warping_error_teacher"] > 0
    assert itself["psnr_untouched"] < 30 < itself["psnr"]
    negative = compare(find_style(invert_onnx), style_of(16), images)
    assert negative["l1"] > 0.05
    assert negative["sharpness"] != 1
    # 255 - x of the moved picture is the moved 255 - x, but for the noise and rounding.
    assert negative["warping_error"] == pytest.approx(DistilConfig.noise**2, rel=0.3)
    assert negative["warping_error_teacher"] == itself["warping_error"]


@pytest.mark.usefixtures("quick")
def test_a_distilled_style_can_be_used_and_its_card_says_how_it_came(config, tmp_path):
    network = train_distil(config, tmp_path / "run.pt")
    publish_distilled(network, config, tmp_path / "mine", name="mine", speed_seconds=0, notes={"minutes": 1.5})
    assert sorted(file.name for file in (tmp_path / "mine").iterdir()) == ["card.toml", "model.onnx"]
    style = find_style(tmp_path / "mine")
    assert (style.name, style.size_multiple, style.margin) == ("mine", StyleNet.size_multiple, StyleNet.margin)
    training, measured = style.card["training"], style.card["measured"]
    assert (training["recipe"], training["minutes"], training["content"]) == ("distil", 1.5, [config.content[0].name])
    assert training["teacher_sha256"] == file_sha256(Path(config.teacher))
    assert config.teacher not in (tmp_path / "mine" / "card.toml").read_text()
    for name in ("psnr", "ssim", "l1", "warping_error", "warping_error_teacher", SPEED_NAME, f"{SPEED_NAME}_teacher"):
        assert np.isfinite(measured[name]), name
    assert measured["onnx_against_torch_levels"] <= 2
    with Stylizer(style, size=(50, 37)) as stylizer:
        assert stylizer(np.zeros((37, 50, 3), np.uint8)).shape == (37, 50, 3)


@pytest.mark.usefixtures("quick")
def test_the_student_comes_close_to_its_teacher(config, invert_onnx, tmp_path):
    """It is told the teacher's pictures and nothing else."""
    run = replace(config, teacher=str(invert_onnx), steps=100, learning_rate=5e-3, temporal_weight=0.0)
    losses = losses_of(run, tmp_path / "run.pt")
    for name in ("output", "structure"):
        assert np.mean([step[name] for step in losses[-5:]]) < 0.6 * losses[0][name]


def test_features_are_learnt_along(config, tmp_path):
    run = replace(config, steps=60, learning_rate=5e-3)
    with_them = losses_of(run, tmp_path / "with.pt")
    without = losses_of(replace(run, feature_weight=0.0, channel_weight=0.0), tmp_path / "without.pt")
    for name in ("feature", "channel"):
        ends = [np.mean([step[name] for step in losses[-5:]]) for losses in (with_them, without)]
        assert ends[0] < 0.7 * ends[1]
        assert with_them[0][name] == without[0][name]
