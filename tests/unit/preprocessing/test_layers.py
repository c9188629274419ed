"""A head that moves over a background that does not, and a hole over both."""

import cv2
import numpy as np
import pytest
from tests.unit.preprocessing.test_alignment import error, texture

from diffmvr.preprocessing import beliefs, layers
from diffmvr.preprocessing.alignment import propagate_past, refine_by_flow
from diffmvr.preprocessing.head_region import head_region
from diffmvr.preprocessing.layers import Motions, carry, propagate_in_layers
from diffmvr.preprocessing.picture import FINDING_SIZE, Picture

SIZE, EYES, SHIFT = 96, 16.0, (9.0, -5.0)
"""Frame, distance between the eyes and the head's motion, in pixels."""


def face_at(x: float, y: float) -> np.ndarray:
    return np.array([[EYES, 0, x], [0, EYES, y]])


PAST_FACE = face_at(44, 42)
FACE = face_at(44 + SHIFT[0], 42 + SHIFT[1])
MOTIONS = Motions(
    head=np.array([[1, 0, SHIFT[0]], [0, 1, SHIFT[1]]]), surroundings=np.eye(2, 3), face=FACE
)


def scene(face: np.ndarray, head: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Lay the head's picture over the background where ``face`` puts it."""
    shift = face[:, 2] - PAST_FACE[:, 2]
    moved = cv2.warpAffine(head, np.array([[1, 0, shift[0]], [0, 1, shift[1]]]), (SIZE, SIZE))
    on_head = head_region(face, (SIZE, SIZE))[..., None] > 0.5
    return np.where(on_head, moved, background)


@pytest.fixture(scope="module")
def frames() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    head, background = texture(SIZE, 1), texture(SIZE, 2)
    hole = np.zeros((SIZE, SIZE), np.uint8)
    hole[28:60, 44:88] = 1
    return scene(PAST_FACE, head, background), scene(FACE, head, background), hole


def test_head_and_background_are_both_carried(frames):
    past, truth, hole = frames
    clear = np.zeros_like(hole)
    observed = np.where(hole[..., None] == 1, np.uint8(255), truth)
    image, known = propagate_in_layers(past, clear, observed, hole, MOTIONS)
    # What the head uncovers no frame has shown.
    was_head = head_region(PAST_FACE, (SIZE, SIZE)) > 0.4
    is_head = head_region(FACE, (SIZE, SIZE))
    on_head, beside = (hole == 1) & (is_head > 0.9), (hole == 1) & (is_head < 0.1) & ~was_head
    assert known[on_head].mean() > 0.99 and known[beside].all()
    one_motion, _ = propagate_past(past, clear, observed, hole, MOTIONS.head, refine=False)
    contrast = float(truth.std())
    assert error(image, truth, on_head) < 0.4 * contrast
    assert error(image, truth, beside) < 0.4 * contrast
    assert error(one_motion, truth, beside) > 0.6 * contrast


def test_a_camera_that_moves_is_told_from_one_that_stands(frames):
    past, _, hole = frames
    clear = np.zeros_like(hole)
    moved = np.roll(past, (6, 6), axis=(0, 1))
    by_six = np.array([[1.0, 0, 6], [0, 1, 6]])
    wrong = Motions(head=by_six, surroundings=np.eye(2, 3), face=face_at(50, 48))
    image, _ = propagate_in_layers(past, clear, moved, hole, wrong)
    assert error(image, moved, hole == 1) < 0.3 * moved.std(), "the dense flow finds it"


def below_the_chin() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Show a round head that has moved up and aside from a white cloth; its chin is hidden.

    Returns:
        What is shown, where it is known, and where the wall is in what is hidden.
    """
    wall, skin = texture(SIZE, 2) // 2, texture(SIZE, 1) // 4
    wall[70:] = 255
    rows, columns = np.mgrid[:SIZE, :SIZE]
    frames, heads = [], []
    for x, y in ((40, 56), (52, 36)):
        heads.append(np.hypot(columns - x, rows - y) < 21)
        moved = cv2.warpAffine(skin, np.array([[1.0, 0, x - 40], [0, 1, y - 56]]), (SIZE, SIZE))
        frames.append(np.where(heads[-1][..., None], moved, wall))
    hole = np.zeros((SIZE, SIZE), np.uint8)
    hole[28:80, 28:52] = 1
    motion = np.array([[1.0, 0, 12], [0, 1, -20]])
    motions = Motions(head=motion, surroundings=np.eye(2, 3), face=face_at(52, 34))
    shown = propagate_in_layers(frames[0], np.zeros_like(hole), frames[1], hole, motions)
    near = cv2.dilate(heads[1].astype(np.uint8), np.ones((5, 5), np.uint8))
    return *shown, (hole == 1) & (near == 0) & (rows < 66)


def test_what_was_below_a_past_chin_does_not_hang_in_the_air(monkeypatch):
    """The ellipse around the face ends on the cloth; what has moved tells that no head does."""
    image, known, wall = below_the_chin()
    white = image.min(axis=2) > 180
    assert not (white & known & wall).any()
    monkeypatch.setattr(
        beliefs, "moved_head", lambda image, mask, face, *_: head_region(face, mask.shape)
    )
    image, known, _ = below_the_chin()
    assert ((image.min(axis=2) > 180) & known & wall).sum() > 5


def test_hidden_pixels_are_not_looked_at(frames):
    past, truth, hole = frames
    past_mask = np.zeros_like(hole)
    past_mask[:20, :20] = 1
    first = propagate_in_layers(past, past_mask, truth, hole, MOTIONS)
    past[past_mask == 1], truth = 7, np.where(hole[..., None] == 1, np.uint8(9), truth)
    again = propagate_in_layers(past, past_mask, truth, hole, MOTIONS)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])


def test_nothing_known_is_grey(frames):
    past, truth, hole = frames
    image, known = propagate_in_layers(past, np.ones_like(hole), truth, hole, MOTIONS)
    assert not known.any() and (image == 128).all()


@pytest.fixture(scope="module")
def large() -> tuple[Picture, Picture, np.ndarray, Motions]:
    """A head that moves by 20 pixels before a still background; twice the size that is reduced."""
    size, eyes = 2 * FINDING_SIZE, 65.0
    faces = [np.array([[eyes, 0, x], [0, eyes, 150.0]]) for x in (180.0, 200.0)]
    head, background = texture(size, 1), texture(size, 2)
    moved = cv2.warpAffine(head, np.array([[1.0, 0, 20], [0, 1, 0]]), (size, size))
    past, truth = (
        np.where(head_region(face, (size, size))[..., None] > 0.5, shown, background)
        for face, shown in zip(faces, (head, moved), strict=True)
    )
    hole = np.zeros((size, size), np.uint8)
    hole[110:230, 150:330] = 1
    motions = Motions(np.array([[1.0, 0, 20], [0, 1, 0]]), np.eye(2, 3), faces[1])
    return Picture(past, 0 * hole), Picture(truth, hole), truth, motions


def test_the_motions_of_a_large_picture_are_found_in_a_small_one(large, monkeypatch):
    past, current, truth, motions = large
    sizes = []

    def refine(shown: np.ndarray, *rest: object) -> np.ndarray:
        sizes.append(shown.shape[:2])
        return refine_by_flow(shown, *rest)

    monkeypatch.setattr(layers, "refine_by_flow", refine)
    image, known = carry(past, current, motions)
    assert sizes == [(FINDING_SIZE, FINDING_SIZE)] * 2
    region, hole = head_region(motions.face, truth.shape[:2]), current.mask == 1
    on_head = hole & (region > 0.9)
    assert known[on_head].all()
    # Sharp: the head's own pixels are read, not those of the small picture.
    assert error(image, truth, on_head) < 0.2 * truth.std()


def test_a_window_shows_a_part_of_the_whole(large):
    past, current, _, motions = large
    window = np.s_[115:200, 160:300]
    whole, part = carry(past, current, motions), carry(past, current, motions, window)
    np.testing.assert_array_equal(part[1], whole[1][window])
    difference = np.abs(part[0].astype(int) - whole[0][window])
    assert difference.max() <= 2, "but for the rounding of positions"


def test_hidden_pixels_of_a_large_picture_are_not_looked_at(large):
    past, current, _, motions = large
    beside = np.zeros_like(past.mask)
    beside[5:41, 7:33] = 1
    first, again = (
        carry(
            Picture(np.where(beside[..., None] == 1, np.uint8(a), past.image), beside),
            Picture(
                np.where(current.mask[..., None] == 1, np.uint8(b), current.image), current.mask
            ),
            motions,
        )
        for a, b in ((0, 255), (255, 0))
    )
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])


def test_a_small_picture_is_not_reduced():
    image, mask = texture(SIZE), np.zeros((SIZE, SIZE), np.uint8)
    picture = Picture(image, mask)
    assert picture.small[0] is image
    np.testing.assert_array_equal(picture.reduction, np.eye(2, 3))
