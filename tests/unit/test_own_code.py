"""Code of the user's own: found where a user names it, let where a file does."""

import sys
from pathlib import Path

import pytest

from diffmvr import own_code
from diffmvr.own_code import check_choice, check_trusted, load_own, part_name


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "of_a_user.py").write_text("ONE = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "of_a_user", raising=False)
    monkeypatch.setattr(own_code, "_named", set())
    return "of_a_user"


def test_what_a_user_names_is_imported(module: str) -> None:
    assert load_own("guide.fusion", f"{module}:ONE") == 1
    check_choice("guide.fusion", f"{module}:ONE", ("fixed",))
    check_choice("guide.fusion", "fixed", ("fixed",))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("fxed", r"guide\.fusion: expected one of \['fixed'\], or your own as 'module:name', got"),
        ("nowhere:ONE", r"'nowhere:ONE': No module named 'nowhere'; give 'module:name'"),
        ("of_a_user:TWO", r"of_a_user has no 'TWO'"),
        ("of_a_user:", r"of_a_user has no ''"),
        ("of_a_user:ONE.real", r"of_a_user has no 'ONE.real'"),
        (":ONE", r"guide\.fusion: ':ONE'"),
        ("..relative:ONE", r"guide\.fusion: '..relative:ONE'"),
    ],
)
@pytest.mark.usefixtures("module")
def test_what_is_not_there_is_said_in_one_line(value: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as raised:
        check_choice("guide.fusion", value, ("fixed",))
    assert "\n" not in str(raised.value)


def test_what_a_file_names_is_not_imported_unless_let(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = f"{module}:ONE"
    with pytest.raises(ValueError, match=r"config\.json: it was made with 'of_a_user:ONE'"):
        check_trusted(named, "config.json")
    assert module not in sys.modules
    check_trusted("fixed", "config.json")
    check_trusted(None, "config.json")
    monkeypatch.setenv("DIFFMVR_PLUGINS", "other")
    with pytest.raises(ValueError, match="DIFFMVR_PLUGINS=of_a_user"):
        check_trusted(named, "config.json")
    monkeypatch.setenv("DIFFMVR_PLUGINS", f"other,{module}")
    check_trusted(named, "config.json")
    monkeypatch.delenv("DIFFMVR_PLUGINS")
    load_own("guide.fusion", named)
    check_trusted(named, "config.json")  # the user has named it
    with pytest.raises(ValueError, match="os:system"):
        check_trusted("os:system", "config.json")  # imported, and not named


def test_a_choice_is_a_part_of_a_network() -> None:
    assert part_name("past") == "past"
    assert "." not in part_name("package.module:guide")
