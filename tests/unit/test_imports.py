"""Who may import whom, and what `import vidgan` costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import vidgan

PACKAGE = Path(vidgan.__file__).parent
BASE = {"errors", "frame", "picture", "picture_tensor", "threads"}
ALLOWED = {
    "errors": set(),
    "frame": {"picture"},
    "picture": {"picture_tensor"},
    "picture_tensor": set(),
    "threads": set(),
    "video": BASE,
    "temporal": BASE,
    "runtime": BASE,
    "styles": BASE,
    "networks": BASE,
    "blend": BASE | {"styles", "runtime"},
    "stylizer": BASE | {"runtime", "styles", "blend"},
    "pipeline": BASE | {"stylizer", "temporal"},
    "road": BASE | {"pipeline", "runtime", "temporal"},
    "job": BASE | {"road", "pipeline", "video", "stylizer", "temporal", "runtime", "styles"},
    "judge": BASE | {"video", "temporal"},
    "bench": BASE | {"job", "video", "temporal", "stylizer", "blend", "runtime", "styles", "__init__"},
    "style_folder": BASE | {"styles"},
    "importer": BASE | {"networks", "runtime", "style_folder", "styles"},
    "quantise": BASE | {"video", "runtime", "styles", "stylizer"},
    "build": BASE | {"blend", "runtime", "styles", "stylizer", "video"},
    "sheet": BASE | {"video", "styles", "stylizer"},
    "train": BASE | {"blend", "style_folder", "networks", "temporal", "runtime", "video", "styles", "stylizer"},
    "paint": BASE | {"networks", "temporal", "train", "video"},
    "cli": BASE
    | {"job", "judge", "pipeline", "video", "stylizer", "temporal", "runtime", "styles", "train", "__init__"}
    | {"bench", "blend", "build", "importer", "quantise", "sheet", "paint"},
    "__init__": BASE | {"job", "judge", "pipeline", "video", "stylizer", "temporal", "styles"},
}
HEAVY = {"av", "numpy", "cv2", "openvino", "torch", "kornia", "rich.progress", "onnx", "tensorrt_rtx", "pynvml"}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Every room of ours that a file imports, anywhere in it."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        modules = []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules = [f"{node.module}.{a.name}" if node.module == "vidgan" else node.module for a in node.names]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        for module in modules:
            if module == "vidgan" or module.startswith("vidgan."):
                name = [*module.split("."), "__init__"][1]
                is_room = (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()
                rooms.add(name if is_room else "__init__")
    return rooms


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_what_it_may(path):
    room = room_of(path)
    assert room in ALLOWED, f"{room}: a new room; give it a line here and in CONTRIBUTING.md"
    assert imported_rooms(path) - ALLOWED[room] - {room} == set()


def test_the_rule_sees_a_forbidden_import(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    from vidgan.train.style import StyleConfig\n    from vidgan import Stylizer\n")
    assert imported_rooms(bad) == {"train", "__init__"}


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_package_or_the_program_loads_nothing_heavy():
    assert loaded_after("import vidgan, vidgan.cli.main") & HEAVY == set()


def test_stylizing_needs_no_torch():
    names = ", ".join(f"vidgan.{name}" for name in vidgan.__all__)
    assert loaded_after(f"import vidgan; {names}") & {"torch", "kornia", "onnx", "h5py"} == set()


def test_a_run_on_the_cpu_loads_no_torch(tmp_path):
    """From file to file, with smoothing: what the tensor road adds is loaded for tensors alone."""
    code = (
        "import numpy as np, cv2, sys, vidgan; from vidgan.job import StylizeOptions; "
        "cv2.imwrite('in.png', np.full((40, 40, 3), 90, np.uint8)); "
        "vidgan.stylize_video('in.png', 'out.png', options=StylizeOptions(runtime='openvino', compare=True)); "
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert set(done.stdout.split()) & {"torch", "kornia", "vidgan.picture_tensor"} == set()


def test_every_public_name_exists_and_is_listed():
    assert sorted(vidgan.__all__) == vidgan.__all__
    for name in vidgan.__all__:
        assert getattr(vidgan, name).__module__.startswith("vidgan.")
    assert set(vidgan.__all__) <= set(dir(vidgan))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="stylise"):
        vidgan.stylise  # noqa: B018
