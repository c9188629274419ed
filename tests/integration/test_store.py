"""Training and evaluation read a clip store by one override."""

from pathlib import Path

import polars as pl
import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from omegaconf import DictConfig
from tests.helpers.stores import write_clips
from tests.helpers.tiny import build_tiny

from diffmvr.config import config_dir
from diffmvr.data.splits import SPLITS, split_of
from diffmvr.data.synthetic import render_clip
from diffmvr.evaluate import evaluate
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.train import train

FRAMES = 4
PEOPLE = {"train": 4, "val": 1, "test": 2}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of clear clips, with people in every split."""
    subjects = {split: [] for split in SPLITS}
    for subject in range(200):
        subjects[split_of(f"{subject:05d}")].append(subject)
    clips = [
        render_clip(9, subject, 0, num_frames=2 * FRAMES, occluded=False)
        for split, count in PEOPLE.items()
        for subject in subjects[split][:count]
    ]
    return write_clips(tmp_path_factory.mktemp("store") / "store", clips)


def composed(name: str, store: Path, output: Path, *overrides: str) -> DictConfig:
    fixed = [
        "data=clips",
        f"data.root={store}",
        f"data.source.num_frames={FRAMES}",
        f"paths.output={output}",
        "preprocessing.align_past=similarity",
        "threads=1",
    ]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose(name, [*fixed, *overrides])


def test_a_model_is_trained_and_scored_on_a_store(
    store: Path, frozen_parts: Path, tmp_path: Path
) -> None:
    base = build_tiny(frozen_parts, GuideSettings(pathway="both"), sample_size=16)
    DiffMVRPipeline.from_components(base).save_pretrained(tmp_path / "weights" / "tiny-base")
    cfg = composed(
        "train",
        store,
        tmp_path / "run",
        f"paths.weights={tmp_path / 'weights'}",
        "logger=csv",
        "data.window=4",
        "data.batch_frames=8",
        "debug=fast",
        "trainer.max_steps=2",
        "evaluation.restorers=[telea]",
        "evaluation.clips_per_subject=null",
        "evaluation.limit=null",
    )
    result = train(cfg)
    assert set(result.scores) == {"diffmvr", "telea", "autoencoder (bound)"}
    rows = pl.read_parquet(result.output / "scores.parquet")
    assert {split_of(subject) for subject in rows["subject_id"]} == {"test"}
    assert rows["clip_id"].n_unique() == 2 * PEOPLE["test"]
    card = (result.model / "README.md").read_text()
    # The store by its name, not where it lies on this machine.
    assert f"clip store {store.name}\n" in card and str(store) not in card


def test_restorers_are_scored_on_a_store(store: Path, tmp_path: Path) -> None:
    restorers = ["restorers=[telea,copy_past]", "reference=telea"]
    for kind in ("segmentation", "bbox"):
        cfg = composed("evaluate", store, tmp_path / kind, f"mask={kind}", *restorers)
        evaluate(cfg)
        rows = pl.read_parquet(tmp_path / kind / "scores.parquet")
        assert rows["mask_type"].unique().to_list() == [kind]
        assert rows.height == 2 * 2 * PEOPLE["test"]
        assert rows["psnr_hole"].is_finite().all()
        assert (tmp_path / kind / "comparison.png").is_file()


def test_a_store_must_be_named(tmp_path: Path) -> None:
    cfg = composed("evaluate", tmp_path, tmp_path, "restorers=[telea]", "reference=telea")
    cfg.data.root = None
    with pytest.raises(InstantiationException) as error:
        evaluate(cfg)
    assert "give data.root=STORE" in str(error.value.__cause__)
