"""What a user typed is read, or the mistake is named with its argument."""

from dataclasses import dataclass
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
    for wrong in ("0", "fast", "1/0", "-3", "2000", "nan"):
        with pytest.raises(ValueError, match=rf"speed: expected a number .* 25 or .*'{wrong}'"):
            parse_rate("speed", wrong)


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
