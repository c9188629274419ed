"""The part of the page for the browser's camera."""

from diffmvr.page.answers import at_once
from diffmvr.page.events import Events
from diffmvr.page.wording import CAMERA, told_camera

EVERY = 0.1
"""Seconds between two pictures that the browser sends; those that come too fast are left out."""

MOST_CAMERAS = 4
"""So many visitors are answered at a time."""


def build_camera(events: Events) -> None:
    """Put this part where the caller is in the page.

    Args:
        events: what is done with a picture.
    """
    import gradio as gr

    gr.Markdown(CAMERA)
    with gr.Row():
        camera = gr.Image(
            label="Camera",
            min_width=300,
            sources=["webcam"],
            streaming=True,
            type="numpy",
            webcam_options=gr.WebcamOptions(mirror=False),
            elem_id="camera",
        )
        with gr.Column(min_width=300):
            # Not an image, which Gradio would write to a file.
            restored = gr.HTML(told_camera(None, None), elem_id="restored")
    camera.stream(
        at_once(events.watch),
        [camera],
        [restored],
        stream_every=EVERY,
        concurrency_limit=MOST_CAMERAS,
        concurrency_id="camera",
        show_progress="hidden",
    )
