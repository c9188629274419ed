import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.study import write_run

from diffmvr.reporting.run_collection import collect, find_runs
from diffmvr.reporting.wandb_source import fetch_wandb_runs

wandb = pytest.importorskip("wandb")


@dataclass
class StoredFile:
    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    def download(self, root: str, replace: bool) -> None:
        Path(root).mkdir(parents=True, exist_ok=True)
        shutil.copy(self.path, root)


@dataclass
class StoredRun:
    folder: Path
    id: str

    @property
    def name(self) -> str:
        return self.folder.name

    def files(self, names: list[str]) -> list[StoredFile]:
        return [StoredFile(path) for path in self.folder.iterdir() if path.name in names]


def test_runs_of_a_project_are_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write_run(tmp_path / "dual", "dual", {"dual": 1.0})
    second = write_run(tmp_path / "half", "motion", {"motion": 1.0})
    (second / "run.json").unlink()

    class Api:
        def runs(self, path: str, **_: Any) -> list[StoredRun]:
            assert path == "me/study"
            return [StoredRun(first, "1"), StoredRun(second, "2")]

    monkeypatch.setattr(wandb, "Api", Api)
    runs = find_runs([fetch_wandb_runs("me/study", tmp_path / "fetched")])
    assert [run.name for run in runs] == ["dual-1"], "a run that has not finished is left out"
    assert runs[0].distances is not None
    assert collect(runs).rows.equals(find_runs([first])[0].rows)


def test_a_run_of_a_project_is_not_put_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = StoredRun(write_run(tmp_path / "dual", "dual", {"dual": 1.0}), "/../../../../escaped")

    class Api:
        def runs(self, path: str, **_: Any) -> list[StoredRun]:
            return [run]

    monkeypatch.setattr(wandb, "Api", Api)
    (tmp_path / "to").mkdir()
    with pytest.raises(ValueError, match="expected a place below"):
        fetch_wandb_runs("me/study", tmp_path / "to")
    assert not list(tmp_path.glob("escaped"))


def test_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Api:
        def __init__(self) -> None:
            raise ConnectionError("no route to host")

    monkeypatch.setattr(wandb, "Api", Api)
    message = r"source: wandb:me/study cannot be read \(ConnectionError: no route.*source=DIR"
    with pytest.raises(ValueError, match=message):
        fetch_wandb_runs("me/study", tmp_path)


@pytest.mark.parametrize("name", ["study", "me/", "a/b/c"])
def test_names_that_are_no_project(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"expected wandb:ENTITY/PROJECT, got wandb:{name}"):
        fetch_wandb_runs(name, tmp_path)
