import importlib.util
import subprocess
import sys
import tomllib

import pytest
import torch
from authors.foreign_onnx import Foreign
from authors.generators import ResNet

from vidgan.errors import InputError, RuntimeUnavailableError
from vidgan.importer.hints import Hints
from vidgan.importer.job import ImportOptions, import_style
from vidgan.styles import find_style


def test_the_card_says_where_it_comes_from(tmp_path):
    source = Foreign(end="sigmoid").save(tmp_path / "soft-light.onnx")
    options = ImportOptions(name="soft-light", licence="MIT", hints=Hints(multiple=8))
    report = import_style(source, tmp_path / "style", options)
    style = find_style(tmp_path / "style")
    assert report.path == style.path
    assert (style.name, style.title, style.licence, style.size_multiple) == ("soft-light", "Soft Light", "MIT", 8)
    assert style.description == f"imported: {report.words}"
    card = tomllib.loads((tmp_path / "style" / "card.toml").read_text())
    assert card["training"]["imported_from"] == "soft-light.onnx"
    assert card["training"]["notes"] == list(report.notes)
    assert str(tmp_path) not in (tmp_path / "style" / "card.toml").read_text()


@pytest.mark.parametrize("there", ["model.onnx", "card.toml"])
def test_a_style_that_is_there_is_kept(there, tmp_path, one_line):
    (tmp_path / there).write_text("precious")
    source = Foreign().save(tmp_path / "net.onnx")
    with pytest.raises(InputError) as caught:
        import_style(source, tmp_path, ImportOptions(name="x"))
    one_line(caught.value, tmp_path / there, "--overwrite replaces it")
    assert (tmp_path / there).read_text() == "precious"
    import_style(source, tmp_path, ImportOptions(name="x", overwrite=True))
    assert find_style(tmp_path).name == "x"


def test_weights_need_torch_and_say_so(tmp_path, monkeypatch, one_line):
    torch.save(ResNet(2, blocks=1).state_dict(), tmp_path / "net.pth")
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else find_spec(name))
    with pytest.raises(RuntimeUnavailableError) as caught:
        import_style(tmp_path / "net.pth", tmp_path / "style", ImportOptions(name="x"))
    one_line(caught.value, "importing .pth needs onnxscript: pip install 'vidgan[train]'")


def test_onnx_needs_no_torch(tmp_path):
    Foreign().save(tmp_path / "net.onnx")
    code = (
        "import sys; from pathlib import Path; from vidgan.importer.job import ImportOptions, import_style; "
        "import_style(Path('net.onnx'), Path('style'), ImportOptions(name='x')); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "vidgan.importer.onnx_network" in done.stdout
    assert set(done.stdout.split()) & {"torch", "kornia", "safetensors"} == set()
