"""From score rows to a comparison table: means, and differences to a reference with intervals.

What decides whether a difference is real is handed in as ``compare``
(:func:`diffmvr.metrics.paired_bootstrap` fits), so that this folder only arranges numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import polars as pl

from diffmvr.reporting.rows import check_rows

CONDITIONS = ("mask_type", "resolution", "clip_length")


class Comparison(Protocol):
    """The difference of two restorers on the same clips."""

    @property
    def mean_difference(self) -> float:
        """Mean over clips of the one minus the other."""
        ...

    @property
    def low(self) -> float:
        """Lower end of the interval of that difference."""
        ...

    @property
    def high(self) -> float:
        """Upper end of it."""
        ...

    @property
    def verdict(self) -> str:
        """``"better"``, ``"worse"`` or ``"tie"``."""
        ...


Compare = Callable[..., Comparison]
"""(a, b, subjects, higher_is_better=…) → Comparison of a − b."""


@dataclass(frozen=True)
class Column:
    """One score in a table.

    Attributes:
        metric: its column in the rows.
        header: how the table calls it.
        higher_is_better: which way is good; shown as ↑ or ↓.
        digits: decimals.
    """

    metric: str
    header: str
    higher_is_better: bool
    digits: int = 2


DEFAULT_COLUMNS = (
    Column("psnr_hole", "PSNR hole", True),
    # Small, easy holes can decide a mean over frames; here every hidden pixel counts alike.
    Column("psnr_hole_pooled", "PSNR hole, pooled", True),
    Column("ssim_hole", "SSIM hole", True, 3),
    Column("psnr", "PSNR", True),
    Column("ssim", "SSIM", True, 3),
    Column("tc_diff", "|TC − TC_gt|", False, 5),
    Column("warp_error_hole", "Warp error hole", False, 5),
)
"""What every scored clip has."""

FACE_COLUMNS = (
    Column("expression_error", "Expression error", False, 3),
    Column("state_agreement", "State agreement", True, 3),
    Column("state_agreement_changed", "State agreement, changed", True, 3),
    Column("landmark_error_hole", "Landmark error hole", False, 3),
    Column("landmark_found", "Faces found", True, 3),
)
"""What the face says: the first three of rendered clips, the others of real ones."""


@dataclass(frozen=True)
class Cell:
    """One number of a table.

    Attributes:
        mean: over clips; ``None`` if there is nothing to score.
        comparison: to the reference; ``None`` in its own row, or with too few subjects.
        relative: 100 · (mean − reference) / reference, in percent, on the clips both scored.
    """

    mean: float | None
    comparison: Comparison | None = None
    relative: float | None = None


@dataclass(frozen=True)
class TableRow:
    """One restorer of a table.

    Attributes:
        restorer: its name.
        cells: one per column; empty if it could not run.
        n_clips: number of clips.
        n_subjects: number of persons in them.
        n_seeds: number of seeds averaged per clip.
        note: why there are no numbers, e.g. ``"weights not present: PATH"``.
    """

    restorer: str
    cells: tuple[Cell, ...]
    n_clips: int = 0
    n_subjects: int = 0
    n_seeds: int = 0
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A comparison table, ready to be rendered.

    Attributes:
        columns: the scores.
        rows: the restorers.
        reference: the restorer that the others are compared with, if any.
        conditions: what holds for every number, by name.
    """

    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    reference: str | None
    conditions: Mapping[str, str | int]


def comparison_table(
    rows: pl.DataFrame,
    *,
    columns: Sequence[Column] | None = None,
    reference: str | None = None,
    compare: Compare | None = None,
    order: Sequence[str] | None = None,
    missing: Mapping[str, str] | None = None,
) -> Table:
    """Average the scores of each restorer over clips and compare them with a reference.

    Several seeds of a clip are averaged first, so that a clip counts once.

    Args:
        rows: score rows under one set of conditions.
        columns: which scores; ``None``: :func:`default_columns`.
        reference: restorer to compare with; none if ``None``.
        compare: gives difference, interval and verdict; no intervals if ``None``.
        order: names of the restorers from top to bottom; by default as they first appear, those
            that could not run last.
        missing: restorers that could not run, with the reason
            (``{"lama": "weights not present: PATH"}``); they are shown, never dropped.

    Returns:
        The table.

    Raises:
        ValueError: if the rows mix conditions, lack a column, or a named restorer has no row.
    """
    check_rows(rows)
    columns = default_columns(rows) if columns is None else columns
    missing = missing or {}
    conditions = _one_set_of_conditions(rows)
    absent = [c.metric for c in columns if c.metric not in rows.columns]
    if absent:
        raise ValueError(f"columns: {absent} are not in the rows, which have {rows.columns}")
    present = list(dict.fromkeys(rows["restorer"]))
    if reference is not None and reference not in present:
        raise ValueError(f"reference: expected one of {present}, got {reference!r}")
    names = list(order) if order is not None else [*present, *missing]
    unknown = [name for name in names if name not in present and name not in missing]
    if unknown:
        raise ValueError(
            f"order: {unknown} have neither rows nor a reason in missing; rows are of {present}"
        )
    metrics = [column.metric for column in columns]
    clips = {name: _per_clip(rows, name, metrics) for name in present}
    build = partial(_table_row, clips=clips, columns=columns, reference=reference, compare=compare)
    seeds = {name: rows.filter(restorer=name)["seed"].n_unique() for name in present}
    return Table(
        columns=tuple(columns),
        rows=tuple(
            build(name, n_seeds=seeds[name])
            if name in present
            else TableRow(name, (), note=missing[name])
            for name in names
        ),
        reference=reference,
        conditions=conditions,
    )


def default_columns(rows: pl.DataFrame) -> tuple[Column, ...]:
    """Return the columns shown unless others are named: what the face says, where it was scored."""
    scored = [
        column
        for column in FACE_COLUMNS
        if column.metric in rows.columns and rows[column.metric].null_count() < rows.height
    ]
    return (*DEFAULT_COLUMNS, *scored)


def _one_set_of_conditions(rows: pl.DataFrame) -> dict[str, str | int]:
    for name in CONDITIONS:
        values = rows[name].unique().sort().to_list()
        if len(values) > 1:
            raise ValueError(
                f"rows: {name} takes the values {values}; a table compares like with like, "
                "so filter the rows first"
            )
    return {name: rows[name][0] for name in CONDITIONS}


def _per_clip(rows: pl.DataFrame, restorer: str, metrics: list[str]) -> pl.DataFrame:
    """Return one line per clip, its seeds averaged, sorted by clip."""
    return (
        rows.filter(restorer=restorer)
        .group_by("clip_id", "subject_id")
        .agg(pl.col(metrics).mean())
        .sort("clip_id")
    )


def _table_row(
    name: str,
    *,
    n_seeds: int,
    clips: Mapping[str, pl.DataFrame],
    columns: Sequence[Column],
    reference: str | None,
    compare: Compare | None,
) -> TableRow:
    own = clips[name]
    other = clips[reference] if reference is not None and reference != name else None
    return TableRow(
        restorer=name,
        cells=tuple(_cell(own, other, column, compare) for column in columns),
        n_clips=own.height,
        n_subjects=own["subject_id"].n_unique(),
        n_seeds=n_seeds,
    )


def _cell(
    own: pl.DataFrame, other: pl.DataFrame | None, column: Column, compare: Compare | None
) -> Cell:
    metric = column.metric
    mean = own[metric].mean()
    if not isinstance(mean, float):
        return Cell(None)
    if other is None:
        return Cell(mean)
    both = own.join(other.select("clip_id", reference=metric), on="clip_id").drop_nulls(
        [metric, "reference"]
    )
    if both.is_empty():
        return Cell(mean)
    scores, base = both[metric].to_numpy(), both["reference"].to_numpy()
    change, size = float((scores - base).mean()), abs(float(base.mean()))
    relative = 100.0 * change / size if size > 0.0 else None
    if compare is None or both["subject_id"].n_unique() < 2:
        return Cell(mean, relative=relative)
    subjects = both["subject_id"].to_list()
    comparison = compare(scores, base, subjects, higher_is_better=column.higher_is_better)
    return Cell(mean, comparison, relative)
