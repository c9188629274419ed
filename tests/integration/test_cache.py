"""``python -m diffmvr.cache``, and training from what it wrote."""

import json
from pathlib import Path

import polars as pl
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from tests.helpers.commands import start

from diffmvr.cache import cache
from diffmvr.config import config_dir
from diffmvr.train import train

DATA = [
    "data.source.subjects=36",
    "data.source.clips_per_subject=1",
    "data.source.num_frames=4",
    "preprocessing.align_past=similarity",
    "threads=1",
]
TRAINING = [
    *("debug=fast", "data.val_clips=1", "data.window=2", "data.batch_frames=8", "logger=csv"),
    *("trainer.max_steps=3", "trainer.val_check_interval=3", "evaluation.restorers=null"),
]


def composed(name: str, *overrides: str) -> DictConfig:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose(name, list(overrides))


@pytest.fixture(scope="module")
def encodings(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache") / "new"
    cfg = composed("cache", f"output={folder}", f"paths.weights={weights}", *DATA)
    assert cache(cfg) == folder
    assert json.loads((folder / "cache.json").read_text())["content"]["frames"] > 0
    return folder


@pytest.mark.parametrize("experiment", ["dual_motion", "present_motion"])
def test_one_cache_serves_every_experiment(
    weights: Path, encodings: Path, tmp_path: Path, experiment: str
) -> None:
    logged = []
    for source in ("null", encodings):
        output = tmp_path / f"run{len(logged)}"
        cfg = composed(
            "train",
            *(f"experiment={experiment}", f"encodings={source}", f"paths.weights={weights}"),
            *(f"paths.output={output}", *TRAINING, *DATA),
        )
        train(cfg)
        logged.append(pl.read_csv(output / "metrics.csv")["train/loss"].drop_nulls().to_list())
    assert len(logged[0]) == 3
    assert logged[1] == pytest.approx(logged[0], rel=1e-4)


def test_a_cache_of_other_clips_is_refused(weights: Path, encodings: Path, tmp_path: Path) -> None:
    cfg = composed(
        "train",
        *(f"encodings={encodings}", f"paths.weights={weights}", f"paths.output={tmp_path}"),
        *(*TRAINING, *DATA, "mask=bbox"),
    )
    with pytest.raises(ValueError, match=r"clips: .*segmentation.* in the cache, .*bbox.* here"):
        train(cfg)


def test_rendered_clips_have_one_mask(weights: Path, tmp_path: Path) -> None:
    cfg = composed("cache", f"output={tmp_path}", "masks=2", f"paths.weights={weights}", *DATA)
    with pytest.raises(ValueError, match="masks: rendered clips have one occluder each, got 2"):
        cache(cfg)
    with pytest.raises(ValueError, match="output: expected a new folder"):
        cache(composed("cache"))


def test_the_command_line_needs_an_output_only(tmp_path: Path) -> None:
    """No other setting is missing: it gets as far as the folder, which is a file."""
    taken = tmp_path / "taken"
    taken.write_text("")
    command = start("diffmvr.cache", f"output={taken}", cwd=tmp_path)
    command.wait()
    assert command.exit_code == 2
    assert command.said.splitlines()[-1].startswith(f"error: output: {taken}")
