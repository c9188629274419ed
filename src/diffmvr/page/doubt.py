"""How sure a result is, as the page tells it to someone who looks after the patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffmvr.doubt.words import clock
from diffmvr.restoration.doubt_page import PAGE, TIMELINE

LIKE_TRUTH, OTHER_EXPRESSION = 3, 10
"""Expected errors, in grey levels, of a frame that came out right, and of one that may not have."""


@dataclass(frozen=True)
class ToldDoubt:
    """How sure a result is.

    Attributes:
        sentences: in plain words, the most important first.
        timeline: PNG of the recording's course.
        page: HTML with the doubt of single frames; it loads nothing.
    """

    sentences: tuple[str, ...]
    timeline: bytes
    page: str


def read_doubt(folder: Path, frames: Sequence[dict[str, Any]]) -> ToldDoubt | None:
    """Read what a restoration with ``overlay=doubt`` wrote; ``None`` where it tells no doubt.

    Args:
        folder: the output of ``diffmvr.restore``.
        frames: the rows of its report.
    """
    page, timeline = folder / PAGE, folder / TIMELINE
    if not (page.is_file() and timeline.is_file() and any(row["restored"] for row in frames)):
        return None
    sentences = tuple(told_sentences(frames))
    return ToldDoubt(sentences, timeline.read_bytes(), page.read_text(encoding="utf-8"))


def told_sentences(frames: Sequence[dict[str, Any]]) -> list[str]:
    """Say how sure the restored frames of a report are, and where they are least sure."""
    restored = [row for row in frames if row["restored"]]
    known = [row for row in restored if _error(row) is not None]
    said = []
    if known:
        errors = [float(row["doubt"]["expected_error"]) for row in known]
        worst = max(known, key=lambda row: float(row["doubt"]["expected_error"]))
        said.append(
            f"The hidden part is expected to differ from the truth by "
            f"{sum(errors) / len(errors):.0f} of 255 grey levels on the mean, and by "
            f"{max(errors):.0f} at {clock(worst['time'])}, where it is least sure. About "
            f"{LIKE_TRUTH} looks like the truth; from {OTHER_EXPRESSION} on the face may have "
            "shown another expression."
        )
        if worst["doubt"]["why"]:
            said.append(f"Why it is least sure there: {'; '.join(worst['doubt']['why'])}.")
    unknown = len(restored) - len(known)
    if unknown:
        frame = "1 restored frame" if unknown == 1 else f"{unknown} restored frames"
        place = 0 if unknown > len(known) else len(said)
        text = f"Of {frame} nobody can say how sure; do not rely on what is shown there."
        said.insert(place, text)
    return said


def _error(row: dict[str, Any]) -> float | None:
    doubt = row.get("doubt")
    return None if doubt is None else doubt["expected_error"]
