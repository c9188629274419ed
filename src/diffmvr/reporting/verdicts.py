"""Does each of the paper's claims hold?  Read off the rows of a study alone.

A claim is one or more comparisons, each in several scores.  A comparison *holds* if the first is
better in at least one score and worse in none, *does not hold* the other way round, is *mixed* if
it is better in one and worse in another, and a *tie* if every interval covers 0.  A claim is what
all of its comparisons say together; it *holds in part* if it holds in some and the rest are ties.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from diffmvr.reporting.differences import Entry, Study
from diffmvr.reporting.rendering import markdown_line
from diffmvr.reporting.tables import NOTHING, Column, Difference
from diffmvr.text import csv_text

Verdict = Literal["holds", "holds in part", "does not hold", "mixed", "tie", "not measured"]


@dataclass(frozen=True)
class Claim:
    """A claim to be tried.

    Attributes:
        text: what is claimed: the first of each pair is better.
        pairs: who is compared with whom.
        columns: the scores that decide.
        beside: scores shown that do not decide.
    """

    text: str
    pairs: tuple[tuple[Entry, Entry], ...]
    columns: tuple[Column, ...]
    beside: tuple[Column, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One comparison of a claim.

    Attributes:
        first: who is said to be better.
        second: than whom.
        differences: first − second in each score of the claim, those beside it last.
        verdict: on the scores that decide.
    """

    first: Entry
    second: Entry
    differences: tuple[Difference | None, ...]
    verdict: Verdict


@dataclass(frozen=True)
class Trial:
    """A claim and what became of it.

    Attributes:
        claim: the claim.
        findings: of each pair that was measured.
        verdict: of all together.
    """

    claim: Claim
    findings: tuple[Finding, ...]
    verdict: Verdict


def try_claim(study: Study, claim: Claim) -> Trial:
    """Compare every pair of a claim whose scores are there."""
    findings = []
    for first, second in claim.pairs:
        columns = (*claim.columns, *claim.beside)
        differences = tuple(study.difference(first, second, column) for column in columns)
        if any(difference is not None for difference in differences):
            deciding = differences[: len(claim.columns)]
            findings.append(Finding(first, second, differences, _of_scores(deciding)))
    return Trial(claim, tuple(findings), _of_findings([entry.verdict for entry in findings]))


def verdicts_markdown(trials: Sequence[Trial], labels: dict[str, str]) -> str:
    """Return the verdicts: a list of all claims, then each with its differences.

    Args:
        trials: the claims tried.
        labels: names to show, by restorer.
    """
    lines = ["# Do the claims hold?", ""]
    lines += [f"- {trial.claim.text} **{_said(trial)}**" for trial in trials]
    lines += [
        "",
        "Holds: better in at least one deciding score and worse in none; does not hold: the other "
        "way round; mixed: better in one, worse in another; tie: every interval covers 0; a claim "
        "holds in part if some of its comparisons hold and the rest are ties. "
        "Differences are first − second with the 95 % interval over subjects (paired bootstrap, "
        "the seeds of a clip averaged first), ≈ a tie; in parentheses how many seeds alone agree "
        "in sign. Columns after the bar ‖ are shown and do not decide.",
    ]
    for trial in trials:
        lines += ["", f"## {trial.claim.text}", "", f"**{_said(trial)}**", ""]
        if trial.findings:
            lines += _differences_table(trial, labels)
    return "\n".join(lines) + "\n"


def verdicts_csv(trials: Sequence[Trial]) -> str:
    """Return one line a claim, comparison and score, numbers in full."""
    head = ("claim", "verdict", "first", "first_masks", "second", "second_masks", "comparison")
    numbers = ("decides", "score", "higher_is_better", "difference", "low", "high", "score_verdict")
    lines: list[list[object]] = [
        [*head, *numbers, "change_percent", "seeds_agreeing", "n_seeds"],
    ]
    for trial in trials:
        claim = trial.claim
        columns = (*claim.columns, *claim.beside)
        for found in trial.findings:
            names = [found.first.restorer, found.first.mask_type]
            names += [found.second.restorer, found.second.mask_type]
            for index, (column, difference) in enumerate(
                zip(columns, found.differences, strict=True)
            ):
                if difference is None:
                    continue
                own = difference.comparison
                decides = index < len(claim.columns)
                score = [decides, column.metric, column.higher_is_better]
                values = [own.mean_difference, own.low, own.high, own.verdict]
                seeds = [difference.relative, difference.agreeing, difference.n_seeds]
                key = [claim.text, trial.verdict, *names, found.verdict]
                lines.append([*key, *score, *values, *seeds])
    return csv_text(lines)


def _of_scores(differences: Sequence[Difference | None]) -> Verdict:
    said = {entry.comparison.verdict for entry in differences if entry is not None}
    if not said:
        return "not measured"
    if {"better", "worse"} <= said:
        return "mixed"
    if "better" in said:
        return "holds"
    return "does not hold" if "worse" in said else "tie"


def _of_findings(verdicts: Sequence[Verdict]) -> Verdict:
    said = set(verdicts) - {"not measured"}
    if not said:
        return "not measured"
    if len(said) == 1:
        return next(iter(said))
    if said == {"holds", "tie"}:
        return "holds in part"
    return "does not hold" if said == {"does not hold", "tie"} else "mixed"


def _said(trial: Trial) -> str:
    counts = Counter(found.verdict for found in trial.findings)
    if len(trial.findings) < 2 or len(counts) == 1:
        return trial.verdict
    parts = ", ".join(f"{verdict} in {count}" for verdict, count in counts.items())
    return f"{trial.verdict} ({parts} of {len(trial.findings)})"


def _differences_table(trial: Trial, labels: dict[str, str]) -> list[str]:
    claim = trial.claim
    deciding = [column.title for column in claim.columns]
    beside = [column.title for column in claim.beside]
    marked = [f"‖ {beside[0]}", *beside[1:]] if beside else []
    lines = [markdown_line(["first", "second", "verdict", *deciding, *marked])]
    lines.append(markdown_line(["---"] * 3 + ["---:"] * (len(deciding) + len(beside))))
    for found in trial.findings:
        names = [f"{labels.get(e.restorer, e.restorer)}, {e.mask_type}" for e in _pair(found)]
        cells = [
            _difference_text(difference, column)
            for difference, column in zip(
                found.differences, (*claim.columns, *claim.beside), strict=True
            )
        ]
        lines.append(markdown_line([*names, found.verdict, *cells]))
    return lines


def _pair(found: Finding) -> tuple[Entry, Entry]:
    return found.first, found.second


def _difference_text(difference: Difference | None, column: Column) -> str:
    if difference is None:
        return NOTHING
    own, digits = difference.comparison, column.digits
    sign = "≈ " if own.verdict == "tie" else ""
    seeds = f" ({difference.agreeing}/{difference.n_seeds})" if difference.n_seeds > 1 else ""
    return (
        f"{sign}{own.mean_difference:+.{digits}f} "
        f"[{own.low:+.{digits}f}, {own.high:+.{digits}f}]{seeds}"
    )
