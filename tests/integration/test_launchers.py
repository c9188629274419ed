"""Sweeps over several processes of this machine: the recipes of ``conf/hydra/launcher``."""

from pathlib import Path

import polars as pl
import pytest
from hydra import compose, initialize_config_dir
from tests.helpers.commands import LEAST, run

from diffmvr.config import config_dir
from diffmvr.evaluate import evaluate
from diffmvr.merge import MergeSettings, merge
from diffmvr.run_record import load_run_record

JOBLIB, SUBMITIT = "hydra_plugins.hydra_joblib_launcher", "hydra_plugins.hydra_submitit_launcher"
FLOOR = (
    *("restorers=[telea]", "reference=telea", "threads=1", "scoring.distances=null"),
    *("data.source.subjects=36", "data.source.num_frames=4", "limit=3"),
    "~scoring.scorers.expression",
)


@pytest.mark.parametrize("program", ["train", "evaluate"])
@pytest.mark.parametrize(
    ("recipe", "plugin", "target", "settings"),
    [
        ("workers", JOBLIB, "JoblibLauncher", {"n_jobs": 2}),
        ("slurm", SUBMITIT, "SlurmLauncher", {"timeout_min": 1440, "gpus_per_node": 1}),
    ],
)
def test_every_recipe_fits_its_launcher(
    program: str, recipe: str, plugin: str, target: str, settings: dict[str, int]
) -> None:
    pytest.importorskip(plugin)
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        cfg = compose(program, [f"hydra/launcher={recipe}"], return_hydra_config=True)
    launcher = cfg.hydra.launcher
    assert launcher._target_.endswith(target)
    assert {name: launcher[name] for name in settings} == settings


def test_joblib_trains_two_jobs_at_a_time(weights: Path, tmp_path: Path) -> None:
    pytest.importorskip(JOBLIB)
    sweep = tmp_path / "sweep"
    fixed = [f"paths.weights={weights}", f"hydra.sweep.dir={sweep}", "ledger=true", "logger=csv"]
    swept = ["--multirun", "hydra/launcher=workers", "seed=0,1"]
    run("diffmvr.train", *swept, *LEAST, *fixed, cwd=tmp_path)
    records = {load_run_record(path.parent).seed for path in sweep.rglob("run.json")}
    assert records == {0, 1}
    assert len(list(sweep.glob("baseline-s?/model/unet"))) == 2


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """The scores that one job finds."""
    folder = tmp_path_factory.mktemp("whole")
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        evaluate(compose("evaluate", [*FLOOR, f"paths.output={folder}"]))
    return pl.read_parquet(folder / "scores.parquet")


def test_a_cohort_is_scored_by_several_jobs(tmp_path: Path, whole: pl.DataFrame) -> None:
    pytest.importorskip(SUBMITIT)
    swept = ["--multirun", "hydra/launcher=submitit_local", "shard=1/2,2/2"]
    run("diffmvr.evaluate", *swept, *FLOOR, f"hydra.sweep.dir={tmp_path}", cwd=tmp_path)
    (merged,) = merge(MergeSettings(str(tmp_path)))
    assert pl.read_parquet(merged / "scores.parquet").equals(whole)
