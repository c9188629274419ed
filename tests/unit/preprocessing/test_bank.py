import cv2
import numpy as np
import pytest
from tests.helpers.clips import smooth_texture

from diffmvr.preprocessing.bank import Reference, ReferenceBank, distances_of
from diffmvr.preprocessing.picture import Picture

SIDE = 64
FACE = np.array([[20.0, 0, 31.5], [0, 20, 28]])
STILL = np.eye(2, 3)


def distance(one: Reference, other: Reference) -> float:
    return float(distances_of([one, other])[1, 0])


def reference(index: int, seed: int = 0, hide: slice | None = None, blur: float = 0) -> Reference:
    image = smooth_texture(SIDE, SIDE, seed)
    if blur:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), blur), np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    if hide is not None:
        mask[hide, hide] = 1
    return Reference(index, Picture(image, mask), FACE, STILL)


def test_it_keeps_frames_that_differ_and_the_newest() -> None:
    bank = ReferenceBank(4)
    for index, seed in enumerate([0, 0, 1, 1, 0, 2, 0, 3, 0, 0]):
        bank = bank.add(reference(index, seed))
        assert len(bank) == min(index + 1, 4)
        assert bank.references[-1].index == index

    kept = [one.index for one in bank.references]
    # Of the repeats of one face the latest; the others are the only ones of theirs.
    assert kept == [3, 5, 7, 9]


def test_a_bank_of_one_holds_the_newest() -> None:
    bank = ReferenceBank(1)
    for index in range(3):
        bank = bank.add(reference(index, index))
    assert [one.index for one in bank.references] == [2]


def test_adding_leaves_the_bank_as_it_was() -> None:
    before = ReferenceBank(2).add(reference(0, 0)).add(reference(1, 1))
    before.add(reference(2, 2))
    assert [one.index for one in before.references] == [0, 1]


def test_a_blurred_repeat_gives_way_to_the_sharp_one_before_it() -> None:
    bank = ReferenceBank(2).add(reference(0, 0)).add(reference(1, 0, blur=2.0))
    assert [one.index for one in bank.add(reference(2, 5)).references] == [0, 2]


def test_light_does_not_count_as_a_difference() -> None:
    one = reference(0, 0)
    darker = (0.7 * one.picture.image.astype(float) + 10).astype(np.uint8)
    other = Reference(1, Picture(darker, one.picture.mask), FACE, STILL)
    assert distance(one, other) < 0.02 < 0.2 < distance(one, reference(2, 7))


def test_hidden_pixels_do_not_enter_the_descriptor() -> None:
    one = reference(0, 0, hide=slice(24, 34))
    spoilt = one.picture.image.copy()
    spoilt[24:34, 24:34] = 255
    other = Reference(1, Picture(spoilt, one.picture.mask), FACE, STILL)
    np.testing.assert_array_equal(one.descriptor[0], other.descriptor[0])
    assert one.sharpness == other.sharpness
    assert not one.descriptor[1].all()


def test_the_same_face_elsewhere_in_the_frame_is_the_same() -> None:
    one = reference(0, 0)
    moved = np.roll(one.picture.image, (3, -4), axis=(0, 1))
    face = FACE + np.array([[0, 0, -4.0], [0, 0, 3.0]])
    other = Reference(1, Picture(moved, one.picture.mask), face, STILL)
    assert distance(one, other) < 0.2 * distance(one, reference(2, 7))


def test_a_size_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"size: expected a number in \[1, 1000\], got 0"):
        ReferenceBank(0)
