import pytest


@pytest.fixture(scope="session")
def copy_onnx(save_onnx, tmp_path_factory):
    """A style that copies, for sizes of 32 pixels and multiples: quick to make and to run."""
    return save_onnx(tmp_path_factory.mktemp("copy") / "model.onnx", [("frames", 2)], [("styled", 2)])
