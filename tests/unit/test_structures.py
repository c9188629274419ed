"""The data contract: shapes, value ranges, and what belongs together."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.helpers.clips import moving_clip
from tests.helpers.tiny import random_guides, tiny_batch

from diffmvr.structures import (
    Clip,
    ClipBatch,
    FaceTrack,
    collate_clips,
    join_clips,
    to_pixel_values,
    to_uint8,
    window_of,
)


def test_every_grey_level_survives_the_way_there_and_back() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    values = to_pixel_values(levels)
    assert values.shape == (1, 3, 16, 16)
    assert values.min() == -1 and values.max() == 1
    np.testing.assert_array_equal(to_uint8(values), levels)


def test_channels_stay_apart_and_values_are_clamped() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 1] = (255, 128, 0)
    values = to_pixel_values(image)
    assert values[:, 0, 1].tolist() == pytest.approx([1.0, 128 / 127.5 - 1, -1.0], abs=1e-6)
    assert to_uint8(torch.tensor([[[-3.0]], [[3.0]], [[0.0]]])).tolist() == [[[0, 255, 128]]]


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_pixels_that_are_no_numbers_are_named_by_their_frame(
    value: float, dtype: torch.dtype
) -> None:
    drawn = torch.zeros(4, 3, 2, 2, dtype=dtype)
    drawn[1, 0, 0, :] = drawn[3] = value
    told = "clip a: expected finite pixels from the model, got 2 values of frame 7 .*, and 1 more"
    with pytest.raises(ValueError, match=told):
        to_uint8(drawn, [5, 7, 8, 9], "clip a")
    with pytest.raises(ValueError, match=r"pixel_values: .* frame 1 infinite"):
        to_uint8(drawn)


def test_a_window_keeps_everything_of_its_frames() -> None:
    clip = moving_clip(frames=6)
    guides = random_guides(clip)
    part, part_guides = window_of(clip, guides, 2, 5)
    assert len(part) == len(part.track) == len(part_guides.valid) == 3
    for name in ("observed", "mask", "frames", "frame_index"):
        np.testing.assert_array_equal(getattr(part, name), getattr(clip, name)[2:5])
    np.testing.assert_array_equal(part.track.midline, clip.track.midline[2:5])
    np.testing.assert_array_equal(part.track.similarity, clip.track.similarity[2:5])
    np.testing.assert_array_equal(part_guides.images, guides.images[2:5])
    # Counted from the start of the whole clip.
    np.testing.assert_array_equal(part_guides.past_index, guides.past_index[2:5])
    assert (part.clip_id, part.subject_id) == (clip.clip_id, clip.subject_id)
    assert window_of(replace(clip, frames=None), guides, 0, 2)[0].frames is None


def test_a_batch_is_clips_side_by_side() -> None:
    clips = [moving_clip(seed=seed) for seed in (1, 2)]
    samples = [(clip, random_guides(clip, seed=index)) for index, clip in enumerate(clips)]
    batch = collate_clips(samples)
    assert batch.clip_id == ("moving-1", "moving-2")
    assert batch.subject_id == ("subject-1", "subject-2")
    for index, (clip, guides) in enumerate(samples):
        np.testing.assert_array_equal(to_uint8(batch.pixel_values[index]), clip.frames)
        np.testing.assert_array_equal(to_uint8(batch.observed_pixel_values[index]), clip.observed)
        np.testing.assert_array_equal(batch.mask[index, :, 0].numpy(), clip.mask)
        np.testing.assert_array_equal(to_uint8(batch.guide_pixel_values[index]), guides.images)
        np.testing.assert_array_equal(batch.guide_valid[index].numpy(), guides.valid)
    assert batch.mask.dtype == torch.float32 and batch.guide_valid.dtype == torch.bool


def test_where_the_truth_is_unknown_the_observed_frame_stands_in() -> None:
    clip = replace(moving_clip(), frames=None)
    batch = collate_clips([(clip, random_guides(clip))])
    assert torch.equal(batch.pixel_values, batch.observed_pixel_values)


def test_a_batch_moves_as_a_whole() -> None:
    batch = tiny_batch()
    moved = batch.to("meta")
    tensors = [value for value in vars(moved).values() if isinstance(value, torch.Tensor)]
    assert len(tensors) == 7 and all(value.is_meta for value in tensors)
    assert moved.clip_id == batch.clip_id
    assert batch.pixel_values.device.type == "cpu"


def test_another_mask_changes_nothing_else() -> None:
    clip = moving_clip()
    other = clip.with_mask(1 - clip.mask)
    np.testing.assert_array_equal(other.mask, 1 - clip.mask)
    assert other.observed is clip.observed and other.frames is clip.frames


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"observed": np.zeros((6, 48, 48), np.uint8)}, r"observed: .*got \(6, 48, 48\)"),
        ({"mask": np.zeros((5, 48, 48), np.uint8)}, r"mask: expected shape \(6, 48, 48\), got \(5"),
        ({"frame_index": np.arange(4)}, r"frame_index: expected shape \(6\), got \(4,\)"),
        ({"frames": np.zeros((6, 8, 8, 3), np.uint8)}, r"frames and observed .*\(6, 8, 8, 3\)"),
    ],
)
def test_a_clip_that_does_not_fit_together(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(moving_clip(), **change)


def test_a_track_that_does_not_fit() -> None:
    clip = moving_clip()
    with pytest.raises(ValueError, match=r"track: expected 6 frames, got 4"):
        replace(clip, track=clip.track[:4])
    with pytest.raises(ValueError, match=r"midline: expected shape \(2, 4\), got \(3, 4\)"):
        FaceTrack(np.zeros((2, 4)), np.zeros((3, 4)), np.zeros((2, 2, 3)), ("box", "box"))


def test_a_batch_that_does_not_fit_together() -> None:
    batch = tiny_batch()
    for name, message in [
        ("mask", r"mask: expected shape \(2, 4, 1, 32, 32\)"),
        ("guide_valid", r"guide_valid: expected shape \(2, 4, 2\)"),
        ("frame_index", r"frame_index: expected shape \(2, 4\)"),
        ("similarity", r"similarity: expected shape \(2, 4, 2, 3\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            ClipBatch(**{**vars(batch), name: torch.zeros(1)})


def test_clips_of_two_lengths_make_no_batch() -> None:
    clips: list[Clip] = [moving_clip(frames=5), moving_clip(frames=6)]
    with pytest.raises(ValueError, match=r"one shape, got .*\(5, 48, 48, 3\).*\(6, 48, 48, 3\)"):
        collate_clips([(clip, random_guides(clip)) for clip in clips])


def test_joined_clips_are_both_in_order():
    clip = moving_clip()
    parts = [
        replace(
            clip,
            observed=clip.observed[part],
            mask=clip.mask[part],
            frames=clip.frames[part],
            track=replace(clip.track, crop=np.tile(np.eye(2, 3), (len(clip), 1, 1)))[part],
            frame_index=clip.frame_index[part],
        )
        for part in (slice(0, 2), slice(2, None))
    ]
    whole = join_clips(*parts)
    for name in ("observed", "mask", "frames", "frame_index"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(clip, name))
    assert whole.track.axis_source == clip.track.axis_source
    assert whole.track.crop.shape == (len(clip), 2, 3)
    without = join_clips(replace(parts[0], frames=None, track=clip.track[:2]), parts[1])
    assert without.frames is None and without.track.crop is None
