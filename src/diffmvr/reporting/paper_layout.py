"""What the paper's Tables 1 to 4 consist of: who stands in a row, cells, lines, the finished table.

:mod:`diffmvr.reporting.paper_tables` fills them with numbers, ``paper_rendering`` shows them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from diffmvr.reporting.differences import Difference, Mean
from diffmvr.reporting.paper_values import PaperValue
from diffmvr.reporting.tables import Column

MASK_HEADINGS = {"segmentation": "Segmented masks", "bbox": "Bounding boxes"}


@dataclass(frozen=True)
class PaperRow:
    """Who stands in a row.

    Attributes:
        restorer: its name in the score rows.
        label: its name in the table, as in the paper where the paper has it.
        required: shown even if it was never scored, with the reason.
    """

    restorer: str
    label: str
    required: bool = True


@dataclass(frozen=True)
class TableSpec:
    """What one of the paper's tables compares.

    Attributes:
        number: 1 to 4.
        title: what it shows.
        rows: who competes, from top to bottom.
        reference: restorer that the others are related to.
        gap: winner and second of the *Gap* row; the second may be ``None``: whoever of the rows
            that ``rivals`` names comes second most often.  ``None`` for no such row.
        rivals: restorers that may be the second.
        between_masks: restorer of the *Gap between masks* row; ``None`` for no such row.
    """

    number: int
    title: str
    rows: tuple[PaperRow, ...]
    reference: str
    gap: tuple[str, str | None] | None = None
    rivals: tuple[str, ...] = ()
    between_masks: str | None = None


@dataclass(frozen=True)
class PaperCell:
    """One number of a table.

    Attributes:
        mean: the score; ``None`` if there is nothing to score.
        difference: to the reference.
        paper: what the paper prints in this place.
    """

    mean: Mean | None = None
    difference: Difference | None = None
    paper: PaperValue | None = None


@dataclass(frozen=True)
class GapCell:
    """By how many percent one is better than another.

    Attributes:
        percent: negative if it is worse; ``None`` if undefined.
        tie: whether the interval of the difference covers 0.
        paper: what the paper prints in this place.
    """

    percent: float | None = None
    tie: bool = False
    paper: PaperValue | None = None


@dataclass(frozen=True)
class Line:
    """One row of a finished table, cells of all blocks side by side.

    Attributes:
        label: who.
        restorer: its name in the score rows; empty for a gap.
        cells: one per column of every block; empty if it could not run.
        counts: clips, subjects and seeds behind the numbers.
        note: why there are no numbers.
    """

    label: str
    restorer: str
    cells: tuple[PaperCell | GapCell, ...]
    counts: tuple[int, int, int] = (0, 0, 0)
    note: str = ""


@dataclass(frozen=True)
class PaperTable:
    """A finished table.

    Attributes:
        number: 1 to 4.
        title: what it shows.
        columns: of every block.
        masks: the blocks.
        lines: the rows.
        reference: label of the row that ▲ and ▼ relate to.
        notes: what a reader must know about the numbers.
    """

    number: int
    title: str
    columns: tuple[Column, ...]
    masks: tuple[str, ...]
    lines: tuple[Line, ...]
    reference: str
    notes: tuple[str, ...]


def spec_rows(labels: Mapping[str, str], required: Sequence[str] = ()) -> tuple[PaperRow, ...]:
    """Return rows from ``{restorer: label}``; only those in ``required`` are always shown."""
    return tuple(PaperRow(name, label, name in required) for name, label in labels.items())
