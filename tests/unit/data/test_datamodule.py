"""What reaches the model: whole windows, split by subject."""

import shlex

import pytest
import torch
from hydra import compose, initialize_config_dir
from tests.helpers.tiny import SIDE, TextureClips, tiny_datamodule

from diffmvr.config import config_dir
from diffmvr.data.splits import split_indices, split_settings
from diffmvr.overrides import as_override
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
    with pytest.raises(ValueError, match=r"fractions: none of the 2 people falls into"):
        tiny_datamodule(clips=2)
    with pytest.raises(ValueError, match=r"batch_size: 50 clips × 1 processes"):
        tiny_datamodule(batch_frames=100, window=2).train_dataloader()


def test_at_most_so_many_clips_are_taken() -> None:
    source = TextureClips(60)
    source.subject_ids = [f"person-{index // 2}" for index in range(60)]
    whole, few = tiny_datamodule(source=source), tiny_datamodule(source=source, max_clips=30)
    for split, indices in few.indices.items():
        assert indices == whole.indices[split][::2], "the first clip of everybody"
    with pytest.raises(ValueError, match=r"fractions: none of the 1 people falls into"):
        tiny_datamodule(source=source, max_clips=1)


def source_of(people: list[str]) -> TextureClips:
    source = TextureClips(2 * len(people))
    source.subject_ids = [name for name in people for _ in range(2)]
    return source


@pytest.mark.parametrize(
    "people",
    [
        ["anna", "ben", "carl", "dora"],
        ["00012", "00013", "00014", "00015"],
        ["it's", "a, b", "na\\me", "Käthe = 1", "null"],
        [f"person {index}" for index in range(5)],
        ["one", "two"],
    ],
)
def test_the_remedy_for_few_people_works_at_once(people: list[str]) -> None:
    source = source_of(people)
    with pytest.raises(ValueError, match=r"data\.fractions: none of the \d people") as error:
        # Whoever all fall into one split.
        tiny_datamodule(source=source, fractions=(1 - 1e-9, 5e-10, 5e-10))
    told = str(error.value).partition(", as ")[2].rpartition(", everybody")[0]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        data = compose("train", [*map(as_override, shlex.split(told))]).data
    module = tiny_datamodule(source=source, **split_settings(data))
    count = {split: len(indices) // 2 for split, indices in module.indices.items()}
    several = len(people) > 2
    assert count == {"train": len(people) - 1 - several, "val": int(several), "test": 1}
    module.check_test_split()
    assert bool(list(module.val_dataloader())) == several
    assert len(module.train_windows()) > 0


def test_who_fell_into_a_split_stays_there() -> None:
    with pytest.raises(ValueError, match=r"falls into val \(") as error:
        tiny_datamodule(source=source_of(list("abcdefgh")), fractions=(0.5, 1e-9, 0.5 - 1e-9))
    hashed = split_indices(list("abcdefgh"), (0.5, 0, 0.5))["test"]
    names = ",".join(f"'{'abcdefgh'[index]}'" for index in hashed)
    assert f"data.test_subjects=[{names}]" in str(error.value).replace("'\"'\"'", "'")


def test_one_person_is_not_enough() -> None:
    message = r"none of the 1 people falls into val or test; .*: take more of them"
    with pytest.raises(ValueError, match=message):
        tiny_datamodule(source=source_of(["anna"]), fractions=(1 - 1e-9, 5e-10, 5e-10))


def test_people_are_named_once_and_are_of_the_data() -> None:
    source = source_of(["anna", "ben", "carl"])
    with pytest.raises(ValueError, match=r"data.test_subjects: .*\(anna, ben, carl\), got 'dora'"):
        tiny_datamodule(source=source, test_subjects=["dora"])
    with pytest.raises(ValueError, match=r"test_subjects: 'ben' is in both"):
        tiny_datamodule(source=source, val_subjects=["ben"], test_subjects=["ben"])
    with pytest.raises(ValueError, match=r"falls into train .*data\.val_subjects="):
        tiny_datamodule(source=source, val_subjects=["ben", "anna"], test_subjects=["carl"])
