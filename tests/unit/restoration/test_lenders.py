"""Which clear frames lend, and how they are shown in a later one."""

from dataclasses import replace

import numpy as np
from tests.unit.preprocessing.test_alignment import texture
from tests.unit.restoration.test_detail import MODEL, SIZE, rms, scene, square

from diffmvr.restoration.lenders import FrameInPlace, Lenders, carry


def test_the_clearest_frame_is_the_latest_of_those_that_hide_least():
    past, hidden, _ = scene()
    lenders = Lenders()
    assert lenders.frames() == ()
    lenders.add(hidden)
    lenders.add(past)
    assert lenders.frames() == (past,)
    again = replace(past)
    lenders.add(again)
    assert lenders.frames() == (again,)


def test_the_latest_comes_first():
    past, hidden, _ = scene()
    lenders = Lenders()
    lenders.add(past)
    lenders.add(hidden)
    assert lenders.frames() == (hidden, past)


def test_a_still_recording_is_carried_as_it_is():
    image, mask = texture(SIZE, 5), np.zeros((SIZE, SIZE), np.uint8)
    mask[90:150, 90:150] = 1
    crop, face = square(20, 20, 200, 200), np.array([[40.0, 0, 100], [0, 40, 90]])
    past = FrameInPlace(image, np.zeros_like(mask), crop, face)
    current = FrameInPlace(np.where(mask[..., None] == 1, 0, image), mask, crop, face)
    carried, known = carry([past], current)
    hole = crop.apply_mask(mask) == 1
    assert known[hole].all()
    assert rms(carried, crop.apply(image), hole) < 2


def test_nobody_knows_nothing():
    _, current, _ = scene()
    carried, known = carry((), current)
    assert not known.any()
    assert (carried == 128).all()


def test_another_crop_shows_the_same_face():
    _, current, _ = scene()
    other = current.in_crop(square(60, 40, 100))
    points = np.array([[0.0, 0, 1], [1, 0, 1], [0, 1, 1]])
    in_frame = [frame.crop.to_frame(points @ frame.similarity.T) for frame in (current, other)]
    np.testing.assert_allclose(*in_frame, atol=1e-9)
    assert other.crop.size == MODEL
