"""A head of one colour that has moved to the right before a wall that stands."""

import numpy as np
from tests.unit.preprocessing.test_head_region import COLUMNS, FACE, HEAD, SIZE, picture

from diffmvr.geometry import compose
from diffmvr.preprocessing.beliefs import PRIOR, UNSEEN_ERROR, Way, beliefs
from diffmvr.preprocessing.head_region import head_region
from diffmvr.preprocessing.visible import move, with_visibility

SHIFT = 24
MOVED = np.array([[1.0, 0, SHIFT], [0, 1, 0]])
CLEAR = np.zeros((SIZE, SIZE), np.uint8)


def ways() -> list[Way]:
    """Return three hypotheses whose errors are those that a moving head leaves."""
    seen, now = with_visibility(picture(), CLEAR), np.roll(HEAD, SHIFT, axis=1)
    with_head = np.where(now, 5.0, 1500.0)
    standing = np.where(HEAD | now, 1500.0, 5.0)
    still = np.eye(2, 3)
    return [
        Way(matrix, matrix, None, move(seen, matrix, (SIZE, SIZE)), error.astype(np.float32))
        for matrix, error in ((MOVED, with_head), (still, standing), (still, standing))
    ]


def test_what_the_past_head_hid_is_known_to_none():
    now, inner = np.roll(HEAD, SHIFT, axis=1), 8
    uncovered = HEAD & ~np.roll(now, -inner, axis=1)
    uncovered[:, :inner] = False
    head, *others = beliefs(ways(), compose(MOVED, FACE), (picture(), CLEAR), 1.0)
    core = uncovered & np.roll(HEAD, -inner, axis=1)
    assert core.sum() > 100
    for belief in (head, *others):
        assert (belief[core] == 0).mean() > 0.9
    wall = ~HEAD & ~now & (COLUMNS > 6) & (COLUMNS < SIZE - 6)
    assert np.median(others[1][wall]) > 0.7 and np.median(head[wall]) < 0.2
    assert np.median(head[now & ~HEAD]) > 0.7
    assert np.median(others[1][now & ~HEAD]) < 0.2


def test_a_head_that_stands_hides_what_it_hid():
    head, *others = beliefs(ways(), FACE, (picture(), CLEAR), 0.0)
    region = head_region(FACE, (SIZE, SIZE))
    np.testing.assert_allclose(head, PRIOR * region + (1 - PRIOR) * (1 - region), rtol=1e-5)
    for one in others:
        np.testing.assert_allclose(head + one, 1, rtol=1e-5)


def test_errors_are_taken_back_to_where_they_come_from():
    (moving, *_) = ways()
    before = moving.error_before((SIZE, SIZE))
    np.testing.assert_allclose(before[:, :-SHIFT], moving.error[:, SHIFT:])
    assert (before[:, -SHIFT + 1 :] == UNSEEN_ERROR).all()


def test_of_a_large_picture_every_second_row_and_column_is_looked_at():
    double = np.ones((2, 2))
    large = [
        way._replace(
            small=np.column_stack([np.eye(2), 2 * way.small[:, 2]]),
            shown=(np.kron(way.shown[0], double[..., None]), np.kron(way.shown[1], double) > 0),
            error=np.kron(way.error, double).astype(np.float32),
        )
        for way in ways()
    ]
    past = np.kron(picture(), double[..., None]).astype(np.uint8), np.kron(CLEAR, double)
    face = compose(MOVED, FACE)
    small = beliefs(ways(), face, (picture(), CLEAR), 1.0)
    for one, other in zip(beliefs(large, 2 * face, past, 1.0), small, strict=True):
        np.testing.assert_allclose(one[::2, ::2], other, atol=1e-3)


def test_what_a_head_tells_that_moves_a_little_counts_a_little():
    face, past = compose(MOVED, FACE), (picture(), CLEAR)
    none, half, whole = (beliefs(ways(), face, past, moves) for moves in (0.0, 0.5, 1.0))
    for one, middle, other in zip(none, half, whole, strict=True):
        np.testing.assert_allclose(middle, (one + other) / 2, atol=1e-6)
