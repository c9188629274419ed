"""Masks find their frames by name or number, never by their place in the list alone."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.recordings import moving_frames, write_video

from diffmvr.picture_files import open_picture
from diffmvr.preprocessing.mask_io import open_masks
from diffmvr.preprocessing.mask_pairing import numbers_of
from diffmvr.preprocessing.video_io import open_frames

FRAMES = moving_frames(6, 16, 16)


def write(folder: Path, template: str, numbers: Sequence[int]) -> Path:
    """Pictures whose upper left pixels are as many as their number says."""
    from PIL import Image

    folder.mkdir()
    for number in numbers:
        image = np.zeros((16, 16), np.uint8)
        image.flat[:number] = 255
        Image.fromarray(image).save(folder / template.format(number))
    return folder


@pytest.mark.parametrize(
    ("frame", "mask"),
    [
        ("{:05d}.png", "{:05d}.png"),
        ("{:05d}.png", "{:03d}.jpg"),
        ("f{}.png", "clip2_{:04d}_mask.png"),
        ("take1_f{}_v3.jpg", "m-{}.png"),
    ],
)
def test_frames_and_masks_that_each_lack_one_are_not_paired_by_order(
    tmp_path: Path, frame: str, mask: str
) -> None:
    frames = open_frames(write(tmp_path / "frames", frame, (1, 2, 3, 5)))
    masks = open_masks(write(tmp_path / "masks", mask, (1, 2, 3, 4, 5)), frames)

    assert [int(one.sum()) for one in masks] == [1, 2, 3, 5]
    (note,) = masks.notes
    assert note.startswith("1 masks belong to no frame and are not used: ")
    assert note.endswith(mask.format(4))


@pytest.mark.parametrize(
    ("mask", "what"), [("{:05d}.png", "name"), ("m{}.png", "number"), ("m{}_v2.png", "number")]
)
def test_the_first_frame_without_a_mask_is_named(tmp_path: Path, mask: str, what: str) -> None:
    frames = open_frames(write(tmp_path / "frames", "{:05d}.png", (0, 1, 2, 3, 5)))
    folder = write(tmp_path / "masks", mask, (1, 2, 3, 4, 5))

    first = re.escape(mask.format(1))
    message = rf"mask: 00000\.png has no mask of its {what} in .*masks .*begins with {first}"
    with pytest.raises(ValueError, match=message):
        open_masks(folder, frames)


def test_names_that_have_nothing_in_common_are_refused(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "masks").mkdir()
    source = write(tmp_path / "pictures", "{}.png", (0, 1))
    for folder, names in (("frames", "ab"), ("masks", "xy")):
        for name in names:
            picture = open_picture(source / "0.png", "input")
            picture.save(tmp_path / folder / f"{name}.png")

    with pytest.raises(ValueError, match=r"mask: a\.png has no mask of its name .*with x\.png"):
        open_masks(tmp_path / "masks", open_frames(tmp_path / "frames"))


def test_masks_of_a_video_must_have_numbers_without_a_gap(tmp_path: Path) -> None:
    frames = open_frames(write_video(tmp_path / "clip.mkv", FRAMES, codec="ffv1", pix_fmt="bgr0"))
    whole = open_masks(write(tmp_path / "whole", "m{}.png", (1, 2, 3, 4, 5, 6)), frames)
    assert [int(one.sum()) for one in whole] == [1, 2, 3, 4, 5, 6]

    gap = write(tmp_path / "gap", "m{}.png", (0, 1, 2, 3, 5))
    with pytest.raises(ValueError, match=r"has m3\.png and then m5\.png, so that mask 4 is absent"):
        open_masks(gap, frames)


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["f1", "f2"], [1, 2]),
        (["cam2_7_v1", "cam2_8_v1"], [7, 8]),
        (["a1", "b1"], None),
        (["1", "1_2"], None),
        (["a", "b"], None),
    ],
)
def test_the_number_of_a_name_is_the_one_that_differs(
    names: list[str], numbers: list[int] | None
) -> None:
    assert numbers_of(names) == numbers
