"""Faults that were seen in restored faces, each as a property of a drawn one.

A head with an ear stands before a wall, looks somewhere and opens its mouth.  The latest clear
frame, alone, shows each of these faults; what a bank of them says of the hidden part does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import pytest

from diffmvr.preprocessing.crop import square_region
from diffmvr.restoration.detail import carry_detail
from diffmvr.restoration.lenders import FrameInPlace, Lenders
from diffmvr.structures import PastSelection, UInt8Array

HEIGHT, WIDTH, SIDE = 160, 240, 120
RECENT, BANK = PastSelection(select="recent"), PastSelection(select="bank")


@dataclass(frozen=True)
class Face:
    """A state of the face: where its middle is, where it looks, and how far its mouth is open."""

    x: float = 90.0
    look: float = 0.0
    opened: float = 0.0

    @property
    def head(self) -> np.ndarray:
        """``[H, W]`` bool, the head and its ear."""
        head = self._oval(0, 75, 30, 45)
        return np.asarray(head | self._oval(33, 75, 6, 10))

    @property
    def image(self) -> UInt8Array:
        """``[H, W, 3]``."""
        rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(float)
        across = (columns - self.x) / 9
        skin = [200 + 15 * np.sin(across), 150 + 15 * np.cos(rows / 9), np.full_like(rows, 130)]
        image = np.where(self.head[..., None], np.stack(skin, axis=-1), wall())
        for eye in (-12, 12):
            white = self._oval(eye, 62, 8, 5)
            image[white] = 235
            image[white & self._oval(eye + 4 * self.look, 62, 4, 4)] = 40
        image[self._oval(0, 96, 14, 4 + 7 * self.opened)] = 170, 80, 80
        if self.opened:
            image[self._oval(0, 96, 11, 6 * self.opened)] = 40, 15, 15
        return np.asarray(cv2.GaussianBlur(image.clip(0, 255).astype(np.uint8), (0, 0), 0.8))

    def place(self, index: int, mask: UInt8Array | None = None) -> FrameInPlace:
        """Return a frame that shows it, black where it is hidden."""
        mask = np.zeros((HEIGHT, WIDTH), np.uint8) if mask is None else mask
        crop = square_region(np.array([self.x, 75]), SIDE, 64, (HEIGHT, WIDTH))
        zoom = 64 / SIDE
        middle = crop.to_crop(np.array([[self.x, 62]]))[0]
        similarity = np.array([[24 * zoom, 0, middle[0]], [0, 24 * zoom, middle[1]]])
        image = np.where(mask[..., None] == 1, np.uint8(0), self.image)
        return FrameInPlace(image, mask, crop, similarity, index)

    def _oval(self, x: float, y: float, wide: float, high: float) -> np.ndarray:
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        away = ((columns - self.x - x) / wide) ** 2 + ((rows - y) / high) ** 2
        return np.asarray(away < 1)


@cache
def wall() -> np.ndarray:
    noise = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.float32)
    return np.clip((cv2.GaussianBlur(noise, (0, 0), 4) - 128) * 5 + 90, 20, 160)


def restored(
    before: Sequence[Face], now: Face, hidden: tuple[slice, slice], past: PastSelection
) -> UInt8Array:
    """Return ``[H, W, 3]``, the frame with its hole filled by clear frames before it."""
    lenders = Lenders(past)
    for index, face in enumerate(before):
        lenders.add(face.place(index))
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[hidden] = 1
    region = square_region(np.array([119.5, 79.5]), 150.0, 150, (HEIGHT, WIDTH))
    picture, square, _ = carry_detail(now.place(99, mask), region, lenders.lend())
    return np.asarray(square.apply_inverse(picture))


def error(image: UInt8Array, face: Face, where: np.ndarray | tuple[slice, slice]) -> float:
    return float(np.abs(image[where].astype(float) - face.image[where]).mean())


@pytest.mark.parametrize(
    ("other", "now", "hidden"),
    [
        # The other eye is visible; of the mouth it is the left half.
        (Face(), Face(look=-1), np.s_[52:72, 92:116]),
        (Face(), Face(opened=1), np.s_[84:110, 90:110]),
    ],
    ids=["the eyes look the same way", "no mouth is half open and half closed"],
)
def test_the_hidden_half_is_in_the_state_of_the_visible_one(
    other: Face, now: Face, hidden: tuple[slice, slice]
) -> None:
    before = [other, now, other, now, other, other]
    apart = error(other.image, now, hidden)
    assert apart > 10
    assert error(restored(before, now, hidden, BANK), now, hidden) < 0.1 * apart
    # The latest clear frame is in the other state.
    assert error(restored(before, now, hidden, RECENT), now, hidden) > 0.9 * apart


def test_a_mouth_that_is_between_two_states_is_nearer_to_itself_than_the_latest_one_is() -> None:
    before = [Face(opened=1.0 * (k % 2)) for k in (0, 1, 0, 1, 0, 0)]
    now, hidden = Face(opened=0.5), np.s_[84:110, 90:110]
    recent = error(restored(before, now, hidden, RECENT), now, hidden)
    assert error(restored(before, now, hidden, BANK), now, hidden) < 0.8 * recent


def test_no_ear_and_no_cheek_stands_beside_the_head_where_it_was_before() -> None:
    before = [Face(x) for x in (70, 75, 90, 100, 105, 110)]
    now, hidden = Face(85), np.s_[45:115, 85:165]
    beside = np.zeros((HEIGHT, WIDTH), bool)
    beside[hidden] = True
    beside &= cv2.dilate(now.head.astype(np.uint8), np.ones((5, 5), np.uint8)) == 0

    def ghost(past: PastSelection) -> float:
        """Return the share of pixels beside the head that are not the wall behind it."""
        found = restored(before, now, hidden, past).astype(float)
        return float((np.abs(found - now.image).mean(axis=-1)[beside] > 25).mean())

    assert ghost(BANK) < 0.05
    assert ghost(RECENT) > 0.3


@pytest.mark.parametrize("past", [RECENT, BANK], ids=["recent", "bank"])
def test_no_skin_stands_on_the_wall_where_the_hole_leaves_the_crop(past: PastSelection) -> None:
    """What stands still stays where it is, although the head has moved."""
    before, now = [Face(80), Face(83), Face(86)], Face(92)
    hidden = np.s_[60:120, 95:190]
    crop_ends = 92 + SIDE // 2
    picture = restored(before, now, hidden, past)
    for wall_part in (np.s_[60:120, 140:crop_ends], np.s_[60:120, crop_ends:190]):
        assert error(picture, now, wall_part) < 3


@pytest.mark.parametrize("past", [RECENT, BANK], ids=["recent", "bank"])
def test_no_second_face_stands_beside_the_head_where_nobody_saw_the_wall(
    past: PastSelection,
) -> None:
    """What the head hid in the past frame is no background."""
    before, now = [Face(125), Face(122), Face(120)], Face(85)
    picture = restored(before, now, np.s_[45:115, 85:165], past)
    # The other eye of the face as it was.
    for old in before:
        assert error(picture, old, np.s_[58:67, 126:138]) > 45
