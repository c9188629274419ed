"""Tables 1 to 4 of the paper from the rows of a study.

Each has one block of columns a kind of mask, a reference row that ▲ and ▼ relate to (captions:
DiffMVR in Tables 1, 2 and 3, the baseline in Table 4) and *Gap* rows, all recomputed from the
values (decisions 19).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from diffmvr.checks import check_one_of
from diffmvr.reporting.differences import Entry, Study
from diffmvr.reporting.distance_rows import distance_header
from diffmvr.reporting.paper_values import GAP, GAP_BETWEEN_MASKS, PaperValue, gap, paper_value
from diffmvr.reporting.tables import (
    DEFAULT_COLUMNS,
    DOWN,
    FACE_COLUMNS,
    UP,
    Cell,
    Column,
    Row,
    Table,
)

NOT_EVALUATED = "not evaluated"
# The first that was measured stands in the table, under its own name.
FRAME_DISTANCES = ("fid", "fd_clip_tiny")
FRAME_DISTANCES_PER_VIDEO = ("fid_video", "fd_clip_tiny_video")
VIDEO_DISTANCES = ("fvd", "vfid", "fvd_clip_tiny")
(SSIM,) = (column for column in DEFAULT_COLUMNS if column.metric == "ssim")
TC = Column("tc", "TC", False, 4)
# What the paper does not report: the restored pixels alone, motion against the true one.
HOLE = (*(c for c in DEFAULT_COLUMNS if c.metric not in ("psnr", "ssim")), *FACE_COLUMNS)


@dataclass(frozen=True)
class TableSpec:
    """What one of the paper's tables compares.

    Attributes:
        number: 1 to 4.
        title: what it shows.
        labels: who competes, from top to bottom: names in the table (the paper's where it has
            them), by name in the score rows.
        required: restorers shown even if they were never scored, with the reason.
        reference: restorer that the others are related to.
        gap: winner and second of the *Gap* row; the second may be ``None``: the row of those
            that ``rivals`` names which is second most often.  ``None`` for no such row.
        rivals: restorers that may be the second.
        between_masks: restorer of the *Gap between masks* row; ``None`` for no such row.
    """

    number: int
    title: str
    labels: Mapping[str, str]
    required: Sequence[str]
    reference: str
    gap: tuple[str, str | None] | None = None
    rivals: tuple[str, ...] = ()
    between_masks: str | None = None

    def label(self, restorer: str) -> str:
        """Return what the table calls a restorer."""
        return self.labels.get(restorer, restorer)


def table_columns(study: Study, number: int) -> tuple[Column, ...]:
    """Return the paper's columns of a table, distances under the name of what measured them.

    Table 1 has FID over all frames, SSIM and TC; Tables 2 to 4 have FID per video, SSIM, TC and
    FVD.
    """
    check_one_of("number", number, (1, 2, 3, 4))
    frame = FRAME_DISTANCES if number == 1 else FRAME_DISTANCES_PER_VIDEO
    columns = [*_first(study, frame), SSIM, TC]
    if number > 1:
        columns += _first(study, VIDEO_DISTANCES)
    return tuple(columns)


def hole_columns(study: Study) -> tuple[Column, ...]:
    """Return the scores of the restored pixels alone that were measured."""
    return tuple(column for column in HOLE if study.has(column.metric))


def paper_table(
    study: Study, spec: TableSpec, columns: Sequence[Column], paper: bool = False
) -> Table:
    """Build one table.

    Args:
        study: the scores.
        spec: who is compared with whom.
        columns: the scores shown, for each kind of mask.
        paper: put the paper's own values beside ours.

    Raises:
        ValueError: if the reference has no scores.
    """
    masks = study.mask_types
    if spec.reference not in study.restorers:
        raise ValueError(
            f"table {spec.number}: expected scores of {spec.reference!r}, which the others are "
            f"related to, got those of {list(study.restorers)}; run its experiment first"
        )
    rows = [
        _row(study, spec, restorer, columns)
        for restorer in spec.labels
        if restorer in spec.required or restorer in study.restorers
    ]
    notes = _notes(study, spec, columns)
    if spec.gap is not None:
        winner, second = spec.gap
        second = second or second_best(study, spec, columns)
        if second is not None:
            pairs = [(Entry(winner, mask), Entry(second, mask)) for mask in masks]
            rows.append(_gap_row(study, GAP, pairs, columns))
            name = spec.label(second)
            notes.append(f"{GAP}: {spec.label(winner)} against {name}, in % of {name}'s.")
    ours = spec.between_masks
    if ours is not None and {"segmentation", "bbox"} <= set(masks):
        pair = Entry(ours, "segmentation"), Entry(ours, "bbox")
        only_once = [pair if mask == "segmentation" else None for mask in masks]
        rows.append(_gap_row(study, GAP_BETWEEN_MASKS, only_once, columns))
        notes.append(
            f"{GAP_BETWEEN_MASKS}: {spec.label(ours)} with segmented masks against boxes; the "
            "holes of boxes are larger, so this compares two tasks."
        )
    table = Table(
        columns=tuple(columns),
        masks=masks,
        rows=tuple(rows),
        reference=spec.label(spec.reference),
        caption=" ".join(
            [f"{UP}/{DOWN}: by how much higher/lower than {spec.label(spec.reference)}.", *notes]
        ),
        change="relative",
        title=f"Table {spec.number}. {spec.title}",
        number=spec.number,
    )
    return _with_paper_values(table) if paper else _without_empty_rows(table)


def second_best(study: Study, spec: TableSpec, columns: Sequence[Column]) -> str | None:
    """Return the rival that is best in most columns; ties go to the earlier row.

    The paper's second-best model has "the majority of the second placement in metric values"
    (caption of Table 2), the first being its own.
    """
    wins: dict[str, int] = {}
    for mask in study.mask_types:
        for column in columns:
            scores = {}
            for rival in spec.rivals:
                mean = study.mean(Entry(rival, mask), column.metric)
                if mean is not None:
                    scores[rival] = mean.value if column.higher_is_better else -mean.value
            if scores:
                best = max(scores, key=scores.__getitem__)
                wins[best] = wins.get(best, 0) + 1
    order = list(spec.labels)
    return max(wins, key=lambda name: (wins[name], -order.index(name))) if wins else None


def _first(study: Study, names: Sequence[str]) -> list[Column]:
    for name in names:
        if study.has(name):
            per_video = name.endswith("_video")
            header = distance_header(name.removesuffix("_video"))
            return [Column(name, f"{header} per video" if per_video else header, False, 2)]
    return []


def _row(study: Study, spec: TableSpec, restorer: str, columns: Sequence[Column]) -> Row:
    cells = tuple(
        study.cell(Entry(restorer, mask), Entry(spec.reference, mask), column)
        for mask in study.mask_types
        for column in columns
    )
    means = [cell.mean for cell in cells if cell.mean is not None]
    counts = max(((m.n_clips, m.n_subjects, len(m.seeds)) for m in means), default=(0, 0, 0))
    note = ""
    if restorer not in study.restorers:
        note = study.collection.missing.get(restorer, NOT_EVALUATED)
    return Row(spec.label(restorer), restorer, cells, *counts, note=note)


def _gap_row(
    study: Study,
    label: str,
    pairs: Sequence[tuple[Entry, Entry] | None],
    columns: Sequence[Column],
) -> Row:
    """Return by how much the first of each mask's pair is better than the second."""
    cells = [
        Cell() if pair is None else _gap_cell(study, *pair, column)
        for pair in pairs
        for column in columns
    ]
    return Row(label, "", tuple(cells))


def _gap_cell(study: Study, winner: Entry, second: Entry, column: Column) -> Cell:
    first, other = study.mean(winner, column.metric), study.mean(second, column.metric)
    if first is None or other is None or other.value == 0.0:
        return Cell()
    percent = gap(first.value, other.value, column.higher_is_better)
    return Cell(difference=study.difference(winner, second, column), gap=percent)


def _without_empty_rows(table: Table) -> Table:
    """Return the table with a note alone where a restorer was never scored."""
    rows = (replace(row, cells=()) if row.note else row for row in table.rows)
    return replace(table, rows=tuple(rows))


def _with_paper_values(table: Table) -> Table:
    """Return the table with the paper's numbers in its cells."""
    rows = []
    for row in table.rows:
        pairs = zip(row.cells, table.places, strict=True)
        cells = (
            replace(cell, paper=_printed(table.number, mask, row.label, column))
            for cell, (mask, column) in pairs
        )
        rows.append(replace(row, cells=tuple(cells)))
    return replace(table, rows=tuple(rows))


def _printed(number: int, mask: str, row: str, column: Column) -> PaperValue | None:
    names = {"ssim": "SSIM", "tc": "TC"}
    names |= dict.fromkeys((*FRAME_DISTANCES, *FRAME_DISTANCES_PER_VIDEO), "FID")
    names |= dict.fromkeys(VIDEO_DISTANCES, "FVD")
    metric = names.get(column.metric)
    return None if metric is None else paper_value(number, mask, row, metric)


def _notes(study: Study, spec: TableSpec, columns: Sequence[Column]) -> list[str]:
    rows = study.collection.rows
    conditions = {
        "resolution": sorted(set(rows["resolution"])),
        "frames a clip": sorted(set(rows["clip_length"])),
    }
    notes = [
        "Scored on the composited frames; "
        + ", ".join(f"{name} {'/'.join(map(str, v))}" for name, v in conditions.items())
        + ". In brackets the 95 % interval of the difference (bootstrap over subjects, paired; the "
        "seeds of a clip are averaged first); ≈ is a tie, the interval covers 0. "
        "± is the standard deviation over seeds."
    ]
    found = study.collection.distances
    if found is not None:
        for column in columns:
            name = column.metric.removesuffix("_video")
            networks = found.filter(distance=name).select("extractor", "weight_hash").unique()
            for extractor, digest in networks.iter_rows():
                notes.append(f"{column.header}: {extractor}, weights {digest[:12] or 'unknown'}.")
    if any(column.metric == "tc" for column in columns) and "tc_gt" in rows.columns:
        true = {
            mask: rows.filter(mask_type=mask)["tc_gt"].drop_nulls().to_numpy().mean()
            for mask in study.mask_types
        }
        values = ", ".join(f"{value:.4f} ({mask})" for mask, value in true.items())
        notes.append(f"The true frames' own TC is {values}: less than that is frozen, not smooth.")
    if spec.number == 1:
        notes.append("All clips are of one length, so SSIM and TC are those of Table 2.")
    return notes
