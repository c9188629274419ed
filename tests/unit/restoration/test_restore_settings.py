"""What a report calls a recording and a model."""

from pathlib import Path

import pytest

from diffmvr.restoration.cohort import Member
from diffmvr.restoration.cohort_restoration import restore_cohort
from diffmvr.restoration.settings import RestoreSettings
from diffmvr.restore import model_name


def test_a_model_is_named_without_where_it_lies(tmp_path: Path) -> None:
    run = tmp_path / "anna" / "dual-s0"
    (run / "model").mkdir(parents=True)
    assert model_name(str(run)) == "dual-s0"
    assert model_name(str(run / "model")) == "dual-s0/model"
    assert model_name("someone/their-model") == "someone/their-model"


def test_a_recording_has_a_plain_name_and_many_have_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"name: expected a plain name .* got '\.\./P007'"):
        RestoreSettings("in.mp4", "out", name="../P007")
    settings = RestoreSettings("in", str(tmp_path / "out"), name="P007")
    assert "name" not in settings.without_paths()
    members = [Member(name, Path(name), None) for name in ("a", "b")]
    with pytest.raises(ValueError, match="name: is of one recording, and in holds 2"):
        restore_cohort(settings, members, lambda _: None)


def test_one_point_says_which_face_is_meant(tmp_path: Path) -> None:
    for at in ([1.0], [1.0, 2.0, 3.0], [-1.0, 2.0], [float("nan"), 2.0]):
        with pytest.raises(ValueError, match=r"face_at: expected \[x,y\] in pixels, .*, got \["):
            RestoreSettings("in.mp4", "out", face_at=at)
    with pytest.raises(ValueError, match=r"face_at: face_box=.* got \[1\.0, 2\.0\]; leave one"):
        RestoreSettings("in.mp4", "out", face_at=[1.0, 2.0], face_box=[0.0, 0.0, 5.0, 5.0])
    settings = RestoreSettings("in", str(tmp_path / "out"), face_at=[1.0, 2.0])
    members = [Member(name, Path(name), None) for name in ("a", "b")]
    with pytest.raises(ValueError, match="face_at: is of one recording, and in holds 2"):
        restore_cohort(settings, members, lambda _: None)


@pytest.mark.parametrize(
    ("guides", "past", "message"),
    [
        (
            {"past": ["a.png", "b.png"]},
            {"select": "recent"},
            r"guides\.past: expected one picture, got 2; give one, or set past\.select=bank",
        ),
        (
            {"past": ["a", "b", "c"]},
            {"select": "bank", "size": 2},
            r"guides\.past: expected 1 to 2 pictures, got 3; give one, or set a larger past\.size",
        ),
        ({"past": []}, {}, r"guides\.past: expected 1 to 16 pictures, got 0; give one$"),
        (
            {"symmetric": ["a", "b"]},
            {"select": "bank"},
            r"guides\.symmetric: expected one picture, got 2; give one$",
        ),
        ({"past": {"a": 1}}, {}, r"guides\.past: expected a picture, or a list such as \[a\.png,b"),
        ({"past": [None]}, {}, r"guides\.past: expected a picture, or .*, got \[None\]"),
    ],
)
def test_pictures_that_nothing_is_made_of_are_refused(
    guides: dict, past: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        RestoreSettings("in.mp4", "out", guides=guides, past=past)


def test_one_picture_is_the_guide_and_several_join_the_clear_frames() -> None:
    alone = RestoreSettings("in.mp4", "out", guides={"past": "a.png", "symmetric": None})
    assert (alone.pictures, alone.mixed_pictures) == ({"past": ["a.png"]}, [])
    for given in (["a.png"], ["a.png", "b.png"]):
        for past in ({}, {"select": "matched"}):
            mixed = RestoreSettings("in", "out", guides={"past": given}, past=past)
            assert mixed.mixed_pictures == mixed.pictures["past"] == given
    recent = RestoreSettings("in", "out", guides={"past": ["a.png"]}, past={"select": "recent"})
    assert recent.mixed_pictures == []


def test_a_bank_leads_where_nothing_else_is_said() -> None:
    assert RestoreSettings("in.mp4", "out").past_selection.select == "bank"
    assert RestoreSettings("in.mp4", "out", past={"size": 4}).past_selection.select == "bank"


@pytest.mark.parametrize(
    ("align_past", "message"),
    [
        ("flow", r"past\.select: 'bank' .* got align_past='flow'; set .* past\.select=recent"),
        ("warp", r"align_past: expected one of .*'flow'.*, got 'warp'"),
    ],
)
def test_a_way_to_carry_that_does_not_suit_is_refused_before_anything_is_read(
    align_past: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        RestoreSettings("in.mp4", "out", align_past=align_past)


def test_the_latest_frame_alone_may_be_carried_in_other_ways() -> None:
    settings = RestoreSettings("in.mp4", "out", align_past="flow", past={"select": "recent"})
    assert not settings.past_selection.mixes
    mirrored = {"select": "recent", "mirrored": True}
    with pytest.raises(ValueError, match=r"past\.mirrored: .* got align_past='flow'; set align_pa"):
        RestoreSettings("in.mp4", "out", align_past="flow", past=mirrored)


@pytest.mark.parametrize(
    ("past", "message"),
    [
        ({"foo": 1}, r"past: expected one of .*'size', 'carried', 'mirrored'\], got 'foo'"),
        ({"size": True}, r"past\.size: expected a whole number, got True"),
        ({"mirrored": 1}, r"past\.mirrored: expected true or false, got 1"),
        ({"select": "bank", "carried": 0}, r"past\.carried: .*got 0"),
        ({"select": "bank", "carried": 2.5}, r"past\.carried: expected a whole number, got 2\.5"),
    ],
)
def test_settings_of_the_past_that_are_none_are_one_clear_line(past: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RestoreSettings("in.mp4", "out", past=past)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"abstain": -1.0}, r"abstain: .*-1"),
        ({"abstain": 300.0}, r"abstain: .*300"),
        ({"abstained": "black"}, r"abstained: .*'black'"),
        ({"overlay": "error"}, r"overlay: .*'error'"),
        ({"doubt": {"levle": 0.9}}, r"doubt: .*'levle'"),
        (
            {"abstain": 20.0, "past": {"select": "recent"}},
            r"abstain: how sure a frame is can be told with past\.select=bank .*got "
            r"past\.select=recent, past_detail=true and guides\.past=None; .* leave abstain out",
        ),
        (
            {"overlay": "doubt", "past_detail": False},
            r"overlay: how sure .* got past\.select=bank, past_detail=false and .* overlay out",
        ),
        (
            {"abstain": 20.0, "guides": {"past": "anna.png"}},
            r"abstain: how sure .* past_detail=true and guides\.past=anna\.png; change that",
        ),
    ],
)
def test_doubt_that_cannot_be_told_is_refused_before_anything_is_read(
    settings: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        RestoreSettings("in.mp4", "out", **settings)


def test_where_a_calibration_lies_is_left_out_of_reports() -> None:
    settings = RestoreSettings(
        "in", "out", doubt={"level": 0.8, "calibration": "/home/anna/c.json"}
    )
    assert settings.without_paths()["doubt"] == {"level": 0.8}
    assert settings.calibrated == {"level": 0.8, "calibration": Path("/home/anna/c.json")}
