"""The contact sheet of a recording."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.helpers.clips import moving_clip
from tests.helpers.stores import write_clips

from diffmvr.clip_store import ClipStore, sheet_path
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.reporting.store_sheet import (
    BOX,
    LINE,
    TILE,
    choose_frames,
    draw_face,
    recording_sheet,
    save_sheets,
    tile,
    tint,
)
from diffmvr.structures import FaceTrack

GUIDES = AutomaticGuides(align_past="none")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    return ClipStore(write_clips(tmp_path_factory.mktemp("s") / "store", [moving_clip(6, TILE)]))


def tiles_of(sheet: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Cut the pictures out: ``[rows, columns, TILE, TILE, 3]``, from the lower right."""
    step = TILE + 2
    return np.array(
        [
            [
                sheet[-(rows - r) * step :, -(columns - c) * step :][:TILE, :TILE]
                for c in range(columns)
            ]
            for r in range(rows)
        ]
    )


def test_the_sheet_shows_what_is_in_the_store(store: ClipStore) -> None:
    clip = store.read(store.clip_ids[0])
    frame, face, hidden, mirror, past = tiles_of(recording_sheet(store, "moving-0", GUIDES), 5, 6)
    np.testing.assert_array_equal(frame, clip.observed)
    for t in range(6):
        # The notes at the foot of a tile are 17 pixels high.
        drawn = draw_face(clip.observed[t], clip.track[t : t + 1])
        np.testing.assert_array_equal(face[t, :-18], drawn[:-18])
        tinted = tint(clip.observed[t], clip.mask[t])
        np.testing.assert_array_equal(hidden[t, :-18], tinted[:-18])
    guides = GUIDES(clip)
    np.testing.assert_array_equal(mirror[guides.valid[:, 0]], guides.images[guides.valid[:, 0], 0])
    # The occluder arrives in frame 2, so that frame 1 is the last clear one; before 0 is none.
    assert np.ptp(past[0, :-18]) == 0
    for t, seen in enumerate([0, 1, 1, 1, 1], start=1):
        np.testing.assert_array_equal(past[t, :-18], clip.observed[seen, :-18])


def test_the_box_and_the_midline_are_where_the_track_has_them() -> None:
    # A picture of half the tile's side: everything is drawn at twice the coordinates.
    track = FaceTrack(
        np.array([[20.0, 10.0, 60.0, 70.0]]),
        np.array([[40.0, 40.0, 0.0, 1.0]]),
        np.eye(2, 3)[None],
        ("truth",),
    )
    drawn = draw_face(np.zeros((TILE // 2, TILE // 2, 3), np.uint8), track)
    rows, columns = np.nonzero((drawn == BOX).all(axis=2))
    assert np.abs([columns.min() - 40.5, columns.max() - 120.5]).max() <= 1
    assert np.abs([rows.min() - 20.5, rows.max() - 140.5]).max() <= 1
    rows, columns = np.nonzero((drawn == LINE).all(axis=2))
    assert np.abs(columns - 80.5).max() <= 1.5
    assert np.abs([rows.min() - 20.5, rows.max() - 140.5]).max() <= 2


def test_half_of_the_frames_shown_are_occluded() -> None:
    share = np.zeros(1000)
    share[700:740] = 0.3
    chosen = choose_frames(share, 0.005, 8)
    assert len(chosen) == 8 and (np.diff(chosen) > 0).all()
    assert chosen[0] == 0 and chosen[-1] == 999
    assert {700, 739} <= set(chosen.tolist()) and (share[chosen] > 0).sum() >= 4
    assert choose_frames(np.zeros(3), 0.005, 8).tolist() == [0, 1, 2]
    assert choose_frames(np.ones(3), 0.005, 8).tolist() == [0, 1, 2]
    assert choose_frames(np.ones(1), 0.005, 1).tolist() == [0]


def test_each_recording_gets_one_sheet_once(tmp_path: Path) -> None:
    clips = [moving_clip(2, 32, seed=seed) for seed in range(2)]
    store = ClipStore(write_clips(tmp_path / "store", clips))
    written = save_sheets(store, GUIDES)
    assert written == [sheet_path(store.root, f"moving-{seed}") for seed in range(2)]
    assert all(Image.open(path).size == Image.open(written[0]).size for path in written)
    assert save_sheets(store, GUIDES) == []
    written[1].unlink()
    assert save_sheets(store, GUIDES) == written[1:]


def test_what_does_not_fit_is_named(store: ClipStore) -> None:
    with pytest.raises(ValueError, match="holds no frame of 'nothing'"):
        recording_sheet(store, "nothing", GUIDES)
    with pytest.raises(ValueError, match=r"expected the kinds .*, got \('past',\)"):
        recording_sheet(store, "moving-0", AutomaticGuides(("past",)))


def test_tiles_are_of_one_size() -> None:
    for side in (40, TILE, 512):
        image = np.full((side, side, 3), 77, np.uint8)
        np.testing.assert_array_equal(tile(image), np.full((TILE, TILE, 3), 77))
