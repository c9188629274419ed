"""Reading masks: what hides, and which masks do not fit their frames."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.helpers.recordings import box_masks, moving_frames, write_pictures, write_video

from diffmvr.preprocessing.mask_io import open_masks, read_mask
from diffmvr.preprocessing.picture_folder import read_picture
from diffmvr.preprocessing.stored_pixels import StoredPixels
from diffmvr.preprocessing.video_io import open_frames

MASKS = box_masks(6)


@pytest.fixture
def frames(tmp_path: Path):
    """Six frames of 96 × 72."""
    return open_frames(write_pictures(tmp_path / "frames", moving_frames(6)))


def test_a_folder_gives_one_mask_per_frame(tmp_path: Path, frames) -> None:
    folder = write_pictures(tmp_path / "masks", 255 * MASKS, "mask{}.png")

    masks = open_masks(folder, frames)

    np.testing.assert_array_equal(np.stack(list(masks)), MASKS)
    np.testing.assert_array_equal(np.stack(list(masks)), MASKS)
    assert not masks.endless


def test_one_picture_serves_every_frame(tmp_path: Path, frames) -> None:
    Image.fromarray(255 * MASKS[4]).save(tmp_path / "mask.png")

    masks = open_masks(tmp_path / "mask.png", frames)

    assert masks.endless
    np.testing.assert_array_equal(np.stack(list(islice(masks, 3))), np.stack([MASKS[4]] * 3))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mask.mp4", {"codec": "libx264", "pix_fmt": "yuv420p"}),
        ("mask.mkv", {"codec": "ffv1", "pix_fmt": "bgr0"}),
        ("mask.webm", {"codec": "libvpx-vp9", "pix_fmt": "yuv420p"}),
    ],
)
def test_a_video_hides_where_it_is_bright(tmp_path: Path, frames, name: str, options: dict) -> None:
    video = 255 * np.repeat(MASKS[..., None], 3, axis=-1)

    masks = open_masks(write_video(tmp_path / name, video, **options), frames)

    assert (np.stack(list(masks)) != MASKS).mean() < (0.01 if name == "mask.webm" else 1e-9)


def test_the_threshold_of_a_video_is_127(tmp_path: Path) -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1), 3, axis=-1)
    frames = open_frames(write_pictures(tmp_path / "frames", ramp))
    path = write_video(tmp_path / "mask.mkv", ramp, codec="ffv1", pix_fmt="bgr0")

    (mask,) = open_masks(path, frames)

    np.testing.assert_array_equal(mask, ramp[0, ..., 0] > 127)


def test_a_jpeg_hides_where_it_is_bright(tmp_path: Path) -> None:
    Image.fromarray(255 * MASKS[4]).save(tmp_path / "mask.jpg", quality=60)

    assert (np.asarray(Image.open(tmp_path / "mask.jpg")) > 0).mean() > MASKS[4].mean()
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.jpg"), MASKS[4])


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "I;16"])
def test_every_value_but_zero_hides_in_a_png(tmp_path: Path, mode: str) -> None:
    labels = np.zeros((8, 10), np.uint8)
    labels[2:4, 3:7] = 1
    labels[5] = 2
    expected = labels != 0
    if mode == "1":
        picture = Image.fromarray(expected)
    elif mode == "RGB":
        picture = Image.fromarray(np.stack([0 * labels, 0 * labels, labels], axis=-1))
    elif mode == "I;16":
        picture = Image.fromarray(labels.astype(np.uint16) * 256)
    else:
        picture = Image.fromarray(labels)
    if mode == "P":
        # A palette whose colours are all black: the index decides.
        picture.putpalette([0] * 768)
    assert picture.mode == mode
    picture.save(tmp_path / "mask.png")

    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), expected)


def test_a_small_value_of_sixteen_bits_hides_too(tmp_path: Path) -> None:
    values = np.zeros((8, 10, 3), np.uint16)
    values[2:4, 3:7, 1] = 1
    StoredPixels(values).write(tmp_path / "mask.png")

    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), values[..., 1])


def test_an_alpha_channel_is_ambiguous(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (255, 255, 255, 0)).save(tmp_path / "mask.png")

    with pytest.raises(ValueError, match=r"mask\.png has an alpha channel \(pixel type RGBA\)"):
        read_mask(tmp_path / "mask.png")


@pytest.mark.parametrize("layout", ["JPEGImages/clip", "JPEGImages/480p/clip"])
def test_a_davis_clip_has_its_masks_beside_it(tmp_path: Path, layout: str) -> None:
    clip = write_pictures(tmp_path / layout, moving_frames(6))
    beside = layout.replace("JPEGImages", "Annotations")
    write_pictures(tmp_path / beside, 255 * MASKS)

    masks = open_masks(None, open_frames(clip))

    np.testing.assert_array_equal(np.stack(list(masks)), MASKS)


def test_no_mask_is_refused(frames) -> None:
    with pytest.raises(ValueError, match=r"mask: none is given for .*; give mask=VIDEO"):
        open_masks(None, frames)


def test_a_missing_mask_is_named(tmp_path: Path, frames) -> None:
    with pytest.raises(FileNotFoundError, match=r"mask: there is no file or folder .*gone\.png"):
        open_masks(tmp_path / "gone.png", frames)


@pytest.mark.parametrize("kind", ["picture", "folder", "video"])
def test_a_mask_of_another_size_is_refused(tmp_path: Path, frames, kind: str) -> None:
    wrong = box_masks(6, 90, 72)
    if kind == "picture":
        Image.fromarray(wrong[4]).save(tmp_path / "mask.png")
        path = tmp_path / "mask.png"
    elif kind == "folder":
        path = write_pictures(tmp_path / "masks", wrong)
    else:
        path = write_video(tmp_path / "mask.mp4", np.repeat(wrong[..., None], 3, axis=-1))

    with pytest.raises(ValueError, match=r"mask: .* is 90x72 but the frames of frames are 96x72"):
        list(islice(open_masks(path, frames), 6))


def test_a_mask_that_lies_on_its_side_gets_a_hint(tmp_path: Path, frames) -> None:
    Image.fromarray(np.rot90(MASKS[4]).copy()).save(tmp_path / "mask.png")

    with pytest.raises(ValueError, match=r"is 72x96 .* rotation flag: turn the masks upright"):
        open_masks(tmp_path / "mask.png", frames)


def test_a_rotation_flag_of_the_mask_is_followed(tmp_path: Path, frames) -> None:
    stored = 255 * np.repeat(np.rot90(MASKS, -1, axes=(1, 2))[..., None], 3, axis=-1)
    path = write_video(tmp_path / "mask.mp4", stored.copy(), rotation=(90, False))

    np.testing.assert_array_equal(np.stack(list(open_masks(path, frames))), MASKS)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_mask_is_turned_as_its_exif_says_like_a_frame(tmp_path: Path, suffix: str) -> None:
    values = np.zeros((16, 24), np.uint8)
    values[:8, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # Shown turned to the right by 90 degrees.
    file = tmp_path / f"mask{suffix}"
    Image.fromarray(values).save(file, exif=exif)
    expected = np.rot90(values, -1) > 127
    np.testing.assert_array_equal(read_mask(file), expected)
    # The same file as a frame.
    np.testing.assert_array_equal(read_picture(file, "input")[..., 0] > 127, expected)
