"""Real faces under rendered occluders, from a store."""

from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from tests.helpers.clips import moving_clip
from tests.helpers.stores import tracks_equal, write_clips, write_store

from diffmvr.clip_store import ClipStore
from diffmvr.config import config_dir, register_resolvers
from diffmvr.data.datamodule import ClipDataModule
from diffmvr.data.splits import split_of
from diffmvr.data.store_clips import StoreClips, resize_clip, store_data_module
from diffmvr.structures import ClipBatch

CLEAR = range(0)
SMALL = [
    "data.source.num_frames=8",
    "data.source.size=16",
    "data.window=4",
    "preprocessing.align_past=similarity",
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people's clips; the second one's face is hidden in frames 9 to 11 of 30."""
    recordings = {"a": ("anna", 17, CLEAR), "b": ("ben", 30, range(9, 12)), "c": ("ben", 3, CLEAR)}
    return write_store(tmp_path_factory.mktemp("store") / "store", recordings)


def test_clips_are_pieces_of_clear_runs(store: Path) -> None:
    source = StoreClips(store, num_frames=8)
    assert [source[index].clip_id for index in range(len(source))] == [
        *("a_00000", "a_00008"),
        *("b_00000", "b_00012", "b_00020"),
    ]
    assert source.subject_ids == ["anna", "anna", "ben", "ben", "ben"]
    assert source[3].frame_index.tolist() == [2 * t for t in range(12, 20)]
    whole = StoreClips(store, num_frames=None)
    assert [len(whole[index]) for index in range(len(whole))] == [17, 9, 18, 3]


def test_the_truth_is_what_the_camera_saw(store: Path) -> None:
    hidden = 0
    source = StoreClips(store, num_frames=8)
    for index in range(len(source)):
        clip = source[index]
        name, start = clip.clip_id[0], int(clip.clip_id[2:])
        seen = ClipStore(store).read(name, start, start + 8)
        assert clip.frames is not None
        np.testing.assert_array_equal(clip.frames, seen.observed)
        visible = clip.mask == 0
        np.testing.assert_array_equal(clip.observed[visible], clip.frames[visible])
        assert tracks_equal(clip.track, seen.track)
        assert clip.mask.any(axis=(1, 2)).any()
        assert not clip.mask[0].any()
        hidden += int(clip.mask.sum())
    assert hidden > 0


def test_occluders_are_the_same_on_every_run_and_other_by_seed(store: Path) -> None:
    first, again, other = (StoreClips(store, 8, seed=seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.observed, again.observed)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert not np.array_equal(first.mask, other.mask)
    # Nor do they depend on what else the store holds, or on its order.
    assert not np.array_equal(first.mask, StoreClips(store, 8)[0].mask)


def test_boxes_hold_outlines(store: Path) -> None:
    outline, box = (StoreClips(store, 8, mask_type=kind)[0] for kind in ("segmentation", "bbox"))
    assert (box.mask >= outline.mask).all() and box.mask.sum() > outline.mask.sum()
    np.testing.assert_array_equal(outline.observed, box.observed)


def test_still_images_are_hidden_too(store: Path) -> None:
    source = StoreClips(store, num_frames=1)
    assert len(source) == 17 + 27 + 3
    assert all(source[index].mask.any() for index in range(10))


def test_what_a_real_occluder_hides_is_never_a_target(tmp_path: Path) -> None:
    # A real one within the threshold, all over the lower half beside the (small) face box.
    clip = moving_clip(frames=8, size=48, arrival=0)
    mask = np.zeros_like(clip.mask)
    mask[:, 24:] = 1
    root = write_clips(tmp_path, [clip.with_mask(mask)], clear_threshold=0.6)
    for kind in ("segmentation", "bbox"):
        for seed in range(3):
            found = StoreClips(root, 8, seed=seed, mask_type=kind)[0]
            assert not (found.mask & mask).any()
            real = mask == 1
            np.testing.assert_array_equal(found.observed[real], clip.observed[real])


def test_reducing_keeps_places() -> None:
    clip = moving_clip(frames=4, size=48)
    small = resize_clip(clip, 24)
    assert small.observed.shape == (4, 24, 24, 3) and small.mask.shape == (4, 24, 24)
    # A pixel centre at x lies at (x + 1/2) / 2 - 1/2 in half the size.
    np.testing.assert_allclose(small.track.face_box, (clip.track.face_box + 0.5) / 2 - 0.5)
    middle = (clip.track.midline[:, :2] + 0.5) / 2 - 0.5
    np.testing.assert_allclose(small.track.midline[:, :2], middle)
    np.testing.assert_allclose(small.track.midline[:, 2:], clip.track.midline[:, 2:])
    point = np.array([0.3, -0.7, 1.0])
    np.testing.assert_allclose(
        small.track.similarity @ point, (clip.track.similarity @ point + 0.5) / 2 - 0.5
    )
    blocks = clip.mask.reshape(4, 24, 2, 24, 2).max(axis=(2, 4))
    np.testing.assert_array_equal(small.mask, blocks)
    mean = clip.observed.reshape(4, 24, 2, 24, 2, 3).mean(axis=(2, 4))
    assert np.abs(small.observed - mean).max() <= 0.51


def test_clips_come_in_the_size_asked_for(store: Path) -> None:
    clip = StoreClips(store, num_frames=8, size=16)[0]
    assert clip.observed.shape == (8, 16, 16, 3) and clip.mask.any()
    visible = clip.mask == 0
    np.testing.assert_array_equal(clip.observed[visible], clip.frames[visible])


def test_settings_that_do_not_fit_are_named(store: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no clip of .* has 99 consecutive .* longest run has 18"):
        StoreClips(store, num_frames=99)
    with pytest.raises(ValueError, match=r"size: expected 1 to 32, .* got 64"):
        StoreClips(store, size=64)
    with pytest.raises(ValueError, match=r"mask_type: .*got 'circle'"):
        StoreClips(store, mask_type="circle")
    with pytest.raises(ValueError, match="expected a clip store, got none; give data"):
        StoreClips(None)
    with pytest.raises(FileNotFoundError, match="is no clip store"):
        StoreClips(tmp_path)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty people, of two pieces each."""
    names = {f"{n:02d}": (f"person {n}", 16, CLEAR) for n in range(30)}
    return write_store(tmp_path_factory.mktemp("people") / "store", names)


def data_module(root: Path, *overrides: str) -> ClipDataModule:
    register_resolvers()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        cfg = compose("train", ["data=clips", f"data.root={root}", *SMALL, *overrides])
    return instantiate(cfg.data, _convert_="all")


def test_one_override_names_the_store_and_subjects_are_never_split(people: Path) -> None:
    module = data_module(people)
    source = module.source
    assert len(source) == 60
    sides = {split: {source.subject_ids[i] for i in ids} for split, ids in module.indices.items()}
    assert all(sides.values())
    assert sum(map(len, sides.values())) == 30
    for split, names in sides.items():
        assert {split_of(name) for name in names} == {split}
    batch = next(iter(module.train_dataloader()))
    assert isinstance(batch, ClipBatch)
    assert batch.pixel_values.shape == (4, 4, 3, 16, 16)
    assert set(batch.subject_id) <= sides["train"]


def test_the_store_has_one_name(people: Path) -> None:
    source = StoreClips(people, num_frames=8)
    with pytest.raises(
        ValueError, match=r"data\.source\.root: expected data\.root, elsewhere, got"
    ):
        store_data_module("elsewhere", source)
