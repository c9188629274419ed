"""The learned rivals learn, repeat themselves, and go on where they were stopped."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.optimization import get_constant_schedule_with_warmup
from lightning.pytorch.callbacks import ModelCheckpoint
from tests.helpers.tiny import fingerprint, tiny_clip, tiny_datamodule, tiny_trainer
from torch import nn

from diffmvr.data.unguided import NoGuides
from diffmvr.losses.hole_l1 import HoleL1Loss
from diffmvr.models.fourier_inpainter import FourierInpainter
from diffmvr.models.temporal_inpainter import TemporalInpainter
from diffmvr.structures import collate_clips
from diffmvr.training.ema import EMACallback
from diffmvr.training.inpainter_module import InpainterModule

KINDS = ("fourier", "temporal")


def network(kind: str) -> nn.Module:
    torch.manual_seed(0)
    if kind == "fourier":
        return FourierInpainter(width=8, downsamplings=2, blocks=2)
    return TemporalInpainter(width=24, blocks=1, patch_sizes=(1, 2))


def module(kind: str, lr: float = 3e-3) -> InpainterModule:
    return InpainterModule(
        network(kind),
        HoleL1Loss(),
        partial(torch.optim.Adam, lr=lr),
        partial(get_constant_schedule_with_warmup, num_warmup_steps=2),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_two_clips_can_be_learned_by_heart(kind: str) -> None:
    clips = [tiny_clip(seed=1), tiny_clip(seed=2)]
    batch = collate_clips([(clip, NoGuides()(clip)) for clip in clips])
    trained = module(kind)
    configured = trained.configure_optimizers()
    optimizer, schedule = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    losses = []
    for _ in range(60):
        drawn = trained.network(batch.masked_pixel_values, batch.mask)
        loss = trained.loss(drawn, batch.pixel_values, batch.mask)
        optimizer.zero_grad()
        loss["total"].backward()
        optimizer.step()
        schedule.step()
        losses.append(loss["hole"].item())
    # A third of what an untrained network misses.
    assert sum(losses[-5:]) / 5 < losses[0] / 3, (losses[0], losses[-5:])


def run(
    kind: str, folder: Path, resume: Path | None = None, save: bool = False
) -> tuple[dict[str, str], dict[str, Any]]:
    """Train for 5 steps; return the final weights and what was logged last."""
    window = 1 if kind == "fourier" else 4
    callbacks: list[Any] = [EMACallback(decay=0.9)]
    if save:
        callbacks.append(ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1))
    trainer = tiny_trainer(folder, 5, callbacks)
    datamodule = tiny_datamodule(clips=7, batch_frames=4, window=window, guide_builder=NoGuides())
    trained = module(kind)
    trainer.fit(trained, datamodule=datamodule, ckpt_path=resume, weights_only=True)
    assert trainer.global_step == 5
    return fingerprint(trained), dict(trainer.callback_metrics)


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_ends_where_the_whole_one_did(kind: str, tmp_path: Path) -> None:
    torch.rand(3)  # nothing is drawn from the global generator
    whole, logged = run(kind, tmp_path / "whole", save=True)
    assert {"train/loss", "train/loss_hole", "train/loss_visible"} <= set(logged)
    assert {"val/loss", "val/psnr_hole", "val/ssim_hole", "val/tc_hole_diff"} <= set(logged)
    resumed, _ = run(kind, tmp_path / "resumed", resume=tmp_path / "whole" / "step=3.ckpt")
    assert resumed == whole


def test_the_validation_score_is_the_psnr_of_the_hidden_pixels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clip = tiny_clip()
    batch = collate_clips([(clip, NoGuides()(clip))])

    class Grey(nn.Module):
        def forward(self, pixel_values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return torch.zeros_like(pixel_values)

    grey = InpainterModule(
        Grey(), HoleL1Loss(), torch.optim.Adam, torch.optim.lr_scheduler.LRScheduler
    )
    logged: dict[str, float] = {}
    monkeypatch.setattr(grey, "log", lambda name, value, **_: logged.update({name: float(value)}))
    monkeypatch.setattr(grey, "log_dict", lambda values, **_: logged.update(values))
    grey.validation_step(batch, 0)
    grey.on_validation_epoch_end()
    hidden = clip.frames[clip.mask == 1] / 255
    expected = -10 * torch.log10(torch.tensor(((hidden - 0.5) ** 2).mean()))
    # Grey lies between two whole levels.
    assert float(logged["val/psnr_hole"]) == pytest.approx(float(expected), rel=1e-6)
    assert not grey.hole_scores.psnr.counted, "the next validation begins anew"
