import csv
from pathlib import Path

from diffmvr.training.csv_logger import RunCsvLogger
from diffmvr.training.run_logger import begin_logging


def logged(folder: Path) -> list[tuple[int, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [(int(row["step"]), row["train/loss"]) for row in rows]


def log(folder: Path, resumed_at: int | None, values: dict[int, float], **more: float) -> None:
    logger = RunCsvLogger(folder)
    begin_logging([logger], {"seed": 7}, resumed_at)
    for step, value in values.items():
        logger.log_metrics({"train/loss": value, **more}, step=step)
    logger.save()


def test_a_run_that_goes_on_keeps_its_earlier_steps_in_the_same_file(tmp_path: Path) -> None:
    log(tmp_path, None, {0: 1.0, 1: 2.0, 2: 3.0})
    # What came after the checkpoint is logged again, with a name that is new.
    log(tmp_path, 2, {2: 30.0, 3: 40.0}, **{"val/loss": 5.0})
    assert logged(tmp_path) == [(0, "1.0"), (1, "2.0"), (2, "30.0"), (3, "40.0")]
    assert (tmp_path / "metrics.csv").read_text().splitlines()[0] == "step,train/loss,val/loss"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hparams.yaml", "metrics.csv"]
    # Begun anew, the file is.
    log(tmp_path, None, {0: 9.0})
    assert logged(tmp_path) == [(0, "9.0")]


def test_half_a_row_of_a_killed_run_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,train/loss\n0,1.0\n1,2.0\n2")
    log(tmp_path, 5, {5: 6.0})
    assert logged(tmp_path) == [(0, "1.0"), (1, "2.0"), (5, "6.0")]
    # Nothing was logged before it was killed.
    log(tmp_path / "empty", 1, {1: 2.0})
    assert logged(tmp_path / "empty") == [(1, "2.0")]
