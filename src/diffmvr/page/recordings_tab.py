"""The part of the page for recordings: what stands where, and which button does what."""

from functools import partial
from typing import Any

from diffmvr.page.answers import at_once, step_by_step
from diffmvr.page.correction import SCOPES
from diffmvr.page.events import Events
from diffmvr.page.wording import LARGEST, told

VIDEOS = [".mp4", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m4v", ".png", ".jpg", ".jpeg"]
PICTURES = [".png", ".jpg", ".jpeg"]


def build_recordings(page: Any, events: Events) -> None:
    """Put this part where the caller is in the page.

    Args:
        page: Gradio's ``Blocks``.
        events: what the buttons do.
    """
    import gradio as gr

    # 1. Open.
    gr.Markdown("## 1. Open")
    with gr.Row():
        upload = gr.File(
            label="Recordings (one or several)",
            file_count="multiple",
            file_types=VIDEOS,
            elem_id="upload",
            scale=2,
        )
        with gr.Column():
            example = gr.Button("Open a rendered example", elem_id="example")
            recording = gr.Dropdown([], label="Recording", elem_id="recording", interactive=True)
    opened = gr.HTML(told("No recording is open yet."), elem_id="opened")

    # 2. See what was found, and correct it.
    gr.Markdown("## 2. See and correct (if you like)")
    look = gr.Button("Show the face and what hides it", elem_id="look")
    with gr.Accordion("I have a mask of what hides the face", open=False):
        mask = gr.File(
            label="Mask of the chosen recording: white where the face is hidden (a film of "
            "the same length, or one picture for all of it)",
            file_types=VIDEOS,
            elem_id="mask",
        )
    with gr.Column(visible=False, elem_id="found") as found:
        editor = gr.ImageEditor(
            label="Red: hidden. Draw where that is wrong",
            elem_id="editor",
            sources=[],
            transforms=[],
            brush=gr.Brush(colors=["#1f5fbf"], color_mode="fixed"),
            eraser=gr.Eraser(),
            layers=gr.LayerOptions(allow_additional_layers=False),
            buttons=[],
        )
        whose = gr.Radio(
            [LARGEST],
            value=LARGEST,
            label="Several faces were found. Restore",
            visible=False,
            elem_id="whose",
        )
        looked = gr.Slider(1, 2, step=1, label="Shown frame", elem_id="looked")
        with gr.Row():
            scope = gr.Radio(
                list(SCOPES), value=SCOPES[-1], label="The correction counts for", scale=2
            )
            with gr.Column():
                hide = gr.Button("What I drew is hidden", elem_id="hide")
                bare = gr.Button("What I drew is not hidden", elem_id="bare")
    corrected = gr.HTML(told(""), elem_id="corrected")

    # 3. Restore.
    gr.Markdown("## 3. Restore")
    with gr.Accordion("Own pictures of the person, and more", open=False):
        pictures = gr.File(
            label="Clear pictures of the same person (they lead the restoration)",
            file_count="multiple",
            file_types=PICTURES,
            elem_id="pictures",
        )
        mark = gr.Checkbox(
            label="Write SYNTHETIC into the corner of frames that were filled in",
            elem_id="mark",
        )
    with gr.Row():
        restore = gr.Button("Restore", variant="primary", elem_id="restore")
        restore_all = gr.Button("Restore all recordings", elem_id="restore-all")
        cancel = gr.Button("Cancel", variant="stop", elem_id="cancel")
    progress = gr.HTML(told(""), elem_id="progress")

    # 4. Compare.
    with gr.Column(visible=False, elem_id="results") as results:
        gr.Markdown("## 4. Compare and download")
        slider = gr.ImageSlider(
            label="Before (left) and after (right)",
            type="filepath",
            interactive=False,
            max_height=640,
            elem_id="compare",
            buttons=["fullscreen"],
        )
        frame = gr.Slider(0, 1, step=1, label="Shown frame", elem_id="frame", interactive=True)
        film = gr.Video(
            label="Before and after, side by side",
            elem_id="film",
            interactive=False,
            buttons=[],
        )
        doubt = gr.HTML(elem_id="doubt")
        facts = gr.HTML(elem_id="facts")
        download = gr.DownloadButton(
            "Download everything (ZIP)", variant="primary", elem_id="download"
        )

    shown = [results, slider, frame, film, doubt, facts, download]
    gr.on(
        [upload.upload],
        at_once(events.open),
        [upload],
        [upload, recording, opened],
        show_progress="hidden",
    )
    example.click(at_once(events.open_example), None, [recording, opened], show_progress="hidden")
    asked = [recording, pictures, mark]
    running: dict[str, Any] = {
        "concurrency_id": "restoring",
        "concurrency_limit": 1,
        "show_progress": "hidden",
    }
    seen = [corrected, found, editor, looked, whose]
    waited: dict[str, Any] = {"queue": False, "show_progress": "hidden"}
    look.click(at_once(events.wait), None, [corrected], **waited).then(
        step_by_step(events.look), [recording], seen, **running
    )
    # Not on a change, which is also where another recording's mask is shown.
    gr.on(
        [mask.upload, mask.clear],
        at_once(events.give_mask),
        [recording, mask],
        seen,
        show_progress="hidden",
    )
    whose.input(at_once(events.choose), [recording, whose], [corrected], **waited).then(
        step_by_step(events.look), [recording], seen, **running
    )
    looked.change(at_once(events.look_at), [recording, looked], [editor], show_progress="hidden")
    drawn = [recording, looked, editor, scope]
    for button, hides in ((hide, True), (bare, False)):
        button.click(
            at_once(partial(events.correct, hides)),
            drawn,
            [corrected, editor],
            show_progress="hidden",
        )
    for button, action in ((restore, events.restore), (restore_all, events.restore_all)):
        button.click(at_once(events.wait), None, [progress], **waited).then(
            step_by_step(action), asked, [progress, *shown], **running
        )
    cancel.click(at_once(events.cancel), None, [progress], **waited)
    frame.change(
        at_once(events.show_frame),
        [recording, frame],
        [slider],
        show_progress="hidden",
        queue=False,
    )
    recording.change(at_once(events.look_away), [recording], [*seen, mask], show_progress="hidden")
    recording.change(at_once(events.show), [recording], shown, show_progress="hidden")
    page.load(at_once(events.begin), None, [recording, opened], show_progress="hidden")
