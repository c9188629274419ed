"""What stood still behind a hole, where nothing is taken for a face."""

import numpy as np
from tests.helpers.recordings import moving_frames

from diffmvr.preprocessing.inpainting import inpaint
from diffmvr.restoration.background import StillBackground

ROOM, OTHER = moving_frames(1, seed=1)[0], moving_frames(1, seed=2)[0]
MASK = np.zeros(ROOM.shape[:2], np.uint8)
MASK[20:50, 30:70] = 1
HOLE = MASK == 1


def hidden(room: np.ndarray) -> np.ndarray:
    return np.where(HOLE[..., None], np.uint8(255), room)


def test_what_was_seen_before_shows_again() -> None:
    background = StillBackground()
    background.add(ROOM, np.zeros_like(MASK))
    background.add(hidden(ROOM), MASK)

    np.testing.assert_array_equal(background.fill(hidden(ROOM), MASK), ROOM)


def test_a_moving_hole_is_filled_from_several_frames() -> None:
    background = StillBackground()
    left, right = MASK.copy(), MASK.copy()
    left[:, 50:], right[:, :50] = 0, 0
    for part in (left, right):
        background.add(np.where(part[..., None] == 1, np.uint8(0), ROOM), part)

    np.testing.assert_array_equal(background.fill(hidden(ROOM), MASK), ROOM)


def test_where_the_surroundings_have_changed_nothing_is_carried() -> None:
    background = StillBackground()
    background.add(OTHER, np.zeros_like(MASK))

    filled = background.fill(hidden(ROOM), MASK)

    np.testing.assert_array_equal(filled, inpaint(hidden(ROOM), HOLE))
    np.testing.assert_array_equal(filled[~HOLE], ROOM[~HOLE])


def test_without_a_frame_before_the_rim_fills_the_hole() -> None:
    np.testing.assert_array_equal(
        StillBackground().fill(hidden(ROOM), MASK), inpaint(hidden(ROOM), HOLE)
    )
