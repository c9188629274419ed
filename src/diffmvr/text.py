"""Text for others: what a terminal or a spreadsheet would obey, and what is nobody's business.

Names come from the files of strangers.  ``ESC [2J`` in one clears the screen that shows it, and
``=HYPERLINK(…)`` becomes a formula where a CSV file is opened.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

# What spreadsheets begin a formula with, wide forms too, and what stands for text below.
_ORDER = r"[=+\-@\t\r\n＝＋－＠']"
_ONE_PATH = re.compile(r"(?P<key>[\w.+~@/-]+=)?(?P<path>~?/[^\n]+)")
_PATH_IN_TEXT = re.compile(r"(?<![\w.:/~])~?/(?:[^\s/'\"`,;]+/)+(?=[^\s/])")
_DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def printable(text: str) -> str:
    r"""Return text that a terminal shows as it is; other signs than line ends and tabs are spelt.

    Escape sequences and marks that turn the direction of writing become ``\x1b`` and the like.

    >>> print(printable("a\x1b[31mb"))
    a\x1b[31mb
    """
    return "".join(
        sign.encode("unicode_escape").decode()
        if sign in _DIRECTIONS
        or (unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\n\t")
        else sign
        for sign in text
    )


def first_line(error: BaseException, silent: str | None = None) -> str:
    r"""Return the first line of what an error says.

    Args:
        error: the error.
        silent: what stands for an error that says nothing; ``None``: the name of its kind.

    >>> first_line(OSError("no space\nleft")), first_line(MemoryError())
    ('no space', 'MemoryError')
    """
    return (str(error).strip().splitlines() or [silent or type(error).__name__])[0]


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV in which text stays text; numbers and ``None`` are written as they are."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([as_cell(value) for value in row] for row in rows)
    return out.getvalue()


def as_cell(value: object) -> object:
    """Return what stands for a value in a CSV file: before text that looks like an order a ``'``.

    :func:`from_cell` gives the text again.

    >>> as_cell("=1+1"), as_cell("'tis"), as_cell("visit"), as_cell(-1.5)
    ("'=1+1", "''tis", 'visit', -1.5)
    """
    return f"'{value}" if isinstance(value, str) and re.match(_ORDER, value) else value


def from_cell(text: str) -> str:
    """Return the text that :func:`as_cell` has made a cell of."""
    return text[1:] if re.match("'" + _ORDER, text) else text


def as_cells(frame: "pl.DataFrame") -> "pl.DataFrame":
    """Return a table whose columns of text are as :func:`as_cell` writes them."""
    import polars as pl

    text = pl.col(pl.String)
    ordered = text.str.contains("^" + _ORDER)
    return frame.with_columns(pl.when(ordered).then("'" + text).otherwise(text).name.keep())


def from_cells(frame: "pl.DataFrame") -> "pl.DataFrame":
    """Return the table that :func:`as_cells` was given."""
    import polars as pl

    return frame.with_columns(pl.col(pl.String).str.replace(f"^'({_ORDER})", "${1}"))


def without_places(content: Any) -> Any:
    """Leave of every absolute path its last part: where files were is nobody's business.

    Args:
        content: text, or settings: mappings and sequences of text and other values.

    Returns:
        The same with ``…/store`` for ``/home/anna/store``.
    """
    if isinstance(content, Mapping):
        return {key: without_places(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [without_places(value) for value in content]
    if not isinstance(content, str):
        return content
    whole = _ONE_PATH.fullmatch(content)
    if whole is not None:
        # All of it is one path, whose folders may have spaces in their names.
        return f"{whole['key'] or ''}…/{PurePath(whole['path']).name}"
    return _PATH_IN_TEXT.sub("…/", content)
