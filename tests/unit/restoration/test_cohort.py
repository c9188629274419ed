"""Which recordings a folder holds, and what is noted of them."""

from pathlib import Path

import pytest
from tests.helpers.recordings import box_masks, write_pictures

from diffmvr.restoration.cohort import (
    Member,
    add_member,
    find_cohort,
    forget_settings,
    note_shard,
    open_results,
)
from diffmvr.runs.shard import Shard

MEMBER = Member("anna", Path("anna.mp4"), None)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A clip in DAVIS layout, with its masks."""
    for folder in ("JPEGImages", "Annotations"):
        write_pictures(tmp_path / folder / "anna", 255 * box_masks(2, 16, 16))
    return tmp_path


def test_a_recording_is_no_cohort(frames: Path) -> None:
    assert find_cohort(frames / "JPEGImages" / "anna") is None
    assert find_cohort(frames / "absent.mp4") is None


def test_the_clips_of_a_store_have_their_masks(frames: Path) -> None:
    clip = frames / "JPEGImages" / "anna"
    assert find_cohort(frames) == [Member("anna", clip, frames / "Annotations" / "anna")]


def test_a_single_recording_in_a_folder_has_the_mask_of_its_name(tmp_path: Path) -> None:
    video = tmp_path / "videos" / "anna.mp4"
    video.parent.mkdir()
    video.touch()
    masks = write_pictures(tmp_path / "masks" / "anna", 255 * box_masks(2, 16, 16))
    assert find_cohort(video.parent, str(tmp_path / "masks")) == [Member("anna", video, masks)]
    with pytest.raises(FileNotFoundError, match=r"masks: .* holds nothing called 'anna'"):
        find_cohort(video.parent, str(masks))


def test_videos_beside_pictures_are_not_guessed_about(tmp_path: Path) -> None:
    for name in ("anna.mp4", "mask.png", ".thumbnail.jpg"):
        (tmp_path / name).touch()
    message = r"input: .* holds videos \(anna\.mp4\) and pictures \(mask\.png\)"
    with pytest.raises(ValueError, match=message):
        find_cohort(tmp_path)
    (tmp_path / "mask.png").unlink()
    assert find_cohort(tmp_path) == [Member("anna", tmp_path / "anna.mp4", None)]


def test_a_recording_appears_when_it_is_whole(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "half").touch()
        raise ValueError("stopped")

    def succeed(folder: Path) -> None:
        assert not folder.exists(), "nothing is left of the attempt before"
        folder.mkdir(parents=True)
        (folder / "report.json").touch()

    with pytest.raises(ValueError, match="stopped"):
        add_member(tmp_path, MEMBER, fail)
    assert not (tmp_path / "anna").exists()
    assert add_member(tmp_path, MEMBER, succeed)
    assert (tmp_path / "anna" / "report.json").is_file()
    assert not add_member(tmp_path, MEMBER, fail), "what is there is not restored again"


def test_a_folder_of_results_is_of_one_cohort_with_one_set_of_settings(tmp_path: Path) -> None:
    output = tmp_path / "out"
    open_results(output, {"seed": 0, "guides": ("past",)})
    open_results(output, {"seed": 0, "guides": ("past",)})
    with pytest.raises(ValueError, match=r"output: .* other settings \(seed: 0 -> 1\)"):
        open_results(output, {"seed": 1, "guides": ("past",)})
    (output / "anna").mkdir()
    (output / "anna" / "report.json").touch()
    forget_settings(output)
    with pytest.raises(ValueError, match=r"seed: 0 -> 1"):
        open_results(output, {"seed": 1, "guides": ("past",)})
    (tmp_path / "mine").touch()
    with pytest.raises(ValueError, match=f"output: {tmp_path} is not empty and holds no restored"):
        open_results(tmp_path, {})


def test_where_nothing_was_restored_other_settings_may_be_tried(tmp_path: Path) -> None:
    open_results(tmp_path, {"weights": "gone"})
    forget_settings(tmp_path)
    open_results(tmp_path, {"weights": "found"})


def test_another_division_replaces_the_one_before(tmp_path: Path) -> None:
    for shard in (Shard(1, 2), Shard(2, 2), Shard(1, 3)):
        note_shard(tmp_path, shard, [MEMBER], {})
    assert [path.name for path in tmp_path.glob(".shards/*.json")] == ["1-of-3.json"]
