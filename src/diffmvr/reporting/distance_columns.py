"""Distances between sets as further columns of a comparison table.

What decides whether a difference is real is handed in as ``compare``
(:func:`diffmvr.metrics.paired_replicates` fits).
"""

from dataclasses import replace

import polars as pl

from diffmvr.reporting.distance_rows import check_distances
from diffmvr.reporting.tables import Cell, Column, Compare, Table, TableRow

HEADERS = {"fid": "FID", "fvd": "FVD", "vfid": "VFID"}
DIGITS = 2


def distance_header(distance: str) -> str:
    """Return how a table calls a distance: FID, FVD, VFID, else by its extractor's name."""
    if distance in HEADERS:
        return HEADERS[distance]
    kind, _, extractor = distance.partition("_")
    return f"Fréchet {'video ' if kind == 'fvd' else ''}distance ({extractor})"


def with_distances(table: Table, distances: pl.DataFrame, compare: Compare | None = None) -> Table:
    """Return the table with one column more for each distance.

    Distances of several seeds are averaged, and so are their replicates.

    Args:
        table: the comparison table.
        distances: rows under the table's conditions; other restorers' are passed over.
        compare: gives difference, interval and verdict from two values and their replicates.

    Raises:
        ValueError: if the rows are of other conditions than the table's, or mix networks.
    """
    check_distances(distances)
    for name, value in table.conditions.items():
        others = distances.filter(pl.col(name) != value) if name in distances.columns else None
        if others is not None and not others.is_empty():
            raise ValueError(
                f"distances: {name} takes the value {others[name][0]!r} where the table has "
                f"{value!r}; a table compares like with like, so filter the rows first"
            )
    names = list(dict.fromkeys(distances["distance"]))
    found = {name: _by_restorer(distances.filter(distance=name)) for name in names}
    columns = tuple(Column(name, distance_header(name), False, DIGITS) for name in names)
    rows = tuple(
        row
        if not row.cells
        else replace(
            row,
            cells=(*row.cells, *(_cell(row, found[n], table.reference, compare) for n in names)),
        )
        for row in table.rows
    )
    notes = {name: _network(distances.filter(distance=name)) for name in names}
    return replace(
        table,
        columns=(*table.columns, *columns),
        rows=rows,
        conditions={**table.conditions, **notes},
    )


def _network(rows: pl.DataFrame) -> str:
    """Return what a distance was measured with, and on how many samples."""
    counts = sorted(set(rows["n_samples"]))
    digest = rows["weight_hash"][0][:12] or "no hash"
    return f"by {rows['extractor'][0]} ({digest}) on N {'/'.join(map(str, counts))}"


def _by_restorer(rows: pl.DataFrame) -> dict[str, tuple[float, list[float], int, int]]:
    """Return value, replicates, subjects and samples of each restorer, over its seeds."""
    found = {}
    for (restorer,), group in rows.drop_nulls("value").group_by("restorer"):
        replicates = group["replicates"].to_list()
        paired = len({len(entry) for entry in replicates}) == 1
        means = [sum(k) / len(k) for k in zip(*replicates, strict=True)] if paired else []
        first = group.row(0, named=True)
        value = sum(group["value"]) / group.height
        found[str(restorer)] = (value, means, first["n_subjects"], first["n_samples"])
    return found


def _cell(
    row: TableRow,
    found: dict[str, tuple[float, list[float], int, int]],
    reference: str | None,
    compare: Compare | None,
) -> Cell:
    if row.restorer not in found:
        return Cell(None)
    value, replicates, n_subjects, n_samples = found[row.restorer]
    if reference is None or reference == row.restorer or reference not in found:
        return Cell(value)
    base, base_replicates, *_ = found[reference]
    relative = 100.0 * (value - base) / base if base > 0.0 else None
    if compare is None or len(replicates) < 2 or len(replicates) != len(base_replicates):
        return Cell(value, relative=relative)
    comparison = compare(
        value,
        base,
        replicates,
        base_replicates,
        n_subjects=n_subjects,
        n_clips=n_samples,
        higher_is_better=False,
    )
    return Cell(value, comparison, relative)
