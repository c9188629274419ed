"""Names stay text for a spreadsheet and for a terminal."""

import csv
import io
import logging
import sys
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console
from tests.helpers.clips import moving_clip

from diffmvr.cli import printable_log, run_cli
from diffmvr.reporting import (
    comparison_table,
    load_rows,
    print_table,
    rows_frame,
    save_rows,
    score_row,
    to_csv,
)
from diffmvr.reporting.tables import Column
from diffmvr.text import as_cell, as_cells, csv_text, from_cell, from_cells, printable

FORMULAS = [
    *("=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\tx", "\rx", "＝1", "-2+3 ± 4"),
    *("'=quoted", "'tis", "''"),
]
PLAIN = ["visit", "a=b", "001", "null", "", 'Säugling, "2"', "a'=b", "1.5"]
ORDER = "\x1b]0;owned\x07\x1b[2J"


@pytest.mark.parametrize("name", FORMULAS + PLAIN)
def test_a_name_that_is_a_formula_stays_text_and_comes_back(name: str) -> None:
    cell = str(as_cell(name))
    assert cell[:1] not in set("=+-@\t\r＝")
    assert from_cell(cell) == name
    assert (cell == name) == (name in PLAIN)
    table = pl.DataFrame({"name": [name, None], "score": [-1.5, 2.0]})
    written = as_cells(table)
    assert written["name"].to_list() == [cell, None]
    assert from_cells(written).equals(table)


def test_numbers_stay_numbers() -> None:
    text = csv_text([["name", "score"], ["=1+1", -0.25], ["-1", None]])
    assert text == "name,score\n'=1+1,-0.25\n'-1,\n"
    assert as_cells(pl.DataFrame({"a": [-1.5], "b": [-2]})).write_csv() == "a,b\n-1.5,-2\n"


def test_score_rows_of_any_name_come_back_from_csv(tmp_path: Path) -> None:
    clips = [moving_clip(seed=0)] * 2
    names = [name for name in (*FORMULAS, *PLAIN) if name]
    frame = rows_frame(
        {**score_row("telea", clip, 0, "bbox", {"psnr": -20.5}), "clip_id": name, "seed": seed}
        for name in names
        for seed, clip in enumerate(clips)
    )
    _, file = save_rows(frame, tmp_path / "rows")
    assert load_rows(file).equals(frame)
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert not [row for row in rows if row["clip_id"][0] in "=+-@\t\r"]
    assert {row["psnr"] for row in rows} == {"-20.5"}


def test_a_table_in_csv_and_on_the_console_holds_no_orders() -> None:
    restorer = f"=cmd|' /C calc'!A0{ORDER}[red]"
    rows = rows_frame(
        score_row(restorer, moving_clip(seed=seed), 0, "bbox", {"psnr": 20.0}) for seed in range(2)
    )
    table = comparison_table(rows, columns=[Column("psnr", "PSNR", True, 2)])
    (_, line) = csv.reader(io.StringIO(to_csv(table)))
    assert line[0] == f"'{restorer}"
    out = io.StringIO()
    print_table(table, Console(file=out, width=200, color_system=None))
    assert "\x1b" not in out.getvalue() and "\x07" not in out.getvalue()
    assert r"\x1b[2J[red]" in out.getvalue()


def test_what_a_terminal_obeys_is_spelt() -> None:
    assert printable("ä\t名\n👶🏽") == "ä\t名\n👶🏽"
    assert printable("a\x1b[31m\x9b\r\x7f\u202eb\udc80") == r"a\x1b[31m\x9b\r\x7f\u202eb\udc80"


def test_escape_sequences_in_names_reach_neither_the_log_nor_the_error_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    root.addHandler(handler)

    @run_cli
    def command() -> None:
        logging.getLogger("diffmvr").warning("note: %s", f"{ORDER}.mp4")
        raise ValueError(f"input: {ORDER}.mp4 is no video")

    try:
        with pytest.raises(SystemExit):
            command()
    finally:
        root.removeHandler(handler)
    spelt = r"\x1b]0;owned\x07\x1b[2J.mp4"
    assert capsys.readouterr().err == (
        f"WARNING note: {spelt}\nerror: input: {spelt} is no video\n"
    )
    assert handler.formatter is not None
    record = logging.makeLogRecord({"msg": "a\x1bb", "levelname": "INFO"})
    assert handler.formatter.format(record) == "INFO a\x1bb"


def test_a_handler_without_a_format_keeps_loggings_own() -> None:
    root, out = logging.getLogger(), io.StringIO()
    handler = logging.StreamHandler(out)
    root.addHandler(handler)
    try:
        with printable_log():
            logging.getLogger("diffmvr").error("a\x1bb")
    finally:
        root.removeHandler(handler)
    assert out.getvalue() == "a\\x1bb\n"
