"""A folder's recordings are what opens as one; what is left out is said."""

import logging
import os
from pathlib import Path

import pytest
from tests.helpers.recordings import box_masks, moving_frames, write_pictures, write_video

from diffmvr.preprocessing.layouts import find_recordings
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.restoration.cohort import find_cohort

H264 = {"codec": "libx264", "pix_fmt": "yuv420p"}
CODECS = {".3gp": H264, ".flv": H264, ".mpg": {"codec": "mpeg2video", "pix_fmt": "yuv420p"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of many suffixes, one without, and files that are none."""
    root = tmp_path_factory.mktemp("clips")
    frames = moving_frames(3, 32, 32)
    for suffix in (".mp4", ".mov", ".ts", ".MTS", ".m2ts", ".3gp", ".flv", ".mpg"):
        codec = CODECS.get(suffix, H264)
        write_video(root / f"{suffix[1:]}{suffix}", frames, **codec)
    write_video(root / "plain.mkv", frames).rename(root / "no suffix")
    write_video(root / "plain.mkv", frames).rename(root / "copy.bak")
    write_video(root / "cut.mp4", frames, **H264)
    (root / "damaged.mkv").write_bytes((root / "cut.mp4").read_bytes()[:100])
    (root / "cut.mp4").unlink()
    (root / "notes.txt").write_text("nothing to see")
    (root / "faces.csv").write_text("a,b\n1,2\n")
    return root


def test_whatever_opens_is_a_recording_and_the_rest_is_listed(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = {"mp4", "mov", "ts", "MTS", "m2ts", "3gp", "flv", "mpg", "no suffix", "copy"}
    with caplog.at_level(logging.WARNING):
        found = find_recordings(folder)
    # A file that is named like a video is one, so that its damage is reported.
    assert {one.name for one in found} == {*expected, "damaged"}
    assert "left out, because they are no recordings: faces.csv, notes.txt" in caplog.text
    # Restore and preprocess agree.
    members = find_cohort(folder)
    assert members is not None
    assert [member.path for member in members] == [one.path for one in found]


def test_a_recording_of_any_suffix_beside_pictures_is_not_lost(tmp_path: Path) -> None:
    write_pictures(tmp_path / "clip", moving_frames(2, 16, 16))
    write_video(tmp_path / "film.mkv", moving_frames(2, 16, 16)).rename(tmp_path / "clip/film.m8s")
    with pytest.raises(ValueError, match=r"holds videos \(film\.m8s\) and pictures"):
        find_cohort(tmp_path / "clip")


def test_masks_may_have_any_suffix_too(folder: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    for recording in find_recordings(folder):
        write_pictures(masks / recording.name, 255 * box_masks(3, 32, 32))
    for file in (masks / "MTS").iterdir():
        file.unlink()
    (masks / "MTS").rmdir()
    mask = write_video(tmp_path / "mask.ts", moving_frames(3, 32, 32), **H264)
    mask.rename(masks / "MTS.M2TS")
    members = find_cohort(folder, str(masks))
    assert members is not None
    assert {m.mask for m in members if m.name == "MTS"} == {masks / "MTS.M2TS"}


@pytest.mark.parametrize("layout", ["davis", "hof"])
def test_files_that_a_layout_does_not_read_are_listed(
    tmp_path: Path, layout: str, caplog: pytest.LogCaptureFixture
) -> None:
    images, masks = ("JPEGImages/a", "Annotations/a") if layout == "davis" else ("images", "masks")
    write_pictures(tmp_path / images, moving_frames(2, 16, 16))
    write_pictures(tmp_path / masks, 255 * box_masks(2, 16, 16))
    (tmp_path / images / "scan.tif").touch()
    with caplog.at_level(logging.WARNING):
        assert find_recordings(tmp_path, layout)
    assert f"{images}/scan.tif" in caplog.text


def test_a_link_that_leads_nowhere_a_pipe_and_a_locked_folder_are_not_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_video(tmp_path / "a.mkv", moving_frames(2, 16, 16))
    (tmp_path / "moved.mp4").symlink_to(tmp_path / "gone.mp4")
    os.mkfifo(tmp_path / "pipe")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0)
    try:
        with caplog.at_level(logging.WARNING):
            found = find_recordings(tmp_path)
        root_reads_all = os.access(locked, os.R_OK)
    finally:
        locked.chmod(0o755)
    assert [one.path.name for one in found] == ["a.mkv", "moved.mp4"]
    others = "pipe" if root_reads_all else "locked, pipe"
    assert f"left out, because they are no recordings: {others}" in caplog.text
    with pytest.raises(FileNotFoundError, match=r"there is no file .*moved\.mp4"):
        open_frames(found[1].path)
