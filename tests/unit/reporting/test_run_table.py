from pathlib import Path

import polars as pl
import pytest
from tests.helpers.study import SUBJECTS, write_run

from diffmvr.reporting.rows import load_rows, save_rows
from diffmvr.reporting.run_collection import Run, find_runs
from diffmvr.reporting.run_table import Group, contenders, parse_columns, run_tables


def runs(folder: Path, name: str, lift: float, seeds: int = 1, **more: str) -> list[Run]:
    for seed in range(seeds):
        restorers = {name: lift, "telea": -3.0}
        write_run(folder / name / str(seed), name, restorers, seed=seed, **more)
    return find_runs([folder / name])


def test_runs_stand_beside_each_other_with_intervals(tmp_path: Path) -> None:
    groups = [
        Group(runs(tmp_path, "a", 0.0, seeds=2), "a", "plain"),
        Group(runs(tmp_path, "b", 2.0, seeds=2), "b", "bank"),
    ]
    (table,) = run_tables(contenders(groups, ["telea"]), ["ssim_hole", "tc_diff"])
    assert [row.label for row in table.rows] == ["plain", "bank", "telea"]
    assert [column.metric for column in table.columns] == ["ssim_hole", "tc_diff"]
    plain, bank, telea = table.rows
    assert plain.cells[0].difference is None and plain.n_seeds == 2
    found = bank.cells[0].difference
    # 0.05 for each step up, whoever the person is: the interval has no width.
    assert found is not None and found.comparison.mean_difference == pytest.approx(0.1)
    assert (found.comparison.low, found.comparison.high) == pytest.approx((0.1, 0.1))
    worse = telea.cells[1].difference
    assert worse is not None and worse.comparison.mean_difference == pytest.approx(0.0006)
    assert (bank.n_clips, bank.n_subjects) == (SUBJECTS, SUBJECTS)
    (other,) = run_tables(contenders(groups), None, "bank")
    assert other.reference == "bank" and "fd_clip_tiny" in [one.metric for one in other.columns]


def test_numbers_are_of_the_clips_that_all_have(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = runs(tmp_path, "a", 0.0)
    runs(tmp_path, "b", 0.0)
    scores = tmp_path / "b" / "0" / "scores"
    rows = load_rows(scores.with_suffix(".parquet"))
    save_rows(rows.filter(pl.col("clip_id") < "c05"), scores)
    groups = [Group(whole, "a"), Group(find_runs([tmp_path / "b"]), "b")]
    (table,) = run_tables(contenders(groups), ["psnr_hole"])
    assert [row.n_clips for row in table.rows] == [5, 5]
    means = [row.cells[0].mean for row in table.rows]
    assert means[0] is not None and means[1] is not None
    assert means[0].value == pytest.approx(means[1].value)
    assert "5 of 12 clips have been scored of all" in caplog.text


def test_masks_are_tables_of_their_own(tmp_path: Path) -> None:
    groups = []
    for name in ("a", "b"):
        for mask in ("bbox", "segmentation"):
            write_run(tmp_path / name / mask, name, {name: 0.0}, mask_type=mask)
        groups.append(Group(find_runs([tmp_path / name]), name))
    tables = list(run_tables(contenders(groups), ["psnr_hole"]))
    assert [table.masks for table in tables] == [("bbox",), ("segmentation",)]
    boxes = Group(find_runs([tmp_path / "a" / "bbox"]), "bbox")
    others = Group(find_runs([tmp_path / "b" / "segmentation"]), "segmentation")
    with pytest.raises(ValueError, match=r"expected mask_type, .* that all have, got .*'bbox'"):
        list(run_tables(contenders([boxes, others])))


def test_what_cannot_be_a_table(tmp_path: Path) -> None:
    groups = [Group(runs(tmp_path, name, 0.0), name) for name in ("a", "b")]
    rows = groups[0].runs[0].rows
    with pytest.raises(
        ValueError, match=r"columns: expected some of \[.*'psnr_hole'.*got 'clip_id'"
    ):
        parse_columns(["clip_id"], rows)
    with pytest.raises(ValueError, match="columns: tc_gt: give tc_gt:up or tc_gt:down"):
        parse_columns(["tc_gt"], rows)
    (column,) = parse_columns(["tc_gt:down"], rows)
    assert not column.higher_is_better
    with pytest.raises(ValueError, match=r"reference: expected one of \['a', 'b'\], got 'c'"):
        list(run_tables(contenders(groups), None, "c"))
    with pytest.raises(ValueError, match=r"beside: expected some of \['a', 'b', 'telea'\]"):
        contenders(groups, ["flow"])
    with pytest.raises(ValueError, match=r"different names, got \['a', 'a'\]; give NAME=FOLDER"):
        list(run_tables([*contenders(groups)[:1]] * 2))


def test_rows_are_called_by_model_and_by_no_place(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for model in ("dual", "motion"):
            write_run(tmp_path / name / model, model, {model: 0.0})
    # An evaluation is about the first that it scored.
    write_run(tmp_path / "c", "evaluate", {"diffmvr": 0.0, "telea": 1.0}, kind="evaluate")
    found = {name: find_runs([tmp_path / name]) for name in ("a", "b", "c")}

    def labels(*groups: Group) -> list[str]:
        return [one.label for one in contenders(groups)]

    both = Group(found["a"], "a"), Group(found["c"], "c")
    assert labels(*both) == ["dual", "motion", "diffmvr"]
    named = Group(found["a"], "a"), Group(found["b"], "b", "new")
    assert labels(*named) == ["a: dual", "a: motion", "new: dual", "new: motion"]
    assert labels(Group(found["c"], "c", "shipped")) == ["shipped"]
