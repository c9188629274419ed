"""A page that is served by the real command, and a real browser that shows it."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.commands import default_signals

from diffmvr.page.examples import render_example

HOOKS = Path(__file__).parents[1] / "helpers" / "network"
PATIENCE_MS = 120_000
TOKEN = "0123456789abcdef"


@dataclass
class Served:
    """A page that is served.

    Attributes:
        address: of the page.
        folder: that it works in.
        asked: what its processes asked of the network, a line each; absent if nothing.
        process: of the command.
    """

    address: str
    folder: Path
    asked: Path
    process: subprocess.Popen[str]

    @property
    def visitors(self) -> list[Path]:
        """The folders of those who have the page open."""
        return sorted((self.folder / "page" / "visitors").iterdir())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    pytest.importorskip("gradio", reason="the extra demo is not installed")
    root = tmp_path_factory.mktemp("served")
    asked = root / "asked.txt"
    process = subprocess.Popen(
        [sys.executable, "-m", "diffmvr.app", "folder=work", f"port={free_port()}", "threads=1"],
        cwd=root,
        env={
            **os.environ,
            "DIFFMVR_APP_TOKEN": TOKEN,
            "NETWORK_LOG": str(asked),
            "PYTHONPATH": os.pathsep.join([str(HOOKS), os.environ.get("PYTHONPATH", "")]),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=default_signals,
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("open http://127.0.0.1:"):
            yield Served(line.split()[1], root / "work", asked, process)
            break
    else:
        pytest.fail("".join(said))
    process.terminate()
    rest = process.communicate(timeout=60)[0]
    assert "interrupted by SIGTERM" in rest and "Traceback" not in rest, rest
    assert not (root / "work" / "page").exists(), "everything is removed at the end"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if program is None:
        pytest.skip("no Chromium is installed (apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        # A camera that shows a moving pattern, and a user who lets the page use it.
        camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        opened = driver.chromium.launch(executable_path=program, args=["--no-sandbox", *camera])
        yield opened
        opened.close()


@pytest.fixture
def context(browser: Any) -> Iterator[Any]:
    """A visitor with a browser of his own, who sees no other site."""
    with visitor(browser) as one:
        yield one


@contextmanager
def visitor(browser: Any) -> Iterator[Any]:
    one = browser.new_context(viewport={"width": 1000, "height": 800}, reduced_motion="reduce")
    one.set_default_timeout(PATIENCE_MS)
    one.elsewhere = []

    def note(request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            one.elsewhere.append(request.url)

    one.on("request", note)
    yield one
    assert one.elsewhere == []
    one.close()


@pytest.fixture
def page(context: Any, served: Served) -> Any:
    return opened_page(context, served)


def opened_page(context: Any, served: Served) -> Any:
    """Log in, as the form does, and open the page."""
    form = {"username": "anyone", "password": TOKEN}
    assert context.request.post(f"{served.address}login", form=form).ok
    one = context.new_page()
    one.goto(served.address)
    one.get_by_text("No recording is open yet.").wait_for()
    return one


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered recording with something before the face in its second half."""
    path = tmp_path_factory.mktemp("films") / "Ward 3, bed 2.mp4"
    render_example(path, size=96, frames=12)
    return path
