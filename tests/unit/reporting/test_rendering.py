import csv
import io

import pytest
from rich.console import Console

from diffmvr.metrics.bootstrap import PairedComparison
from diffmvr.reporting import (
    Cell,
    Column,
    Row,
    Table,
    print_table,
    to_csv,
    to_latex,
    to_markdown,
)
from diffmvr.reporting.tables import Difference, Mean


def cell(mean: float, comparison: PairedComparison | None = None, relative: float | None = None):
    difference = comparison and Difference(comparison, relative, 1, 1)
    return Cell(Mean(mean, {0: mean}, 40, 20), difference, relative)


@pytest.fixture
def table() -> Table:
    columns = (Column("psnr_hole", "PSNR hole", True), Column("tc_diff", "|TC|", False, 4))
    return Table(
        columns=columns,
        masks=("segmentation",),
        rows=(
            Row("ours", "ours", (cell(24.0), cell(0.001)), 40, 20, 3),
            Row(
                "copy_past",
                "copy_past",
                (
                    cell(18.0, PairedComparison(-6.0, -7.0, -5.0, "worse", 20, 40), -25.0),
                    cell(0.0012, PairedComparison(0.0002, -0.0001, 0.0004, "tie", 20, 40), 20.0),
                ),
                40,
                20,
                1,
            ),
            Row("mirror", "mirror", (cell(25.0, None, 4.2), Cell()), 40, 20, 1),
            Row("lama", "lama", (), note="weights not present: weights/lama.pt"),
        ),
        reference="ours",
        caption="Means over clips.",
        corner="Restorer",
    )


def test_markdown(table: Table) -> None:
    lines = to_markdown(table).splitlines()
    assert lines[0] == "| Restorer | PSNR hole ↑ | \\|TC\\| ↓ | Clips (subjects) |"
    assert lines[2] == "| ours | 24.00 | 0.0010 | 40 (20) × 3 seeds |"
    assert lines[3] == (
        "| copy_past | 18.00 ▼ -6.00 [-7.00, -5.00] "
        "| 0.0012 ≈ +0.0002 [-0.0001, +0.0004] | 40 (20) |"
    )
    assert lines[4] == "| mirror | 25.00 ▲4.2% | — | 40 (20) |"
    assert lines[5] == "| lama | weights not present: weights/lama.pt | — | — |"
    assert lines[6:] == ["", "Means over clips."]


def test_relative_change_as_in_the_paper_and_verdict(table: Table) -> None:
    relative = to_markdown(table, change="relative")
    assert "18.00 ▼25.0% [-7.00, -5.00] | 0.0012 ≈20.0% [-0.0001, +0.0004] |" in relative
    verdict = to_markdown(table, change="verdict")
    assert "| copy_past | 18.00 ▼ | 0.0012 ≈ | 40 (20) |" in verdict
    assert "| mirror | 25.00 ▲ | — |" in verdict
    with pytest.raises(ValueError, match=r"change: expected one of .*got 'percent'"):
        to_markdown(table, change="percent")


def test_latex_escapes_what_latex_would_read(table: Table) -> None:
    latex = to_latex(table)
    assert "Restorer & PSNR hole $\\uparrow$ & $|$TC$|$ $\\downarrow$ & Clips (subjects)" in latex
    assert "copy\\_past & 18.00 $\\blacktriangledown$ -6.00 [-7.00, -5.00]" in latex
    assert "25.00 $\\blacktriangle$4.2\\%" in latex
    assert all(sign not in latex for sign in "▲▼≈↑↓—×")


def test_csv_keeps_every_number(table: Table) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    past = rows[1]
    assert past["restorer"] == "copy_past" and past["n_subjects"] == "20"
    assert float(past["psnr_hole_mean"]) == 18.0
    assert [float(past[f"tc_diff_{k}"]) for k in ("difference", "low", "high")] == [
        0.0002,
        -0.0001,
        0.0004,
    ]
    assert past["tc_diff_verdict"] == "tie" and past["psnr_hole_verdict"] == "worse"
    assert rows[3]["note"] == "weights not present: weights/lama.pt"
    assert rows[3]["psnr_hole_mean"] == ""


def test_the_console_shows_every_row(table: Table) -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    print_table(table, console)
    shown = console.export_text()
    for text in ("PSNR hole ↑", "18.00 ▼ -6.00 [-7.00, -5.00]", "weights not present"):
        assert text in shown


@pytest.mark.parametrize("width", [200, 60, 44])
def test_a_narrow_console_shows_fewer_columns_and_whole_names(table: Table, width: int) -> None:
    console = Console(width=width, record=True, file=io.StringIO())
    print_table(table, console)
    lines = console.export_text().splitlines()
    for name in ("ours", "copy_past", "mirror", "lama"):
        assert any(f" {name} " in line for line in lines), name
    assert any("PSNR hole ↑" in line for line in lines)
    assert any("[-7.00, -5.00]" in line for line in lines) == (width == 200)
    assert any("|TC| ↓" in line for line in lines) == (width > 44)
