"""Which clear frames lend, and how they are shown in a later one."""

from dataclasses import replace

import numpy as np
from tests.unit.preprocessing.test_alignment import texture
from tests.unit.restoration.test_detail import SIZE, rms, scene, square

from diffmvr.preprocessing.crop import CropTransform
from diffmvr.restoration.lenders import FrameInPlace, Lenders, Lent, carry
from diffmvr.structures import PastSelection


def test_the_clearest_frame_is_the_latest_of_those_that_hide_least():
    past, hidden, _ = scene()
    lenders = Lenders()
    assert lenders.lend().frames == ()
    lenders.add(hidden)
    lenders.add(past)
    assert lenders.lend().frames == (past,)
    again = replace(past)
    lenders.add(again)
    assert lenders.lend().frames == (again,)


def test_the_latest_comes_first():
    past, hidden, _ = scene()
    lenders = Lenders()
    lenders.add(past)
    lenders.add(hidden)
    assert lenders.lend().frames == (hidden, past)


def test_a_still_recording_is_carried_as_it_is():
    image, mask = texture(SIZE, 5), np.zeros((SIZE, SIZE), np.uint8)
    mask[90:150, 90:150] = 1
    crop, face = square(20, 20, 200, 200), np.array([[40.0, 0, 100], [0, 40, 90]])
    past = FrameInPlace(image, np.zeros_like(mask), crop, face)
    current = FrameInPlace(np.where(mask[..., None] == 1, 0, image), mask, crop, face)
    frame = square(20, 20, 200, 200)
    carried, known, _ = carry(Lent((past,)), current.reference(frame), current)
    hole = frame.apply_mask(mask) == 1
    np.testing.assert_array_equal(known, hole)
    assert rms(carried, frame.apply(image), hole) < 2


def test_nobody_knows_nothing():
    _, current, _ = scene()
    carried, known, _ = carry(Lent(()), current.reference(current.crop), current)
    assert not known.any()
    assert (carried == 128).all()


def test_a_large_face_is_reduced_and_stays_in_its_place():
    zoom = 64 / 1024
    crop = CropTransform(np.array([[zoom, 0, 0], [0, zoom, 0]]), 64, (1100, 1100))
    image, mask = np.zeros((1100, 1100, 3), np.uint8), np.zeros((1100, 1100), np.uint8)
    image[400:, 600:] = 255
    frame = FrameInPlace(image, mask, crop, np.array([[13.0, 0, 32], [0, 13, 28]]))
    assert frame.picture.mask.shape == (550, 550)
    assert frame.picture.image[201, 301].min() == 255 and frame.picture.image[199, 299].max() == 0
    eyes = frame.face(frame.reduction)[:, 2]
    np.testing.assert_allclose(eyes, crop.to_frame(np.array([32.0, 28])) / 2, atol=0.5)


def test_a_past_frame_is_made_ready_once():
    past, current, _ = scene()
    picture, small = past.picture, past.picture.small
    for _ in range(2):
        carry(Lent((past,)), current.reference(current.crop), current)
    assert past.picture is picture and picture.small is small


def test_whether_a_change_is_mirrored_is_lent_with_the_frames():
    for mirrored in (False, True):
        for select in ("recent", "bank"):
            lenders = Lenders(PastSelection(select, mirrored=mirrored))
            assert lenders.lend().mirrored == mirrored
