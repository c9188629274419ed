"""The settings of portraits: who learns and who is scored, in every command."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from tests.helpers.portraits import find_drawn_faces, write_pairs

from diffmvr.config import config_dir
from diffmvr.data.splits import split_indices, split_settings

PEOPLE = 8


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_pairs(tmp_path / "people", PEOPLE)
    monkeypatch.setenv(
        "DIFFMVR_FACE_LANDMARKER", find_drawn_faces(monkeypatch, tmp_path / "face.task")
    )
    return tmp_path / "people"


@pytest.mark.parametrize(
    ("faces", "path"), [("portraits", "source"), ("joined", "source.sources.portraits")]
)
def test_parts_are_scored_on_people_they_did_not_learn_from(
    folder: Path, faces: str, path: str
) -> None:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        cfg = compose("pretrain", [f"faces={faces}", f"{path}.folder={folder}", "source.size=128"])
    source, held_out = instantiate(cfg.source), instantiate(cfg.held_out)
    people, others = {*source.subject_ids}, {*held_out.subject_ids}
    assert len(others) == PEOPLE // 4 and not people & others
    assert len([name for name in people if name.startswith("p")]) == PEOPLE - len(others)
    assert held_out.size == 128 and "people photographed twice" in source.description


@pytest.mark.parametrize(
    ("data", "path"),
    [("portraits", "data.source"), ("joined", "data.source.sources.portraits")],
)
@pytest.mark.parametrize("command", ["train", "evaluate", "tune_baseline", "train_inpainter"])
def test_every_command_keeps_the_same_people_for_tests(
    folder: Path, command: str, data: str, path: str
) -> None:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        cfg = compose(
            command, [f"data={data}", f"{path}.folder={folder}", "data.fractions=[1,0,0]"]
        )
    source = instantiate(cfg.data.source)
    splits = split_indices(
        source.subject_ids, **split_settings(cfg.data), test_people=source.test_people
    )
    tested = {source.subject_ids[index] for index in splits["test"]}
    assert tested == set(source.test_people) and len(tested) == PEOPLE // 4
