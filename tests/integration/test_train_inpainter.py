"""A rival from its configuration to the table it competes in."""

from pathlib import Path

import polars as pl
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from diffmvr.baselines.learned import load_inpainter
from diffmvr.config import config_dir
from diffmvr.evaluate import evaluate
from diffmvr.run_record import load_run_record
from diffmvr.train_inpainter import train_inpainter

# Every part is real; there is just less of it.
LESS = [
    "debug=fast",
    "trainer.max_steps=2",
    "data.source.num_frames=8",
    "data.batch_frames=8",
    "evaluation.restorers=[telea]",
]
SMALL = {
    "fourier": ["network.width=8", "network.blocks=1"],
    "temporal": ["network.width=24", "network.blocks=1", "data.window=8"],
}


def composed(name: str, output: Path, *overrides: str) -> DictConfig:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose(name, [f"paths.output={output}", *overrides])


@pytest.mark.parametrize("kind", SMALL)
def test_a_rival_is_trained_saved_and_scored(kind: str, tmp_path: Path) -> None:
    name, run = f"{kind}_inpainter", tmp_path / "run"
    cfg = composed("train_inpainter", run, f"inpainter={kind}", *LESS, *SMALL[kind])
    model = train_inpainter(cfg)
    assert model == run / "model"
    network = load_inpainter(model)
    assert network.config.width == cfg.network.width
    card = (model / "README.md").read_text()
    assert "2 of 8 frames" in card and "psnr_hole (2 clips)" in card
    assert set(pl.read_parquet(run / "scores.parquet")["restorer"]) == {name, "telea"}
    assert name in (run / "table.md").read_text() and (run / "run.json").is_file()
    logged = pl.read_csv(run / "metrics.csv", infer_schema_length=None)
    assert logged["val/psnr_hole"].drop_nulls().len() == 1
    assert logged[f"test/psnr_hole/{name}"].drop_nulls().len() == 1
    assert load_run_record(run).weights_hash, "it names the model"

    # What was trained competes beside the others by its name.
    cfg = composed(
        "evaluate",
        tmp_path / "evaluation",
        f"restorers=[{name},telea]",
        "reference=telea",
        f"baselines.{name}.weights={model}",
        "data.source.subjects=36",
        "data.source.clips_per_subject=1",
        "data.source.num_frames=8",
        "limit=2",
        "threads=1",
    )
    evaluate(cfg)
    scored = pl.read_parquet(tmp_path / "evaluation" / "scores.parquet")
    first = pl.read_parquet(run / "scores.parquet")
    assert (
        scored.filter(pl.col("restorer") == name)["psnr_hole"].to_list()
        == first.filter(pl.col("restorer") == name)["psnr_hole"].to_list()
    )


def test_a_finished_job_of_the_ledger_is_skipped(tmp_path: Path) -> None:
    overrides = [*LESS, *SMALL["fourier"], "evaluation.restorers=null", "ledger=true"]
    overrides.append("trainer.accumulate_grad_batches=2")
    cfg = composed("train_inpainter", tmp_path, "inpainter=fourier", *overrides)
    train_inpainter(cfg)
    card = (tmp_path / "model" / "README.md").read_text()
    assert "2 of 16 frames" in card, "accumulated batches are of the step"
    assert "batch_frames: 8" in (tmp_path / "hparams.yaml").read_text(), "settings are logged"
    before = (tmp_path / "run.json").stat().st_mtime_ns
    train_inpainter(cfg)
    assert (tmp_path / "run.json").stat().st_mtime_ns == before
    longer = composed(
        "train_inpainter", tmp_path, "inpainter=fourier", *overrides, "trainer.max_steps=3"
    )
    with pytest.raises(ValueError, match="holds a job with"):
        train_inpainter(longer)


def test_weights_that_would_be_shared_out_are_refused_at_once(tmp_path: Path) -> None:
    cfg = composed("train_inpainter", tmp_path / "run", "trainer=fsdp_sim")
    with pytest.raises(ValueError, match=r"^trainer\.strategy: .*use trainer=ddp, or ddp_sim"):
        train_inpainter(cfg)
    assert not (tmp_path / "run").exists()
