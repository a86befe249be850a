import cv2
import numpy as np
import pytest
from media.clips import Video, write_clip

from vidgan.train.style import StyleConfig


def textured(rng, height, width):
    """A picture with structure at several scales."""
    picture = np.zeros((height, width, 3))
    for cells in (4, 12, 40):
        coarse = rng.random((cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture * 85, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """A folder of three pictures large enough, one too small, two broken, and one text file."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(5)
    for index, (height, width) in enumerate(((80, 120), (100, 72), (64, 64))):
        cv2.imwrite(str(folder / f"{index}.png"), textured(rng, height, width))
    cv2.imwrite(str(folder / "small.png"), textured(rng, 20, 30))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no more than this")
    cv2.imwrite(str(folder / "half.jpg"), textured(rng, 80, 80))
    whole = (folder / "half.jpg").read_bytes()
    (folder / "half.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    (folder / "notes.txt").write_text("not a picture")
    return folder


@pytest.fixture(scope="session")
def painting(tmp_path_factory):
    path = tmp_path_factory.mktemp("paintings") / "swirls.png"
    ys, xs = np.mgrid[:96, :128]
    waves = np.sin(xs / 5 + 3 * np.sin(ys / 9))
    picture = np.stack((200 + 50 * waves, 120 + 60 * waves, 40 + 30 * waves), axis=-1)
    cv2.imwrite(str(path), np.clip(picture, 0, 255).astype(np.uint8))
    return path


@pytest.fixture(scope="session")
def other_painting(tmp_path_factory):
    path = tmp_path_factory.mktemp("paintings") / "stripes.png"
    ys, xs = np.mgrid[:96, :128]
    stripes = (xs // 6 + ys // 9) % 2
    cv2.imwrite(str(path), np.stack((40 + 30 * stripes, 230 * stripes, 90 + 0 * xs), axis=-1).astype(np.uint8))
    return path


def shifted_texture(number, width, height):
    """A texture that moves 3 pixels to the right with each frame."""
    texture = textured(np.random.default_rng(9), height, width + 120)
    return np.ascontiguousarray(texture[:, 120 - 3 * number : 120 - 3 * number + width])


@pytest.fixture(scope="session")
def moving_clip(tmp_path_factory):
    """Twelve frames, 128x96, almost lossless."""
    return write_clip(tmp_path_factory.mktemp("clips") / "moving.mp4", Video(draw=shifted_texture))


@pytest.fixture
def config(painting, photographs):
    return StyleConfig(
        styles=(painting,),
        content=(photographs,),
        steps=4,
        width=16,
        num_blocks=1,
        batch=2,
        crop=64,
        style_scale=0.15,
    )
