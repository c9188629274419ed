"""Which recordings a folder holds, and whose."""

import logging
from pathlib import Path

import pytest

from diffmvr.checks import check_name
from diffmvr.preprocessing.layouts import Recording, check_outside, find_recordings


def touch(root: Path, *names: str) -> Path:
    """Files that are looked at by name only."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def summary(found: list[Recording]) -> list[tuple[str, str, str | None]]:
    return [(recording.name, recording.subject, recording.state) for recording in found]


def test_baby_names_tell_subject_and_state(tmp_path: Path) -> None:
    root = touch(
        tmp_path,
        "S024_Pain_20s.mp4",
        "S003_Rest.MOV",
        "more/S024_Move_20s_2.avi",
        "stills/S003_Rest_001.png",
        "notes.txt",
        ".S099_Pain.mp4",
    )
    found = find_recordings(root, "baby")
    assert summary(found) == [
        ("S003_Rest", "S003", "Rest"),
        ("S024_Pain_20s", "S024", "Pain"),
        ("more__S024_Move_20s_2", "S024", "Move"),
        ("stills__S003_Rest_001", "S003", "Rest"),
    ]
    assert found[3].path == tmp_path / "stills/S003_Rest_001.png"
    assert [recording.masks for recording in found] == [None] * 4


def test_a_name_without_a_subject_is_refused_in_baby(tmp_path: Path) -> None:
    touch(tmp_path, "S024_Pain_20s.mp4", "holiday.mp4")
    with pytest.raises(ValueError, match=r"the name 'holiday' of .* does not tell a subject"):
        find_recordings(tmp_path, "baby")


def test_auto_sees_baby_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, "S024_Pain_20s.mp4", "S024_Rest_20s.mp4")
    with caplog.at_level(logging.INFO):
        found = find_recordings(tmp_path)
    # Else one infant would be two subjects, and might end on both sides of a split.
    assert {recording.subject for recording in found} == {"S024"}
    assert "all 2 videos are named SUBJECT_STATE" in caplog.text


def test_auto_takes_each_video_and_folder_of_frames_for_a_person(tmp_path: Path) -> None:
    root = touch(
        tmp_path, "b10.mp4", "b2.mkv", "frames/0.png", "frames/1.png", "x/y: z/a.jpg", "read.me"
    )
    assert summary(find_recordings(root)) == [
        ("b2", "b2", None),
        ("b10", "b10", None),
        ("frames", "frames", None),
        ("x__y- z", "x__y- z", None),
    ]


def test_one_file_or_folder_of_frames_is_one_recording(tmp_path: Path) -> None:
    touch(tmp_path, "clip/0.png", "clip/1.png", "video.mp4", "face.jpg")
    assert summary(find_recordings(tmp_path / "video.mp4")) == [("video", "video", None)]
    assert summary(find_recordings(tmp_path / "face.jpg")) == [("face", "face", None)]
    (one,) = find_recordings(tmp_path / "clip")
    assert (one.name, one.path) == ("clip", tmp_path / "clip")


def test_hof_pairs_images_with_masks(tmp_path: Path) -> None:
    for name in ("Images/1.jpg", "Images/2.jpg", "Images/10.png"):
        touch(tmp_path, name, f"masks/{Path(name).stem}.png")
    touch(tmp_path, "other/7.jpg")
    found = find_recordings(tmp_path, "hof")
    assert summary(found) == [("1", "1", None), ("2", "2", None), ("10", "10", None)]
    assert found[2].path == tmp_path / "Images/10.png"
    assert [recording.masks for recording in found] == [
        tmp_path / "masks" / f"{n}.png" for n in (1, 2, 10)
    ]


def test_hof_names_what_is_missing(tmp_path: Path) -> None:
    touch(tmp_path, "images/1.jpg", "images/2.jpg", "masks/1.png")
    with pytest.raises(ValueError, match=r"2\.jpg has no mask of its name in .*masks"):
        find_recordings(tmp_path, "hof")
    touch(tmp_path, "mask_hands/1.png")
    with pytest.raises(ValueError, match=r"one folder of masks .* got \['mask_hands', 'masks'\]"):
        find_recordings(tmp_path, "hof")


@pytest.mark.parametrize("layout", ["davis", "auto"])
@pytest.mark.parametrize("resolution", ["", "480p/"])
def test_davis_clips_come_with_their_masks(tmp_path: Path, layout: str, resolution: str) -> None:
    touch(
        tmp_path,
        f"JPEGImages/{resolution}tennis/00000.jpg",
        f"JPEGImages/{resolution}bear/00000.jpg",
        f"Annotations/{resolution}tennis/00000.png",
    )
    bear, tennis = find_recordings(tmp_path, layout)
    assert (bear.subject, tennis.subject) == ("bear", "tennis")
    assert bear.masks is None
    assert tennis.masks == tmp_path / f"Annotations/{resolution}tennis"
    assert tennis.name == f"{resolution}tennis".replace("/", "__")


def test_a_regular_expression_tells_any_naming(tmp_path: Path) -> None:
    root = touch(tmp_path, "p7/day 2/cry_b.mp4", "p12/day 1/calm_a.mp4")
    pattern = r"p(?P<subject>\d+)/day \d+/(?P<state>[a-z]+)_(?P<clip>\w)"
    assert summary(find_recordings(root, "regex", pattern)) == [
        ("b", "7", "cry"),
        ("a", "12", "calm"),
    ]
    without_clip = r"p(?P<subject>\d+)/.*"
    assert summary(find_recordings(root, "regex", without_clip)) == [
        ("p7__day 2__cry_b", "7", None),
        ("p12__day 1__calm_a", "12", None),
    ]
    with pytest.raises(ValueError, match=r"the name 'p7/day 2/cry_b' .* expected a match of q"):
        find_recordings(root, "regex", "q(?P<subject>.*)")


def test_expressions_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    with pytest.raises(ValueError, match=r"pattern: '\(' is not a regular expression"):
        find_recordings(tmp_path, "regex", "(")
    with pytest.raises(ValueError, match=r"group subject .* got \['person'\]"):
        find_recordings(tmp_path, "regex", "(?P<person>.*)")
    with pytest.raises(ValueError, match=r"layout=regex and pattern=None"):
        find_recordings(tmp_path, "regex")
    with pytest.raises(ValueError, match=r"layout=baby and pattern='x'"):
        find_recordings(tmp_path, "baby", "x")
    with pytest.raises(ValueError, match=r"layout: .* got 'wild'"):
        find_recordings(tmp_path, "wild")


def test_two_recordings_of_one_name_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "A.mov")
    with pytest.raises(ValueError, match=r"would both be called '(a|A)'"):
        find_recordings(tmp_path)


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file or folder .*absent"):
        find_recordings(tmp_path / "absent")
    touch(tmp_path, "notes.txt")
    with pytest.raises(ValueError, match="holds no video"):
        find_recordings(tmp_path)
    with pytest.raises(ValueError, match=r"a folder JPEGImages in .*, got none"):
        find_recordings(tmp_path, "davis")


def test_the_shipped_pattern_of_baby_is_the_papers(tmp_path: Path) -> None:
    touch(tmp_path, "S024_Pain_20s.mp4")
    (found,) = find_recordings(tmp_path / "S024_Pain_20s.mp4", "baby")
    assert (found.subject, found.state, found.name) == ("S024", "Pain", "S024_Pain_20s")


def test_results_may_not_lie_among_the_recordings(tmp_path: Path) -> None:
    for outside in (tmp_path / "store", tmp_path / "in-store", tmp_path):
        check_outside(outside, tmp_path / "in")
    message = rf"output: .*in/deep/store lies in .*in, .*such as output={tmp_path / 'store'}"
    with pytest.raises(ValueError, match=message):
        check_outside(tmp_path / "in" / "deep" / "store", tmp_path / "in")


def test_a_name_longer_than_a_store_takes_is_cut_and_stays_its_own(tmp_path: Path) -> None:
    for end in "ab":
        (tmp_path / f"{'day' * 75}{end}.mp4").touch()
    names = [one.name for one in find_recordings(tmp_path)]
    for name in names:
        check_name("recording", name)
        assert name.startswith("day" * 60)
    assert len(set(names)) == 2
