"""From the rows of one benchmark to a table: means, and differences to a reference."""

from collections.abc import Mapping, Sequence

import polars as pl

from diffmvr.reporting.differences import Entry, Study
from diffmvr.reporting.distance_rows import check_distances, distance_header
from diffmvr.reporting.rows import check_rows
from diffmvr.reporting.run_collection import Collection
from diffmvr.reporting.tables import (
    DEFAULT_COLUMNS,
    DOWN,
    FACE_COLUMNS,
    PERCEPTION_COLUMNS,
    TIE,
    UP,
    Column,
    Row,
    Table,
)

CONDITIONS = ("mask_type", "resolution", "clip_length")


def comparison_table(
    rows: pl.DataFrame,
    *,
    columns: Sequence[Column] | None = None,
    reference: str | None = None,
    missing: Mapping[str, str] | None = None,
    distances: pl.DataFrame | None = None,
) -> Table:
    """Average the scores of each restorer over clips and compare them with a reference.

    Several seeds of a clip are averaged first, so that a clip counts once; so are those of a
    distance, and its replicates.

    Args:
        rows: score rows under one set of conditions.
        columns: which scores; ``None``: :func:`default_columns`.
        reference: restorer to compare with; none if ``None``.
        missing: restorers that could not run, with the reason
            (``{"lama": "weights not present: PATH"}``); they are shown last, never dropped.
        distances: distances between sets under the same conditions, shown in columns of their own;
            other restorers' are passed over.

    Returns:
        The table, its rows as the restorers first appear.

    Raises:
        ValueError: if rows or distances mix conditions, or a column or the reference has no row.
    """
    check_rows(rows)
    columns = list(default_columns(rows) if columns is None else columns)
    conditions = _one_set_of_conditions(rows)
    absent = [c.metric for c in columns if c.metric not in rows.columns]
    if absent:
        raise ValueError(f"columns: {absent} are not in the rows, which have {rows.columns}")
    present = list(dict.fromkeys(rows["restorer"]))
    if reference is not None and reference not in present:
        raise ValueError(f"reference: expected one of {present}, got {reference!r}")
    if distances is not None:
        _check_conditions(distances, conditions)
        for name in dict.fromkeys(distances["distance"]):
            columns.append(Column(name, distance_header(name), False))
            conditions[name] = _network(distances.filter(distance=name))
    study = Study(Collection((), rows, distances, {}))
    mask = str(conditions["mask_type"])
    base = None if reference is None else Entry(reference, mask)
    shown = []
    for name in present:
        own = rows.filter(restorer=name)
        cells = tuple(study.cell(Entry(name, mask), base, column) for column in columns)
        clips, subjects, seeds = (own[k].n_unique() for k in ("clip_id", "subject_id", "seed"))
        shown.append(Row(name, name, cells, clips, subjects, seeds))
    shown += [Row(name, name, (), note=note) for name, note in (missing or {}).items()]
    return Table(
        columns=tuple(columns),
        masks=(mask,),
        rows=tuple(shown),
        reference=reference,
        caption=_caption(shown, conditions, reference),
        corner="Restorer",
    )


def default_columns(rows: pl.DataFrame) -> tuple[Column, ...]:
    """Return the columns shown unless others are named: those of the face where it was scored."""
    scored = [
        column
        for column in (*FACE_COLUMNS, *PERCEPTION_COLUMNS)
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


def _check_conditions(distances: pl.DataFrame, conditions: Mapping[str, str | int]) -> None:
    check_distances(distances)
    for name, value in conditions.items():
        others = distances.filter(pl.col(name) != value)
        if not others.is_empty():
            raise ValueError(
                f"distances: {name} takes the value {others[name][0]!r} where the table has "
                f"{value!r}; a table compares like with like, so filter the rows first"
            )


def _network(rows: pl.DataFrame) -> str:
    """Return what a distance was measured with, and on how many samples."""
    counts = sorted(set(rows["n_samples"]))
    digest = rows["weight_hash"][0][:12] or "no hash"
    return f"by {rows['extractor'][0]} ({digest}) on N {'/'.join(map(str, counts))}"


def _caption(
    rows: Sequence[Row], conditions: Mapping[str, str | int], reference: str | None
) -> str:
    held = ", ".join(f"{name} {value}" for name, value in conditions.items())
    text = f"Means over clips; {held}; scored on the composited frames."
    if reference is None:
        return text
    text += f" {UP}/{DOWN}: higher/lower than {reference}"
    if any(cell.difference is not None for row in rows for cell in row.cells):
        text += f"; {TIE}: a tie, the interval of the difference over subjects covers 0"
    return f"{text}."
