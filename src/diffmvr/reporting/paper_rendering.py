"""The paper's tables as Markdown, LaTeX (package booktabs), CSV and on the console.

▲ and ▼ give by how many percent a score is higher or lower than the reference's, and then the
interval of the difference in the score's own unit; ≈ stands for a difference whose interval covers
0.  Which way is good stands in the header.
"""

import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as RichTable

from diffmvr.reporting.paper_layout import MASK_HEADINGS, GapCell, Line, PaperCell, PaperTable
from diffmvr.reporting.paper_values import PaperValue
from diffmvr.reporting.rendering import (
    DOWN,
    NOTHING,
    TIE,
    UP,
    as_it_is,
    escape_latex,
    first_that_fits,
    markdown_line,
)
from diffmvr.reporting.tables import Column
from diffmvr.text import csv_text

COUNTS = "Clips (subjects)"
LABEL_WIDTH, HEADER_WIDTH = 24, 12
"""Of the lines that labels and headers are broken into on a narrow console, in characters."""


def paper_markdown(table: PaperTable) -> str:
    """Return the table in Markdown, title above and notes below."""
    headers = [
        f"{_heading(mask)}: {_header(column)}" if len(table.masks) > 1 else _header(column)
        for mask in table.masks
        for column in table.columns
    ]
    lines = [markdown_line(["", *headers, COUNTS])]
    lines.append(markdown_line(["---"] + ["---:"] * (len(headers) + 1)))
    lines += [markdown_line(_texts(table, line)) for line in table.lines]
    return "\n".join([f"**{_title(table)}**", "", *lines, "", " ".join(_caption(table))]) + "\n"


def paper_latex(table: PaperTable) -> str:
    """Return the table as a LaTeX ``table``, the masks as column groups, the notes as caption."""
    width = len(table.columns)
    groups, rules, headers = [""], [], [""]
    for index, mask in enumerate(table.masks):
        groups.append(rf"\multicolumn{{{width}}}{{c}}{{{escape_latex(_heading(mask))}}}")
        first = 2 + index * width
        rules.append(rf"\cmidrule(lr){{{first}-{first + width - 1}}}")
        headers += [escape_latex(_header(column)) for column in table.columns]
    body: list[str] = []
    for line in table.lines:
        if not line.restorer and (not body or body[-1] != r"\midrule"):
            body.append(r"\midrule")
        body.append(" & ".join(escape_latex(text) for text in _texts(table, line)) + r" \\")
    caption = escape_latex(" ".join([f"{_title(table)}.", *_caption(table)]))
    return "\n".join(
        [
            r"\begin{table*}",
            r"\centering",
            r"\begin{tabular}{l" + "r" * (width * len(table.masks) + 1) + "}",
            r"\toprule",
            " & ".join([*groups, ""]) + r" \\",
            *rules,
            " & ".join([*headers, escape_latex(COUNTS)]) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            rf"\caption{{{caption}}}",
            r"\end{table*}",
            "",
        ]
    )


def paper_csv(table: PaperTable) -> str:
    """Return the table as CSV in long form: one line a row, mask and score, numbers in full."""
    return csv_text([CSV_COLUMNS, *table_records(table)])


CSV_COLUMNS = (
    *("table", "row", "restorer", "mask_type", "score", "higher_is_better", "value"),
    *("seed_spread", "n_clips", "n_subjects", "n_seeds", "reference", "difference", "low", "high"),
    *("verdict", "change_percent", "gap_percent", "paper_value", "paper_change_percent", "note"),
)


def table_records(table: PaperTable) -> list[list[object]]:
    """Return one record a row, mask and score, as :data:`CSV_COLUMNS` names them."""
    places = [(mask, column) for mask in table.masks for column in table.columns]
    records = []
    for line in table.lines:
        cells = line.cells or (PaperCell(),) * len(places)
        for (mask, column), cell in zip(places, cells, strict=True):
            key = [table.number, line.label, line.restorer, mask, column.metric]
            values = _gap_record(cell) if isinstance(cell, GapCell) else _record(cell, table)
            records.append([*key, column.higher_is_better, *values, line.note])
    return records


def print_paper_table(table: PaperTable, console: Console | None = None) -> None:
    """Show the table on the console, one block below the other, reasons for missing rows below.

    On a console that is too narrow intervals, changes and the paper's values are left out, then
    columns from the right.
    """
    shown = console or Console()
    width = len(table.columns)
    for index, mask in enumerate(table.masks):
        blocks = [_console_block(table, index, mask, width, whole=True)]
        blocks += [
            _console_block(table, index, mask, count, whole=False) for count in range(width, 0, -1)
        ]
        shown.print(first_that_fits(blocks, shown))
    shown.print(as_it_is(" ".join(_caption(table))))
    for line in table.lines:
        if line.note:
            shown.print(as_it_is(f"{line.label}: {line.note}"))


def _console_block(
    table: PaperTable, index: int, mask: str, columns: int, whole: bool
) -> RichTable:
    """Build the console's table of the first ``columns`` scores of one kind of masks."""
    title = as_it_is(f"{_title(table)}: {_heading(mask)}")
    block = RichTable(title=title, title_justify="left")
    width = len(table.columns)
    first = index * width
    for header in ["", *map(_header, table.columns[:columns]), COUNTS]:
        text = header if whole else textwrap.fill(header, HEADER_WIDTH)
        block.add_column(as_it_is(text), justify="right" if header else "left", no_wrap=True)
    for line in table.lines:
        label = line.label if whole else textwrap.fill(line.label, LABEL_WIDTH)
        cells = line.cells[first : first + columns] or (PaperCell(),) * columns
        pairs = zip(cells, table.columns, strict=False)
        texts = [cell_text(*pair) if whole else _value_text(*pair) for pair in pairs]
        # Beside numbers, a sentence would squeeze every other column.
        counts = NOTHING if line.note else _counts(line)
        counts = counts if whole else textwrap.fill(counts, HEADER_WIDTH)
        style = "bold" if line.label == table.reference else None
        block.add_row(*map(as_it_is, (label, *texts, counts)), style=style)
    return block


def cell_text(cell: PaperCell | GapCell, column: Column) -> str:
    """Return what stands in one place of the table."""
    own = _gap_text(cell) if isinstance(cell, GapCell) else _score_text(cell, column)
    return own if cell.paper is None else f"{own} (paper {_paper_text(cell.paper)})"


def _value_text(cell: PaperCell | GapCell, column: Column) -> str:
    """Return the number of a place and whether it is higher, lower or a tie, no more."""
    if isinstance(cell, GapCell):
        return _gap_text(cell)
    text = _mean_text(cell, column)
    if cell.difference is None:
        return text
    found = cell.difference.comparison
    return f"{text} {_sign(found.verdict == 'tie', found.mean_difference)}"


def _mean_text(cell: PaperCell, column: Column) -> str:
    if cell.mean is None:
        return NOTHING
    text = f"{cell.mean.value:.{column.digits}f}"
    if cell.mean.spread is not None:
        text += f" ±{cell.mean.spread:.{column.digits}f}"
    return text


def _score_text(cell: PaperCell, column: Column) -> str:
    text = _mean_text(cell, column)
    if cell.difference is None:
        return text
    found = cell.difference.comparison
    interval = f"[{found.low:+.{column.digits}f}, {found.high:+.{column.digits}f}]"
    relative = cell.difference.relative
    percent = "" if relative is None else f"{abs(relative):.1f}%"
    return f"{text} {_sign(found.verdict == 'tie', found.mean_difference)}{percent} {interval}"


def _gap_text(cell: GapCell) -> str:
    if cell.percent is None:
        return NOTHING
    return f"{cell.percent:+.2f}%{f' {TIE}' if cell.tie else ''}"


def _paper_text(printed: PaperValue) -> str:
    if printed.value is None:
        return f"{printed.change:+.{printed.change_digits}f}%"
    text = f"{printed.value:.{printed.digits}f}"
    if printed.change is None:
        return text
    sign = UP if printed.change > 0 else DOWN
    return f"{text}{sign}{abs(printed.change):.{printed.change_digits}f}%"


def _sign(tie: bool, difference: float) -> str:
    if tie:
        return TIE
    return UP if difference > 0 else DOWN


def _texts(table: PaperTable, line: Line) -> list[str]:
    places = [column for _ in table.masks for column in table.columns]
    if not line.cells:
        return [line.label, line.note, *[NOTHING] * len(places)]
    cells = [cell_text(cell, column) for cell, column in zip(line.cells, places, strict=True)]
    return [line.label, *cells, line.note or _counts(line)]


def _counts(line: Line) -> str:
    """Return what is behind the numbers of a row; a gap is between two rows and says nothing."""
    clips, subjects, seeds = line.counts
    several = f" × {seeds} seeds" if seeds > 1 else ""
    return f"{clips} ({subjects}){several}" if line.restorer else ""


def _caption(table: PaperTable) -> list[str]:
    return [f"{UP}/{DOWN}: by how much higher/lower than {table.reference}.", *table.notes]


def _title(table: PaperTable) -> str:
    return f"Table {table.number}. {table.title}"


def _heading(mask: str) -> str:
    return MASK_HEADINGS.get(mask, mask)


def _header(column: Column) -> str:
    return f"{column.header} {'↑' if column.higher_is_better else '↓'}"


def _record(cell: PaperCell, table: PaperTable) -> list[object]:
    mean, found = cell.mean, cell.difference
    counts: list[object] = [None] * 5
    if mean is not None:
        counts = [mean.value, mean.spread, mean.n_clips, mean.n_subjects, len(mean.seeds)]
    compared: list[object] = [None] * 6
    if found is not None:
        own = found.comparison
        compared = [table.reference, own.mean_difference, own.low, own.high, own.verdict]
        compared.append(found.relative)
    return [*counts, *compared, None, *_paper_record(cell.paper)]


def _gap_record(cell: GapCell) -> list[object]:
    verdict = "tie" if cell.tie else None
    return [*[None] * 9, verdict, None, cell.percent, *_paper_record(cell.paper)]


def _paper_record(printed: PaperValue | None) -> Sequence[object]:
    return (None, None) if printed is None else (printed.value, printed.change)
