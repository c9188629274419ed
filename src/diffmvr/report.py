"""``python -m diffmvr.report table=all source=RUNS``: the paper's tables from finished runs.

``output`` then holds ``table1.md``, ``.tex`` and ``.csv`` up to ``table4``, the same of the
restored pixels alone (``table1_hole.md`` …), ``verdicts.md`` and ``.csv``, a table of each sweep
(``sweep_lambda.md`` …), and figures as PNG.  With ``runs=[…]`` it is one table of those runs,
``runs.md``, ``.tex`` and ``.csv``, or one for each set of conditions.
"""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table as Grid

from diffmvr.checks import check_one_of
from diffmvr.cli import entry_point
from diffmvr.parsing import read_settings, user_path
from diffmvr.reporting.claims import paper_claims
from diffmvr.reporting.differences import Study
from diffmvr.reporting.paper_tables import TableSpec, hole_columns, paper_table, table_columns
from diffmvr.reporting.paper_values import disagreements
from diffmvr.reporting.plots import draw_figures
from diffmvr.reporting.rendering import print_table, to_latex, to_markdown
from diffmvr.reporting.run_collection import collect, find_runs, save_collection
from diffmvr.reporting.run_table import Group, contenders, run_tables
from diffmvr.reporting.sweeps import find_sweeps
from diffmvr.reporting.table_csv import LONG_COLUMNS, long_records, to_csv, to_long_csv
from diffmvr.reporting.tables import Table
from diffmvr.reporting.verdicts import Trial, try_claim, verdicts_csv, verdicts_markdown
from diffmvr.reporting.wandb_source import WANDB_PREFIX, fetch_wandb_runs
from diffmvr.training.wandb_logger import build_wandb_logger, finish_wandb

log = logging.getLogger(__name__)

TABLES = ("1", "2", "3", "4")
GUIDES = {
    "dual_motion": "Dual guide",
    "symmetric_motion": "Single guide (symmetric)",
    "motion": "Single guide (past frame)",
    "present_motion": "Single guide (present frame)",
}
# What the six experiments are called in figures and verdicts.
EXPERIMENTS = {
    "baseline": "Past",
    "motion": "Past + motion",
    "dual": "Dual",
    "symmetric_motion": "Symmetric + motion",
    "present_motion": "Present + motion",
}
LOSSES = {
    "baseline": "baseline",
    "dual": "baseline + dual",
    "motion": "baseline + motion",
    "dual_motion": "baseline + dual + motion",
}


@dataclass(frozen=True)
class ReportSettings:
    """What ``conf/report.yaml`` holds; every key is explained there.

    Raises:
        ValueError: if a value is unknown.
    """

    source: Any
    table: str = "all"
    runs: Any = None
    columns: list[str] | None = None
    reference: str | None = None
    beside: list[str] = field(default_factory=list)
    sweeps: Any = None
    output: str | None = None
    paper_values: bool = False
    figures: bool = True
    collect: bool = False
    wandb: bool = False
    online: bool = False
    project: str = "diffmvr"
    ours: str = "dual_motion"
    product: str = "diffmvr"
    paper_systems: dict[str, str] = field(default_factory=dict)
    learned: dict[str, str] = field(default_factory=dict)
    floor: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_one_of("table", self.table, ("all", *TABLES))
        if self.output is None and (self.collect or self.wandb):
            raise ValueError("output: expected a folder, got none; give output=DIR")

    @property
    def numbers(self) -> tuple[int, ...]:
        """The tables asked for."""
        return tuple(int(name) for name in TABLES if self.table in ("all", name))

    @property
    def rivals(self) -> dict[str, str]:
        """Everybody that DiffMVR competes with, by name."""
        return {**self.paper_systems, **self.learned, **self.floor}

    @property
    def labels(self) -> dict[str, str]:
        """What to call each restorer of Tables 1 and 2."""
        ours = {self.ours: "DiffMVR", self.product: "DiffMVR as it ships (not the paper's)"}
        return {**ours, **self.rivals, **self.others}


def report(settings: ReportSettings) -> list[Table]:
    """Make the tables, verdicts and figures, show them and write them.

    Returns:
        The tables.

    Raises:
        FileNotFoundError: if there are no finished runs.
        ValueError: if the runs contradict each other, or lack who a table relates to.
    """
    if settings.runs is not None:
        return report_runs(settings)
    with tempfile.TemporaryDirectory() as folder:
        runs = find_runs(_sources(settings.source, Path(folder)))
        sweeps = find_runs(_sources(settings.sweeps, Path(folder))) if settings.sweeps else []
    found = list(find_sweeps(sweeps))
    study = Study(collect(runs))
    tables, hole = paper_tables(study, settings)
    learned = [*settings.paper_systems, *settings.learned]
    claims = paper_claims(study, settings.product, learned, list(settings.floor))
    trials = [try_claim(study, claim) for claim in claims] if settings.table == "all" else []
    labels = {**EXPERIMENTS, **settings.labels}

    console = Console()
    for table in tables:
        print_table(table, console)
    verdicts = Grid.grid(padding=(0, 2))
    verdicts.add_column(justify="right", no_wrap=True)
    for trial in trials:
        verdicts.add_row(trial.verdict, trial.claim.text)
    if trials:
        console.print(verdicts)
    if settings.output is not None:
        output = user_path(settings.output)
        _write(tables, hole, trials, labels, output)
        for sweep in found:
            compared = sweep.table()
            (output / f"sweep_{sweep.name}.md").write_text(to_markdown(compared), encoding="utf-8")
            (output / f"sweep_{sweep.name}.csv").write_text(to_csv(compared), encoding="utf-8")
        if settings.paper_values:
            (output / "paper_disagreements.md").write_text(_disagreements(), encoding="utf-8")
        if settings.figures:
            draw_figures(runs, found, labels, output / "figures")
        if settings.collect:
            save_collection(runs, output / "rows")
            if sweeps:
                save_collection(sweeps, output / "sweeps")
        if settings.wandb:
            log_to_wandb(tables, settings, output)
        log.info("written to %s", output)
    return tables


def report_runs(settings: ReportSettings) -> list[Table]:
    """Make a table of runs, show it and write it; see :func:`run_tables`.

    Raises:
        FileNotFoundError: if a folder holds no finished run.
        ValueError: if the runs cannot stand beside each other.
    """
    given = [settings.runs] if isinstance(settings.runs, str) else list(map(str, settings.runs))
    groups = []
    with tempfile.TemporaryDirectory() as folder:
        for entry in given:
            label, equals, place = entry.partition("=")
            is_named = bool(equals) and not user_path(entry).exists()
            place = place if is_named else entry
            runs = find_runs(_sources(place, Path(folder)))
            groups.append(Group(runs, Path(place).name, label if is_named else None))
    found = contenders(groups, settings.beside)
    tables = list(run_tables(found, settings.columns, settings.reference))
    for table in tables:
        print_table(table, Console())
    if settings.output is not None:
        output = user_path(settings.output)
        output.mkdir(parents=True, exist_ok=True)
        for number, table in enumerate(tables, 1):
            _write_table(table, output, "runs" if len(tables) == 1 else f"runs_{number}")
        if settings.wandb:
            log_to_wandb(tables, settings, output)
        log.info("written to %s", output)
    return tables


def paper_tables(study: Study, settings: ReportSettings) -> tuple[list[Table], list[Table]]:
    """Build the tables asked for, and those of the restored pixels alone.

    With ``table=all`` a table whose reference was never scored is left out with a warning, as long
    as one remains.

    Raises:
        ValueError: if no table can be built.
    """
    tables, hole, problems = [], [], []
    for number in settings.numbers:
        spec = table_spec(settings, number)
        try:
            columns = table_columns(study, number)
            tables.append(paper_table(study, spec, columns, settings.paper_values))
        except ValueError as error:
            problems.append(str(error))
            continue
        if number != 2 and hole_columns(study):
            hole.append(paper_table(study, spec, hole_columns(study)))
    if not tables:
        raise ValueError(problems[0])
    for problem in problems:
        log.warning("left out: %s", problem)
    return tables, hole


def table_spec(settings: ReportSettings, number: int) -> TableSpec:
    """Return who stands in a table, as in the paper."""
    if number == 3:
        return TableSpec(3, "Guides, with motion loss", GUIDES, [*GUIDES], "dual_motion")
    if number == 4:
        gap = ("dual_motion", "dual")
        return TableSpec(4, "Guides and losses", LOSSES, [*LOSSES], "baseline", gap)
    return TableSpec(
        number,
        "Frame level" if number == 1 else "Video level",
        settings.labels,
        required=[settings.ours, *settings.paper_systems],
        reference=settings.ours,
        gap=(settings.ours, None),
        rivals=tuple(settings.rivals),
        between_masks=settings.ours,
    )


def log_to_wandb(tables: Sequence[Table], settings: ReportSettings, output: Path) -> None:
    """Put the tables into a W&B run, offline unless asked."""
    logger = build_wandb_logger(
        output,
        settings.project,
        group="report",
        job_type="report",
        name="report",
        online=settings.online,
    )
    import wandb  # after the logger has set what wandb reads when it is imported

    try:
        for place, table in enumerate(tables, 1):
            data = wandb.Table(columns=list(LONG_COLUMNS), data=long_records(table))
            name = f"table{table.number}" if table.number else f"runs_{place}"
            logger.experiment.log({name: data})
    finally:
        finish_wandb([logger])


def _sources(source: Any, folder: Path) -> list[Path]:
    """Return the folders that are named, runs of W&B fetched into one of their own."""
    names = [source] if isinstance(source, str) else list(source)
    return [
        fetch_wandb_runs(name.removeprefix(WANDB_PREFIX), folder)
        if name.startswith(WANDB_PREFIX)
        else user_path(name)
        for name in map(str, names)
    ]


def _write(
    tables: Sequence[Table],
    hole: Sequence[Table],
    trials: Sequence[Trial],
    labels: dict[str, str],
    output: Path,
) -> None:
    output.mkdir(parents=True, exist_ok=True)
    named = [(f"table{table.number}", table) for table in tables]
    named += [(f"table{table.number}_hole", table) for table in hole]
    for name, table in named:
        _write_table(table, output, name)
    if trials:
        (output / "verdicts.md").write_text(verdicts_markdown(trials, labels), encoding="utf-8")
        (output / "verdicts.csv").write_text(verdicts_csv(trials), encoding="utf-8")


def _write_table(table: Table, output: Path, name: str) -> None:
    (output / f"{name}.md").write_text(to_markdown(table), encoding="utf-8")
    (output / f"{name}.tex").write_text(to_latex(table), encoding="utf-8")
    (output / f"{name}.csv").write_text(to_long_csv(table), encoding="utf-8")


def _disagreements() -> str:
    lines = [
        "# Where the paper's changes disagree with its own values",
        "",
        "Printed changes and gaps that no rounding of the printed values can give.",
        "",
        "| Table | Masks | Row | Score | Printed | The values give |",
        "| ---: | --- | --- | --- | ---: | ---: |",
    ]
    for found in disagreements():
        entry = found.printed
        lines.append(
            f"| {entry.table} | {entry.dataset}, {entry.mask_type} | {entry.row} | {entry.metric} "
            f"| {entry.change:+.{entry.change_digits}f}% | {found.low:+.2f} to {found.high:+.2f}% |"
        )
    return "\n".join(lines) + "\n"


@entry_point("report")
def main(config: DictConfig) -> None:
    """Report with the composed configuration."""
    report(read_settings(ReportSettings, config, {"source": "a study's folder; give source=DIR"}))


if __name__ == "__main__":
    main()
