import numpy as np

from diffmvr.preprocessing.cuts import is_cut


def test_is_cut_needs_another_picture_and_not_only_another_light() -> None:
    picture = np.random.default_rng(0).uniform(0, 120, (32, 32, 3))

    assert not is_cut(picture, picture + 60)
    assert not is_cut(picture, picture + np.eye(32)[..., None])
    assert is_cut(picture, 120 - picture)
