"""A rival whose weights are not present is a row of the table, and one whose are competes."""

import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from tests.helpers.text_inpainter import save_text_inpainter

from diffmvr.checks import WeightsNotPresentError
from diffmvr.config import config_dir, register_resolvers
from diffmvr.evaluate import evaluate


def composed(*overrides: str) -> DictConfig:
    register_resolvers()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("evaluate", list(overrides))


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def test_missing_weights_are_a_row_and_a_file(tmp_path: Path, no_cache: None) -> None:
    folder = save_text_inpainter(tmp_path / "inpainter")
    settings = [
        f"paths.output={tmp_path / 'run'}",
        "data.source.subjects=8",
        "data.source.clips_per_subject=1",
        "data.source.num_frames=4",
        "limit=1",
        "scoring.distances=null",
        "threads=1",
        "reference=telea",
        "baselines.stabilityai.resolution=64",
        "baselines.stabilityai.num_inference_steps=1",
        f"baselines.tuned_stabilityai.weights={folder}",
    ]
    chosen = "restorers=[telea,runwayml,tuned_stabilityai]"
    table = evaluate(composed(*settings, chosen))
    rows = {row.restorer: row for row in table.rows}
    assert list(rows) == ["telea", "tuned_stabilityai", "runwayml"]
    assert rows["tuned_stabilityai"].n_clips == 1
    assert rows["runwayml"].note.startswith("weights not present: stable-diffusion-v1-5/")
    assert "weights not present" in (tmp_path / "run" / "table.md").read_text()
    missing = json.loads((tmp_path / "run" / "missing.json").read_text())
    assert missing == {"runwayml": rows["runwayml"].note}

    with pytest.raises(WeightsNotPresentError, match="weights not present: stable-diffusion"):
        evaluate(composed(*settings, chosen, "reference=runwayml"))
    with pytest.raises(ValueError, match=r"reference: 'flow' is not among restorers=\['telea'"):
        evaluate(composed(*settings, chosen, "reference=flow"))
