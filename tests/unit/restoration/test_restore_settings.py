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
