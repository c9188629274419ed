"""Several modules as one file, and what cannot be merged."""

import ast
import sys
from pathlib import Path
from typing import Any

import pytest

from diffmvr.pipelines import bundle
from diffmvr.pipelines.bundle import bundle_source


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that writes modules of a package and names it to the bundler."""
    name = "a_package_to_bundle"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(bundle, "PACKAGE", name)

    def write(**modules: str) -> str:
        for module, text in modules.items():
            (tmp_path / name / f"{module}.py").write_text(text.replace("PKG", name))
        return name

    yield write
    for loaded in [one for one in sys.modules if one.split(".")[0] == name]:
        del sys.modules[loaded]


def run(source: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(source, "bundle", "exec"), names)
    return names


def test_modules_become_one_in_the_order_they_are_needed(package: Any) -> None:
    name = package(
        top='"""Top."""\nimport math\n\nfrom PKG.low import ROOT, half\n\n\ndef area(x):\n'
        '    """Double it."""\n    return math.pi * half(x) * ROOT\n',
        low='"""Low."""\nimport math\nimport os, sys\n\nROOT = math.sqrt(4)\n\n\ndef half(x):\n'
        "    return x / 2\n",
    )
    source = bundle_source(f"{name}.top")
    assert source.count("import math\n") == 1 and '"""Top."""' not in source
    assert f"from {name}" not in source and "Double it." in source
    assert run(source)["area"](1.0) == pytest.approx(3.14159, abs=1e-4)


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ("from PKG.low import x\nx = 2\n", "x means one thing in .*low and another in .*top"),
        ("import PKG.low\n", r"line 1: only `from .*import name` at the top"),
        ("from PKG.low import x as y\n", "line 1: only"),
        ("def f():\n    from PKG.low import x\n", "line 2: only"),
        ("from PKG.top import x\n", "top imports itself by way of"),
        ("from PKG import low\n", "expected a module of"),
    ],
)
def test_what_cannot_be_merged_is_an_error(package: Any, top: str, message: str) -> None:
    name = package(top=top, low="x = 1\n")
    with pytest.raises(ValueError, match=message):
        bundle_source(f"{name}.top")


def test_the_pipeline_can_be_merged() -> None:
    source = bundle_source("diffmvr.pipelines.diffmvr_pipeline")
    imports = [one for one in ast.walk(ast.parse(source)) if isinstance(one, ast.ImportFrom)]
    assert imports and not any((one.module or "").startswith("diffmvr") for one in imports)
    assert "\nimport diffmvr" not in source
    for name in ("DiffMVRPipeline", "GuidedUNet", "GuideEncoder", "GuideProjector"):
        assert source.count(f"\nclass {name}(") == 1
