"""A table as CSV, numbers in full."""

from diffmvr.reporting.tables import Cell, Table
from diffmvr.text import csv_text

LONG_COLUMNS = (
    *("table", "row", "restorer", "mask_type", "score", "higher_is_better", "value"),
    *("seed_spread", "n_clips", "n_subjects", "n_seeds", "reference", "difference", "low", "high"),
    *("verdict", "change_percent", "gap_percent", "paper_value", "paper_change_percent", "note"),
)


def to_csv(table: Table) -> str:
    """Return a table of one block, a line a row: mean, difference, interval and verdict apart."""
    parts = ("mean", "difference", "low", "high", "verdict", "relative_percent")
    scores = [f"{column.metric}_{part}" for column in table.columns for part in parts]
    lines: list[list[object]] = [
        ["restorer", "n_clips", "n_subjects", "n_seeds", "note", *scores],
    ]
    for row in table.rows:
        line = [row.restorer, row.n_clips, row.n_subjects, row.n_seeds, row.note]
        for cell in row.cells or (Cell(),) * len(table.columns):
            line += [cell.mean and cell.mean.value, *_compared(cell), cell.relative]
        lines.append(line)
    return csv_text(lines)


def to_long_csv(table: Table) -> str:
    """Return a table of any number of blocks, a line a row, mask and score."""
    return csv_text([LONG_COLUMNS, *long_records(table)])


def long_records(table: Table) -> list[list[object]]:
    """Return one record a row, mask and score, as :data:`LONG_COLUMNS` names them."""
    records: list[list[object]] = []
    for row in table.rows:
        cells = row.cells or (Cell(),) * len(table.places)
        for (mask, column), cell in zip(table.places, cells, strict=True):
            key = [table.number, row.label, row.restorer, mask, column.metric]
            numbers = [*_counted(cell), *_change(cell, table), cell.gap, *_printed(cell)]
            records.append([*key, column.higher_is_better, *numbers, row.note])
    return records


def _counted(cell: Cell) -> list[object]:
    mean = cell.mean
    if mean is None:
        return [None] * 5
    return [mean.value, mean.spread, mean.n_clips, mean.n_subjects, len(mean.seeds)]


def _change(cell: Cell, table: Table) -> list[object]:
    """Return reference, difference, interval, verdict and change; of a gap whether it is a tie."""
    if cell.gap is not None:
        return [*[None] * 4, "tie" if cell.is_tie else None, None]
    if cell.relative is None and cell.difference is None:
        return [None] * 6
    return [table.reference, *_compared(cell), cell.relative]


def _compared(cell: Cell) -> list[object]:
    if cell.difference is None:
        return [None] * 4
    found = cell.difference.comparison
    return [found.mean_difference, found.low, found.high, found.verdict]


def _printed(cell: Cell) -> list[object]:
    return [None] * 2 if cell.paper is None else [cell.paper.value, cell.paper.change]
