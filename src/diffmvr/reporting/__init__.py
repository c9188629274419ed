"""From score rows to tables and figures."""

from diffmvr.reporting.comparison import comparison_table
from diffmvr.reporting.figures import image_grid, save_png
from diffmvr.reporting.rendering import print_table, to_latex, to_markdown
from diffmvr.reporting.rows import check_rows, load_rows, rows_frame, save_rows, score_row
from diffmvr.reporting.table_csv import to_csv
from diffmvr.reporting.tables import DEFAULT_COLUMNS, Cell, Column, Row, Table

__all__ = [
    "DEFAULT_COLUMNS",
    "Cell",
    "Column",
    "Row",
    "Table",
    "check_rows",
    "comparison_table",
    "image_grid",
    "load_rows",
    "print_table",
    "rows_frame",
    "save_png",
    "save_rows",
    "score_row",
    "to_csv",
    "to_latex",
    "to_markdown",
]
