"""One clip, over and over."""

from pathlib import Path

import lightning as L
import pytest
import torch
from tests.helpers.tiny import TextureClips, tiny_datamodule, tiny_module, tiny_trainer

from diffmvr.structures import Clip, ClipBatch
from diffmvr.training.overfit import OneClipDataModule


class Seen(L.Callback):
    """Keeps the batches and the validation losses."""

    def __init__(self) -> None:
        self.batches: list[ClipBatch] = []
        self.losses: list[float] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.batches.append(batch)

    def on_validation_end(self, trainer, pl_module) -> None:
        self.losses.append(float(trainer.callback_metrics["val/loss_denoising"]))


def test_the_loss_falls_on_one_clip(frozen_parts: Path, tmp_path: Path) -> None:
    module, seen = tiny_module(frozen_parts), Seen()
    trainer = tiny_trainer(tmp_path, 60, [seen], val_check_interval=20)
    trainer.fit(module, datamodule=OneClipDataModule(tiny_datamodule()))
    assert len(seen.batches) == 60
    first = seen.batches[0]
    for batch in seen.batches[1:]:
        assert batch.clip_id == first.clip_id
        assert torch.equal(batch.frame_index, first.frame_index)
    assert seen.losses == sorted(seen.losses, reverse=True)
    assert seen.losses[-1] < 0.9 * seen.losses[0]


def test_the_clip_is_one_of_training_and_shown(frozen_parts: Path) -> None:
    images = tiny_datamodule()
    one = OneClipDataModule(images)
    (index,) = one.indices["train"]
    assert index in images.indices["train"] and one.indices["val"] == [index]
    (whole,) = one.val_dataloader()
    assert whole.num_frames == one.source[index].observed.shape[0]


def test_a_clip_with_nothing_hidden_is_passed_over() -> None:
    class Clear(TextureClips):
        def __getitem__(self, index: int) -> Clip:
            clip = super().__getitem__(index)
            return clip.with_mask(0 * clip.mask)

    images = tiny_datamodule(source=Clear(12))
    with pytest.raises(ValueError, match=r"data: none of the \d+ training clips has a hole"):
        OneClipDataModule(images)
