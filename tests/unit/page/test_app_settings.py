"""Who is let in, and with what."""

import pytest

from diffmvr.page.settings import AppSettings, is_loopback

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_needs_no_token(host: str) -> None:
    assert is_loopback(host)
    AppSettings(host=host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "ward-pc", "127.0.0.1.evil.org"])
def test_another_machine_needs_one(host: str) -> None:
    with pytest.raises(ValueError, match=f"token: none is given, and host={host} "):
        AppSettings(host=host)
    AppSettings(host=host, token=TOKEN)


def test_a_short_token_is_refused_without_being_told() -> None:
    with pytest.raises(ValueError, match="at least 16 characters, got 6") as caught:
        AppSettings(token="secret")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"port": 0}, {"port": 65536}, {"max_mib": 0}])
def test_numbers_out_of_range_are_told(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}.*{next(iter(wrong.values()))}"):
        AppSettings(**wrong)


def test_what_is_passed_on_is_what_was_given() -> None:
    assert AppSettings().overrides == ["device=auto"]
    given = AppSettings(weights="a=b", threads=2, device="cpu").overrides
    assert given == ["weights=a=b", "device=cpu", "threads=2"]
