"""What is left out of a process that restores, and that it comes when it is asked for."""

import builtins
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from diffmvr.hidden_packages import defer, hide

PACKAGE = {
    "__init__": "from .lower import VALUE as ABOVE\nNAME = __name__\nlower_again = ABOVE + 1\n",
    "lower": "import builtins\nbuiltins.runs.append(__name__)\nVALUE = 7\n",
    "other": "from . import lower\nVALUE = lower.VALUE\n",
}


def in_a_new_process(code: str) -> list[str]:
    """Return the words that a fresh interpreter prints at the end of ``code``."""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True
    )
    return run.stdout.split()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a package, deferred by nobody yet; how often ``lower`` ran is counted."""
    name = "diffmvr_test_deferred"
    (tmp_path / name).mkdir()
    for module, code in PACKAGE.items():
        (tmp_path / name / f"{module}.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr("builtins.runs", [], raising=False)
    for module in (name, *(f"{name}.{part}" for part in ("lower", "other"))):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return name


def runs() -> list[str]:
    return builtins.runs  # type: ignore[attr-defined]


def test_a_model_is_imported_without_what_a_restoration_does_not_use() -> None:
    names = [
        *("timm", "transformers", "wandb", "torchmetrics", "lightning", "polars", "json"),
        *("scipy.integrate._ode", "scipy.stats._stats_py", "matplotlib", "triton"),
        *("torch._dynamo.utils", "torchvision.models", "torchvision.transforms"),
        *("open_clip.tokenizer", "diffusers.models.transformers.transformer_flux"),
        "diffusers.models.unets.unet_2d_condition",
    ]
    found = in_a_new_process(
        "import json, sys\n"
        "from diffmvr.hidden_packages import begin_restoration, hide\n"
        "begin_restoration()\n"
        "hide(['json'])\n"
        "assert sys.modules['json'] is json\n"
        "from diffmvr.config import weights_dir\n"
        "from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline\n"
        "DiffMVRPipeline.from_pretrained(weights_dir() / 'diffmvr-tiny')\n"
        f"print(*[name for name in {names} if sys.modules.get(name)])"
    )
    assert found == ["json", "diffusers.models.unets.unet_2d_condition"]


def test_what_is_left_out_is_there_when_it_is_asked_for() -> None:
    said = in_a_new_process(
        "from diffmvr.hidden_packages import begin_restoration\n"
        "begin_restoration()\n"
        "import torch, torchvision.ops, open_clip.transformer\n"
        "boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2]])\n"
        "print(*torchvision.ops.nms(boxes, torch.tensor([0.1, 0.9]), 0.5).tolist())\n"
        "print(open_clip.SimpleTokenizer.__name__)\n"
        "print(torch.compile(lambda x: 2 * x, backend='eager')(torch.ones(1)).item())\n"
        "print(torch.compiler.disable(len)([1, 2]))\n"
        "print(type(torch._dynamo.eval_frame).__name__)"
    )
    assert said == ["1", "SimpleTokenizer", "2.0", "2", "module"]


def test_a_deferred_module_is_the_same_before_and_after_its_code_ran(package: str) -> None:
    defer([package])
    stand_in = importlib.import_module(package)
    assert runs() == [] and "NAME" not in vars(stand_in)

    assert package == stand_in.NAME

    assert sys.modules[package] is stand_in is importlib.import_module(package)
    assert runs() == [f"{package}.lower"] and stand_in.lower_again == 8
    with pytest.raises(AttributeError, match=f"'{package}' has no attribute 'absent'"):
        _ = stand_in.absent


def test_submodules_are_imported_without_the_packages_own_code(package: str) -> None:
    defer([package])
    other = importlib.import_module(f"{package}.other")
    # ``from . import lower`` asks the package, whose code runs then, once.
    assert other.VALUE == 7 and runs() == [f"{package}.lower"]
    lower = importlib.import_module(f"{package}.lower")
    assert sys.modules[package].lower is lower and runs() == [f"{package}.lower"]


def test_a_whole_packages_code_runs_before_that_of_a_submodule(package: str) -> None:
    defer([package], {"ABOVE": 3}, whole=True)
    stand_in = importlib.import_module(package)
    assert stand_in.ABOVE == 3 and runs() == []

    lower = importlib.import_module(f"{package}.lower")

    assert stand_in.ABOVE == 7 and runs() == [f"{package}.lower"]
    assert lower is stand_in.lower and lower.__spec__.loader is lower.__loader__
    assert importlib.import_module(f"{package}.other").VALUE == 7


def test_a_module_that_fails_says_why(package: str, tmp_path: Path) -> None:
    (tmp_path / package / "__init__.py").write_text("import absent_of_all\n", encoding="utf-8")
    defer([package])
    stand_in = importlib.import_module(package)
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="absent_of_all"):
            _ = stand_in.NAME


def test_what_is_there_stays(package: str) -> None:
    real = importlib.import_module(package)
    hide([package])
    defer([package])
    assert importlib.import_module(package) is real and "NAME" in vars(real)
