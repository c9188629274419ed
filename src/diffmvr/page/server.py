"""Serve the page: to this machine alone or behind a token, and with no word to anyone else."""

import hmac
import logging
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from diffmvr.files import hold_folder
from diffmvr.page.events import Events
from diffmvr.page.layout import build
from diffmvr.page.settings import AppSettings
from diffmvr.page.style import CSS, theme
from diffmvr.page.workspace import MIB, Visitors
from diffmvr.parsing import user_path

log = logging.getLogger(__name__)

WORK_NAME = "page"
# A page of Gradio needs its own scripts and styles, in the page as well.
POLICY = (
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'self'; object-src 'none'"
)
SILENT = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}

Scope = MutableMapping[str, Any]


def serve(settings: AppSettings) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        ModuleNotFoundError: if Gradio is not installed.
        BusyError: if another page is served from the same folder.
        ValueError: if the port is taken.
    """
    with serving(settings) as address:
        log.info("open %s in a browser; Ctrl-C ends it", address)
        threading.Event().wait()


@contextmanager
def serving(settings: AppSettings) -> Iterator[str]:
    """Serve the page in the block; yield its address.

    Raises:
        BusyError: if another page is served from the same folder.
        ValueError: if Gradio is not installed, or the port is taken.
    """
    _check_port(settings.host, settings.port)
    work = user_path(settings.folder).resolve() / WORK_NAME
    work.parent.mkdir(parents=True, exist_ok=True)
    with hold_folder(work, f"folder: {settings.folder}"):
        os.environ.update(SILENT, GRADIO_TEMP_DIR=str(work / "uploads"))
        try:
            import gradio as gr
        except ImportError as error:
            raise ValueError(
                "the page needs Gradio, which is not installed; pip install 'diffmvr[demo]'"
            ) from error
        # It would tell of every request to the page itself.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        visitors = Visitors(work / "visitors")
        visitors.root.mkdir()
        # Films are served from where they lie, not copied; the folders' names cannot be guessed.
        gr.set_static_paths([visitors.root])
        page = build(Events(visitors, settings))
        _look_less_often(page)
        try:
            _, address, _ = page.launch(
                server_name=settings.host,
                server_port=settings.port,
                share=False,
                auth=None if settings.token is None else _token_check(settings.token),
                auth_message="Any name, and the token as the password.",
                max_file_size=settings.max_mib * MIB,
                app_kwargs={"middleware": _middleware()},
                footer_links=[],
                theme=theme(),
                css=CSS,
                prevent_thread_lock=True,
                quiet=True,
                ssr_mode=False,
                pwa=False,
                mcp_server=False,
                enable_monitoring=False,
                run_history=False,
            )
            yield address
        finally:
            page.close(verbose=False)
            visitors.close()


class OwnPagesOnly:
    """Lets a browser load nothing from elsewhere, and the server fetch nothing from there.

    Args:
        app: what answers.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer a request of ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        # Gradio would fetch what is named there.
        if "://" in path or ":/" in path.partition("=")[2] or "proxy=" in path:
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b"no pages of others"})
            return

        async def send_with_policy(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                added = {
                    b"content-security-policy": POLICY.encode(),
                    b"referrer-policy": b"no-referrer",
                    b"x-content-type-options": b"nosniff",
                }
                message["headers"] = [*message.get("headers", ()), *added.items()]
            await send(message)

        await self.app(scope, receive, send_with_policy)


def _middleware() -> list[Any]:
    from starlette.middleware import Middleware

    return [Middleware(OwnPagesOnly)]


def _token_check(token: str) -> Callable[[str, str], bool]:
    def is_known(_: str, password: str) -> bool:
        return hmac.compare_digest(password.encode(), token.encode())

    return is_known


def _look_less_often(page: Any) -> None:
    """Let the machine rest while nobody asks for anything.

    Gradio's queue would look 1000 times a second for a request, and 100 times for progress to tell;
    except on Windows, where it has these intervals.
    """
    page._queue.sleep_when_free = 0.05
    page._queue.progress_update_sleep_when_free = 0.1


def _check_port(host: str, port: int) -> None:
    """Require a port that can be served.

    Raises:
        ValueError: naming it.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((host, port))
    except OSError as error:
        raise ValueError(
            f"port: {port} of {host} cannot be served ({error.strerror or error}); give another, "
            "such as port=7861"
        ) from error
