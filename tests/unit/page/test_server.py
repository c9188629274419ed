"""What the server lets through, without Gradio."""

import socket
from contextlib import suppress
from typing import Any

import pytest

from diffmvr.page.server import POLICY, OwnPagesOnly, _check_port, _token_check


def answer(path: str) -> tuple[int, dict[bytes, bytes]]:
    """Status and headers of what is answered through the gate; 200 if it came through."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})

    async def send(message: Any) -> None:
        sent.append(message)

    # By hand: nothing waits, and a browser's test may have left a running loop in this thread.
    answering = OwnPagesOnly(app)({"type": "http", "path": path}, None, send)
    with suppress(StopIteration):
        answering.send(None)
    return sent[0]["status"], dict(sent[0]["headers"])


def test_the_browser_loads_nothing_from_elsewhere() -> None:
    status, headers = answer("/")
    assert status == 200 and headers[b"a"] == b"b"
    assert headers[b"content-security-policy"] == POLICY.encode()
    assert "http" not in POLICY and "*" not in POLICY and "default-src 'self'" in POLICY


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://example.org/x.png",
        "/gradio_api/file=https:/example.org/x.png",
        "/gradio_api/proxy=https://example.org",
    ],
)
def test_the_server_fetches_nothing_from_elsewhere(path: str) -> None:
    assert answer(path)[0] == 403


def test_its_own_files_are_served() -> None:
    assert answer("/gradio_api/file=/data/work/page/visitors/0a/pairs/a.png")[0] == 200


def test_only_the_token_opens() -> None:
    is_known = _token_check("0123456789abcdéf")
    assert is_known("anyone", "0123456789abcdéf")
    assert not is_known("anyone", "0123456789abcdé") and not is_known("0123456789abcdéf", "")


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"port: {port} of 127.0.0.1 cannot be served"):
            _check_port("127.0.0.1", port)
    with pytest.raises(ValueError, match=r"cannot be served .*; give another"):
        _check_port("203.0.113.7", 7860)
