from pathlib import Path

import pytest

from diffmvr.files import read_json
from diffmvr.run_record import RunRecord, load_run_record, save_run_record


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    record = RunRecord(
        "train", "dual", 1, "bbox", "c", "w", "b", 300, 12.5, True, "python", "now", {"λ": 0.1}
    )
    path = save_run_record(record, tmp_path / "new")
    assert load_run_record(tmp_path / "new") == record
    assert [file.name for file in path.parent.iterdir()] == ["run.json"], "nothing is left beside"


def test_a_run_that_has_not_finished(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=rf"no run.json in {tmp_path}; .* not finished"):
        load_run_record(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"kind": "train"}', r"run.json: not a run's record: missing \['mask_type', 'name'"),
        (
            '{"kind": "t", "name": "n", "seed": 0, "mask_type": "bbox", "speed": 1}',
            r"unknown \['speed'\]",
        ),
        ("{", "run.json: not JSON"),
    ],
)
def test_what_is_no_record(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_run_record(tmp_path)


def test_numbers_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_run_record(RunRecord("train", "n", 0, "bbox", seconds=float("nan")), tmp_path)
    assert not any(tmp_path.iterdir())
    (tmp_path / "x.json").write_text("[1]")
    assert read_json(tmp_path / "x.json") == [1]
