"""Which recordings a folder holds, and what is noted of them."""

import os
import shutil
from pathlib import Path

import pytest
from tests.helpers.recordings import box_masks, moving_frames, write_pictures, write_video

from diffmvr.files import BusyError
from diffmvr.restoration.cohort import (
    Member,
    add_member,
    find_cohort,
    hold_results,
    note_shard,
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
        (folder / ".partial" / "kept").mkdir(parents=True)
        (folder / "half").touch()
        raise ValueError("stopped")

    def succeed(folder: Path) -> None:
        left = [path.name for path in folder.iterdir()]
        assert left == [".partial"], "what it goes on with is all that an attempt before has left"
        shutil.rmtree(folder / ".partial")
        (folder / "report.json").touch()

    with hold_results(tmp_path, Shard(1, 1), {}) as work:
        with pytest.raises(ValueError, match="stopped"):
            add_member(tmp_path, work, MEMBER, fail)
        assert not (tmp_path / "anna").exists()
        assert add_member(tmp_path, work, MEMBER, succeed)
        assert (tmp_path / "anna" / "report.json").is_file()
        assert not add_member(tmp_path, work, MEMBER, fail), "what is there is not restored again"
    assert not work.exists()


def test_a_folder_of_results_is_of_one_cohort_with_one_set_of_settings(tmp_path: Path) -> None:
    output, alone = tmp_path / "out", Shard(1, 1)
    settings = {"seed": 0, "guides": ("past",)}
    with hold_results(output, alone, settings):
        (output / "anna").mkdir()
        (output / "anna" / "report.json").touch()
    with hold_results(output, alone, settings):
        pass
    other = {**settings, "seed": 1}
    message = r"output: .* other settings \(seed: 0 -> 1\)"
    with pytest.raises(ValueError, match=message), hold_results(output, alone, other):
        pytest.fail("must not be entered")
    (tmp_path / "mine").touch()
    message = f"output: {tmp_path} is not empty and holds no restored"
    with pytest.raises(ValueError, match=message), hold_results(tmp_path, alone, {}):
        pytest.fail("must not be entered")


def test_where_nothing_was_restored_other_settings_may_be_tried(tmp_path: Path) -> None:
    with (
        hold_results(tmp_path, Shard(1, 2), {"weights": "gone"}),
        pytest.raises(ValueError, match="weights: gone -> found"),
        hold_results(tmp_path, Shard(2, 2), {"weights": "found"}),
    ):
        pytest.fail("must not be entered: the other job has not ended")
    with hold_results(tmp_path, Shard(1, 1), {"weights": "found"}):
        pass


def test_two_jobs_of_one_cohort_never_do_the_same(tmp_path: Path) -> None:
    with hold_results(tmp_path, Shard(1, 2), {}):
        for other in (Shard(1, 2), Shard(1, 1), Shard(3, 3)):
            message = rf"output: .* by another job \(.*process {os.getpid()} on .*\)"
            with pytest.raises(BusyError, match=message), hold_results(tmp_path, other, {}):
                pytest.fail("must not be entered")
        with hold_results(tmp_path, Shard(2, 2), {}):
            pass
    with hold_results(tmp_path, Shard(3, 3), {}):
        left = [path.name for path in (tmp_path / ".shards" / "staging").iterdir()]
        assert left == ["3-of-3"], "nothing is left of a job that has ended"


def test_what_an_interrupted_job_left_another_division_goes_on_with(tmp_path: Path) -> None:
    (tmp_path / ".shards" / "staging" / "2-of-7").mkdir(parents=True)
    with pytest.raises(KeyboardInterrupt), hold_results(tmp_path, Shard(2, 7), {}) as under_way:
        (under_way / "anna" / ".partial").mkdir(parents=True)
        raise KeyboardInterrupt
    found = []
    with hold_results(tmp_path, Shard(1, 1), {}) as under_way:
        add_member(tmp_path, under_way, MEMBER, lambda folder: found.extend(folder.iterdir()))
    assert [path.name for path in found] == [".partial"]
    assert [path.name for path in (tmp_path / ".shards" / "staging").iterdir()] == []


def test_a_link_in_the_place_of_what_is_under_way_is_not_followed(tmp_path: Path) -> None:
    mine, output = tmp_path / "mine", tmp_path / "out"
    mine.mkdir()
    (mine / "letter").touch()
    with hold_results(output, Shard(1, 1), {}) as under_way:
        under_way.mkdir(parents=True)
        (under_way / "anna").symlink_to(mine)
        with pytest.raises(ValueError, match="expected a place below"):
            add_member(output, under_way, MEMBER, lambda folder: None)
    assert (mine / "letter").is_file()


def test_another_division_replaces_the_one_before(tmp_path: Path) -> None:
    for shard in (Shard(1, 2), Shard(2, 2), Shard(1, 3)):
        note_shard(tmp_path, shard, [MEMBER], {})
    assert [path.name for path in tmp_path.glob(".shards/*.json")] == ["1-of-3.json"]


def test_a_recording_called_like_the_list_of_all_is_refused_at_once(tmp_path: Path) -> None:
    write_video(tmp_path / "Cohort.csv.mkv", moving_frames(2, 16, 16))
    with pytest.raises(ValueError, match=r"input: .*Cohort\.csv\.mkv would be restored into a fol"):
        find_cohort(tmp_path)
