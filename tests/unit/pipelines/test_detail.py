"""The past frame lends what the model's pixels are too coarse for."""

from dataclasses import replace

import cv2
import numpy as np
from tests.unit.preprocessing.test_alignment import texture

from diffmvr.pipelines.detail import FrameInPlace, Lenders, add_past_detail
from diffmvr.preprocessing.crop import CropTransform

SIZE, MODEL = 256, 64


def place(image: np.ndarray, mask: np.ndarray, x: float, y: float) -> FrameInPlace:
    """A crop of 200 × 200 pixels at (x, y), reduced to the model's size, a face in its middle."""
    zoom = MODEL / 200
    matrix = np.array([[zoom, 0, (0.5 - x) * zoom - 0.5], [0, zoom, (0.5 - y) * zoom - 0.5]])
    face = np.array([[13.0, 0, 32], [0, 13, 28]])
    return FrameInPlace(image, mask, CropTransform(matrix, MODEL, (SIZE, SIZE)), face)


def rms(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    return float(np.sqrt(np.mean((a[where].astype(float) - b[where]) ** 2)))


def scene() -> tuple[FrameInPlace, FrameInPlace, np.ndarray]:
    """A past frame, the current one that shows the same 7 pixels on, half of it hidden."""
    grain = cv2.GaussianBlur(np.random.default_rng(3).normal(size=(SIZE, SIZE, 3)), (0, 0), 1.2)
    past = np.clip(texture(SIZE, 3) + 60 * grain, 0, 255).astype(np.uint8)
    truth = np.roll(past, (7, 7), axis=(0, 1))
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[100:170, 100:170] = 1
    observed = np.where(mask[..., None] == 1, np.uint8(0), truth)
    clear = np.zeros_like(mask)
    return place(past, clear, 20, 20), place(observed, mask, 27, 27), truth


def test_detail_comes_back():
    past, current, truth = scene()
    reduced = current.crop.apply(truth)
    detailed, crop = add_past_detail(reduced, current, [past])
    assert (crop.size, detailed.shape) == (200, (200, 200, 3))
    hole = crop.apply_mask(current.mask) == 1
    sharp = crop.apply(truth)
    coarse = cv2.resize(reduced, (200, 200), interpolation=cv2.INTER_CUBIC)
    assert rms(detailed, sharp, hole) < 0.5 * rms(coarse, sharp, hole)


def test_the_model_stays_in_charge_of_what_is_coarser():
    past, current, truth = scene()
    reduced = current.crop.apply(truth)
    darker = (reduced * 0.5).astype(np.uint8)
    detailed, _ = add_past_detail(darker, current, [past])
    back = cv2.resize(detailed, (MODEL, MODEL), interpolation=cv2.INTER_AREA)
    middle = np.s_[20:44, 20:44]
    assert np.abs(back[middle].astype(int) - darker[middle]).mean() < 4


def test_a_recording_no_finer_than_the_model_is_left_as_it_is():
    image, mask = texture(MODEL, 4), np.zeros((MODEL, MODEL), np.uint8)
    same = CropTransform(np.eye(2, 3), MODEL, (MODEL, MODEL))
    frame = FrameInPlace(image, mask, same, np.array([[13.0, 0, 32], [0, 13, 28]]))
    picture, crop = add_past_detail(image, frame, [frame])
    assert picture is image and crop is same


def test_what_the_latest_clear_frame_hides_an_earlier_one_lends():
    past, current, truth = scene()
    beside = past.mask.copy()
    beside[90:180, 90:130] = 1
    latest = replace(past, mask=beside, image=np.where(beside[..., None] == 1, 0, past.image))
    lenders = Lenders()
    lenders.add(past)
    lenders.add(latest)
    assert lenders.frames() == (latest, past)
    reduced = current.crop.apply(truth)
    # Seven pixels on, and away from its edge.
    hidden_twice = (current.mask == 1) & (np.arange(SIZE) < 132)
    pictures = [
        crop.apply_inverse(picture)
        for picture, crop in (
            add_past_detail(reduced, current, frames) for frames in ([latest], lenders.frames())
        )
    ]
    assert rms(pictures[1], truth, hidden_twice) < 0.7 * rms(pictures[0], truth, hidden_twice)


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


def test_without_a_clear_frame_the_picture_stays_as_it_is():
    _, current, truth = scene()
    reduced = current.crop.apply(truth)
    picture, crop = add_past_detail(reduced, current, ())
    assert picture is reduced and crop is current.crop
