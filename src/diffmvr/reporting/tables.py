"""What a table of scores consists of: blocks of columns, one a kind of masks, and rows of cells.

:mod:`diffmvr.reporting.comparison` and ``paper_tables`` fill tables with numbers, ``rendering``
and ``table_csv`` show them.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from diffmvr.metrics.bootstrap import PairedComparison
from diffmvr.reporting.paper_values import PaperValue

Change = Literal["difference", "relative", "verdict"]
CHANGES = ("difference", "relative", "verdict")
UP, DOWN, TIE, NOTHING = "▲", "▼", "≈", "—"


@dataclass(frozen=True)
class Column:
    """One score in a table.

    Attributes:
        metric: its column in the rows.
        header: how the table calls it.
        higher_is_better: which way is good; shown as ↑ or ↓.
        digits: decimals.
    """

    metric: str
    header: str
    higher_is_better: bool
    digits: int = 2

    @property
    def title(self) -> str:
        """The header, and which way is good."""
        return f"{self.header} {'↑' if self.higher_is_better else '↓'}"


DEFAULT_COLUMNS = (
    Column("psnr_hole", "PSNR hole", True),
    # Small, easy holes can decide a mean over frames; here every hidden pixel counts alike.
    Column("psnr_hole_pooled", "PSNR hole, pooled", True),
    Column("ssim_hole", "SSIM hole", True, 3),
    Column("psnr", "PSNR", True),
    Column("ssim", "SSIM", True, 3),
    Column("tc_diff", "|TC − TC_gt|", False, 5),
    Column("warp_error_hole", "Warp error hole", False, 5),
)
"""What every scored clip has."""

FACE_COLUMNS = (
    Column("expression_error", "Expression error", False, 3),
    Column("state_agreement", "State agreement", True, 3),
    Column("state_agreement_changed", "State agreement, changed", True, 3),
    Column("landmark_error_hole", "Landmark error hole", False, 3),
    Column("landmark_found", "Faces found", True, 3),
    Column("blendshape_error", "Blendshape error", False, 4),
    Column("blendshape_error_changed", "Blendshape error, changed", False, 4),
    Column("blendshape_found", "Hidden faces found", True, 3),
)
"""What the face says: the first three of rendered clips, the others of real ones."""

PERCEPTION_COLUMNS = (
    Column("st_lpips", "ST-LPIPS", False, 4),
    Column("face_embedding_distance", "Face embedding distance", False, 3),
)
"""How alike it looks, and whether it is the same person (``scoring=perception``)."""


@dataclass(frozen=True)
class Mean:
    """A restorer's score.

    Attributes:
        value: mean over clips of the mean over seeds, or the distance averaged over seeds.
        seeds: the same of each seed alone, by seed.
        n_clips: number of clips.
        n_subjects: number of persons.
    """

    value: float
    seeds: dict[int, float]
    n_clips: int
    n_subjects: int

    @property
    def spread(self) -> float | None:
        """Standard deviation over seeds; ``None`` with a single seed."""
        return float(np.std(list(self.seeds.values()), ddof=1)) if len(self.seeds) > 1 else None


@dataclass(frozen=True)
class Difference:
    """a − b in one score, on what both have.

    Attributes:
        comparison: difference, interval over subjects and verdict on a.
        relative: 100 · (a − b) / |b|, in percent; ``None`` where b is 0.
        agreeing: seeds whose own difference has the sign of the whole.
        n_seeds: seeds compared.
    """

    comparison: PairedComparison
    relative: float | None
    agreeing: int
    n_seeds: int


@dataclass(frozen=True)
class Cell:
    """One number of a table.

    Attributes:
        mean: the score; ``None`` if there is nothing to score.
        difference: to the reference; ``None`` in its own row, or with too few subjects.
        relative: the change against the reference in percent, also with too few subjects.
        gap: in a row about two restorers, by how many percent the first is better, and
            ``difference`` is that of the two.
        paper: what the paper prints in this place.
    """

    mean: Mean | None = None
    difference: Difference | None = None
    relative: float | None = None
    gap: float | None = None
    paper: PaperValue | None = None

    @property
    def is_tie(self) -> bool:
        """Whether the interval of the difference covers 0."""
        return self.difference is not None and self.difference.comparison.verdict == "tie"


@dataclass(frozen=True)
class Row:
    """One row of a table, the cells of all blocks side by side.

    Attributes:
        label: who.
        restorer: its name in the score rows; empty for a gap between two.
        cells: one per column of every block; empty if it could not run.
        n_clips: number of clips.
        n_subjects: number of persons in them.
        n_seeds: number of seeds averaged per clip.
        note: why there are no numbers, e.g. ``"weights not present: PATH"``.
    """

    label: str
    restorer: str
    cells: tuple[Cell, ...]
    n_clips: int = 0
    n_subjects: int = 0
    n_seeds: int = 0
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table, ready to be rendered.

    Attributes:
        columns: the scores of every block.
        masks: the kinds of masks, a block of columns each.
        rows: the rows.
        reference: label of the row that the others are compared with, if any.
        caption: what holds for every number.
        change: what stands beside a mean: the ``"difference"`` to the reference with its interval,
            the ``"relative"`` change in percent with the interval, as in the paper, or the
            ``"verdict"`` alone (▲, ▼ or ≈).
        corner: header of the first column.
        title: what the table shows; may be empty.
        number: of the paper's table; 0 if it is none of them.
    """

    columns: tuple[Column, ...]
    masks: tuple[str, ...]
    rows: tuple[Row, ...]
    reference: str | None
    caption: str
    change: Change = "difference"
    corner: str = ""
    title: str = ""
    number: int = 0

    @property
    def places(self) -> list[tuple[str, Column]]:
        """Mask and column of each cell of a row."""
        return [(mask, column) for mask in self.masks for column in self.columns]
