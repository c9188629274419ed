"""Clips of portraits: the data contract, seeds, splits, and what is said when something lacks."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.helpers.portraits import find_drawn_faces, write_pairs

from diffmvr.data.datamodule import ClipDataModule
from diffmvr.data.frames import FrameDataset
from diffmvr.data.portraits import PortraitClips
from diffmvr.data.unguided import NoGuides


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    write_pairs(tmp_path / "people", 5)
    return {
        "folder": tmp_path / "people",
        "landmarker": find_drawn_faces(monkeypatch, tmp_path / "face.task"),
        "clips_per_subject": 2,
        "num_frames": 6,
        "size": 64,
    }


def test_a_clip_keeps_the_data_contract(settings: dict[str, Any]) -> None:
    source = PortraitClips(**settings)
    assert len(source) == 10 and source.subject_ids[:3] == ["p00", "p00", "p01"]
    hidden = 0
    for index in (0, 1, 2):
        clip = source[index]
        assert clip.observed.shape == (6, 64, 64, 3) and clip.observed.dtype == np.uint8
        assert clip.frames is not None and clip.landmarks.shape == (6, 478, 2)
        assert set(np.unique(clip.mask)) <= {0, 1}
        visible = clip.mask == 0
        np.testing.assert_array_equal(clip.observed[visible], clip.frames[visible])
        assert clip.track.axis_source == ("truth",) * 6
        assert ((clip.smile >= 0) & (clip.smile <= 1)).all()
        hidden += int(clip.mask.any(axis=(1, 2)).sum())
    assert hidden > 6


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(
    settings: dict[str, Any],
) -> None:
    first, again, other = (PortraitClips(**settings, seed=seed)[3] for seed in (1, 1, 2))
    for field in fields(first):
        mine, theirs = getattr(first, field.name), getattr(again, field.name)
        if isinstance(mine, np.ndarray):
            np.testing.assert_array_equal(mine, theirs)
    assert first.caption == again.caption and first.clip_id == "p01_01"
    assert not np.array_equal(first.frames, other.frames)


def test_a_clip_does_not_depend_on_what_was_made_before(settings: dict[str, Any]) -> None:
    source = PortraitClips(**settings)
    source[0]
    np.testing.assert_array_equal(source[4].observed, PortraitClips(**settings)[4].observed)


def test_a_scene_is_the_same_at_every_size(settings: dict[str, Any]) -> None:
    small, large = (PortraitClips(**{**settings, "size": size})[0] for size in (64, 128))
    np.testing.assert_array_equal(small.smile, large.smile)
    np.testing.assert_allclose((small.landmarks + 0.5) * 2 - 0.5, large.landmarks, atol=0.2)


def test_boxes_hide_at_least_what_outlines_hide(settings: dict[str, Any]) -> None:
    outline, box = (
        PortraitClips(**settings, mask_type=kind)[0] for kind in ("segmentation", "bbox")
    )
    np.testing.assert_array_equal(outline.observed, box.observed)
    assert (box.mask >= outline.mask).all() and box.mask.sum() > outline.mask.sum()


def test_nobody_who_is_kept_for_tests_is_ever_trained_or_validated_with(
    settings: dict[str, Any],
) -> None:
    source = PortraitClips(**settings, test_people=["p01", "p03"])
    for fractions in ((1.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.2, 0.2, 0.6)):
        data = ClipDataModule(source, NoGuides(), fractions=fractions, batch_frames=2, window=2)
        people = {
            split: {source.subject_ids[i] for i in indices}
            for split, indices in data.indices.items()
        }
        assert people["test"] == {"p01", "p03"}
        assert people["train"] and not (people["train"] | people["val"]) & people["test"]
    for people, expected in (("train", {"p00", "p02", "p04"}), ("test", {"p01", "p03"})):
        part = PortraitClips(**settings, test_people=["p01", "p03"], people=people)
        assert set(part.subject_ids) == expected and part.test_people == ("p01", "p03")


def test_frames_carry_words_for_the_towers_and_an_autoencoders_views(
    settings: dict[str, Any],
) -> None:
    frames = FrameDataset(PortraitClips(**settings, people="test"), stride=2)
    assert len(frames) == 1 * 2 * 3 * 3
    assert all(words.startswith("a photograph of a") for words in frames.captions)
    assert any("behind" in words for words in frames.captions)


def test_a_picture_without_a_face_is_named(settings: dict[str, Any]) -> None:
    import cv2

    cv2.imwrite(str(settings["folder"] / "p00_smiling.png"), np.full((160, 160, 3), 90, np.uint8))
    with pytest.raises(ValueError, match=r"folder: expected a face in .*p00_smiling.png, found no"):
        PortraitClips(**settings)[0]


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        (
            {"folder": None},
            ValueError,
            r"^folder: expected .* got none; give data\.source\.folder=.* pretrain .* without",
        ),
        ({"expressions": ["a", "a"]}, ValueError, r"expressions: expected two that differ"),
        ({"expressions": ["a", "b", "c"]}, ValueError, r"expressions: expected two that differ"),
        ({"size": 16}, ValueError, r"size: expected a number in \[32, 512\], got 16"),
        ({"people": "some"}, ValueError, r"people: expected one of .*got 'some'"),
        ({"test_people": ["x"]}, ValueError, r"test_people: expected people of .*got 'x'"),
        ({"mask_type": "blob"}, ValueError, r"mask_type: .*got 'blob'"),
        ({"landmarker": "gone.task"}, FileNotFoundError, r"landmarker: no Face Landmarker bundle"),
        ({"clips_per_subject": 0}, ValueError, r"clips_per_subject: .*got 0"),
    ],
)
def test_bad_settings_are_named(
    settings: dict[str, Any], changed: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        PortraitClips(**{**settings, **changed})


def test_a_missing_landmarker_is_said_with_the_setting_that_names_one(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DIFFMVR_FACE_LANDMARKER", "DIFFMVR_SHARED"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(FileNotFoundError, match=r"set DIFFMVR_FACE.*data.source.landmarker=FILE"):
        PortraitClips(**{**settings, "landmarker": None})


def test_a_loaders_process_can_be_given_the_source(settings: dict[str, Any]) -> None:
    import pickle

    source = PortraitClips(**settings)
    before = source[0]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(source))[0].frames, before.frames)
