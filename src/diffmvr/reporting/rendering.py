"""A table as Markdown, as LaTeX (package booktabs), or on the console.

▲ and ▼ say that a value is higher or lower than the reference's (which way is good stands in the
header); ≈ says that the interval of the difference covers 0: a tie.
"""

import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from diffmvr.checks import check_one_of
from diffmvr.reporting.paper_values import PaperValue
from diffmvr.reporting.tables import (
    CHANGES,
    DOWN,
    NOTHING,
    TIE,
    UP,
    Cell,
    Change,
    Column,
    Row,
    Table,
)
from diffmvr.text import printable

COUNTS = "Clips (subjects)"
MASK_HEADINGS = {"segmentation": "Segmented masks", "bbox": "Bounding boxes"}
LABEL_WIDTH, HEADER_WIDTH = 24, 12
"""Of the lines that labels and headers are broken into on a narrow console, in characters."""


def to_markdown(table: Table, change: Change | None = None) -> str:
    """Return the table in Markdown, title above and caption below.

    Args:
        table: the table.
        change: what stands beside a mean, if not what the table says.

    Raises:
        ValueError: on another ``change`` than a table may have.
    """
    headers = [
        f"{_heading(mask)}: {column.title}" if len(table.masks) > 1 else column.title
        for mask, column in table.places
    ]
    title = [f"**{table.title}**", ""] if table.title else []
    lines = [
        markdown_line([table.corner, *headers, COUNTS]),
        markdown_line(["---"] + ["---:"] * (len(headers) + 1)),
        *(markdown_line(_texts(table, row, change)) for row in table.rows),
    ]
    return "\n".join([*title, *lines, "", table.caption]) + "\n"


def to_latex(table: Table) -> str:
    """Return the table as a LaTeX ``table*``, the masks as column groups."""
    width = len(table.columns)
    groups, rules = [""], []
    for index, mask in enumerate(table.masks):
        groups.append(rf"\multicolumn{{{width}}}{{c}}{{{escape_latex(_heading(mask))}}}")
        first = 2 + index * width
        rules.append(rf"\cmidrule(lr){{{first}-{first + width - 1}}}")
    body: list[str] = []
    for row in table.rows:
        if not row.restorer and (not body or body[-1] != r"\midrule"):
            body.append(r"\midrule")
        body.append(_latex_line(_texts(table, row)))
    caption = f"{table.title}. {table.caption}" if table.title else table.caption
    return "\n".join(
        [
            r"\begin{table*}",
            r"\centering",
            r"\begin{tabular}{l" + "r" * (len(table.places) + 1) + "}",
            r"\toprule",
            " & ".join([*groups, ""]) + r" \\",
            *rules,
            _latex_line([table.corner, *(column.title for _, column in table.places), COUNTS]),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            rf"\caption{{{escape_latex(caption)}}}",
            r"\end{table*}",
            "",
        ]
    )


def print_table(table: Table, console: Console | None = None) -> None:
    """Show the table on the console, one block below the other, reasons for missing rows below.

    On a console that is too narrow all but means and verdicts is left out, then columns from the
    right.
    """
    console = console or Console()
    width = len(table.columns)
    for index in range(len(table.masks)):
        blocks = [_console_block(table, index, width, whole=True)]
        blocks += [
            _console_block(table, index, count, whole=False) for count in range(width, 0, -1)
        ]
        console.print(_first_that_fits(blocks, console))
    console.print(as_it_is(table.caption))
    for row in table.rows:
        if row.note:
            console.print(as_it_is(f"{row.label}: {row.note}"))


def as_it_is(text: str) -> Text:
    """Return text that the console shows without taking any of it for markup or orders."""
    return Text(printable(text))


def _first_that_fits(tables: Sequence[RichTable], console: Console) -> RichTable:
    """Return the first of several tables that the console is wide enough for, else the last."""
    unlimited = console.options.update(width=10_000)
    for table in tables:
        if console.measure(table, options=unlimited).maximum <= console.width:
            return table
    return tables[-1]


def _console_block(table: Table, index: int, columns: int, whole: bool) -> RichTable:
    """Build the console's table of the first ``columns`` scores of one kind of masks."""
    title = as_it_is(f"{table.title}: {_heading(table.masks[index])}") if table.title else None
    block = RichTable(title=title, title_justify="left")
    first = index * len(table.columns)
    headers = [table.corner, *(column.title for column in table.columns[:columns]), COUNTS]
    for place, header in enumerate(headers):
        text = header if whole else textwrap.fill(header, HEADER_WIDTH)
        block.add_column(as_it_is(text), justify="right" if place else "left", no_wrap=True)
    change = table.change if whole else "verdict"
    for row in table.rows:
        label = row.label if whole else textwrap.fill(row.label, LABEL_WIDTH)
        cells = row.cells[first : first + columns] or (Cell(),) * columns
        pairs = zip(cells, table.columns, strict=False)
        texts = [cell_text(cell, column, change) for cell, column in pairs]
        # Beside numbers, a sentence would squeeze every other column.
        counts = NOTHING if row.note else _counts(row)
        counts = counts if whole else textwrap.fill(counts, HEADER_WIDTH)
        style = "bold" if row.label == table.reference else None
        block.add_row(*map(as_it_is, (label, *texts, counts)), style=style)
    return block


def cell_text(cell: Cell, column: Column, change: Change) -> str:
    """Return what stands in one place of a table; see :class:`Table` for ``change``."""
    text = _score_text(cell, column, change)
    if cell.paper is None or change == "verdict":
        return text
    return f"{text} (paper {_paper_text(cell.paper)})"


def _score_text(cell: Cell, column: Column, change: Change) -> str:
    if cell.gap is not None:
        return f"{cell.gap:+.2f}%{f' {TIE}' if cell.is_tie else ''}"
    if cell.mean is None:
        return NOTHING
    digits = column.digits
    text = f"{cell.mean.value:.{digits}f}"
    if change == "relative" and cell.mean.spread is not None:
        text += f" ±{cell.mean.spread:.{digits}f}"
    percent = "" if cell.relative is None else f"{abs(cell.relative):.1f}%"
    if cell.difference is None:
        # Too few people for an interval, or nothing to compare with.
        said = "" if cell.relative is None else f" {_sign(False, cell.relative)}"
        return text + said + (percent if change != "verdict" else "")
    found = cell.difference.comparison
    text += f" {_sign(cell.is_tie, found.mean_difference)}"
    if change == "verdict":
        return text
    amount = percent if change == "relative" else f" {found.mean_difference:+.{digits}f}"
    return f"{text}{amount} [{found.low:+.{digits}f}, {found.high:+.{digits}f}]"


def _sign(tie: bool, difference: float) -> str:
    if tie or not difference:
        return TIE
    return UP if difference > 0 else DOWN


def _paper_text(printed: PaperValue) -> str:
    if printed.value is None:
        return f"{printed.change:+.{printed.change_digits}f}%"
    text = f"{printed.value:.{printed.digits}f}"
    if printed.change is None:
        return text
    return f"{text}{_sign(False, printed.change)}{abs(printed.change):.{printed.change_digits}f}%"


def _texts(table: Table, row: Row, change: Change | None = None) -> list[str]:
    change = change or table.change
    check_one_of("change", change, CHANGES)
    if not row.cells:
        return [row.label, row.note, *[NOTHING] * len(table.places)]
    pairs = zip(row.cells, table.places, strict=True)
    cells = [cell_text(cell, column, change) for cell, (_, column) in pairs]
    return [row.label, *cells, row.note or _counts(row)]


def _counts(row: Row) -> str:
    """Return what is behind the numbers of a row; a gap is between two rows and says nothing."""
    seeds = f" × {row.n_seeds} seeds" if row.n_seeds > 1 else ""
    return f"{row.n_clips} ({row.n_subjects}){seeds}" if row.restorer else ""


def _heading(mask: str) -> str:
    return MASK_HEADINGS.get(mask, mask)


def markdown_line(cells: Sequence[str]) -> str:
    """Return a row of a Markdown table."""
    # A bar inside a cell would end it.
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _latex_line(cells: Sequence[str]) -> str:
    return " & ".join(map(escape_latex, cells)) + r" \\"


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
