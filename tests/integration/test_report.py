"""The paper's tables from a study's runs, by the command."""

import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from tests.helpers.study import write_run, write_study, write_sweeps

from diffmvr.config import config_dir
from diffmvr.parsing import read_settings
from diffmvr.report import ReportSettings, main, report


def settings(*overrides: str) -> ReportSettings:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return read_settings(ReportSettings, compose("report", list(overrides)), {"source": "DIR"})


def test_everything_from_runs_and_again_from_the_rows_kept(tmp_path: Path) -> None:
    write_study(tmp_path / "study")
    write_sweeps(tmp_path / "sweeps")
    output = tmp_path / "out"
    arguments = [f"source={tmp_path}/study", f"sweeps={tmp_path}/sweeps", f"output={output}"]
    tables = report(settings(*arguments, "collect=true", "paper_values=true"))
    assert [table.number for table in tables] == [1, 2, 3, 4]
    for name in ("table1", "table1_hole", "table2", "table3", "table3_hole", "table4"):
        for ending in ("md", "tex", "csv"):
            assert (output / f"{name}.{ending}").stat().st_size > 200, name
    text = (output / "table4.md").read_text()
    assert "| baseline + dual + motion | " in text and "| Gap | " in text and "(paper 2.10" in text
    assert "**holds**" in (output / "verdicts.md").read_text()
    assert (output / "paper_disagreements.md").read_text().count("| Baby") == 5
    figures = {path.name for path in (output / "figures").iterdir()}
    assert {"trade_off_lambda.png", "error_by_occlusion.png"} <= figures

    # What is published is enough to make the same tables.
    again = tmp_path / "again"
    report(
        settings(f"source={output}/rows", f"output={again}", "figures=false", "paper_values=true")
    )
    for name in ("table1.csv", "table2.md", "table3_hole.tex", "table4.md", "verdicts.md"):
        assert (again / name).read_text() == (output / name).read_text(), name


def test_a_table_into_wandb(tmp_path: Path) -> None:
    write_study(tmp_path / "study", seeds=1, masks=("segmentation",))
    output = tmp_path / "out"
    report(settings(f"source={tmp_path}/study", f"output={output}", "table=3", "wandb=true"))
    (record,) = (output / "wandb").glob("offline-run-*")
    assert any((record / "files" / "media" / "table").iterdir())
    assert not (output / "verdicts.md").exists(), "the claims need every table's runs"


def test_one_table_of_a_study_under_way(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "baseline", {"baseline": 0.0})
    (table,) = report(settings(f"source={tmp_path}"))
    assert table.number == 4 and table.rows[1].note == "not evaluated"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["table=5"], "error: table: expected one of ['all', '1', '2', '3', '4'], got '5'"),
        (["source=nowhere"], "error: source: no folder nowhere"),
        (["source=wandb:x"], "error: source: expected wandb:ENTITY/PROJECT, got wandb:x"),
        (["collect=true"], "error: output: expected a folder, got none; give output=DIR"),
        (["table=2"], "error: table 2: expected scores of 'dual_motion'"),
    ],
)
def test_what_cannot_be(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    overrides: list[str],
    message: str,
) -> None:
    write_run(tmp_path / "a", "baseline", {"baseline": 0.0})
    quiet = ["hydra/hydra_logging=none"]
    given = [] if any(item.startswith("source") for item in overrides) else [f"source={tmp_path}"]
    monkeypatch.setattr(sys, "argv", ["report", *given, *overrides, *quiet])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr().err
    assert stop.value.code == 2 and message in said and "Traceback" not in said


def test_a_table_of_ones_own_by_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, lift in (("a", 0.0), ("b", 1.0)):
        write_run(tmp_path / f"{name}, old" / "0", "dual", {"dual": lift})
    # A comma parts the entries of a list; a path with one stands in quotes.
    arguments = [f"runs=['plain={tmp_path}/a, old','{tmp_path}/b, old']"]
    arguments += ["columns=[ssim_hole]", f"output={tmp_path}/out"]
    monkeypatch.setattr(sys, "argv", ["report", *arguments])
    main()
    text = (tmp_path / "out" / "runs.md").read_text()
    assert "| plain | " in text and "| b, old: dual | " in text and "SSIM hole ↑" in text
    assert str(tmp_path) not in text
    assert "dual" in capsys.readouterr().out
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".md", ".csv", ".tex"}
