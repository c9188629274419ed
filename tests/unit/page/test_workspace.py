"""A visitor's folder: names, limits, and that it goes."""

import zipfile
from pathlib import Path

import pytest

from diffmvr.page.workspace import MIB, Visitors, Workspace, plain_name


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "visitor")


def uploaded(folder: Path, name: str, content: bytes = b"film") -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Ward 3.mp4", "Ward-3.mp4"),
        ("../../etc/passwd", "passwd"),
        ("a,b[c]={d}.mov", "a-b-c-d.mov"),
        ("病房.mp4", "recording.mp4"),
        ("-x.mp4", "x.mp4"),
        (".hidden", "hidden"),
        ("x" * 300 + ".mp4", "x" * 60 + ".mp4"),
    ],
)
def test_names_are_plain(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def test_uploads_move_in_under_names_of_their_own(space: Workspace, tmp_path: Path) -> None:
    first = uploaded(tmp_path, "a b.mp4", b"1")
    assert space.take([first]) == ["a-b.mp4"] and not Path(first).exists()
    assert space.take([uploaded(tmp_path, "a b.mp4", b"2")]) == ["a-b-2.mp4"]
    assert space.recordings == ["a-b-2.mp4", "a-b.mp4"]
    assert space.recording("a-b.mp4").read_bytes() == b"1"


def test_what_is_empty_or_too_large_is_refused_with_all_others(
    space: Workspace, tmp_path: Path
) -> None:
    good, empty = uploaded(tmp_path, "good.mp4"), uploaded(tmp_path, "empty.mp4", b"")
    with pytest.raises(ValueError, match=r"empty\.mp4: the file is empty"):
        space.take([good, empty])
    large = uploaded(tmp_path, "large.mp4", b"0" * (MIB + 1))
    with pytest.raises(ValueError, match=r"large\.mp4: 1 MiB, expected at most 1;"):
        space.take([large], most=1)
    assert space.recordings == []


@pytest.mark.parametrize("name", ["absent.mp4", "../results", "/etc/passwd", ""])
def test_only_recordings_of_the_visitor_have_a_place(space: Workspace, name: str) -> None:
    for place in (space.recording, space.result):
        with pytest.raises(ValueError, match="recording: there is none called"):
            place(name)


def test_everything_that_was_written_is_packed(space: Workspace, tmp_path: Path) -> None:
    space.take([uploaded(tmp_path, "a.mp4")])
    with pytest.raises(ValueError, match=r"a\.mp4: it is not restored yet"):
        space.packed("a.mp4")
    (space.result("a.mp4") / "frames").mkdir(parents=True)
    (space.result("a.mp4") / ".partial").mkdir()
    for name in ("report.json", "frames/00000.png", ".partial/owner"):
        (space.result("a.mp4") / name).write_text(name)
    with zipfile.ZipFile(space.packed("a.mp4")) as archive:
        assert archive.namelist() == ["a.mp4/frames/00000.png", "a.mp4/report.json"]
    space.forget("a.mp4")
    assert [*(space.root / "results").iterdir()] == []


def test_visitors_are_apart_and_leave_nothing(tmp_path: Path) -> None:
    visitors = Visitors(tmp_path)
    one, other = visitors.of("one"), visitors.of("other")
    assert visitors.of("one") is one and one.root != other.root
    assert "one" not in one.root.name and len(one.root.name) == 32
    visitors.leave("one")
    visitors.leave("never came")
    assert [*tmp_path.iterdir()] == [other.root]
    visitors.close()
    assert [*tmp_path.iterdir()] == []


def test_a_mask_belongs_to_its_recording_and_can_be_taken_back(
    space: Workspace, tmp_path: Path
) -> None:
    space.take([uploaded(tmp_path, "a.mp4")])
    space.plan("a.mp4").mkdir(parents=True)
    mask = uploaded(tmp_path, "my mask.png", b"white")
    space.give_mask("a.mp4", mask)
    assert space.masks["a.mp4"].read_bytes() == b"white" and Path(mask).exists()
    assert not space.plan("a.mp4").exists(), "what was found without it is forgotten"
    with pytest.raises(ValueError, match=r"none\.png: the file is empty"):
        space.give_mask("a.mp4", uploaded(tmp_path, "none.png", b""))
    assert "a.mp4" in space.masks, "a mask that cannot be used changes nothing"
    space.give_mask("a.mp4", None)
    assert space.masks == {} and [*(space.root / "masks").iterdir()] == []
    with pytest.raises(ValueError, match="recording: there is none called"):
        space.give_mask("b.mp4", mask)


def test_pictures_that_are_sent_again_are_taken_again(space: Workspace, tmp_path: Path) -> None:
    picture = uploaded(tmp_path, "face.png")
    assert space.take([picture], "pictures") == space.take([picture], "pictures") == ["face.png"]
