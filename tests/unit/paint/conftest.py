import cv2
import numpy as np
import pytest

from vidgan.networks.perceptual import VGGFeatures
from vidgan.train.criterion import PerceptualCriterion
from vidgan.train.data import to_tensor


def textured(seed, width, height):
    """A picture with structure at several scales."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3))
    for cells in (4, 12):
        coarse = rng.random((cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture * 127, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def content():
    """96x72 pixels."""
    return textured(3, 96, 72)


@pytest.fixture(scope="session")
def painting():
    """Orange waves."""
    ys, xs = np.mgrid[:60, :80]
    waves = np.sin(xs / 3 + 3 * np.sin(ys / 6))
    return np.clip(np.stack((200 + 50 * waves, 120 + 60 * waves, 40 + 30 * waves), axis=-1), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def style_distance():
    """A function: how far a picture is from the manner of a painting that is 64 pixels across, in float32."""
    features = VGGFeatures(("1_1", "2_1", "3_1", "3_2", "4_1"))

    def measure(picture, painting):
        sized = cv2.resize(painting, (64, 64 * painting.shape[0] // painting.shape[1]), interpolation=cv2.INTER_AREA)
        criterion = PerceptualCriterion(features, [to_tensor(sized)])
        x = to_tensor(picture)
        return criterion(x, criterion.content_of(x))["style"].item()

    return measure
