"""Put the measured tables into the pages, so that nobody types a number.

python experiments/page_tables.py

A page shows a table between two markers, all of it or some of its columns::

    <!-- table:benchmark/table_short -->           …  <!-- /table:benchmark/table_short -->
    <!-- table:benchmark/table_short: PSNR hole ↑; SSIM hole ↑ -->  …
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
PAGES = (HERE.parent / "README.md", HERE / "README.md")
MARKED = re.compile(
    r"<!-- table:(?P<name>[\w/]+)(?:: (?P<columns>.+?))? -->\n.*?<!-- /table:(?P=name) -->",
    re.DOTALL,
)
CELL = re.compile(r"(?<!\\)\|")


def with_tables(text: str) -> str:
    """Return a page with what its tables' files hold now.

    Raises:
        ValueError: if a table lacks a column that the page asks for.
    """
    return MARKED.sub(_table, text)


def insert_tables() -> None:
    """Write the tables into every page."""
    for page in PAGES:
        text = with_tables(page.read_text(encoding="utf-8"))
        page.write_text(text, encoding="utf-8")


def only_columns(table: str, names: Sequence[str]) -> str:
    """Return a Markdown table with its first column and those that are named, in their order.

    Raises:
        ValueError: if one is missing; the message lists those that are there.
    """
    chosen: list[int] | None = None
    lines = []
    for line in table.splitlines():
        if line.startswith("|"):
            cells = CELL.split(line)[1:-1]
            if chosen is None:
                heads = [cell.strip() for cell in cells]
                missing = [name for name in names if name not in heads]
                if missing:
                    raise ValueError(f"columns: expected some of {heads}, got {missing}")
                chosen = [0, *(heads.index(name) for name in names)]
            line = "|" + "|".join(cells[index] for index in chosen) + "|"
        lines.append(line)
    return "\n".join(lines)


def _table(marked: re.Match[str]) -> str:
    name, columns = marked["name"], marked["columns"]
    # A folder with one table, or one of a folder's tables.
    place = HERE / "results" / name
    file = place / "table.md" if "/" not in name else place.with_suffix(".md")
    body = f"*not measured yet: {name}*"
    if file.is_file():
        body = file.read_text(encoding="utf-8").strip()
        if columns:
            body = only_columns(body, columns.split("; "))
    asked = f": {columns}" if columns else ""
    return f"<!-- table:{name}{asked} -->\n\n{body}\n\n<!-- /table:{name} -->"


if __name__ == "__main__":
    # Of --help, and of a mistake, nothing is written.
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    insert_tables()
