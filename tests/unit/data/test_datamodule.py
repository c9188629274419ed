"""What reaches the model: whole windows, split by subject."""

import pytest
import torch
from tests.helpers.tiny import SIDE, TextureClips, tiny_datamodule

from diffmvr.structures import ClipBatch


def test_a_training_batch_is_whole_windows() -> None:
    loader = tiny_datamodule(batch_frames=8, window=2).train_dataloader()
    batch = next(iter(loader))
    assert isinstance(batch, ClipBatch)
    assert batch.pixel_values.shape == (4, 2, 3, SIDE, SIDE)
    assert batch.guide_pixel_values.shape == (4, 2, 2, 3, SIDE, SIDE)
    assert (batch.frame_index[:, 1] - batch.frame_index[:, 0] == 1).all()
    assert batch.mask.flatten(1).any(dim=1).all(), "every window has something to restore"
    assert batch.pixel_values.abs().max() <= 1 and batch.mask.unique().tolist() == [0, 1]


def test_validation_gives_whole_clips_one_at_a_time() -> None:
    module = tiny_datamodule(clips=25, val_clips=2)
    batches = list(module.val_dataloader())
    assert len(batches) == 2
    assert all(batch.mask.shape[:2] == (1, 4) for batch in batches)


def test_subjects_never_cross_splits() -> None:
    source = TextureClips(60)
    source.subject_ids = [f"person-{index // 3}" for index in range(60)]
    module = tiny_datamodule(source=source)
    people = {k: {source.subject_ids[i] for i in v} for k, v in module.indices.items()}
    assert all(people.values())
    assert sum(map(len, people.values())) == len(set(source.subject_ids))
    trained = set(module.train_windows().subject_ids)
    assert trained == people["train"]
    validated = {batch.subject_id[0] for batch in module.val_dataloader()}
    assert validated <= people["val"]


def test_the_mask_hides_the_masked_frame_only() -> None:
    batch = next(iter(tiny_datamodule().train_dataloader()))
    hidden = batch.mask.expand_as(batch.pixel_values) > 0
    assert not batch.masked_pixel_values[hidden].any()
    assert torch.equal(batch.masked_pixel_values[~hidden], batch.pixel_values[~hidden])
    assert torch.equal(batch.observed_pixel_values[~hidden], batch.pixel_values[~hidden])
    assert not torch.equal(batch.observed_pixel_values[hidden], batch.pixel_values[hidden])


def test_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match=r"batch_frames: .*so 8 must be a multiple of window=3"):
        tiny_datamodule(batch_frames=8, window=3)
    with pytest.raises(ValueError, match=r"fractions: none of the 2 subjects falls into"):
        tiny_datamodule(clips=2)
    with pytest.raises(ValueError, match=r"batch_size: 50 clips × 1 processes"):
        tiny_datamodule(batch_frames=100, window=2).train_dataloader()


def test_at_most_so_many_clips_are_taken() -> None:
    source = TextureClips(60)
    source.subject_ids = [f"person-{index // 2}" for index in range(60)]
    whole, few = tiny_datamodule(source=source), tiny_datamodule(source=source, max_clips=30)
    for split, indices in few.indices.items():
        assert indices == whole.indices[split][::2], "the first clip of everybody"
    with pytest.raises(ValueError, match=r"fractions: none of the 1 subjects falls into"):
        tiny_datamodule(source=source, max_clips=1)
