import csv
import io
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console
from tests.helpers.study import EXPERIMENTS, SCORES, SUBJECTS, score, write_run, write_study

from diffmvr.reporting.claims import paper_claims
from diffmvr.reporting.differences import Entry, Study
from diffmvr.reporting.paper_tables import (
    SSIM,
    TableSpec,
    hole_columns,
    paper_table,
    table_columns,
)
from diffmvr.reporting.rendering import print_table, to_latex, to_markdown
from diffmvr.reporting.run_collection import collect, find_runs
from diffmvr.reporting.table_csv import LONG_COLUMNS, long_records, to_long_csv
from diffmvr.reporting.tables import Cell, Column
from diffmvr.reporting.verdicts import Claim, try_claim, verdicts_csv, verdicts_markdown

ROWS = {
    "dual_motion": "DiffMVR",
    "lama": "LaMa",
    "pvi": "PVI",
    "telea": "Telea",
    "flow": "Flow",
    "mirror": "Mirror",
}
SPEC = TableSpec(
    1,
    "Frame level",
    ROWS,
    ["dual_motion", "lama", "pvi"],
    reference="dual_motion",
    gap=("dual_motion", None),
    rivals=("lama", "pvi", "telea", "flow"),
    between_masks="dual_motion",
)
PSNR = Column("psnr_hole", "PSNR hole", True)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study_of(write_study(tmp_path_factory.mktemp("study")))


def study_of(folder: Path) -> Study:
    return Study(collect(find_runs([folder])))


def mean_of(name: str, lift: float, seeds: int = 2) -> float:
    """The mean by hand, from the helper's own formula."""
    values = [score(name, lift, subject, s) for subject in range(SUBJECTS) for s in range(seeds)]
    return sum(values) / len(values)


def test_means_and_spread(study: Study) -> None:
    found = study.mean(Entry("dual", "bbox"), "psnr_hole")
    assert found is not None
    assert found.value == pytest.approx(mean_of("psnr_hole", EXPERIMENTS["dual"]))
    assert (found.n_clips, found.n_subjects, sorted(found.seeds)) == (SUBJECTS, SUBJECTS, [0, 1])
    assert found.spread == pytest.approx(0.01 / 2**0.5)
    assert study.mean(Entry("telea", "bbox"), "psnr_hole").spread is None  # type: ignore[union-attr]
    assert study.mean(Entry("nobody", "bbox"), "psnr_hole") is None
    assert study.mean(Entry("telea", "bbox"), "lpips") is None
    distance = study.mean(Entry("dual", "bbox"), "fd_clip_tiny")
    assert distance is not None and distance.value == pytest.approx(48.05)


def test_differences_and_their_intervals(study: Study) -> None:
    ours, base = Entry("dual_motion", "bbox"), Entry("baseline", "bbox")
    found = study.difference(ours, base, PSNR)
    assert found is not None and found.comparison.verdict == "better"
    assert found.comparison.mean_difference == pytest.approx(2.0)
    assert found.relative == pytest.approx(200.0 / mean_of("psnr_hole", 0.0))
    assert (found.agreeing, found.n_seeds) == (2, 2)
    # Against one without seeds every seed is compared.
    floor = study.difference(ours, Entry("flow", "bbox"), PSNR)
    assert floor is not None and floor.comparison.verdict == "worse" and floor.n_seeds == 2
    distance = study.difference(ours, base, Column("fd_clip_tiny", "FD", False))
    assert distance is not None and distance.comparison.verdict == "better"
    assert distance.comparison.mean_difference == pytest.approx(-4.0)
    assert study.difference(ours, Entry("nobody", "bbox"), PSNR) is None
    assert study.difference(ours, ours, PSNR).comparison.verdict == "tie"  # type: ignore[union-attr]


def test_columns_carry_the_name_of_what_measured_them(study: Study) -> None:
    headers = [column.header for column in table_columns(study, 1)]
    assert headers == ["Fréchet distance (clip_tiny)", "SSIM", "TC"]
    per_video = [column.metric for column in table_columns(study, 2)]
    assert per_video == ["fd_clip_tiny_video", "ssim", "tc", "fvd_clip_tiny"]
    assert [column.metric for column in hole_columns(study)] == [
        "psnr_hole",
        "ssim_hole",
        "tc_diff",
    ]
    with pytest.raises(ValueError, match="number: expected one of"):
        table_columns(study, 5)


def test_a_table_of_the_paper(study: Study) -> None:
    table = paper_table(study, SPEC, table_columns(study, 1))
    assert table.masks == ("segmentation", "bbox")
    assert [row.label for row in table.rows] == [
        *("DiffMVR", "LaMa", "PVI", "Telea", "Flow", "Gap", "Gap between Masks")
    ], "who is not required and was not scored is left out"
    ours, lama, pvi, telea, _, gap, between = table.rows
    assert (ours.n_clips, ours.n_subjects, ours.n_seeds) == (SUBJECTS, SUBJECTS, 2)
    assert lama.note.startswith("weights not present") and not lama.cells
    assert pvi.note == "not evaluated"
    assert ours.cells[1].difference is None
    ssim = mean_of("ssim", 2.0 + 0.5)
    cell = telea.cells[1]
    assert cell.difference is not None
    # Ours is 5 better, and its second seed 0.01 more.
    expected = -100 * 5.005 * SCORES["ssim"][1] / ssim
    assert cell.relative == cell.difference.relative == pytest.approx(expected)

    # Flow is the second: the best of the rivals in every score.
    flow = mean_of("ssim", 3.0 + 0.5, seeds=1)
    assert gap.cells[1].gap == pytest.approx(100 * (ssim - flow) / flow)
    boxes = mean_of("ssim", 2.0)
    assert between.cells[1].gap == pytest.approx(100 * (ssim - boxes) / boxes)
    assert between.cells[3] == Cell(), "undefined for boxes"
    # The helper's distances do not differ between masks.
    assert between.cells[0].is_tie
    assert "in % of Flow's." in table.caption
    assert "abcdef012345" in table.caption


def test_the_reference_must_have_scores(study: Study) -> None:
    spec = TableSpec(3, "Guides", {"nobody": "Nobody"}, [], "nobody")
    with pytest.raises(ValueError, match="table 3: expected scores of 'nobody', which the others"):
        paper_table(study, spec, (SSIM,))


def test_sizes_are_not_mixed(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "a", {"a": 1.0})
    runs = find_runs([tmp_path])
    larger = runs[0].rows.with_columns(resolution=pl.lit(128, pl.Int64))
    rows = pl.concat([runs[0].rows, larger])
    whole = collect(runs)
    mixed = Study(type(whole)(whole.runs, rows, None, {}))
    with pytest.raises(ValueError, match=r"a was scored with resolution \[64, 128\]"):
        mixed.mean(Entry("a", "segmentation"), "ssim")


def test_markdown_and_latex_and_csv(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    table = paper_table(study, SPEC, table_columns(study, 1), paper=True)
    markdown = to_markdown(table)
    telea = next(line for line in markdown.splitlines() if line.startswith("| Telea"))
    assert "▼" in telea and "[-0.050, -0.050]" in telea
    lama = next(line for line in markdown.splitlines() if line.startswith("| LaMa"))
    assert "weights not present: big-lama.pt" in lama and "— (paper 0.712▼20.7%)" in lama
    assert "| Gap between Masks |" in markdown and "(paper +7.60%)" in markdown
    widths = {line.count("|") for line in markdown.splitlines() if line.startswith("|")}
    assert len(widths) == 1, "every row has every column"

    latex = to_latex(table)
    assert r"\multicolumn{3}{c}{Segmented masks}" in latex and r"\cmidrule(lr){5-7}" in latex
    assert latex.count(r"\begin{") == latex.count(r"\end{")
    assert "▲" not in latex and "≈" not in latex and r"clip\_tiny" in latex

    lines = to_long_csv(table).splitlines()
    assert lines[0].split(",") == list(LONG_COLUMNS)
    assert len(lines) - 1 == len(table.rows) * 2 * 3 == len(long_records(table))
    assert {len(record) for record in long_records(table)} == {len(LONG_COLUMNS)}

    print_table(table)
    assert "Bounding boxes" in capsys.readouterr().out


@pytest.mark.parametrize(("width", "scores"), [(240, 3), (90, 3), (60, 2), (52, 1)])
def test_a_narrow_console_shows_fewer_columns_and_whole_names(
    study: Study, width: int, scores: int
) -> None:
    table = paper_table(study, SPEC, table_columns(study, 1))
    console = Console(width=width, record=True, file=io.StringIO())
    print_table(table, console)
    text = console.export_text()
    assert all(len(line) <= width for line in text.splitlines())
    for label in ("DiffMVR", "LaMa", "Telea", "Gap between Masks"):
        assert text.count(f"│ {label} ") == 2, "once for each kind of masks"
    telea = next(line for line in text.splitlines() if line.startswith("│ Telea "))
    assert telea.count("│") - 3 == scores
    assert ("[-0.050, -0.050]" in telea, "▼" in telea or scores == 1) == (width == 240, True)
    assert "weights not present" in text.split("PVI: not evaluated")[0].split("LaMa: ")[1]


def test_ties_are_shown_as_ties(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "a", {"dual_motion": 0.0, "telea": 0.0})
    table = paper_table(study_of(tmp_path), SPEC, (SSIM,))
    telea = next(line for line in to_markdown(table).splitlines() if line.startswith("| Telea"))
    assert "≈0.0%" in telea and "▲" not in telea


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ("dual_motion", "motion", "holds"),
        ("baseline", "dual", "does not hold"),
        ("dual", "motion", "tie"),
        ("dual", "nobody", "not measured"),
    ],
)
def test_verdicts(study: Study, first: str, second: str, verdict: str) -> None:
    pairs = ((Entry(first, "bbox"), Entry(second, "bbox")),)
    assert try_claim(study, Claim("it is better", pairs, (SSIM, PSNR))).verdict == verdict


def test_verdicts_of_several_comparisons(study: Study) -> None:
    def said(*others: str) -> str:
        pairs = tuple((Entry("dual", "bbox"), Entry(other, "bbox")) for other in others)
        return try_claim(study, Claim("it is better", pairs, (SSIM,))).verdict

    assert said("baseline", "motion") == "holds in part"
    assert said("motion", "dual_motion") == "does not hold"
    assert said("baseline", "dual_motion") == "mixed"


def test_the_papers_claims(study: Study) -> None:
    trials = [
        try_claim(study, claim) for claim in paper_claims(study, "diffmvr", ["lama"], ["flow"])
    ]
    verdicts = {trial.claim.text.split(" (")[0]: trial.verdict for trial in trials}
    assert verdicts["Both guides are better than the past frame alone"] == "holds"
    assert verdicts["The motion loss lowers TC"] == "holds"
    assert verdicts["DiffMVR as in the paper is better than the learned rivals"] == "not measured"
    assert verdicts["DiffMVR as in the paper is better than the floor"] == "does not hold"
    assert verdicts["The model that ships is better than the floor"] == "holds"
    text = verdicts_markdown(trials, {"dual_motion": "DiffMVR"})
    assert "| DiffMVR, bbox | motion, bbox | holds |" in text and "(2/2)" in text
    records = list(csv.DictReader(io.StringIO(verdicts_csv(trials))))
    lowered = [r for r in records if r["claim"] == "The motion loss lowers TC (Table 4)."]
    assert {r["verdict"] for r in lowered} == {"holds"}
    assert [r["score"] for r in lowered if r["decides"] == "True"] == ["tc"] * 4
