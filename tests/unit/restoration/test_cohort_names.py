"""Names of recordings, in what lists them."""

import csv
from pathlib import Path

import pytest

from diffmvr.files import write_json
from diffmvr.restoration.cohort import Member, merge_cohort, note_shard
from diffmvr.runs.shard import Shard

REPORT = {"frames": [1, 2], "restored_frames": 1}


def test_a_recording_that_is_called_like_a_formula_is_text_in_cohort_csv(tmp_path: Path) -> None:
    names = ["=HYPERLINK(1)", "-2", "visit"]
    note_shard(
        tmp_path, Shard(1, 1), [Member(n, Path(n), None) for n in names], {"-2": "=cmd: no video"}
    )
    for name in names:
        write_json(tmp_path / name / "report.json", REPORT)
    with merge_cohort(tmp_path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["recording"] for row in rows] == ["'=HYPERLINK(1)", "'-2", "visit"]
    assert [row["reason"] for row in rows] == ["", "'=cmd: no video", ""]
    assert [row["frames"] for row in rows] == ["2", "", "2"]


@pytest.mark.parametrize("name", ["..", "../elsewhere", "{tmp}/elsewhere"])
def test_a_noted_recording_leads_nowhere_outside_the_results(tmp_path: Path, name: str) -> None:
    name = name.format(tmp=tmp_path)
    write_json(tmp_path / "elsewhere" / "report.json", REPORT)
    output = tmp_path / "results"
    note_shard(output, Shard(1, 1), [Member(name, Path(), None)], {})
    with pytest.raises(ValueError, match="expected a place below"):
        merge_cohort(output)
