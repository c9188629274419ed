from pathlib import Path
from typing import BinaryIO

import polars as pl
import pytest
from tests.helpers.clips import moving_clip

from diffmvr.reporting import check_rows, load_rows, rows_frame, save_rows, score_row

KEYS = ["restorer", "clip_id", "subject_id", "seed", "mask_type", "resolution", "clip_length"]


def rows(*names: str) -> pl.DataFrame:
    clips = [moving_clip(seed=seed) for seed in range(3)]
    return rows_frame(
        score_row(name, clip, 0, "bbox", {"psnr": 20.0 + seed, "psnr_hole": float("nan")})
        for name in names
        for seed, clip in enumerate(clips)
    )


def test_a_row_says_what_was_scored_and_how() -> None:
    row = score_row("telea", moving_clip(seed=4), 7, "segmentation", {"psnr": 1.0})
    assert row == {
        "restorer": "telea",
        "clip_id": "moving-4",
        "subject_id": "subject-4",
        "seed": 7,
        "mask_type": "segmentation",
        "resolution": 48,
        "clip_length": 6,
        "psnr": 1.0,
    }


def test_nothing_to_score_becomes_null_and_counts_become_numbers() -> None:
    frame = rows("telea")
    assert frame.columns == [*KEYS, "psnr", "psnr_hole"]
    assert frame["psnr_hole"].null_count() == 3
    assert frame["psnr"].to_list() == [20.0, 21.0, 22.0]


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_saved_rows_come_back_as_they_were(tmp_path: Path, ending: str) -> None:
    frame = rows("telea", "mirror")
    written = save_rows(frame, tmp_path / "results" / "v1.2")
    assert [path.name for path in written] == ["v1.2.parquet", "v1.2.csv"]
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == [
        "v1.2.csv",
        "v1.2.parquet",
    ]
    assert load_rows(tmp_path / "results" / f"v1.2.{ending}").equals(frame)


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = rows("telea")
    save_rows(old, tmp_path / "rows")

    def fail(self: pl.DataFrame, file: BinaryIO, **_: object) -> None:
        file.write(b"half a file")
        raise OSError("disk full")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", fail)
    with pytest.raises(OSError, match="disk full"):
        save_rows(rows("mirror"), tmp_path / "rows")
    assert load_rows(tmp_path / "rows.parquet").equals(old)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.csv", "rows.parquet"]


def test_a_clip_scored_twice_is_refused() -> None:
    frame = rows("telea")
    with pytest.raises(ValueError, match=r"\('telea', 'moving-0', 0, 'bbox', 48, 6\) appears 2 t"):
        check_rows(pl.concat([frame, frame]))


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ValueError, match=r"missing \['subject_id'\]"):
        check_rows(rows("telea").drop("subject_id"))


def test_a_score_of_another_type_is_named() -> None:
    frame = rows("telea").with_columns(pl.col("psnr").cast(pl.String))
    with pytest.raises(ValueError, match="psnr is String"):
        check_rows(frame)


def test_a_null_key_is_named() -> None:
    frame = rows("telea").with_columns(subject_id=pl.lit(None, pl.String))
    with pytest.raises(ValueError, match=r"null in \['subject_id'\]"):
        check_rows(frame)


def test_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one row, got none"):
        check_rows(rows("telea").clear())
    with pytest.raises(ValueError, match="at least one row, got none"):
        rows_frame([])


def test_files_are_checked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no score rows at .*absent\.parquet"):
        load_rows(tmp_path / "absent.parquet")
    other = tmp_path / "rows.json"
    other.write_text("[]")
    with pytest.raises(ValueError, match=r"\.parquet or \.csv file, got 'rows.json'"):
        load_rows(other)
