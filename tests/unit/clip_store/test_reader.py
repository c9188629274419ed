from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from tests.helpers.clips import moving_clip
from tests.helpers.stores import (
    SIZE,
    add_noise,
    disc_mask,
    noise,
    store_info,
    store_row,
    tracks_equal,
    write_clips,
    write_store,
)

from diffmvr.clip_store import ClipStore, ClipStoreWriter
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.mask_io import open_masks
from diffmvr.preprocessing.video_io import open_frames


def test_reread_equals_written_bit_for_bit(tmp_path: Path) -> None:
    clip = moving_clip(frames=6, size=48)
    store = ClipStore(write_clips(tmp_path, [clip]))
    again = store.read(clip.clip_id)
    assert np.array_equal(again.observed, clip.observed)
    assert np.array_equal(again.mask, clip.mask)
    assert tracks_equal(again.track, clip.track)
    assert np.array_equal(again.frame_index, clip.frame_index)
    assert (again.clip_id, again.subject_id) == (clip.clip_id, clip.subject_id)
    assert again.frames is None
    part = store.read(clip.clip_id, 1, 4)
    assert np.array_equal(part.observed, clip.observed[1:4])
    assert tracks_equal(part.track, clip.track[1:4])


def test_the_truth_is_known_where_nothing_is_hidden(tmp_path: Path) -> None:
    store = ClipStore(write_store(tmp_path, {"visit": ("anna", 5, range(3, 5))}))
    assert store.read("visit").frames is None
    clear = store.read("visit", 0, 3)
    assert clear.frames is not None
    assert np.array_equal(clear.frames, clear.observed)


def test_jpeg_pictures_are_close_and_masks_exact(tmp_path: Path) -> None:
    writer = ClipStoreWriter(tmp_path, store_info(image_suffix=".jpg"))
    with writer.recording("visit") as out:
        image = moving_clip(frames=1, size=SIZE).observed[0]
        out.add_frame("visit", image, disc_mask(0), store_row(0))
    writer.finish()
    clip = ClipStore(tmp_path).read("visit")
    assert np.abs(clip.observed[0].astype(int) - image).max() < 25
    assert np.array_equal(clip.mask[0], disc_mask(0))


def read_like_propainter(root: Path, clip: str) -> tuple[np.ndarray, np.ndarray]:
    """Frames and masks by folder, as video inpainting tools read DAVIS."""
    frames, masks = root / "JPEGImages" / clip, root / "Annotations" / clip
    assert [f.stem for f in sorted(frames.iterdir())] == [f.stem for f in sorted(masks.iterdir())]
    images = [np.asarray(Image.open(file).convert("RGB")) for file in sorted(frames.iterdir())]
    holes = [np.asarray(Image.open(file).convert("L")) for file in sorted(masks.iterdir())]
    return np.stack(images), np.stack(holes)


def test_a_davis_reader_opens_the_store_as_it_is(tmp_path: Path) -> None:
    store = ClipStore(write_store(tmp_path, {"visit": ("anna", 12, range(4, 12))}))
    clip = store.read("visit")
    images, holes = read_like_propainter(tmp_path, "visit")
    assert np.array_equal(images, clip.observed)
    assert set(np.unique(holes)) == {0, 255}
    assert np.array_equal(holes == 255, clip.mask == 1)
    assert [file.name for file in (tmp_path / "JPEGImages").iterdir()] == ["visit"]
    # `restore input=STORE/JPEGImages/CLIP` finds the masks beside the frames.
    frames = open_frames(tmp_path / "JPEGImages" / "visit")
    assert np.array_equal(np.stack([frame.image for frame in frames]), clip.observed)
    assert np.array_equal(np.stack(list(open_masks(None, frames))), clip.mask)


def test_the_crops_of_1000_random_frames_map_back_onto_the_source(tmp_path: Path) -> None:
    # A source with a bright dot at a known place of each frame; the dot is looked for in the
    # stored picture, and carried back by the transform that was read.
    rng = np.random.default_rng(7)
    height, width, clips, length = 90, 120, 20, 50
    writer = ClipStoreWriter(tmp_path, store_info(size=64))
    dots = {}
    for number in range(clips):
        name = f"clip{number:02d}"
        with writer.recording(name) as out:
            for t in range(length):
                zoom = rng.uniform(0.7, 2.5)
                dot = rng.uniform([30, 30], [width - 30, height - 30])
                corner = dot - rng.uniform(0.3, 0.7, 2) * 64 / zoom
                matrix = np.array([[zoom, 0, -zoom * corner[0]], [0, zoom, -zoom * corner[1]]])
                rows, columns = np.mgrid[:height, :width]
                blob = np.exp(-((columns - dot[0]) ** 2 + (rows - dot[1]) ** 2) / 8)
                frame = np.repeat(np.rint(255 * blob)[..., None], 3, axis=2).astype(np.uint8)
                crop = CropTransform(matrix, 64, (height, width))
                row = store_row(
                    t, f"subject{number}", crop=matrix, source_width=width, source_height=height
                )
                out.add_frame(name, crop.apply(frame), np.zeros((64, 64), np.uint8), row)
                dots[name, t] = dot
    writer.finish()
    store = ClipStore(tmp_path)
    errors = []
    for name in store.clip_ids:
        clip, crops = store.read(name), store.crops(name)
        for t in range(length):
            weight = clip.observed[t, ..., 0].astype(float)
            rows, columns = np.mgrid[:64, :64]
            seen = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
            crop = CropTransform(crops[t], 64, (height, width))
            errors.append(np.hypot(*(crop.to_frame(seen) - dots[name, t])))
    assert len(errors) == 1000
    assert max(errors) < 0.5


def test_damage_is_found(tmp_path: Path) -> None:
    store = ClipStore(write_store(tmp_path, {"visit": ("anna", 3, range(0))}))
    assert store.verify() == []
    cut = tmp_path / "JPEGImages/visit/00001.png"
    cut.write_bytes(cut.read_bytes()[:40])
    (tmp_path / "Annotations/visit/00002.png").unlink()
    (tmp_path / "JPEGImages/visit/extra.png").touch()
    problems = "\n".join(store.verify())
    assert "00001.png is not a picture of 32x32" in problems
    assert "00002.png" in problems
    assert "'extra.png', which no row knows" in problems
    with pytest.raises(ValueError, match=r"00001\.png is not a picture"):
        store.read("visit")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    store = ClipStore(write_store(tmp_path, {"visit": ("anna", 3, range(0))}))
    with pytest.raises(ValueError, match="'nobody' is none of the 1 clips"):
        store.read("nobody")
    with pytest.raises(ValueError, match=r"frames 0 to 3 of 'visit', got 2 and 4"):
        store.read("visit", 2, 4)


def test_a_folder_that_is_no_finished_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"it holds no store\.json"):
        ClipStore(tmp_path)
    writer = ClipStoreWriter(tmp_path, store_info())
    with writer.recording("visit") as out:
        add_noise(out, "visit", 1)
    with pytest.raises(FileNotFoundError, match="never finished"):
        ClipStore(tmp_path)
    writer.finish()
    assert len(ClipStore(tmp_path).clip_ids) == 1


def test_a_manifest_with_other_columns_is_refused(tmp_path: Path) -> None:
    write_store(tmp_path, {"visit": ("anna", 1, range(0))})
    path = tmp_path / "manifest.parquet"
    pl.read_parquet(path).drop("crop").write_parquet(path)
    with pytest.raises(ValueError, match=r"other columns than a manifest: \['crop'\]"):
        ClipStore(tmp_path)
    path.write_bytes(b"PAR1")
    with pytest.raises(ValueError, match="cannot be read"):
        ClipStore(tmp_path)


def test_subjects_are_told_without_reading_pictures(tmp_path: Path) -> None:
    root = write_store(tmp_path, {"a": ("anna", 1, range(0)), "b": ("ben", 1, range(0))})
    for picture in root.glob("JPEGImages/*/*.png"):
        picture.unlink()
    store = ClipStore(root)
    assert [store.subject_of(clip) for clip in store.clip_ids] == ["anna", "ben"]


def test_an_image_is_rgb(tmp_path: Path) -> None:
    write_store(tmp_path, {"visit": ("anna", 1, range(0))})
    stored = np.asarray(Image.open(tmp_path / "JPEGImages/visit/00000.png"))
    assert np.array_equal(stored, noise(0))


def test_a_stores_picture_of_another_kind_or_size_is_not_decoded(tmp_path: Path) -> None:
    store = ClipStore(write_store(tmp_path, {"visit": ("anna", 2, range(0))}))
    pictures = tmp_path / "JPEGImages/visit"
    Image.new("RGB", (32, 32)).save(pictures / "00000.png", format="BMP")
    Image.new("RGB", (9000, 9000)).save(pictures / "00001.png")
    problems = [problem for problem in store.verify() if "is not a picture of 32x32" in problem]
    assert len(problems) == 2
