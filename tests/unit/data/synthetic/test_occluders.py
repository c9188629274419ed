"""Occluders over any image sequence."""

import numpy as np
import pytest

from diffmvr.data.synthetic import OCCLUDER_KINDS, composite_occluder
from diffmvr.data.synthetic.occluders import Schedule
from diffmvr.data.synthetic.sdf import capsule, make_grid
from diffmvr.data.synthetic.sprites import make_sprite


def _sequence(height: int = 90, width: int = 120, length: int = 24) -> tuple[np.ndarray, ...]:
    frames = np.random.default_rng(0).integers(0, 256, (length, height, width, 3), dtype=np.uint8)
    box = np.tile(np.array([35.0, 15.0, 85.0, 75.0]), (length, 1))
    box += np.linspace(0, 8, length)[:, None]
    return frames, box


@pytest.mark.parametrize("kind", OCCLUDER_KINDS)
def test_pixels_outside_the_mask_are_untouched(kind):
    frames, box = _sequence()
    observed, mask, box_mask = composite_occluder(frames, box, seed=3, kind=kind)
    np.testing.assert_array_equal(observed[mask == 0], frames[mask == 0])
    assert (mask <= box_mask).all()
    assert mask.dtype == box_mask.dtype == np.uint8
    changed = (observed != frames).any(axis=-1)
    # Within the mask nearly everything is covered, not left as it was.
    assert changed[mask == 1].mean() > 0.9


@pytest.mark.parametrize("kind", OCCLUDER_KINDS)
def test_it_arrives_moves_and_leaves(kind):
    frames, box = _sequence()
    _, mask, _ = composite_occluder(frames, box, seed=5, kind=kind)
    present = mask.any(axis=(1, 2))
    assert not present[:6].any()
    assert present[9:19].all()
    assert not present[-1]
    moved = (mask[10:18] != mask[11:19]).mean(axis=(1, 2))
    assert (moved > 0).all()
    assert moved.max() < 0.2


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cover", [0.15, 0.4, 0.7])
def test_the_wanted_share_of_the_face_is_hidden(cover, seed):
    frames, box = _sequence()
    _, mask, _ = composite_occluder(frames, box, seed=seed, kind="hand", cover=cover)
    shares = [
        m[int(y0) : int(y1) + 1, int(x0) : int(x1) + 1].mean()
        for m, (x0, y0, x1, y1) in zip(mask[10:19], box[10:19], strict=True)
    ]
    # The shadow belongs to the mask but not to the wanted share.
    assert cover - 0.15 < np.median(shares) < cover + 0.3


def test_box_mask_is_the_bounding_rectangle():
    frames, box = _sequence()
    _, mask, box_mask = composite_occluder(frames, box, seed=1)
    for m, b in zip(mask, box_mask, strict=True):
        if not m.any():
            assert not b.any()
            continue
        rows, columns = np.flatnonzero(m.any(1)), np.flatnonzero(m.any(0))
        assert b.sum() == (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
        assert b[rows[0], columns[0]] == b[rows[-1], columns[-1]] == 1


def test_the_seed_decides():
    frames, box = _sequence()
    first, again, other = (composite_occluder(frames, box, seed=s)[0] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_bad_arguments_are_named():
    frames, box = _sequence(length=4)
    with pytest.raises(ValueError, match=r"kind: expected one of .*'hand'.* got 'foot'"):
        composite_occluder(frames, box, seed=0, kind="foot")
    with pytest.raises(ValueError, match=r"cover: .* got 1.5"):
        composite_occluder(frames, box, seed=0, cover=1.5)
    with pytest.raises(ValueError, match=r"face_box: expected shape \(4, 4\), got \(3, 4\)"):
        composite_occluder(frames, box[:3], seed=0)
    with pytest.raises(ValueError, match=r"frames: expected dtype uint8, got float64"):
        composite_occluder(frames.astype(float), box, seed=0)
    with pytest.raises(ValueError, match=r"face_box: expected x1 > x0"):
        composite_occluder(frames, box[:, [2, 1, 0, 3]], seed=0)


def test_schedule_ramps_between_its_times():
    presence = Schedule(arrive=3, arrival=2, leave=8, departure=2).presence(12)
    np.testing.assert_allclose(presence, [0, 0, 0, 0, 0.5, 1, 1, 1, 1, 0.5, 0, 0])


def test_capsule_is_a_distance():
    grid = make_grid(-1, -1, 1, 1)
    distance = capsule(grid, (0.0, 0.0), (0.0, 0.5), 0.2, 0.2)
    nearest = np.hypot(grid.x, grid.y - np.clip(grid.y, 0, 0.5)) - 0.2
    np.testing.assert_allclose(distance, nearest, atol=1e-6)


def test_a_hand_has_five_fingers():
    # Well above the knuckles a row crosses four fingers; the thumb is lower, on one side.
    rng = np.random.default_rng(0)
    for _ in range(8):
        inside = make_sprite(rng, "hand").layers[..., 3] < 0
        crossings = (np.diff(inside.astype(int), axis=1) == 1).sum(axis=1)
        assert crossings[: inside.shape[0] // 3].max() == 4
