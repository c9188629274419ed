"""Consecutive hidden frames of a recording, told as one."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from diffmvr.restoration.report import FrameRecord

MOST_REASONS = 3


@dataclass(frozen=True)
class Stretch:
    """Hidden frames without a clear one between them.

    Attributes:
        first: seconds of the first.
        last: seconds of the last.
        frames: how many.
        hidden_share: mean hidden share of the face; ``None`` where nobody says.
        age: the most seconds to the nearest clear view; ``None`` if some frame has none.
        expected_error: mean over the frames of which it can be told; ``None``: of none.
        worst_error: the largest of them.
        abstained: how many are not restored.
        why: the most frequent reasons, the most frequent first.
    """

    first: float
    last: float
    frames: int
    hidden_share: float | None
    age: float | None
    expected_error: float | None
    worst_error: float | None
    abstained: int
    why: tuple[str, ...]


def stretches(records: Sequence[FrameRecord]) -> list[Stretch]:
    """Return the stretches of a recording in order."""
    runs = groupby(records, key=lambda record: record.restored)
    return [_told(list(run)) for hidden, run in runs if hidden]


def _told(run: Sequence[FrameRecord]) -> Stretch:
    doubts = [record.doubt for record in run if record.doubt is not None]
    errors = [one.expected_error for one in doubts if one.expected_error is not None]
    ages = [abs(one.age) for one in doubts if one.age is not None]
    shares = [one.hidden_share for one in doubts if one.hidden_share is not None]
    # A share that changes from frame to frame is one reason.
    said = Counter(_class_of(reason) for one in doubts for reason in one.why)
    last = {_class_of(reason): reason for one in doubts for reason in one.why}
    return Stretch(
        first=run[0].time,
        last=run[-1].time,
        frames=len(run),
        hidden_share=sum(shares) / len(shares) if shares else None,
        age=max(ages) if ages and len(ages) == len(run) else None,
        expected_error=sum(errors) / len(errors) if errors else None,
        worst_error=max(errors, default=None),
        abstained=sum(one.abstained for one in doubts),
        why=tuple(last[kind] for kind, _ in said.most_common(MOST_REASONS)),
    )


def _class_of(reason: str) -> str:
    """Return a reason without its numbers."""
    return "".join(one for one in reason if not one.isdigit())
