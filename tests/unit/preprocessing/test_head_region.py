"""A round head before a wall: its ellipse is wrong at the crown, the ears and the chin."""

import numpy as np
import pytest
from tests.unit.preprocessing.test_alignment import texture

from diffmvr.preprocessing.head_region import HEAD_AXES, HEAD_CENTRE, head_region, moved_head

SIZE, EYES = 96, 16.0
FACE = np.array([[EYES, 0, 48], [0, EYES, 46]])
UNSEEN, SAME, OTHER = 300.0, 5.0, 1500.0
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE]
HEAD = np.hypot(COLUMNS - 48, ROWS - 42) < 25


def picture() -> np.ndarray:
    """Dark skin before a light wall, both with a texture."""
    return np.where(HEAD[..., None], texture(SIZE, 1) // 4, 160 + texture(SIZE, 2) // 4)


def told(image: np.ndarray, seen: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Ask what the head is where it is seen again, or not, in ``seen``."""
    with_head = np.where(seen, np.where(HEAD, SAME, OTHER), UNSEEN).astype(np.float32)
    standing = np.where(seen, np.where(HEAD, OTHER, SAME), UNSEEN).astype(np.float32)
    nothing = np.zeros((SIZE, SIZE), np.uint8)
    return moved_head(image, nothing if mask is None else mask, FACE, with_head, standing, UNSEEN)


def overlap(region: np.ndarray) -> float:
    found = region > 0.5
    return float((found & HEAD).sum() / (found | HEAD).sum())


def test_the_head_is_an_ellipse_around_the_eyes():
    region = head_region(FACE, (SIZE, SIZE))
    x, y = FACE[:, 2].astype(int)
    assert region[y, x] > 0.99 and region[0, 0] < 0.01 and region[-1, 0] < 0.01
    across, down = (region > 0.5).any(axis=0).sum(), (region > 0.5).any(axis=1).sum()
    assert across == pytest.approx(2 * HEAD_AXES[0] * EYES, abs=2)
    assert down == pytest.approx(2 * HEAD_AXES[1] * EYES, abs=2)
    middle = (region * ROWS).sum() / region.sum()
    assert middle == pytest.approx(y + HEAD_CENTRE[1] * EYES, abs=1)


@pytest.mark.parametrize("scale", [1, 3])
def test_what_has_moved_and_colours_tell_the_head(scale):
    """Half of the picture is hidden now; colours say how the head goes on there."""
    seen = COLUMNS < 48
    large = np.kron(picture(), np.ones((scale, scale, 1), np.uint8))
    fields = [
        np.kron(np.where(seen, np.where(HEAD, *pair), UNSEEN), np.ones((scale, scale)))
        for pair in ((SAME, OTHER), (OTHER, SAME))
    ]
    with_head, standing = (field.astype(np.float32) for field in fields)
    mask = np.zeros(with_head.shape, np.uint8)
    found = moved_head(large, mask, FACE * scale, with_head, standing, UNSEEN)[::scale, ::scale]
    assert overlap(found) > 0.9 > overlap(head_region(FACE, (SIZE, SIZE)))
    assert found.dtype == np.float32 and found.min() >= 0 and found.max() <= 1


def test_where_nothing_is_seen_again_the_guess_stands():
    grey = np.full((SIZE, SIZE, 3), 90, np.uint8)
    found = told(grey, np.zeros_like(HEAD))
    assert found[46, 48] > 0.7 and found[:6].max() < 0.1 and found[-4:].max() < 0.1


def test_hidden_pixels_are_not_looked_at():
    mask = ((COLUMNS > 60) & (ROWS > 40)).astype(np.uint8)
    one, other = (
        told(np.where(mask[..., None] == 1, np.uint8(level), picture()), COLUMNS < 48, mask)
        for level in (0, 255)
    )
    np.testing.assert_array_equal(one, other)


def test_a_picture_and_its_mask_are_of_one_size():
    field = np.zeros((SIZE, SIZE), np.float32)
    with pytest.raises(ValueError, match="image"):
        moved_head(picture()[1:], field.astype(np.uint8), FACE, field, field, UNSEEN)
