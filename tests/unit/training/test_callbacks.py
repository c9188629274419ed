"""Speed, pictures and W&B's folders."""

import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from tests.helpers.tiny import (
    SIDE,
    TextureClips,
    tiny_batch,
    tiny_clip,
    tiny_datamodule,
    tiny_module,
    tiny_trainer,
)

from diffmvr.data.datamodule import ClipDataModule
from diffmvr.metrics.clip_scores import score_clip
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.pipelines.crop_restorer import CropRestorer
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.runs.checkpoint_io import VerifiedCheckpointIO
from diffmvr.structures import Clip
from diffmvr.training import callbacks
from diffmvr.training.callbacks import FrameThroughput
from diffmvr.training.ema import EMACallback
from diffmvr.training.exact_resume import ExactResume
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


def restoring_data() -> ClipDataModule:
    """Nine clips of which three are for validation."""
    source = TextureClips(9, frames=4)
    return tiny_datamodule(source=source, batch_frames=4, fractions=(0.5, 0.3, 0.2))


def test_a_validation_scores_and_shows_the_average(frozen_parts: Path, tmp_path: Path) -> None:
    module, data = tiny_module(frozen_parts), restoring_data()
    seen: list[tuple[list[torch.Tensor], float]] = []

    class Samples(LogRestoredClip):
        def on_validation_epoch_end(self, trainer, pl_module) -> None:
            super().on_validation_epoch_end(trainer, pl_module)
            if trainer.sanity_checking:
                assert not any("hole" in name for name in trainer.callback_metrics)
                return
            pipeline = DiffMVRPipeline.from_components(module.components)
            restorer = CropRestorer(pipeline, data.guide_builder)
            clips = [data.source[index] for index in data.indices["val"][:2]]
            scores = [score_clip(restorer.restore(clip), clip) for clip in clips]
            weights = [p.detach().clone() for p in module.trainable_parameters()]
            seen.append((weights, float(np.mean([one["psnr_hole_pooled"] for one in scores]))))

    average = EMACallback(0.3)
    # Whatever their order: the average is in the module from the start of a validation to its end.
    callbacks = [average, Samples(tmp_path, num_inference_steps=1, clips=2)]
    trainer = tiny_trainer(tmp_path, 2, callbacks, num_sanity_val_steps=1)
    trainer.fit(module, datamodule=data)
    ((weights, expected),) = seen
    shadows = average.state_dict()["shadow_params"]
    assert all(torch.equal(a, b) for a, b in zip(weights, shadows, strict=True))
    logged = {name: value.item() for name, value in trainer.callback_metrics.items()}
    assert logged["val/psnr_hole"] == pytest.approx(expected, rel=1e-5)
    assert np.isfinite([logged["val/ssim_hole"], logged["val/tc_hole_diff"]]).all()
    picture = cv2.imread(str(tmp_path / "step000002.png"))
    assert picture is not None and picture.std() > 1
    assert len(list(tmp_path.glob("*.png"))) == 1, "of the first clip"
    video = cv2.VideoCapture(str(tmp_path / "step000002.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 4
    assert video.get(cv2.CAP_PROP_FRAME_WIDTH) == 2 * 4 * SIDE


class Scores(L.Callback):
    """Writes what every validation has given."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_validation_end(self, trainer, pl_module) -> None:
        value = trainer.callback_metrics["val/psnr_hole"].item()
        (self._folder / f"{trainer.global_step}.json").write_text(json.dumps(value))


def test_the_score_is_monitored_and_the_same_after_a_resume(
    frozen_parts: Path, tmp_path: Path
) -> None:
    def scored(name: str, resume: Path | None = None) -> dict[str, float]:
        folder = tmp_path / name
        folder.mkdir()
        best = ModelCheckpoint(folder, "{step}", monitor="val/psnr_hole", mode="max", save_top_k=-1)
        samples = LogRestoredClip(folder / "samples", clips=3)
        callbacks = [EMACallback(0.3), samples, Scores(folder), ExactResume(folder), best]
        trainer = tiny_trainer(folder, 4, callbacks, plugins=[VerifiedCheckpointIO()])
        module = tiny_module(frozen_parts)
        trainer.fit(module, datamodule=restoring_data(), ckpt_path=resume, weights_only=True)
        return {file.stem: json.loads(file.read_text()) for file in folder.glob("*.json")}

    alone = scored("alone")
    assert alone.keys() == {"2", "4"} and alone["2"] != alone["4"]
    # A checkpoint comes of the score, and after it.
    assert scored("resumed", tmp_path / "alone" / "step=2.ckpt") == {"4": alone["4"]}


def test_clips_without_truth_are_not_scored(frozen_parts: Path, tmp_path: Path) -> None:
    class Unknown(TextureClips):
        def __getitem__(self, index: int) -> Clip:
            return replace(super().__getitem__(index), frames=None)

    trainer = tiny_trainer(tmp_path, 1, [LogRestoredClip(tmp_path)], val_check_interval=1)
    data = tiny_datamodule(source=Unknown(7, frames=4), batch_frames=4)
    trainer.fit(tiny_module(frozen_parts), datamodule=data)
    assert "val/loss_denoising" in trainer.callback_metrics
    assert "val/psnr_hole" not in trainer.callback_metrics
    assert (tmp_path / "step000001.png").is_file()


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
    with pytest.raises(TypeError, match="DiffMVRModule, got LightningModule"):
        LogRestoredClip(tmp_path).on_validation_epoch_end(
            tiny_trainer(tmp_path, 1), L.LightningModule()
        )
    with pytest.raises(ValueError, match=r"callbacks\.samples\.clips: expected .*, got 0"):
        LogRestoredClip(tmp_path, clips=0)


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
