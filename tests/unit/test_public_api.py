"""What others may rely on, and what importing the package costs."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.helpers.commands import default_signals

import diffmvr
from diffmvr.config import PACKAGE

PUBLIC = [
    "ClipDataModule",
    "DiffMVRModule",
    "DiffMVRPipeline",
    "DualGuideAttnProcessor",
    "FrechetVideoDistance",
    "GuideEncoder",
    "GuideProjector",
    "MotionConsistencyLoss",
    "TemporalConsistency",
]
HEAVY = ["torch", "lightning", "diffusers", "wandb", "mediapipe", "ultralytics", "gradio"]
# Nor these where a command only says something.
MORE = ["numpy", "polars", "open_clip", "torchmetrics", "torchvision", "transformers"]


def loaded_after(code: str, names: list[str]) -> list[str]:
    """Which of ``names`` a fresh interpreter has imported after running ``code``."""
    probe = f"import sys\n{code}\nprint(*[n for n in {names!r} if n in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=300, check=True
    )
    return run.stdout.split()


def test_the_list_is_frozen() -> None:
    assert sorted(diffmvr.__all__) == PUBLIC
    assert set(PUBLIC) <= set(dir(diffmvr))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_is_there(name: str) -> None:
    assert getattr(diffmvr, name).__name__ == name


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="module 'diffmvr' has no attribute 'Unknown'"):
        _ = diffmvr.Unknown


def test_there_is_a_version() -> None:
    assert diffmvr.__version__.split(".")[0].isdigit()


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert loaded_after("import diffmvr; diffmvr.__version__; dir(diffmvr)", HEAVY) == []


def imported_by(
    command: list[str], cwd: Path
) -> tuple[set[str], "subprocess.CompletedProcess[str]"]:
    """What ``python -m diffmvr.COMMAND`` has imported until it ends, and what it said."""
    environment = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    run = subprocess.run(
        [sys.executable, "-m", f"diffmvr.{command[0]}", *command[1:]],
        capture_output=True,
        text=True,
        env=environment,
        cwd=cwd,
    )
    lines = run.stderr.splitlines()
    imports = [line for line in lines if line.startswith("import time:")]
    run.stderr = "\n".join(line for line in lines if line not in imports)
    return {line.rpartition("|")[2].strip() for line in imports}, run


def test_help_and_a_mistyped_setting_are_answered_without_heavy_imports(tmp_path: Path) -> None:
    imported, run = imported_by(["train", "--help"], tmp_path)
    assert run.returncode == 0 and "max_steps:" in run.stdout
    assert "hydra" in imported and not imported & {*HEAVY, *MORE}
    imported, run = imported_by(["train", "experiment=dul"], tmp_path)
    assert run.returncode == 2 and run.stderr.endswith("did you mean dual?")
    assert run.stderr.startswith("error: experiment: expected one of") and "\n" not in run.stderr
    assert not imported & {*HEAVY, *MORE}
    assert list(tmp_path.iterdir()) == []


def test_restore_has_imported_no_model_when_it_opens_its_input(tmp_path: Path) -> None:
    given = ["input=absent.mp4", "output=out"]
    imported, run = imported_by(["restore", *given], tmp_path)
    assert run.returncode == 2 and "absent.mp4" in run.stderr
    assert "torch" in imported
    more = {*HEAVY, *MORE} - {"torch", "numpy"}
    assert not imported & {*more, "torch._dynamo", "torchvision.models", "kornia", "timm"}


@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
def test_ctrl_c_while_a_command_is_imported_is_one_line(tmp_path: Path) -> None:
    # In place of the first heavy import of the command.
    (tmp_path / "polars.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-m", "diffmvr.merge"],
        capture_output=True,
        text=True,
        env=environment,
        preexec_fn=default_signals,
    )
    assert run.returncode == -signal.SIGINT and run.stderr == "\ninterrupted\n"
    kept = "import sys, diffmvr; assert sys.excepthook is sys.__excepthook__"
    subprocess.run([sys.executable, "-c", kept], check=True)


def imported_at_once(source: str) -> set[str]:
    """Packages that a module imports when it is imported itself, not within a function."""
    found: set[str] = set()
    waiting = list(ast.parse(source).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += ast.iter_child_nodes(node)
    return found


def test_what_is_optional_is_imported_by_the_function_that_uses_it() -> None:
    modules = sorted(PACKAGE.rglob("*.py"))
    assert len(modules) > 50
    for path in modules:
        optional = {"mediapipe", "ultralytics", "wandb", "gradio"}
        assert not imported_at_once(path.read_text()) & optional, path
