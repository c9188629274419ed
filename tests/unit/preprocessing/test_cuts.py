import cv2
import numpy as np

from diffmvr.preprocessing.cuts import is_cut, thumbnail


def test_is_cut_needs_another_picture_and_not_only_another_light() -> None:
    picture = np.random.default_rng(0).uniform(0, 120, (32, 32, 3))

    assert not is_cut(picture, picture + 60)
    assert not is_cut(picture, picture + np.eye(32)[..., None])
    assert is_cut(picture, 120 - picture)


def test_what_a_given_mask_hides_makes_no_cut_and_hides_none() -> None:
    rng = np.random.default_rng(5)
    room, other = (
        cv2.GaussianBlur(rng.integers(0, 256, (96, 128, 3)).astype(np.uint8), (0, 0), 6)
        for _ in range(2)
    )
    room, other = (cv2.normalize(one, None, 0, 255, cv2.NORM_MINMAX) for one in (room, other))
    mask = np.zeros((96, 128), np.uint8)
    mask[10:90, 20:110] = 1
    covered = np.where(mask[..., None] == 1, np.uint8(255), room)
    covered_other = np.where(mask[..., None] == 1, np.uint8(255), other)

    assert is_cut(thumbnail(room), thumbnail(covered))
    assert not is_cut(thumbnail(room), thumbnail(covered, mask))
    assert is_cut(thumbnail(covered, mask), thumbnail(covered_other, mask))
    everything = np.ones_like(mask)
    assert not is_cut(thumbnail(room), thumbnail(other, everything))
