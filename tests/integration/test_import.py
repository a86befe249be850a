"""`vidgan import`: other people's weights give the same pictures as with their authors' code."""

import json
import os

import cv2
import numpy as np
import pytest
import torch
from authors.foreign_onnx import Foreign
from authors.generators import AnimeGAN, ResNet, UNet, random_johnson, randomise, without_statistics
from media.run import leftovers, vidgan
from safetensors.torch import save_file

from vidgan import Stylizer
from vidgan.errors import InputError
from vidgan.importer.job import ImportOptions, import_style
from vidgan.runtime.openvino import compile_any_size
from vidgan.styles import find_style

# By name: the author's network, what black and white are in it, and what sizes are multiples of. As narrow as they can
# be and still give pictures, but for one of full width.
AUTHORS = {
    "resnet-9": (lambda: randomise(ResNet(8, blocks=9)), (-1, 1), 4),
    "resnet-6-batch": (lambda: randomise(ResNet(8, blocks=6, norm="batch")), (-1, 1), 4),
    "resnet-9-batch-dropout": (lambda: randomise(ResNet(8, blocks=9, norm="batch", dropout=True)), (-1, 1), 4),
    "resnet-6-dropout-old": (lambda: randomise(ResNet(8, blocks=6, norm="tracked", dropout=True)), (-1, 1), 4),
    "resnet-6-full-width": (lambda: randomise(ResNet(64, blocks=6)), (-1, 1), 4),
    "cut": (lambda: randomise(ResNet(8, blocks=9, blur=(True, True))), (-1, 1), 4),
    "unet-128": (lambda: randomise(UNet(7, 4)), (-1, 1), 128),
    "unet-128-old": (lambda: randomise(UNet(7, 4, norm="tracked")), (-1, 1), 128),
    "unet-256": (lambda: randomise(UNet(8, 4, dropout=True)), (-1, 1), 256),
    "unet-512": (lambda: randomise(UNet(9, 2, norm="instance")), (-1, 1), 512),
    "johnson": (lambda: random_johnson(width=8), (0, 255), 4),
    "johnson-old": (lambda: random_johnson(width=8, tracked=True), (0, 255), 4),
    "animegan": (lambda: randomise(AnimeGAN(8)), (-1, 1), 4),
}
QUICK = ("resnet-6-dropout-old", "johnson-old")


def soft_picture(height, width, seed=0):
    """Light and shapes, `(1, H, W, 3)` uint8."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    cv2.circle(picture, (width // 3, height // 2), min(height, width) // 4, (250, 40, 20), -1)
    return picture[np.newaxis]


def by_author(author, frames_NHWC, black_and_white):
    """What the author's program makes: uint8, `(N, H, W, 3)`."""
    black, white = black_and_white
    with torch.no_grad():
        x_NCHW = torch.from_numpy(frames_NHWC).permute(0, 3, 1, 2) / 255 * (white - black) + black
        styled_NCHW = (author(x_NCHW) - black) / (white - black)
    return (styled_NCHW * 255).round().clamp(0, 255).permute(0, 2, 3, 1).numpy().astype(np.uint8)


@pytest.mark.parametrize(
    "name", [each if each in QUICK else pytest.param(each, marks=pytest.mark.slow) for each in AUTHORS]
)
def test_the_same_picture_as_with_the_authors_code(name, tmp_path):
    make, black_and_white, multiple = AUTHORS[name]
    author = make()
    torch.save(author.state_dict(), tmp_path / "latest_net_G.pth")
    folder = tmp_path / name
    import_style(tmp_path / "latest_net_G.pth", folder, ImportOptions(name=name, licence="MIT"))
    style = find_style(folder)
    assert (style.name, style.size_multiple, style.licence) == (name, multiple, "MIT")
    infer, author = compile_any_size(style.path), without_statistics(author)
    units = ((1, 1), (1, 2), (2, 1)) if multiple >= 128 else ((16, 16), (13, 27), (30, 11))
    for rows, columns in units:
        frames_NHWC = soft_picture(multiple * rows, multiple * columns)
        expected = by_author(author, frames_NHWC, black_and_white)
        assert expected.std() > 10, "a flat picture would be the same whatever happened"
        assert np.abs(infer(frames_NHWC).astype(int) - expected).max() <= 1


def test_a_foreign_onnx_network_of_any_size(tmp_path):
    network = Foreign(end="tanh", layout="nhwc", halvings=2)
    import_style(network.save(tmp_path / "net.onnx"), tmp_path / "foreign", ImportOptions(name="foreign"))
    style = find_style(tmp_path / "foreign")
    assert style.size_multiple == 4
    infer = compile_any_size(style.path)
    for height, width in ((64, 64), (52, 108), (120, 44)):
        frames_NHWC = soft_picture(height, width)
        expected = network.reference(frames_NHWC)
        assert expected.std() > 3
        assert np.abs(infer(frames_NHWC).astype(int) - expected).max() <= 1
    # A size between is padded, as with every style.
    with Stylizer(style, size=(107, 53), precision="f32") as stylizer:
        assert stylizer(soft_picture(53, 107)[0]).shape == (53, 107, 3)


def test_from_weights_to_a_picture_on_the_command_line(tmp_path):
    author = randomise(ResNet(4, blocks=1))
    save_file(author.state_dict(), tmp_path / "horse.safetensors")
    done = vidgan(
        "import",
        "horse.safetensors",
        "-o",
        "zebra",
        "--licence",
        "BSD-2-Clause",
        "--description",
        "stripes",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == "vidgan stylize IN.mp4 -o OUT.mp4 --style zebra\n"
    assert b"CycleGAN ResNet, 1 blocks, width 4, instance norm" in done.stderr
    style = find_style(tmp_path / "zebra")
    assert (style.name, style.description, style.licence) == ("zebra", "stripes", "BSD-2-Clause")
    training = style.card["training"]
    assert training["imported_from"] == "horse.safetensors"
    assert training["architecture"] == "CycleGAN ResNet, 1 blocks, width 4, instance norm"
    assert len(training["imported_sha256"]) == 64
    assert style.card["measured"]["onnx_against_torch_levels"] <= 1
    assert leftovers(tmp_path / "zebra") == ["card.toml", "model.onnx"]
    frame = soft_picture(32, 48)
    cv2.imwrite(str(tmp_path / "in.png"), frame[0][..., ::-1])
    arguments = ("in.png", "-o", "out.png", "--style", "./zebra", "--precision", "f32", "--runtime", "openvino")
    done = vidgan("stylize", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = cv2.imread(str(tmp_path / "out.png"))[..., ::-1]
    assert np.abs(made.astype(int) - by_author(author, frame, (-1, 1))[0]).max() <= 1


def test_json_is_all_that_is_on_standard_output(tmp_path):
    Foreign(end="sigmoid").save(tmp_path / "net.onnx")
    arguments = ("import", "net.onnx", "-o", "styles/soft", "--hint", "channels=bgr,multiple=8", "--json")
    done = vidgan(*arguments, cwd=tmp_path)
    facts = json.loads(done.stdout)
    assert facts["architecture"] == "ONNX network, NCHW, 0..1, BGR, f32"
    assert (facts["name"], facts["path"], facts["size_multiple"]) == ("soft", "styles/soft/model.onnx", 8)
    assert any("found by trying: 0..1" in note for note in facts["notes"])
    done = vidgan(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert b"exists already; --overwrite replaces it" in done.stderr
    assert vidgan(*arguments, "--overwrite", cwd=tmp_path).returncode == 0


class Attack:
    def __reduce__(self):
        return os.mkdir, ("executed",)


@pytest.fixture
def folder(tmp_path):
    """Files of every kind that can't become a style."""
    state = ResNet(4, blocks=1).state_dict()
    torch.save(state, tmp_path / "good.pth")
    torch.save(dict(state) | {"epoch": Attack()}, tmp_path / "attack.pth")
    (tmp_path / "short.pth").write_bytes((tmp_path / "good.pth").read_bytes()[:-2000])
    (tmp_path / "text.pth").write_text("To be, or not to be, that is the question.\n" * 20)
    (tmp_path / "empty.safetensors").write_bytes(b"")
    cv2.imwrite(str(tmp_path / "picture.png"), soft_picture(16, 16)[0])
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "vgg.pth")
    return tmp_path


@pytest.mark.parametrize(("arguments", "words"), [
    (("attack.pth",), "attack.pth: holds a Python object (posix.mkdir)"),
    (("short.pth",), "short.pth: a damaged file"),
    (("text.pth",), "text.pth: not a file of weights"),
    (("empty.safetensors",), "empty.safetensors: an empty file"),
    (("picture.png",), "picture.png: not a file of weights"),
    (("vgg.pth",), "vgg.pth: not a network that vidgan knows"),
    (("absent.pth",), "absent.pth: no such file"),
    ((".",), "a folder; give a .pth, .pt, .safetensors or .onnx file"),
    (("good.pth", "--hint", "colour=red"), "--hint colour=red: give layout=..."),
    (("good.pth", "--hint", "layout=nchw"), "--hint layout=nchw means nothing for weights"),
    (("good.pth", "--name", "a/b"), "--name a/b: "),
    (("good.pth", "--name", "none"), "--name none: "),
])  # fmt: skip
def test_wrong_input_gives_one_line(arguments, words, folder):
    before = leftovers(folder)
    done = vidgan("import", *arguments, "-o", "style", *(() if "--name" in arguments else ("--name", "x")), cwd=folder)
    errors = done.stderr.decode()
    assert done.returncode == 2, errors
    assert len(errors.splitlines()) == 1, errors
    assert errors.startswith("vidgan: ")
    assert words in errors
    assert done.stdout == b""
    assert leftovers(folder) == before


def test_a_style_that_is_there_stays_when_an_import_fails(folder):
    options = ImportOptions(name="style", overwrite=True)
    import_style(Foreign().save(folder / "net.onnx"), folder / "style", options)
    before = {path.name: path.read_bytes() for path in (folder / "style").iterdir()}
    with pytest.raises(InputError):
        import_style(folder / "vgg.pth", folder / "style", options)
    assert {path.name: path.read_bytes() for path in (folder / "style").iterdir()} == before
