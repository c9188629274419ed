"""One picture as a recording."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.helpers.recordings import moving_frames, write_pictures

from diffmvr.preprocessing.mask_io import open_masks
from diffmvr.preprocessing.still_picture import StillPicture, open_recording


def test_a_picture_is_one_frame(tmp_path: Path) -> None:
    image = moving_frames(1)[0]
    path = tmp_path / "face.png"
    Image.fromarray(image).save(path)
    still = open_recording(path)
    assert (still.info.width, still.info.height, still.info.frame_count) == (96, 72, 1)
    for _ in range(2):
        (frame,) = still
        assert frame.index == frame.pts == 0
        assert np.array_equal(frame.image, image)
    mask = tmp_path / "hand.png"
    Image.fromarray((image[..., 0] > 99).astype(np.uint8) * 255).save(mask)
    assert np.array_equal(next(iter(open_masks(mask, still))), image[..., 0] > 99)


def test_anything_else_is_opened_as_ever(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "frames", moving_frames(3))
    assert len(list(open_recording(folder))) == 3
    with pytest.raises(FileNotFoundError, match=r"input: there is no file or folder .*face\.png"):
        open_recording(tmp_path / "face.png")


def test_a_file_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "face.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"input: .*face\.png is not a picture"):
        StillPicture(tmp_path / "face.png")
