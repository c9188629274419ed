"""A recording on disk becomes clips of a store, in two passes."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.helpers.detectors import ColourBackends, disc_frames
from tests.helpers.recordings import write_pictures, write_video

from diffmvr.clip_store import ClipStore, ClipStoreWriter, StoreInfo
from diffmvr.preprocessing.backends import default_cleaning
from diffmvr.preprocessing.crop import CropTransform
from diffmvr.preprocessing.layouts import Recording
from diffmvr.preprocessing.recording import RecordingJob, RecordingSettings, process_recording
from diffmvr.preprocessing.scene_layout import MaskCleaning
from diffmvr.preprocessing.stored_pixels import StoredPixels

SIZE = 64
AT = (90.0, 70.0)


def process(path: Path, root: Path, masks: Path | None = None, **options: Any) -> ClipStore:
    """Process one recording into a store of its own, every frame of it."""
    kind = "segmentation" if masks is None else "given"
    settings = RecordingSettings(
        **{"backends": ColourBackends(mask=kind), "size": SIZE, "fps": None, **options}
    )
    writer = ClipStoreWriter(root, StoreInfo(SIZE))
    process_recording(writer, RecordingJob(Recording("rec", path, "anna"), masks), settings)
    writer.finish()
    return ClipStore(root)


def test_what_is_hidden_and_when_is_in_the_store(tmp_path: Path) -> None:
    hidden = set(range(6, 12))
    path = write_video(tmp_path / "in.mp4", disc_frames([AT] * 14, hidden=hidden))
    store = process(path, tmp_path / "store")
    clip = store.read("rec")

    assert [bool(mask.any()) for mask in clip.mask] == [t in hidden for t in range(14)]
    rows = store.rows("rec")
    assert rows["past_index"].to_list() == [-1, *range(6), *[5] * 6, 12]
    assert rows["past_age"].to_list()[:8] == [None, *[1] * 6, 2]
    assert set(rows["mask_source"]) == {"segmentation"}
    assert rows["source_width"].to_list() == [192] * 14
    share = rows["occluded_share"].to_numpy()
    assert (share[:6] == 0).all()
    # The bar covers 21 of the 41 rows of the disc's box.
    assert share[8] == pytest.approx(21 / 41, abs=0.08)


def test_every_crop_leads_back_to_its_place_in_the_source(tmp_path: Path) -> None:
    centres = [(60 + 2.0 * t, 60 + t / 2) for t in range(16)]
    frames = disc_frames(centres)
    path = write_video(tmp_path / "in.mp4", frames)
    store = process(path, tmp_path / "store")
    clip = store.read("rec")

    for t, matrix in enumerate(store.crops("rec")):
        crop = CropTransform(matrix, SIZE, frames.shape[1:3])
        yellow = (clip.observed[t, ..., 2] < 65) & (clip.observed[t, ..., 0] > 150)
        middle = np.argwhere(yellow).mean(axis=0)[::-1]
        np.testing.assert_allclose(crop.to_frame(middle), centres[t], atol=0.5)


def test_a_face_at_rest_keeps_its_crop(tmp_path: Path) -> None:
    path = write_video(tmp_path / "in.mp4", disc_frames([AT] * 10, hidden=set(range(4, 8))))
    crops = process(path, tmp_path / "store").crops("rec")

    side = SIZE / crops[:, 0, 0]
    centre = (SIZE / 2 - crops[:, :, 2]) / crops[:, [0, 1], [0, 1]]
    assert np.abs(np.diff(centre, axis=0)).max() < 0.01 * side[0]
    assert np.ptp(side) == 0


def test_frames_without_a_face_are_on_record(tmp_path: Path) -> None:
    frames = disc_frames([None] * 3 + [AT] * 4 + [None] * 8 + [AT] * 4)
    store = process(write_video(tmp_path / "in.mp4", frames), tmp_path / "store", max_gap=2)

    assert store.clip_ids == ("rec", "rec-scene2")
    skipped = store.manifest.filter(pl.col("skip_reason").is_not_null())
    assert skipped["source_frame"].to_list() == [0, 1, 2, *range(7, 15)]
    assert set(skipped["skip_reason"]) == {"no face"}
    assert skipped["source_time"].to_list()[3] == pytest.approx(7 / 25)


def test_a_recording_without_a_face_is_on_record(tmp_path: Path) -> None:
    path = write_video(tmp_path / "in.mp4", disc_frames([None] * 5))
    store = process(path, tmp_path / "store")

    assert store.clip_ids == ()
    assert store.manifest["skip_reason"].to_list() == ["no face"] * 5


def test_damage_costs_only_the_frames_that_depend_on_it(tmp_path: Path) -> None:
    frames = disc_frames([AT] * 40)
    path = tmp_path / "in.mp4"
    write_video(path, frames, codec="libx264", pix_fmt="yuv420p", options=None)
    import av

    good = tmp_path / "good.mp4"
    with av.open(str(good), "w") as output:
        stream: Any = output.add_stream("libx264", rate=25, options={"g": "10", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 192, 144, "yuv420p"
        for index, image in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(image, "rgb24")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    with av.open(str(good)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(good.read_bytes())
    start, size = packets[13]
    data[start + 4 : start + size] = b"\xff" * (size - 4)
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(data)

    store = process(bad, tmp_path / "store")

    skipped = store.manifest.filter(pl.col("skip_reason").is_not_null())
    assert skipped["source_frame"].to_list() == list(range(13, 20))
    assert set(skipped["skip_reason"]) == {"damaged"}
    assert store.rows("rec")["source_frame"].to_list() == list(range(13))
    assert store.rows("rec-scene2")["source_frame"].to_list() == list(range(20, 40))


@pytest.mark.parametrize("size", [(143, 191), (145, 97)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_video(tmp_path / "in.mp4", disc_frames([(50.0, 70.0)] * 3, size))
    store = process(path, tmp_path / "store")
    assert store.rows("rec")["source_width"].to_list() == [size[1]] * 3


def test_one_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "in.mp4", disc_frames([AT]))
    assert len(process(path, tmp_path / "store").read("rec")) == 1


def test_a_phone_video_is_upright(tmp_path: Path) -> None:
    frames = disc_frames([AT] * 3)
    path = write_video(tmp_path / "in.mp4", frames, rotation=(90.0, False))
    store = process(path, tmp_path / "store")
    assert store.rows("rec")["source_width"][0] == 144
    assert store.rows("rec")["source_height"][0] == 192


def test_a_variable_rate_is_sampled_by_time(tmp_path: Path) -> None:
    times = [0, 10, 20, 55, 60, 300, 310, 350]
    path = write_video(
        tmp_path / "in.mkv",
        disc_frames([AT] * 8),
        times=lambda k: times[k],
        time_base=Fraction(1, 1000),
    )
    store = process(path, tmp_path / "store", fps=Fraction(20))
    assert store.rows("rec")["source_frame"].to_list() == [0, 3, 5, 7]
    np.testing.assert_allclose(store.rows("rec")["source_time"], [0, 0.055, 0.3, 0.35])


def test_given_masks_are_taken_as_they_are(tmp_path: Path) -> None:
    masks = np.zeros((6, 144, 192), np.uint8)
    masks[3:, 60:80, 80:100] = 255
    path = write_video(tmp_path / "in.mp4", disc_frames([AT] * 6))
    given = write_pictures(tmp_path / "masks", masks)
    store = process(path, tmp_path / "store", given)
    clip = store.read("rec")

    assert [bool(mask.any()) for mask in clip.mask] == [False] * 3 + [True] * 3
    crop = CropTransform(store.crops("rec")[4], SIZE, (144, 192))
    np.testing.assert_array_equal(clip.mask[4], crop.apply_mask(masks[4] // 255))
    assert set(store.rows("rec")["mask_source"]) == {"given"}


def test_too_few_masks_are_an_error_and_leave_nothing(tmp_path: Path) -> None:
    path = write_video(tmp_path / "in.mp4", disc_frames([AT] * 6))
    given = write_pictures(tmp_path / "masks", np.zeros((4, 144, 192), np.uint8))
    with pytest.raises(ValueError, match=r"mask: .*masks has 4 masks but .*in\.mp4 has 6 frames"):
        process(path, tmp_path / "store", given)
    assert not list((tmp_path / "store" / "JPEGImages").iterdir())


def test_memory_does_not_grow_with_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the recording: no more sightings at a time than a scene may have."""
    from diffmvr.preprocessing import recording

    sizes = []
    lay_out = recording.lay_out
    monkeypatch.setattr(
        recording, "lay_out", lambda s, *rest: sizes.append(len(s)) or lay_out(s, *rest)
    )
    path = write_video(tmp_path / "in.mp4", disc_frames([AT] * 50))
    process(path, tmp_path / "store", max_frames=8)
    assert sum(sizes) == 50
    assert max(sizes) <= 8


def test_cleaning_is_in_pixels_of_the_crop_and_off_for_given_masks() -> None:
    assert default_cleaning("segmentation", 512) == MaskCleaning(6, 3, 6)
    assert default_cleaning("bbox", 256) == MaskCleaning(3, 3, 3)
    assert default_cleaning("given", 512) == MaskCleaning(0, 0, 0)
    assert default_cleaning("given", 512, dilate=4) == MaskCleaning(0, 0, 4)


def test_what_a_store_does_not_hold_of_a_recording_is_noted(tmp_path: Path) -> None:
    deep = disc_frames([AT] * 2).astype(np.uint16) * 257
    (tmp_path / "in").mkdir()
    for number, values in enumerate(deep):
        alpha = np.full((*values.shape[:2], 1), 40_000, np.uint16)
        picture = StoredPixels(np.concatenate([values, alpha], axis=2))
        picture.write(tmp_path / "in" / f"{number}.png")
    settings = RecordingSettings(ColourBackends(mask="segmentation"), size=SIZE, fps=None)
    job = RecordingJob(Recording("rec", tmp_path / "in", "anna"))

    result = process_recording(ClipStoreWriter(tmp_path / "store", StoreInfo(SIZE)), job, settings)

    assert result.kept == 2
    assert result.notes == (
        "the input's 16 bits a channel are reduced to 8",
        "a clip store holds no transparency: the colours below it are shown",
    )
