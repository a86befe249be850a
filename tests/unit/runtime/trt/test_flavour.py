import logging
import sys
import types
from types import SimpleNamespace

import pytest

from vidgan.errors import RuntimeUnavailableError
from vidgan.runtime.tensorrt import flavour as flavours
from vidgan.runtime.tensorrt.flavour import CLASSIC, RTX, flavour_for, installed_flavours, load_flavour

pytest.importorskip("tensorrt_rtx")


@pytest.fixture(autouse=True)
def forget():
    """Modules that a test made up must not stay."""
    yield
    load_flavour.cache_clear()


def pretend_classic(monkeypatch, version="11.4.0.106"):
    """Have a module `tensorrt` that can be imported: the real one's libraries come from NVIDIA's own index only."""
    installed = installed_flavours() | {CLASSIC: version}
    module = types.ModuleType(CLASSIC)
    module.__version__ = version
    severity = SimpleNamespace(INTERNAL_ERROR=0, ERROR=1, WARNING=2, INFO=3, VERBOSE=4)
    module.ILogger = type("ILogger", (), {"Severity": severity})
    monkeypatch.setitem(sys.modules, CLASSIC, module)
    monkeypatch.setattr(flavours, "installed_flavours", lambda: installed)


def test_what_is_installed_is_found_without_importing_it():
    found = installed_flavours()
    assert found[RTX].startswith("1.7.")
    assert CLASSIC not in found


def test_a_folder_of_that_name_is_no_package(tmp_path, monkeypatch):
    (tmp_path / CLASSIC).mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert CLASSIC not in installed_flavours()


@pytest.mark.parametrize("capability", ["sm75", "sm86", "sm89", "sm120", None])
def test_rtx_is_taken_where_it_supports_the_card(capability):
    assert flavour_for(capability).name == RTX


def test_other_cards_need_the_classic_one():
    with pytest.raises(RuntimeUnavailableError, match=r"tensorrt_rtx 1.7.* doesn't support sm90; tensorrt may: pip"):
        flavour_for("sm90")


def test_the_classic_one_is_taken_for_data_centre_cards(monkeypatch):
    pretend_classic(monkeypatch)
    assert flavour_for("sm90").name == CLASSIC
    assert flavour_for("sm89").name == RTX
    with pytest.raises(RuntimeUnavailableError, match=r"tensorrt 11\.4\.0\.106 doesn't support sm70"):
        flavour_for("sm70")


def test_one_that_is_too_old_is_refused(monkeypatch):
    pretend_classic(monkeypatch, "10.16.1.11")
    with pytest.raises(RuntimeUnavailableError, match=r"tensorrt 10.16.1.11 is too old; pip install .*tensorrt>=11"):
        flavour_for("sm90")


def test_one_that_isnt_there():
    with pytest.raises(RuntimeUnavailableError, match="tensorrt isn't installed: pip install --extra-index-url"):
        load_flavour(CLASSIC)


def test_neither_is_there(monkeypatch):
    monkeypatch.setattr(flavours, "installed_flavours", dict)
    with pytest.raises(
        RuntimeUnavailableError, match=r"neither tensorrt_rtx nor tensorrt is installed: pip install 'vid"
    ):
        flavour_for("sm89")


def test_a_package_without_its_libraries(monkeypatch, tmp_path):
    (tmp_path / "tensorrt.py").write_text("raise FileNotFoundError('libnvinfer.so.11: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeUnavailableError, match=r"tensorrt can't be loaded \(libnvinfer"):
        load_flavour(CLASSIC)
    sys.modules.pop(CLASSIC, None)


def test_tensorrts_messages_are_logged_and_its_errors_kept(caplog):
    rtx = load_flavour(RTX)
    severity = rtx.trt.ILogger.Severity
    with caplog.at_level(logging.DEBUG):
        rtx.logger.log(severity.WARNING, "mind this")
        rtx.logger.log(severity.ERROR, "that went wrong")
        rtx.logger.log(severity.INFO, "by the way")
    assert [(record.levelno, record.message) for record in caplog.records] == [
        (logging.WARNING, "mind this"),
        (logging.INFO, "that went wrong"),
        (logging.DEBUG, "by the way"),
    ]
    assert rtx.logger.recent_errors[-1] == "that went wrong"
    assert load_flavour(RTX).logger is rtx.logger
