"""The tuning command end to end: a folder that the adapter loads, and an exact resume."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from hydra import compose, initialize_config_dir
from hydra.utils import get_method
from omegaconf import DictConfig
from tests.helpers.clips import moving_clip
from tests.helpers.text_inpainter import save_text_inpainter

from diffmvr.baselines.diffusers_inpainting import DiffusersInpainting
from diffmvr.checks import WeightsNotPresentError
from diffmvr.config import config_dir, register_resolvers
from diffmvr.run_record import load_run_record
from diffmvr.tune_baseline import tune_baseline

SMALL = (
    "resolution=32",
    "threads=1",
    "data.source.subjects=6",
    "data.source.clips_per_subject=1",
    "data.source.num_frames=4",
    "baseline.subjects=2",
    "baseline.frames=3",
    "baseline.optimizer.lr=1e-3",
    "callbacks.checkpoint.every_n_epochs=1",
    "~callbacks.progress",
    "+trainer.enable_progress_bar=false",
)


def composed(*overrides: str) -> DictConfig:
    register_resolvers()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("tune_baseline", list(overrides))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_text_inpainter(tmp_path_factory.mktemp("base") / "base")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    unet: Any = UNet2DConditionModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False)
    return unet.state_dict()


def test_dreambooth_writes_a_folder_that_the_adapter_loads(base: Path, tmp_path: Path) -> None:
    prior = ["baseline.prior.images=2", "baseline.prior.num_inference_steps=1"]
    run = [f"base={base}", f"paths.output={tmp_path}", "baseline.epochs=2", *SMALL, *prior]
    folder = tune_baseline(composed(*run))
    assert folder == tmp_path / "model"
    assert not list(tmp_path.rglob("*.partial"))
    card = (folder / "README.md").read_text()
    assert "license: openrail++" in card and "# Tuned-stabilityai" in card
    assert "3 frames of 2 people" in card and "2 epochs, 6 steps" in card
    record = load_run_record(tmp_path)
    assert (record.kind, record.steps) == ("tune_baseline", 6)
    assert record.weights_hash not in ("", record.base_hash)
    assert "2 images painted by the base for 'a photo of a face'" in card

    clip = moving_clip(frames=2, size=32, arrival=1)
    settings: dict[str, Any] = {"resolution": 32, "num_inference_steps": 2}
    tuned, untuned = (
        DiffusersInpainting("tuned_stabilityai", path, **settings).restore(clip)
        for path in (folder, base)
    )
    assert (tuned != untuned).any()
    np.testing.assert_array_equal(tuned[clip.mask == 0], clip.observed[clip.mask == 0])


def test_a_stopped_run_goes_on_exactly(base: Path, tmp_path: Path) -> None:
    def run(name: str, *changes: str) -> dict[str, torch.Tensor]:
        settings = ["baseline=tuned_runwayml", "baseline.batch_size=1", f"base={base}"]
        where = f"paths.output={tmp_path / name}"
        return weights(tune_baseline(composed(*settings, where, *SMALL, *changes)))

    whole = run("whole", "baseline.epochs=3")
    half = run("half", "baseline.epochs=1")
    resumed = run("half", "baseline.epochs=3", "ckpt_path=last")
    assert any((half[name] != whole[name]).any() for name in whole)
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0, msg=name)


@pytest.mark.parametrize(
    ("name", "subjects", "frames", "epochs"),
    [("tuned_stabilityai", 10, 10, 80), ("tuned_runwayml", 40, 3091, 250)],
)
def test_the_defaults_are_the_papers(name: str, subjects: int, frames: int, epochs: int) -> None:
    cfg = composed(f"baseline={name}").baseline
    assert (cfg.name, cfg.subjects, cfg.frames, cfg.epochs) == (name, subjects, frames, epochs)
    assert callable(get_method(cfg.optimizer._target_))
    assert (cfg.prior is not None) == (name == "tuned_stabilityai"), "DreamBooth has a prior"


def test_a_base_that_is_not_there_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(
        WeightsNotPresentError,
        match=r"^weights not present: sd2-community/.* in the hub's cache; run `hf download .*`"
        r", or give a folder or a \.safetensors file as base=PATH$",
    ):
        tune_baseline(composed(f"paths.output={tmp_path}"))


def test_weights_that_would_be_shared_out_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^trainer\.strategy: .*use trainer=ddp, or ddp_sim"):
        tune_baseline(composed("trainer=fsdp", f"paths.output={tmp_path}"))
