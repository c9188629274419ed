"""One HTML page about a restored recording: how sure it is, when, and why.

It loads nothing: pictures are embedded.  It follows the reader's light or dark colours, its parts
are reached by the keyboard, and what pictures show is said in words as well.
"""

import base64
import html
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np

from diffmvr.doubt.words import clock
from diffmvr.files import write_text
from diffmvr.page_style import PAGE_STYLE
from diffmvr.restoration.doubt_picture import age_text, error_text, overlaid, reduced
from diffmvr.restoration.report import FrameRecord, RestoredFrame
from diffmvr.restoration.spread import Spread
from diffmvr.restoration.stretches import Stretch, stretches
from diffmvr.structures import UInt8Array

PAGE, TIMELINE = "doubt.html", "timeline.png"

FRAMES = 12
"""So many hidden frames are shown at least, and twice as many at most."""

HEIGHT = 200
"""Of a shown frame, in pixels."""

Shown = tuple[FrameRecord, bytes, bytes]


class DoubtPage:
    """Collects a few hidden frames on the way, and writes the page at the end.

    Args:
        level: share of the truth that the intervals are to hold.
    """

    def __init__(self, level: float) -> None:
        self._level = level
        self._shown: Spread[Shown] = Spread(FRAMES)

    def add(self, frame: RestoredFrame) -> None:
        """Take a frame if it may be one of those to show."""
        if frame.record.restored:
            wanted = self._shown.wants_next()
            self._shown.add(_shown(frame) if wanted else None)

    def write(self, folder: Path, records: Sequence[FrameRecord], name: str) -> None:
        """Write the page.

        Args:
            folder: holds ``timeline.png`` already.
            records: one for each frame.
            name: what the recording is called.
        """
        text = page(name, records, self._shown.items, (folder / TIMELINE).read_bytes(), self._level)
        write_text(folder / PAGE, text)


def page(
    name: str,
    records: Sequence[FrameRecord],
    shown: Sequence[Shown],
    timeline: bytes,
    level: float,
) -> str:
    """Return the page.

    Args:
        name: of the recording.
        records: one for each frame.
        shown: records of some hidden frames with two JPEGs each: restored, and with its doubt.
        timeline: PNG.
        level: share of the truth that the intervals are to hold.
    """
    told = stretches(records)
    frames = "\n".join(_figure(*one) for one in shown)
    title = f"How sure: {html.escape(name)}"
    summary = _summary(records, told)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{PAGE_STYLE}{_STYLE}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p class="care">What is restored is a guess led by earlier views. It is no evidence of what
happened behind the cover.</p>
<p>{summary}</p>
<h2 id="course">Course</h2>
<img class="wide" alt="Over the seconds of the recording: hidden share of the face, seconds to the
nearest clear view, expected error with its interval. The table below says the same in numbers."
src="data:image/png;base64,{base64.b64encode(timeline).decode()}">
{_table(told)}
<h2 id="frames">Frames</h2>
<p>Left: restored. Right: the more orange, the less sure; hatched: not restored, or nothing can be
told.</p>
<div class="frames">
{frames}
</div>
<h2 id="meaning">What the numbers mean</h2>
<p>The expected error is the root mean square difference from the truth in the hidden part, in grey
levels of 0 to 255; a frame that came out right has about 3, one that shows another expression 10 to
30. The interval in brackets, and the interval of each pixel, hold the truth with a share of
{100 * level:.0f} %: on the mean over people who are filmed and covered like those of the
calibration. One person, one part of a face or one moment may be covered less, and so may other
cameras, other covers and other movements, and a face that does something else <em>because</em> it
is covered.</p>
</main>
<footer class="small">diffmvr {html.escape(version("diffmvr"))}</footer>
</body>
</html>
"""


def _summary(records: Sequence[FrameRecord], told: Sequence[Stretch]) -> str:
    hidden = sum(one.frames for one in told)
    withheld = sum(one.abstained for one in told)
    times = f"{len(told)} time{'s' * (len(told) != 1)}"
    text = f"In {hidden} of {len(records)} frames, {times}, something hides part of the picture."
    if withheld:
        text += f" {withheld} of those frames are not restored."
    return text


def _table(told: Sequence[Stretch]) -> str:
    if not told:
        return "<p>Nothing is hidden.</p>"
    rows = "\n".join(_row(one) for one in told)
    return f"""<div class="scroll" tabindex="0" role="region" aria-label="Hidden stretches">
<table>
<caption>Each time that something was hidden</caption>
<thead><tr><th scope="col">From</th><th scope="col">To</th><th scope="col">Frames</th>
<th scope="col">Face hidden</th><th scope="col">Clear view, at most</th>
<th scope="col">Expected error, mean (most)</th><th scope="col">Not restored</th>
<th scope="col">Why doubtful</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>"""


def _row(one: Stretch) -> str:
    share = "unknown" if one.hidden_share is None else f"{100 * one.hidden_share:.0f} %"
    age = "none" if one.age is None else f"{one.age:.1f} s away"
    error = "unknown"
    if one.expected_error is not None and one.worst_error is not None:
        error = f"{one.expected_error:.0f} ({one.worst_error:.0f})"
    cells = (clock(one.last), one.frames, share, age, error, one.abstained, "; ".join(one.why))
    shown = "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells)
    return f'<tr><th scope="row">{clock(one.first)}</th>{shown}</tr>'


def _figure(record: FrameRecord, restored: bytes, with_doubt: bytes) -> str:
    doubt = record.doubt
    said = "how sure it is cannot be told"
    why = ""
    if doubt is not None:
        said = f"{age_text(doubt)}; {error_text(doubt)}"
        why = "".join(f"<li>{html.escape(reason)}</li>" for reason in doubt.why)
    time = f"{clock(record.time)}.{int(record.time * 10) % 10}"
    left, right = (base64.b64encode(data).decode() for data in (restored, with_doubt))
    return f"""<figure>
<img alt="Frame at {time}, restored" src="data:image/jpeg;base64,{left}"><img
 alt="The same frame with its doubt in orange: {html.escape(said)}"
 src="data:image/jpeg;base64,{right}">
<figcaption><b>{time}</b> {html.escape(said)}{f"<ul>{why}</ul>" if why else ""}</figcaption>
</figure>"""


def _shown(frame: RestoredFrame) -> Shown:
    x0, y0, side = frame.record.region
    rows = slice(max(round(y0), 0), max(round(y0 + side), 1))
    columns = slice(max(round(x0), 0), max(round(x0 + side), 1))
    pair = (frame.restored.image, overlaid(frame))
    left, right = (_jpeg(reduced(one[rows, columns], HEIGHT)) for one in pair)
    return frame.record, left, right


def _jpeg(image: UInt8Array) -> bytes:
    bgr = np.ascontiguousarray(image[..., ::-1])
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 88])
    return bytes(data)


_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_STYLE = """
main { max-width: 68rem; margin: 0 auto; }
main table { width: 100%; } main :is(th, td):last-child { min-width: 18rem; }
img { background: white; } img.wide { width: 100%; height: auto; }
.frames { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); }
figure { margin: 0; } figure img { width: 50%; vertical-align: top; }
figcaption { font-size: .9rem; } figcaption ul { margin: .2rem 0; padding-left: 1.2rem; }
"""
