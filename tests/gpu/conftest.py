"""What needs an NVIDIA card: skipped without one, and failed if VIDGAN_REQUIRE=cuda says that there must be one."""

import os

import pytest


@pytest.fixture(scope="session")
def card():
    """The card, as vidgan sees it."""
    from vidgan.errors import RuntimeUnavailableError
    from vidgan.runtime.gpu import find_card

    try:
        return find_card(0)
    except RuntimeUnavailableError as error:
        if os.environ.get("VIDGAN_REQUIRE") == "cuda":
            pytest.fail(f"VIDGAN_REQUIRE=cuda, but {error}")
        pytest.skip(f"no card: {error}")


@pytest.fixture(autouse=True)
def own_folders(card, monkeypatch, tmp_path_factory):
    """Point vidgan's cache and styles to folders of this test run."""
    base = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("VIDGAN_CACHE", str(base / "vidgan-cache"))
    monkeypatch.setenv("VIDGAN_STYLES", str(base / "vidgan-styles"))
