"""A comparison table as Markdown, LaTeX, CSV, or on the console.

▲ and ▼ say that a value is higher or lower than the reference's (which way is good stands in the
header); ≈ says that the interval of the difference covers 0: a tie.
"""

from collections.abc import Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from diffmvr.checks import check_one_of
from diffmvr.reporting.tables import Cell, Column, Table, TableRow
from diffmvr.text import csv_text, printable

Change = Literal["difference", "relative", "verdict", "none"]
CHANGES = ("difference", "relative", "verdict", "none")
UP, DOWN, TIE, NOTHING = "▲", "▼", "≈", "—"


def to_markdown(table: Table, change: Change = "difference") -> str:
    """Return the table in Markdown, with a caption that states N and the conditions.

    Args:
        table: the table.
        change: what stands beside a mean: the ``"difference"`` to the reference with its
            interval, the ``"relative"`` change in percent as in the paper, the ``"verdict"`` alone
            (▲, ▼ or ≈), or ``"none"``.

    Raises:
        ValueError: on another ``change``.
    """
    lines = [
        markdown_line(_headers(table)),
        markdown_line(["---"] + ["---:"] * (len(table.columns) + 1)),
    ]
    lines += [markdown_line(cells) for cells in _body(table, change)]
    return "\n".join([*lines, "", caption(table, change)]) + "\n"


def to_latex(table: Table, change: Change = "difference") -> str:
    """Return the table as a LaTeX ``tabular`` (package booktabs); see :func:`to_markdown`."""
    body = [_headers(table), *_body(table, change)]
    lines = [" & ".join(escape_latex(cell) for cell in cells) + r" \\" for cells in body]
    return "\n".join(
        [
            r"\begin{tabular}{l" + "r" * (len(table.columns) + 1) + "}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
            f"% {caption(table, change)}",
            "",
        ]
    )


def to_csv(table: Table) -> str:
    """Return the table as CSV, numbers in full: mean, difference, interval and verdict apart."""
    parts = ("mean", "difference", "low", "high", "verdict", "relative_percent")
    scores = [f"{column.metric}_{part}" for column in table.columns for part in parts]
    lines: list[list[object]] = [
        ["restorer", "n_clips", "n_subjects", "n_seeds", "note", *scores],
    ]
    for row in table.rows:
        cells = row.cells or (Cell(None),) * len(table.columns)
        numbers = [value for cell in cells for value in _csv_values(cell)]
        lines.append([row.restorer, row.n_clips, row.n_subjects, row.n_seeds, row.note, *numbers])
    return csv_text(lines)


def print_table(
    table: Table, console: Console | None = None, change: Change = "difference"
) -> None:
    """Show the table on the console, reasons for missing rows below; see :func:`to_markdown`.

    On a console that is too narrow the intervals are left out, then columns from the right.
    """
    console = console or Console()
    width = len(table.columns)
    shown = [_console_table(table, change, width)]
    shown += [_console_table(table, "verdict", count) for count in range(width, 0, -1)]
    console.print(first_that_fits(shown, console))
    console.print(as_it_is(caption(table, change)))
    for row in table.rows:
        if row.note:
            console.print(as_it_is(f"{row.restorer}: {row.note}"))


def as_it_is(text: str) -> Text:
    """Return text that the console shows without taking any of it for markup or orders."""
    return Text(printable(text))


def first_that_fits(tables: Sequence[RichTable], console: Console) -> RichTable:
    """Return the first of several tables that the console is wide enough for, else the last."""
    unlimited = console.options.update(width=10_000)
    for table in tables:
        if console.measure(table, options=unlimited).maximum <= console.width:
            return table
    return tables[-1]


def _console_table(table: Table, change: Change, columns: int) -> RichTable:
    """Build the console's table of the first ``columns`` scores."""
    kept = [0, *range(1, columns + 1), len(table.columns) + 1]
    shown = RichTable()
    headers = _headers(table)
    for index in kept:
        shown.add_column(
            as_it_is(headers[index]), justify="left" if index == 0 else "right", no_wrap=True
        )
    for row, cells in zip(table.rows, _body(table, change), strict=True):
        if row.note:
            # Beside numbers, a sentence would squeeze every other column.
            cells = [row.restorer, *[NOTHING] * (len(cells) - 1)]
        style = "bold" if row.restorer == table.reference else None
        shown.add_row(*(as_it_is(cells[index]) for index in kept), style=style)
    return shown


def caption(table: Table, change: Change = "difference") -> str:
    """Return what holds for every number of the table, as one sentence."""
    conditions = ", ".join(f"{name} {value}" for name, value in table.conditions.items())
    text = f"Means over clips; {conditions}; scored on the composited frames."
    if table.reference is None or change == "none":
        return text
    text += f" {UP}/{DOWN}: higher/lower than {table.reference}"
    if change == "relative":
        text += ", in percent"
    if any(cell.comparison is not None for row in table.rows for cell in row.cells):
        text += f"; {TIE}: a tie, the interval of the difference over subjects covers 0"
    return text + "."


def _headers(table: Table) -> list[str]:
    arrows = {True: "↑", False: "↓"}
    scores = [f"{column.header} {arrows[column.higher_is_better]}" for column in table.columns]
    return ["Restorer", *scores, "Clips (subjects)"]


def _body(table: Table, change: Change) -> list[list[str]]:
    check_one_of("change", change, CHANGES)
    return [_row_texts(row, table.columns, change) for row in table.rows]


def _row_texts(row: TableRow, columns: Sequence[Column], change: Change) -> list[str]:
    if not row.cells:
        return [row.restorer, row.note, *[NOTHING] * len(columns)]
    cells = [
        _cell_text(cell, column, change) for cell, column in zip(row.cells, columns, strict=True)
    ]
    seeds = f" × {row.n_seeds} seeds" if row.n_seeds > 1 else ""
    return [row.restorer, *cells, f"{row.n_clips} ({row.n_subjects}){seeds}"]


def _cell_text(cell: Cell, column: Column, change: Change) -> str:
    if cell.mean is None:
        return NOTHING
    mean = f"{cell.mean:.{column.digits}f}"
    found = cell.comparison
    if change == "none" or (found is None and cell.relative is None):
        return mean
    if change == "relative" or found is None:
        if cell.relative is None:
            return mean
        return f"{mean} {_sign(cell, cell.relative)} {abs(cell.relative):.1f}%"
    if change == "verdict":
        return f"{mean} {_sign(cell, found.mean_difference)}"
    low, high, difference = (
        f"{value:+.{column.digits}f}" for value in (found.low, found.high, found.mean_difference)
    )
    return f"{mean} {_sign(cell, found.mean_difference)} {difference} [{low}, {high}]"


def _sign(cell: Cell, difference: float) -> str:
    if cell.comparison is not None and cell.comparison.verdict == "tie":
        return TIE
    return UP if difference > 0 else DOWN


def _csv_values(cell: Cell) -> list[float | str | None]:
    found = cell.comparison
    compared = (
        [None] * 4
        if found is None
        else [found.mean_difference, found.low, found.high, found.verdict]
    )
    return [cell.mean, *compared, cell.relative]


def markdown_line(cells: Sequence[str]) -> str:
    """Return a row of a Markdown table."""
    # A bar inside a cell would end it.
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def escape_latex(text: str) -> str:
    """Return text as LaTeX shows it, signs of the tables included."""
    signs = {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "_": r"\_",
        "#": r"\#",
        "$": r"\$",
        "|": r"$|$",
        "~": r"\textasciitilde{}",
        UP: r"$\blacktriangle$",
        DOWN: r"$\blacktriangledown$",
        TIE: r"$\approx$",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
        "−": r"$-$",
        "×": r"$\times$",
        "±": r"$\pm$",
        NOTHING: "---",
    }
    return "".join(signs.get(character, character) for character in text)
