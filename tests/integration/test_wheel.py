"""The wheel holds all that is needed, and works far from the checkout."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import diffmvr
from diffmvr.config import PACKAGE, config_dir, weights_dir

ROOT = PACKAGE.parents[1]

pytestmark = pytest.mark.skipif(
    not (ROOT / "pyproject.toml").is_file(), reason="needs a checkout to build from"
)


@pytest.fixture(scope="module")
def built_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive of this checkout, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
    built = subprocess.run([*command, str(ROOT)], capture_output=True, text=True, timeout=600)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built_files: Path) -> Path:
    (path,) = built_files.glob("*.whl")
    return path


def test_the_source_archive_holds_tests_and_pages(built_files: Path) -> None:
    (path,) = built_files.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("README.md", "CITATION.cff", "docs/index.md", "docs/pictures/restored.jpg"):
        assert name in names
    assert "tests/integration/test_wheel.py" in names
    assert not any(name.startswith(("experiments/results", ".github")) for name in names)


def files_of(folder: Path) -> set[str]:
    """Paths of what ships below a folder."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)) for path in found if "__pycache__" not in path.parts}


def test_settings_weights_and_types_are_inside(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    settings = {f"diffmvr/conf/{name}" for name in files_of(config_dir())}
    assert "diffmvr/conf/experiment/dual_motion.yaml" in settings and settings <= names
    if weights_dir().is_dir():
        assert {f"diffmvr/weights/{name}" for name in files_of(weights_dir())} <= names
    assert {f"diffmvr/{name}" for name in files_of(PACKAGE)} <= names
    assert "diffmvr/py.typed" in names
    # Hydra finds sweepers there alone.
    assert "hydra_plugins/diffmvr_search/sweeper.py" in names
    assert not any(name.startswith(("tests/", "experiments/")) for name in names)
    licences = [name for name in names if "licenses/" in name]
    assert any(name.endswith("LICENSE") for name in licences)
    assert any(name.endswith("THIRD_PARTY.md") for name in licences)


def test_it_runs_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    zipfile.ZipFile(wheel).extractall(site)
    # The unpacked package comes before the one that the tests themselves use.
    environment = {**os.environ, "PYTHONPATH": str(site)}
    code = (
        "import sys, diffmvr.train as t, diffmvr.config as c;"
        "print(t.__file__); print(c.config_dir()); print(c.weights_dir());"
        "sys.argv = ['train', 'experiment=dual_motion', 'trainer.max_steps=5', 'paths.output=out',"
        " '--cfg', 'job', '--resolve'];"
        "t.main()"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    where, settings, weights, *composed = run.stdout.splitlines()
    inside = (site / "diffmvr").resolve()
    assert Path(where).resolve() == inside / "train.py"
    assert Path(settings).resolve() == inside / "conf"
    assert Path(weights).resolve() == inside / "weights"
    assert "name: dual_motion" in composed
    assert "  max_steps: 5" in composed
    assert f"    base: {weights}/tiny-base" in composed
    assert not any(elsewhere.iterdir())


def test_the_version_is_the_packages(wheel: Path) -> None:
    assert wheel.name.split("-")[1] == diffmvr.__version__
