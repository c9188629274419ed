from pathlib import Path

from diffmvr.training.wandb_logger import build_wandb_logger, finish_wandb, keep_in_wandb


def test_what_the_tables_need_is_uploaded_with_the_run(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    logger = build_wandb_logger(tmp_path, "project", name="mine")
    keep_in_wandb([logger, object()], [tmp_path / "run.json", tmp_path / "absent.parquet"])
    finish_wandb([logger])
    (files,) = tmp_path.glob("wandb/offline-run-*/files")
    assert (files / "run.json").read_text() == "{}"
    assert not (files / "absent.parquet").exists()
