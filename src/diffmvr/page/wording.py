"""What the page says, as HTML that a screen reader reads, too."""

import base64
import html
from collections.abc import Sequence

import cv2

from diffmvr.page.camera_run import CameraState
from diffmvr.page.comparison import Result
from diffmvr.page.doubt import ToldDoubt
from diffmvr.page.jobs import Progress
from diffmvr.structures import UInt8Array

STAGES = {
    "starting": "Loading what it needs",
    "finding faces": "Looking for the face and what hides it",
    "restoring": "Restoring",
}

INTRODUCTION = """
# Restore the hidden part of a face in a video
Everything stays on the machine that serves this page, and is removed when you close the page.
What is filled in is a likely picture, **not what was there**: do not judge a person's state by it
alone.
"""

LARGEST = "the largest face"
ORDINALS = ("1st", "2nd", "3rd")
CAMERA = """
## Your camera, while it runs
The pictures of **this browser's camera** are sent to the machine that serves this page, restored
there by the program that restores recordings, in its memory, and sent back. **Nothing is kept, and
nothing is sent elsewhere.** If you opened this page as 127.0.0.1, that machine is this one.

Show the face uncovered first: what is filled in later is led by what was seen. Other machines reach
a camera through HTTPS alone.
"""


def told(text: str, error: bool = False) -> str:
    """Return a line for the user; assistive programs read it when it changes."""
    kind, role = ("told error", "alert") if error else ("told", "status")
    start = "<strong>Error:</strong> " if error else ""
    return f'<div class="{kind}" role="{role}">{start}{html.escape(text)}</div>'


def told_progress(progress: Progress, which: str = "") -> str:
    """Return how far a command has come.

    Args:
        progress: of the command.
        which: the recording, where there are several, e.g. ``"2 of 3: ward.mp4"``.
    """
    stage = STAGES[progress.stage]
    share = progress.share
    bar = "" if share is None else f' value="{share:.3f}"'
    count = "" if progress.total is None else f", {progress.done} of {progress.total} frames"
    text = f"{f'{which}: ' if which else ''}{stage}{count} ({progress.seconds:.0f} s)"
    label = html.escape(text, quote=True)
    return (
        f'<div class="told" role="status">{html.escape(text)}'
        f'<progress max="1"{bar} aria-label="{label}"></progress></div>'
    )


def face_names(count: int) -> list[str]:
    """Return what faces are called, from left to right.

    >>> face_names(2)
    ['the 1st face from the left', 'the 2nd face from the left']
    """
    numbers = [ORDINALS[k] if k < len(ORDINALS) else f"{k + 1}th" for k in range(count)]
    return [f"the {number} face from the left" for number in numbers]


def told_camera(image: UInt8Array | None, state: CameraState | None) -> str:
    """Return the picture that was restored last, and how late it is.

    The picture is embedded, so that no file of it is written.

    Args:
        image: ``[H, W, 3]``; ``None`` before the first.
        state: of the run; ``None``: no camera runs.
    """
    if state is None:
        return told("The camera is off.")
    if state.error is not None:
        return told(state.error, error=True)
    if image is None:
        return told(f"Loading what it needs ({state.seconds:.0f} s)")
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    code = base64.b64encode(data.tobytes()).decode()
    late = "" if state.latency is None else f", {1000 * state.latency:.0f} ms late"
    rate = "" if state.rate is None else f", {state.rate:.1f} pictures/s"
    of_all = f"{state.dropped} of {state.shown + state.dropped} pictures left out"
    said = f"Restored{late}{rate}, {of_all}"
    # Not read out: it changes many times a second.
    return (
        f'<img alt="The camera\'s picture, restored" src="data:image/jpeg;base64,{code}">'
        f'<p class="latency">{html.escape(said)}</p>'
    )


def told_result(result: Result) -> str:
    """Return the facts of a result as a table, and its notes as a list."""
    rows = "".join(
        f'<tr><th scope="row">{html.escape(what)}</th><td>{html.escape(value)}</td></tr>'
        for what, value in result.facts
    )
    return f'<table class="facts">{rows}</table>{told_notes(result.notes)}'


def told_doubt(doubt: ToldDoubt | None) -> str:
    """Return how sure a result is: in words, its course as a picture, and a page of frames.

    The page is a document of its own that may run nothing; it has no address, which would tell
    where its file lies.
    """
    if doubt is None:
        return ""
    said = "".join(f"<p>{html.escape(one)}</p>" for one in doubt.sentences)
    course = base64.b64encode(doubt.timeline).decode()
    return f"""<section class="doubt" aria-labelledby="how-sure">
<h2 id="how-sure">How sure it is</h2>
{said}
<img alt="Over the seconds of the recording: hidden share of the face, seconds to the nearest clear
view, expected error. The frames below say the same in numbers."
src="data:image/png;base64,{course}">
<details><summary>Frame by frame: what is sure, what is not, and why</summary>
<iframe title="How sure single frames are" sandbox="" srcdoc="{html.escape(doubt.page)}"></iframe>
</details>
</section>"""


def told_notes(notes: Sequence[str]) -> str:
    """Return notes as a list; nothing where there are none."""
    if not notes:
        return ""
    return f'<ul class="notes">{"".join(f"<li>{html.escape(note)}</li>" for note in notes)}</ul>'
