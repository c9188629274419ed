"""Tables 1 to 4 of the paper from the rows of a study.

Each has one block of columns a kind of mask, a reference row that ▲ and ▼ relate to (captions:
DiffMVR in Tables 1, 2 and 3, the baseline in Table 4) and *Gap* rows, all recomputed from the
values (decisions 19).
"""

from collections.abc import Sequence

from diffmvr.checks import check_one_of
from diffmvr.reporting.differences import Entry, Study
from diffmvr.reporting.distance_columns import distance_header
from diffmvr.reporting.paper_layout import (
    GapCell,
    Line,
    PaperCell,
    PaperRow,
    PaperTable,
    TableSpec,
)
from diffmvr.reporting.paper_values import GAP, GAP_BETWEEN_MASKS, PaperValue, gap, paper_value
from diffmvr.reporting.tables import DEFAULT_COLUMNS, FACE_COLUMNS, Column

NOT_EVALUATED = "not evaluated"
# The first that was measured stands in the table, under its own name.
FRAME_DISTANCES = ("fid", "fd_clip_tiny")
FRAME_DISTANCES_PER_VIDEO = ("fid_video", "fd_clip_tiny_video")
VIDEO_DISTANCES = ("fvd", "vfid", "fvd_clip_tiny")
(SSIM,) = (column for column in DEFAULT_COLUMNS if column.metric == "ssim")
TC = Column("tc", "TC", False, 4)
# What the paper does not report: the restored pixels alone, motion against the true one.
HOLE = (*(c for c in DEFAULT_COLUMNS if c.metric not in ("psnr", "ssim")), *FACE_COLUMNS)


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
) -> PaperTable:
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
    lines = [
        _line(study, spec, row, columns, masks, paper)
        for row in spec.rows
        if row.required or row.restorer in study.restorers
    ]
    labels = {row.restorer: row.label for row in spec.rows}
    notes = _notes(study, spec, columns)
    if spec.gap is not None:
        winner, second = spec.gap
        second = second or second_best(study, spec, columns, masks)
        if second is not None:
            lines.append(_gap_line(study, spec, (winner, second), columns, masks, paper))
            name = labels.get(second, second)
            notes.append(f"{GAP}: {labels.get(winner, winner)} against {name}, in % of {name}'s.")
    if spec.between_masks is not None and {"segmentation", "bbox"} <= set(masks):
        lines.append(_masks_line(study, spec, columns, masks, paper))
        label = labels.get(spec.between_masks, spec.between_masks)
        notes.append(
            f"{GAP_BETWEEN_MASKS}: {label} with segmented masks against boxes; the holes of boxes "
            "are larger, so this compares two tasks."
        )
    return PaperTable(
        number=spec.number,
        title=spec.title,
        columns=tuple(columns),
        masks=masks,
        lines=tuple(lines),
        reference=labels[spec.reference],
        notes=tuple(notes),
    )


def second_best(
    study: Study, spec: TableSpec, columns: Sequence[Column], masks: Sequence[str]
) -> str | None:
    """Return the rival that is best in most columns; ties go to the earlier row.

    The paper's second-best model has "the majority of the second placement in metric values"
    (caption of Table 2), the first being its own.
    """
    wins: dict[str, int] = {}
    for mask in masks:
        for column in columns:
            scores = {}
            for rival in spec.rivals:
                mean = study.mean(Entry(rival, mask), column.metric)
                if mean is not None:
                    scores[rival] = mean.value if column.higher_is_better else -mean.value
            if scores:
                best = max(scores, key=scores.__getitem__)
                wins[best] = wins.get(best, 0) + 1
    order = [row.restorer for row in spec.rows]
    return max(wins, key=lambda name: (wins[name], -order.index(name))) if wins else None


def _first(study: Study, names: Sequence[str]) -> list[Column]:
    for name in names:
        if study.has(name):
            per_video = name.endswith("_video")
            header = distance_header(name.removesuffix("_video"))
            return [Column(name, f"{header} per video" if per_video else header, False, 2)]
    return []


def _line(
    study: Study,
    spec: TableSpec,
    row: PaperRow,
    columns: Sequence[Column],
    masks: Sequence[str],
    paper: bool,
) -> Line:
    cells: list[PaperCell | GapCell] = []
    counts = (0, 0, 0)
    for mask in masks:
        entry, reference = Entry(row.restorer, mask), Entry(spec.reference, mask)
        for column in columns:
            mean = study.mean(entry, column.metric)
            other = row.restorer != spec.reference and mean is not None
            difference = study.difference(entry, reference, column) if other else None
            printed = _printed(spec.number, mask, row.label, column) if paper else None
            cells.append(PaperCell(mean, difference, printed))
            if mean is not None:
                counts = max(counts, (mean.n_clips, mean.n_subjects, len(mean.seeds)))
    note = ""
    if row.restorer not in study.restorers:
        note = study.collection.missing.get(row.restorer, NOT_EVALUATED)
        if not paper:
            cells = []
    return Line(row.label, row.restorer, tuple(cells), counts, note)


def _gap_line(
    study: Study,
    spec: TableSpec,
    pair: tuple[str, str],
    columns: Sequence[Column],
    masks: Sequence[str],
    paper: bool,
) -> Line:
    cells = [
        _gap_cell(study, Entry(pair[0], mask), Entry(pair[1], mask), column, spec, GAP, paper)
        for mask in masks
        for column in columns
    ]
    return Line(GAP, "", tuple(cells))


def _masks_line(
    study: Study, spec: TableSpec, columns: Sequence[Column], masks: Sequence[str], paper: bool
) -> Line:
    ours = spec.between_masks or spec.reference
    cells: list[PaperCell | GapCell] = []
    for mask in masks:
        for column in columns:
            if mask != "segmentation":
                cells.append(GapCell())
                continue
            outlines, boxes = Entry(ours, "segmentation"), Entry(ours, "bbox")
            cells.append(_gap_cell(study, outlines, boxes, column, spec, GAP_BETWEEN_MASKS, paper))
    return Line(GAP_BETWEEN_MASKS, "", tuple(cells))


def _gap_cell(
    study: Study,
    winner: Entry,
    second: Entry,
    column: Column,
    spec: TableSpec,
    row: str,
    paper: bool,
) -> GapCell:
    printed = _printed(spec.number, winner.mask_type, row, column) if paper else None
    first, other = study.mean(winner, column.metric), study.mean(second, column.metric)
    if first is None or other is None or other.value == 0.0:
        return GapCell(paper=printed)
    difference = study.difference(winner, second, column)
    tie = difference is not None and difference.comparison.verdict == "tie"
    return GapCell(gap(first.value, other.value, column.higher_is_better), tie, printed)


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
