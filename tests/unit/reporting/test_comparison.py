from typing import Any

import numpy as np
import polars as pl
import pytest

from diffmvr.reporting import DEFAULT_COLUMNS, Column, comparison_table, rows_frame

COLUMNS = (Column("psnr_hole", "PSNR", True), Column("warp_error", "Warp", False, 4))


def row(restorer: str, clip: int, psnr: float, warp: float, **keys: Any) -> dict[str, Any]:
    base = {
        "restorer": restorer,
        "clip_id": f"c{clip}",
        "subject_id": f"s{clip // 2}",
        "seed": 0,
        "mask_type": "segmentation",
        "resolution": 64,
        "clip_length": 16,
    }
    return {**base, **keys, "psnr_hole": psnr, "warp_error": warp}


@pytest.fixture
def rows() -> pl.DataFrame:
    generator = np.random.default_rng(0)
    made = []
    for clip in range(6):
        made.append(row("telea", clip, *generator.random(2)))
        for seed in (1, 2):
            made.append(row("ours", clip, 5 + generator.random(), generator.random(), seed=seed))
    return rows_frame(made)


def values(rows: pl.DataFrame, restorer: str, metric: str) -> dict[str, float]:
    """Clip → score, seeds averaged; in plain Python, apart from the code under test."""
    found: dict[str, list[float]] = {}
    for entry in rows.iter_rows(named=True):
        if entry["restorer"] == restorer and entry[metric] is not None:
            found.setdefault(entry["clip_id"], []).append(entry[metric])
    return {clip: sum(scores) / len(scores) for clip, scores in found.items()}


def test_numbers_are_those_of_the_rows(rows: pl.DataFrame) -> None:
    table = comparison_table(rows, columns=COLUMNS, reference="ours")
    telea, ours = table.rows
    for cell, own, column in zip(telea.cells, ours.cells, COLUMNS, strict=True):
        a, b = (values(rows, name, column.metric) for name in ("telea", "ours"))
        difference = np.mean([a[clip] - b[clip] for clip in a])
        assert cell.mean.value == pytest.approx(np.mean(list(a.values())))
        assert own.mean.value == pytest.approx(np.mean(list(b.values())))
        assert cell.difference is not None and own.difference is None and own.relative is None
        assert cell.difference.comparison.mean_difference == pytest.approx(difference)
        assert cell.relative == pytest.approx(100 * difference / np.mean(list(b.values())))
    assert (telea.n_clips, telea.n_subjects, telea.n_seeds) == (6, 3, 1)
    assert (ours.n_clips, ours.n_subjects, ours.n_seeds) == (6, 3, 2)
    assert "; mask_type segmentation, resolution 64, clip_length 16;" in table.caption


def test_clips_are_paired_by_name_whatever_their_order(rows: pl.DataFrame) -> None:
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=3)
    tables = [comparison_table(r, columns=COLUMNS, reference="ours") for r in (rows, shuffled)]
    first, second = (
        next(line.cells for line in table.rows if line.restorer == "telea") for table in tables
    )
    for a, b in zip(first, second, strict=True):
        assert a.mean.value == pytest.approx(b.mean.value)
        found = [cell.difference.comparison.mean_difference for cell in (a, b)]
        assert found[0] == pytest.approx(found[1])


def test_the_interval_is_over_subjects(rows: pl.DataFrame) -> None:
    telea = comparison_table(rows, columns=COLUMNS, reference="ours").rows[0]
    first, second = (cell.difference.comparison for cell in telea.cells)
    assert first.verdict == "worse" and first.low < -4 < first.high + 1
    assert second.n_subjects == 3


def test_only_clips_both_scored_are_compared() -> None:
    rows = rows_frame(
        [
            row("ours", 0, 10.0, 0.1),
            row("ours", 2, 20.0, 0.1),
            row("ours", 4, 90.0, float("nan")),
            row("telea", 0, 11.0, 0.1),
            row("telea", 2, 22.0, 0.1),
            row("telea", 4, float("nan"), 0.1),
        ]
    )
    _, telea = comparison_table(rows, columns=COLUMNS, reference="ours").rows
    assert telea.cells[0].mean.value == 16.5
    assert telea.cells[0].difference.comparison.mean_difference == 1.5
    assert telea.cells[0].relative == pytest.approx(10.0)
    assert telea.n_clips == 3


def test_one_subject_gets_no_interval_and_no_score_no_number() -> None:
    rows = rows_frame(
        [row(name, clip, 1.0, float("nan")) for name in ("a", "b") for clip in (0, 1)]
    )
    _, b = comparison_table(rows, columns=COLUMNS, reference="a").rows
    assert b.cells[0].difference is None and b.cells[0].relative == 0.0
    assert b.cells[1].mean is None


def test_restorers_that_could_not_run_are_shown(rows: pl.DataFrame) -> None:
    table = comparison_table(
        rows, columns=COLUMNS, missing={"lama": "weights not present: weights/lama.pt"}
    )
    assert [r.restorer for r in table.rows] == ["telea", "ours", "lama"]
    assert table.rows[-1].cells == ()
    assert table.rows[-1].note == "weights not present: weights/lama.pt"


def test_mixed_conditions_are_refused(rows: pl.DataFrame) -> None:
    boxes = rows.with_columns(mask_type=pl.lit("bbox"))
    with pytest.raises(ValueError, match=r"mask_type takes the values \['bbox', 'segmentation'\]"):
        comparison_table(pl.concat([rows, boxes]), columns=COLUMNS)


def test_unknown_names_are_refused(rows: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"columns: \['fvd'\] are not in the rows"):
        comparison_table(rows, columns=[Column("fvd", "FVD", False)])
    with pytest.raises(ValueError, match=r"reference: expected one of .* got 'best'"):
        comparison_table(rows, columns=COLUMNS, reference="best")


def test_by_default_what_the_face_says_is_shown_where_it_was_scored(rows: pl.DataFrame) -> None:
    """Of rendered clips the expression, of real ones the landmarks: the others are null."""
    always = [column.metric for column in DEFAULT_COLUMNS]
    absent = [name for name in always if name not in rows.columns]
    rows = rows.with_columns(pl.lit(1.0).alias(name) for name in absent)
    assert [column.metric for column in comparison_table(rows).columns] == always

    nothing = pl.lit(None, pl.Float64)
    said = rows.with_columns(
        expression_error=pl.when(pl.col("clip_id") == "c0").then(0.1),
        state_agreement=pl.lit(0.9),
        landmark_error_hole=nothing,
        landmark_found=nothing,
    )
    table = comparison_table(said)
    shown = [column.metric for column in table.columns]
    assert shown == [*always, "expression_error", "state_agreement"]
    assert [column.higher_is_better for column in table.columns[-2:]] == [False, True]
    assert table.rows[0].cells[-2].mean.value == pytest.approx(0.1)
