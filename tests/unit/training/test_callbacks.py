"""Speed, pictures and W&B's folders."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tests.helpers.tiny import (
    SIDE,
    TextureClips,
    tiny_batch,
    tiny_clip,
    tiny_datamodule,
    tiny_module,
    tiny_trainer,
)

from diffmvr.models.guide_settings import GuideSettings
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.training import callbacks
from diffmvr.training.callbacks import FrameThroughput
from diffmvr.training.ema import EMACallback
from diffmvr.training.sampling_callback import LogRestoredClip, comparison_grid
from diffmvr.training.wandb_logger import build_wandb_logger


def test_speed_counts_frames_of_all_processes(
    frozen_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 0.5, 2.0, 10.0])
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: next(clock))
    logged: dict[str, float] = {}

    class Trainer:
        world_size, global_step, log_every_n_steps = 3, 2, 2

    module = tiny_module(frozen_parts)
    monkeypatch.setattr(module, "log", logged.__setitem__)
    speed = FrameThroughput()  # 0.0
    speed.on_train_start(Trainer(), module)  # 0.5
    batch = tiny_batch(clips=2, frames=4)
    speed.on_train_batch_end(Trainer(), module, None, batch, 0)  # 2.0: 8 frames in 1.5 s
    assert logged == {"train/frames_per_second": pytest.approx(8 * 3 / 1.5)}


def test_a_validation_leaves_pictures_of_the_average(frozen_parts: Path, tmp_path: Path) -> None:
    # In the order of conf/callbacks: the average is still in the module when pictures are made.
    module = tiny_module(frozen_parts)
    seen: list[list[torch.Tensor]] = []

    class Samples(LogRestoredClip):
        def on_validation_end(self, trainer, pl_module) -> None:
            seen.append([p.detach().clone() for p in module.trainable_parameters()])
            super().on_validation_end(trainer, pl_module)

    average = EMACallback(0.3)
    trainer = tiny_trainer(tmp_path, 2, [Samples(tmp_path, num_inference_steps=1), average])
    source = TextureClips(7, frames=4)
    trainer.fit(module, datamodule=tiny_datamodule(source=source, batch_frames=4))
    shadows = average.state_dict()["shadow_params"]
    assert all(torch.equal(a, b) for a, b in zip(seen[0], shadows, strict=True))
    picture = cv2.imread(str(tmp_path / "step000002.png"))
    assert picture is not None and picture.std() > 1
    video = cv2.VideoCapture(str(tmp_path / "step000002.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 4
    assert video.get(cv2.CAP_PROP_FRAME_WIDTH) == 2 * 4 * SIDE


def test_the_grid_shows_hidden_frames_guides_and_truth() -> None:
    clip = tiny_clip(frames=4, arrival=2)
    guides = AutomaticGuides(align_past="none")
    grid = comparison_grid(clip, clip.frames, guides)
    alone = comparison_grid(clip, clip.frames, AutomaticGuides(("past",), align_past="none"))
    assert grid.dtype == np.uint8
    # Five rows with two guides, four with one.
    assert grid.shape[0] - alone.shape[0] >= SIDE
    unknown = comparison_grid(type(clip)(**{**vars(clip), "frames": None}), clip.observed, guides)
    assert unknown.shape[0] < grid.shape[0]
    clear = type(clip)(**{**vars(clip), "mask": np.zeros_like(clip.mask)})
    assert comparison_grid(clear, clip.frames, guides).shape[1] > grid.shape[1], "all 4 frames"


def test_pictures_need_a_diffmvr_module(tmp_path: Path) -> None:
    import lightning as L

    with pytest.raises(TypeError, match="DiffMVRModule, got LightningModule"):
        LogRestoredClip(tmp_path).on_validation_end(tiny_trainer(tmp_path, 1), L.LightningModule())


def test_wandb_stays_in_the_runs_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_CONFIG_DIR")
    for name in (*names, "WANDB_SILENT", "WANDB_DISABLE_CODE"):
        monkeypatch.setenv(name, "elsewhere")
    logger = build_wandb_logger(tmp_path / "run", group="dual", name="dual-s0")
    for name in names:
        folder = Path(os.environ[name])
        assert folder.is_dir() and folder.is_relative_to(tmp_path / "run")
    settings = logger._wandb_init
    assert (settings["group"], settings["job_type"]) == ("dual", "train")
    assert settings["mode"] == "offline"
    assert "anonymous" not in settings, "W&B would warn of it"


@pytest.mark.parametrize("kinds", [("past",), ("symmetric", "past")])
def test_a_module_trains_with_any_number_of_guides(
    frozen_parts: Path, kinds: tuple[str, ...]
) -> None:
    scales = (1 / len(kinds),) * len(kinds)
    module = tiny_module(frozen_parts, GuideSettings(kinds=kinds, scales=scales))
    losses = module.losses(tiny_batch(kinds=len(kinds)), torch.Generator().manual_seed(0))
    assert all(torch.isfinite(loss) for loss in losses.values())
