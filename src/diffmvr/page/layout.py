"""The page itself: its parts, and what happens when it is opened and closed."""

from typing import Any

from diffmvr.page.answers import at_once
from diffmvr.page.camera_tab import build_camera
from diffmvr.page.events import Events
from diffmvr.page.recordings_tab import build_recordings
from diffmvr.page.wording import INTRODUCTION


def build(events: Events) -> Any:
    """Return the page as Gradio's ``Blocks``.

    Args:
        events: what its buttons do.
    """
    import gradio as gr

    with gr.Blocks(title="diffmvr", analytics_enabled=False, delete_cache=(600, 3600)) as page:
        gr.Markdown(INTRODUCTION)
        with gr.Tab("Recordings"):
            build_recordings(page, events)
        with gr.Tab("Live camera"):
            build_camera(events)
        page.unload(at_once(events.leave))
    return page
