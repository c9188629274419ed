"""Distances between sets: kept, checked, and shown as columns."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from diffmvr.reporting.comparison import comparison_table
from diffmvr.reporting.distance_rows import (
    check_distances,
    distance_header,
    distances_frame,
    load_distances,
    save_distances,
)
from diffmvr.reporting.rendering import to_markdown
from diffmvr.reporting.rows import rows_frame
from diffmvr.reporting.table_csv import to_csv
from diffmvr.reporting.tables import Column, Table


def distance_row(restorer: str, value: float | None, **changes: Any) -> dict[str, Any]:
    base = value or 0.0
    return {
        "restorer": restorer,
        "distance": "fd_clip_tiny",
        "pooling": "pooled",
        "seed": 0,
        "mask_type": "bbox",
        "resolution": 64,
        "clip_length": 16,
        "extractor": "clip_tiny",
        "weight_hash": "c0ffee" * 4,
        "n_samples": 48,
        "n_subjects": 3,
        "value": value,
        "replicates": [base + 0.1, base + 0.3, base + 0.2],
        **changes,
    }


def score_rows(restorers: tuple[str, ...]) -> pl.DataFrame:
    return rows_frame(
        {
            "restorer": restorer,
            "clip_id": f"c{clip}",
            "subject_id": f"s{clip}",
            "seed": 0,
            "mask_type": "bbox",
            "resolution": 64,
            "clip_length": 16,
            "psnr": 20.0 + clip + len(restorer),
        }
        for restorer in restorers
        for clip in range(3)
    )


def table_of(*restorers: str, distances: pl.DataFrame) -> Table:
    return comparison_table(
        score_rows(restorers),
        columns=[Column("psnr", "PSNR", True)],
        reference=restorers[0],
        missing={"lama": "weights not present: x.pt"},
        distances=distances,
    )


def test_written_rows_are_read_back(tmp_path: Path) -> None:
    frame = distances_frame([distance_row("ours", 1.5), distance_row("telea", None)])
    path = save_distances(frame, tmp_path / "run")
    assert path.name == "distances.parquet"
    assert load_distances(tmp_path / "run").equals(frame)
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["distances.parquet"]
    with pytest.raises(FileNotFoundError, match=r"no distances.parquet in"):
        load_distances(tmp_path)


@pytest.mark.parametrize("change", [{"extractor": "clip_large"}, {"weight_hash": "beef"}])
def test_two_networks_under_one_name_are_an_error(change: dict[str, str]) -> None:
    rows = [distance_row("ours", 1.5), distance_row("telea", 2.0, **change)]
    with pytest.raises(ValueError, match=r"fd_clip_tiny was measured with .*clip_"):
        distances_frame(rows)
    other = distance_row("telea", 2.0, distance="fid", **change)
    assert distances_frame([rows[0], other]).height == 2


def test_bad_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="expected at least one row, got none"):
        distances_frame([])
    frame = distances_frame([distance_row("ours", 1.5)])
    with pytest.raises(ValueError, match="expected the columns"):
        check_distances(frame.drop("extractor"))
    with pytest.raises(ValueError, match=r"got null in \['mask_type'\]"):
        distances_frame([distance_row("ours", 1.5, mask_type=None)])
    with pytest.raises(ValueError, match=r"'ours', 'fd_clip_tiny'.* appears more than once"):
        distances_frame([distance_row("ours", 1.5), distance_row("ours", 1.6)])


def test_columns_carry_difference_interval_and_network() -> None:
    rows = [
        distance_row("ours", 1.0, replicates=[1.1, 1.2, 1.0]),
        distance_row("telea", 3.0, replicates=[3.1, 3.3, 3.0]),
        distance_row("flow", 1.01, replicates=[1.4, 0.9, 1.2]),
    ]
    table = table_of("ours", "telea", "flow", distances=distances_frame(rows))
    cells = {row.restorer: row.cells[-1] for row in table.rows if row.cells}
    assert cells["ours"].mean.value == 1.0 and cells["ours"].difference is None
    telea = cells["telea"].difference.comparison
    assert telea.verdict == "worse"
    assert telea.mean_difference == pytest.approx(2.0)
    assert telea.low < 2.0 < telea.high
    assert cells["telea"].relative == pytest.approx(200.0)
    assert cells["flow"].difference.comparison.verdict == "tie"
    text = to_markdown(table)
    assert "Fréchet distance (clip_tiny) ↓" in text and "weights not present: x.pt" in text
    assert "fd_clip_tiny by clip_tiny (c0ffeec0ffee) on N 48" in text
    assert "FID" not in text
    assert "fd_clip_tiny_mean" in to_csv(table).splitlines()[0]


def test_seeds_are_averaged() -> None:
    rows = [
        distance_row("ours", 1.0),
        distance_row("ours", 3.0, seed=1),
        distance_row("telea", 4.0),
    ]
    table = table_of("ours", "telea", distances=distances_frame(rows))
    assert [row.cells[-1].mean.value for row in table.rows if row.cells] == [2.0, 4.0]


def test_a_restorer_without_a_value_has_an_empty_cell() -> None:
    rows = [distance_row("ours", 1.0), distance_row("telea", None)]
    table = table_of("ours", "telea", "flow", distances=distances_frame(rows))
    ours, *others = (row.cells[-1].mean for row in table.rows if row.cells)
    assert ours is not None and ours.value == 1.0 and others == [None, None]


def test_other_conditions_are_refused() -> None:
    rows = distances_frame([distance_row("ours", 1.0, mask_type="segmentation")])
    with pytest.raises(ValueError, match="mask_type takes the value 'segmentation' where the tab"):
        table_of("ours", "telea", distances=rows)


def test_headers_never_borrow_a_name() -> None:
    assert [distance_header(name) for name in ("fid", "fvd", "vfid")] == ["FID", "FVD", "VFID"]
    assert distance_header("fd_clip_tiny") == "Fréchet distance (clip_tiny)"
    assert distance_header("fvd_clip_tiny") == "Fréchet video distance (clip_tiny)"
