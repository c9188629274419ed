"""The paper's own numbers, Tables 1 to 4, to be printed beside ours and to be checked.

``paper_values.csv`` holds them as printed: the value, and the change in percent that ▲ or ▼ stands
for (for the *Gap* rows, the gap).  Some changes disagree with the values they are made of
(decisions 19); :func:`disagreements` finds them.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HIGHER_IS_BETTER = {"FID": False, "SSIM": True, "TC": False, "FVD": False}
REFERENCES = {1: "DiffMVR", 2: "DiffMVR", 3: "Dual guide", 4: "baseline"}
# Who *Gap* compares: the winner and the second (captions of Tables 1, 2 and 4).
GAPS = {
    1: ("DiffMVR", "Tuned-runwayml"),
    2: ("DiffMVR", "PVI"),
    4: ("baseline + dual + motion", "baseline + dual"),
}
GAP, GAP_BETWEEN_MASKS = "Gap", "Gap between Masks"
_FILE = Path(__file__).with_name("paper_values.csv")


@dataclass(frozen=True)
class PaperValue:
    """One number of the paper, as printed.

    Attributes:
        table: 1 to 4.
        dataset: ``"Baby"`` or ``"HOF"``.
        mask_type: ``"segmentation"`` or ``"bbox"``.
        row: the row's name.
        metric: the column's name.
        value: the score; ``None`` in the gap rows.
        change: the printed change or gap in percent, with its sign; ``None`` where none is printed.
        digits: decimals of the value.
        change_digits: decimals of the change.
    """

    table: int
    dataset: str
    mask_type: str
    row: str
    metric: str
    value: float | None
    change: float | None
    digits: int
    change_digits: int


@dataclass(frozen=True)
class Disagreement:
    """A change that the paper's own values do not give.

    Attributes:
        printed: the number in question.
        low: the smallest change that the rounded values allow, in percent.
        high: the largest.
    """

    printed: PaperValue
    low: float
    high: float


@cache
def paper_values() -> tuple[PaperValue, ...]:
    """Return every number of the paper's four tables."""
    with _FILE.open(newline="", encoding="utf-8") as file:
        return tuple(_parsed(line) for line in csv.DictReader(file))


def paper_value(
    table: int, mask_type: str, row: str, metric: str, dataset: str = "Baby"
) -> PaperValue | None:
    """Return one number, or ``None`` if the paper prints none there."""
    for entry in paper_values():
        if (entry.table, entry.dataset, entry.mask_type) == (table, dataset, mask_type) and (
            entry.row == row and entry.metric == metric
        ):
            return entry
    return None


def relative_change(value: float, reference: float) -> float:
    """Return 100 · (value − reference) / reference, in percent: what ▲ and ▼ state."""
    return 100.0 * (value - reference) / reference


def gap(winner: float, second: float, higher_is_better: bool) -> float:
    """Return by how many percent of the second the winner is better; negative if it is worse."""
    return (1.0 if higher_is_better else -1.0) * relative_change(winner, second)


def disagreements() -> list[Disagreement]:
    """Return the printed changes and gaps that no rounding of the printed values can explain."""
    found = []
    for entry in paper_values():
        if entry.change is None:
            continue
        low, high = _allowed(entry)
        half = 0.5 * 10.0**-entry.change_digits
        # A hair more, for changes that lie on the edge in binary.
        if entry.change + half < low - 1e-9 or entry.change - half > high + 1e-9:
            found.append(Disagreement(entry, low, high))
    return found


def _allowed(entry: PaperValue) -> tuple[float, float]:
    """Return the range of the change over everything that rounds to the printed values."""
    better = HIGHER_IS_BETTER[entry.metric]
    if entry.row == GAP:
        pair = [_printed(entry, row) for row in GAPS[entry.table]]
        return _span(pair, lambda a, b: gap(a, b, better))
    if entry.row == GAP_BETWEEN_MASKS:
        pair = [_printed(entry, "DiffMVR", mask) for mask in ("segmentation", "bbox")]
        return _span(pair, lambda a, b: gap(a, b, better))
    return _span([entry, _printed(entry, REFERENCES[entry.table])], relative_change)


def _printed(entry: PaperValue, row: str, mask_type: str | None = None) -> PaperValue:
    found = paper_value(entry.table, mask_type or entry.mask_type, row, entry.metric, entry.dataset)
    if found is None or found.value is None:
        raise ValueError(f"paper_values.csv: Table {entry.table} lacks {row!r} {entry.metric}")
    return found


def _span(
    pair: Sequence[PaperValue], change: Callable[[float, float], float]
) -> tuple[float, float]:
    ends = []
    for entry in pair:
        value, half = entry.value or 0.0, 0.5 * 10.0**-entry.digits
        ends.append((value - half, value + half))
    # The change is monotonic in both, so its extremes lie in the corners.
    corners = [change(a, b) for a in ends[0] for b in ends[1]]
    return min(corners), max(corners)


def _parsed(line: Mapping[str, str]) -> PaperValue:
    value, change = line["value"], line["change_percent"]
    return PaperValue(
        table=int(line["table"]),
        dataset=line["dataset"],
        mask_type=line["mask_type"],
        row=line["row"],
        metric=line["metric"],
        value=float(value) if value else None,
        change=float(change) if change else None,
        digits=len(value.partition(".")[2]),
        change_digits=len(change.partition(".")[2]),
    )
