"""``python -m diffmvr.weights``, with a server of this machine as the network."""

import hashlib
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from diffmvr import weights
from diffmvr.published_weights import PublishedWeights, published_weights

CONTENT = b"weights" * 1000


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/absent.pt":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:10] if self.path == "/half.pt" else CONTENT)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    opened = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=opened.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{opened.server_address[1]}"
    opened.shutdown()
    opened.server_close()


def entry(url: str, **changes: str) -> PublishedWeights:
    return replace(published_weights()["lama"], url=url, md5="", **changes)


def test_a_file_is_fetched_whole_or_not_at_all(server: str, tmp_path: Path) -> None:
    right = hashlib.sha256(CONTENT).hexdigest()
    path = weights.get(entry(f"{server}/x.pt", sha256=right), tmp_path / "new")
    assert path == tmp_path / "new" / "big-lama.pt" and path.read_bytes() == CONTENT
    with pytest.raises(ValueError, match="expected the SHA-256 00 of lama"):
        weights.get(entry(f"{server}/x.pt", sha256_begins="00"), tmp_path / "wrong")
    way = r"cannot be fetched here \(.*\); on a machine with a network run `curl .*baselines\.lama"
    for name in ("absent.pt", "half.pt"):
        with pytest.raises(FileNotFoundError, match=way):
            weights.get(entry(f"{server}/{name}"), tmp_path / "wrong")
    assert not list((tmp_path / "wrong").iterdir())


def answered(
    arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["weights", *arguments.split()])
    code = 0
    try:
        weights.main()
    except SystemExit as stop:
        code = int(str(stop.code))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_where_tells_how_it_comes_to_a_machine_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DIFFMVR_SHARED", "DIFFMVR_FACE_LANDMARKER"):
        monkeypatch.delenv(name, raising=False)
    code, said, _ = answered("where face_landmarker", monkeypatch, capsys)
    assert code == 0 and "absent: looked for in weights/face_landmarker.task" in said
    assert "curl -L -o 'weights/face_landmarker.task' https://storage.googleapis.com/" in said
    assert "carry weights/face_landmarker.task" in said and "DIFFMVR_FACE_LANDMARKER=FILE" in said
    # One that is there is looked at.
    path = tmp_path / "mine.task"
    path.write_bytes(b"damaged")
    monkeypatch.setenv("DIFFMVR_FACE_LANDMARKER", str(path))
    code, _, told = answered("where face_landmarker", monkeypatch, capsys)
    assert code == 2 and told.startswith(f"error: {path}: expected the SHA-256 64184e22")


def test_the_list_names_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    code, said, _ = answered("list", monkeypatch, capsys)
    assert code == 0 and all(f"\n{name} " in f"\n{said}" for name in published_weights())
    assert max(map(len, said.splitlines())) <= 100
    assert "--" not in answered("--help", monkeypatch, capsys)[1].partition("DIR")[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("lst", "error: lst: did you mean list?; python -m diffmvr.weights --help explains them"),
        ("where lamma", "error: lamma: no such weights; did you mean lama?"),
        ("where", "error: where: expected a NAME, got []; python -m diffmvr.weights list shows"),
    ],
)
def test_mistakes_are_one_line(
    arguments: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, said = answered(arguments, monkeypatch, capsys)
    assert code == 2 and out == "" and said.count("\n") == 1 and said.startswith(message)
