"""What a user typed is read, or the mistake is named with its argument."""

from dataclasses import dataclass, field
from fractions import Fraction

import pytest
from omegaconf import OmegaConf

from diffmvr.parsing import parse_pattern, parse_rate, read_settings, user_path


@dataclass(frozen=True)
class Wanted:
    input: str
    count: int = 3


NEEDED = {"input": "a recording, got none; give input=VIDEO"}


def test_settings_are_wrapped_with_their_defaults() -> None:
    assert read_settings(Wanted, OmegaConf.create({"input": "a"}), NEEDED) == Wanted("a", 3)


def test_settings_that_cannot_be_are_named_by_key() -> None:
    with pytest.raises(ValueError, match=r"input: expected a recording, got none; give input=VID"):
        read_settings(Wanted, OmegaConf.create({"input": ""}), NEEDED)
    with pytest.raises(ValueError, match=r"count: .*'many'"):
        read_settings(Wanted, OmegaConf.create({"input": "a", "count": "many"}), NEEDED)
    with pytest.raises(ValueError, match=r"colour: .*'colour'"):
        read_settings(Wanted, OmegaConf.create({"input": "a", "colour": 1}), NEEDED)


def test_rates() -> None:
    assert parse_rate("fps", "30000/1001") == Fraction(30000, 1001)
    assert parse_rate("fps", "1/3") == Fraction(1, 3)
    for wrong in ("0", "fast", "1/0", "-3", "2000", "nan", "1e-320", "inf"):
        with pytest.raises(ValueError, match=rf"speed: expected a number .* 25 or .*'{wrong}'"):
            parse_rate("speed", wrong)


def test_a_rate_with_more_digits_than_media_hold_is_the_rate_that_is_meant() -> None:
    assert parse_rate("fps", "29.970029970029973") == Fraction(30000, 1001)
    assert parse_rate("fps", "23.976") == Fraction(2997, 125)
    assert parse_rate("fps", "999.9999999999") == 1000


def test_a_name_that_looks_like_another_setting_stays_a_name() -> None:
    named = read_settings(Wanted, OmegaConf.create({"input": r"\${oc.env:HOME}.mp4"}), NEEDED)
    assert named.input == "${oc.env:HOME}.mp4"


def test_a_number_where_a_list_is_expected_is_told_so() -> None:
    @dataclass(frozen=True)
    class Scaled:
        scales: list[float] | None = None

    with pytest.raises(ValueError, match=r"scales: expected a list such as \[1,2\], got 0\.5"):
        read_settings(Scaled, OmegaConf.create({"scales": 0.5}), {})


def test_a_name_where_settings_are_expected_is_told_how_they_are_given() -> None:
    @dataclass(frozen=True)
    class Grouped:
        past: dict[str, str] = field(default_factory=dict)

    message = r"past: expected settings, as past\.NAME=VALUE, got 'bank'"
    with pytest.raises(ValueError, match=message):
        read_settings(Grouped, OmegaConf.create({"past": "bank"}), {})


def test_patterns_tell_a_subject() -> None:
    pattern = parse_pattern("subject", "(?P<subject>[^_]+)_(?P<day>.*)", "'(?P<subject>.*)'")
    match = pattern.match("anna_3")
    assert match is not None and match["subject"] == "anna"
    with pytest.raises(ValueError, match=r"name: '\(' is not a regular expression .*example 'x'"):
        parse_pattern("name", "(", "'x'")
    with pytest.raises(ValueError, match=r"name: expected a group subject, got \['day'\]"):
        parse_pattern("name", "(?P<day>.*)", "'x'")
    with pytest.raises(ValueError, match=r"group subject and perhaps clip, got \['day', 'subject'"):
        parse_pattern("name", "(?P<subject>.)(?P<day>.)", "'x'", ("clip",))


def test_a_tilde_alone_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/nurse")
    given = ["~", "~/store", "~clip.mp4", "a/~", "./~"]
    found = ["/home/nurse", "/home/nurse/store", "~clip.mp4", "a/~", "~"]
    assert [str(user_path(text)) for text in given] == found
