import pytest

from diffmvr.reporting.paper_values import (
    GAP,
    GAP_BETWEEN_MASKS,
    disagreements,
    gap,
    paper_value,
    paper_values,
    relative_change,
)


def test_the_tables_are_whole() -> None:
    counts = dict.fromkeys((1, 2, 3, 4), 0)
    for entry in paper_values():
        counts[entry.table] += 1
    # Rows × scores, the row Gap, and for two tables the row Gap between masks of one block.
    assert counts == {1: 8 * 9 + 9 + 3, 2: 8 * 8 + 8 + 4, 3: 4 * 4, 4: 4 * 4 + 4}


@pytest.mark.parametrize(
    ("key", "value", "change"),
    [
        ((1, "segmentation", "DiffMVR", "SSIM"), 0.898, None),
        ((1, "bbox", "Tuned-runwayml", "FID"), 2.126, -3.2),
        ((2, "bbox", "PVI", "FVD"), 51.04, 1.1),
        ((3, "segmentation", "Single guide (present frame)", "FVD"), 72.79, 51.5),
        ((4, "segmentation", "baseline + dual + motion", "TC"), 0.34, -17.1),
        ((2, "segmentation", GAP_BETWEEN_MASKS, "FVD"), None, 4.79),
    ],
)
def test_as_printed(
    key: tuple[int, str, str, str], value: float | None, change: float | None
) -> None:
    found = paper_value(*key)
    assert found is not None and (found.value, found.change) == (value, change)


def test_what_the_paper_does_not_print() -> None:
    assert paper_value(3, "bbox", "Dual guide", "FID") is None
    hof = paper_value(1, "segmentation", "LaMa", "FID", "HOF")
    assert hof is not None and hof.value == 7.025


def test_the_captions_definitions_give_the_printed_gaps() -> None:
    # Caption of Table 1: 0.898 against 0.760 is +18.16 %, 0.395 against 0.430 is +8.14 %.
    assert round(gap(0.898, 0.760, True), 2) == 18.16
    assert round(gap(0.395, 0.430, False), 2) == 8.14
    assert round(gap(2.10, 2.32, False), 2) == 9.48
    assert round(relative_change(3.066, 2.363), 1) == 29.8
    printed = paper_value(1, "segmentation", GAP, "SSIM")
    assert printed is not None and printed.change == 18.16


def test_where_the_paper_disagrees_with_itself() -> None:
    found = [
        (d.printed.table, d.printed.mask_type, d.printed.row, d.printed.metric, d.printed.change)
        for d in disagreements()
    ]
    assert found == [
        (1, "bbox", "Tuned-stabilityai", "TC", 1.1),
        (1, "segmentation", "Runwayml", "FID", 33.5),
        (1, "bbox", "Runwayml", "FID", 0.1),
        (1, "segmentation", GAP_BETWEEN_MASKS, "FID", 7.6),
        (2, "segmentation", GAP, "SSIM", 1.25),
    ]
    runwayml = disagreements()[1]
    assert runwayml.low < 100 * (2.913 / 2.363 - 1) < runwayml.high
