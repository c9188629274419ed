"""A table of one's own: any runs beside each other, in the columns that are asked for."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from diffmvr.reporting.comparison import CONDITIONS, comparison_table, default_columns
from diffmvr.reporting.rows import check_rows
from diffmvr.reporting.run_collection import Run
from diffmvr.reporting.tables import DEFAULT_COLUMNS, FACE_COLUMNS, Column, Table

log = logging.getLogger(__name__)

KNOWN = {
    column.metric: column for column in (*DEFAULT_COLUMNS, *FACE_COLUMNS, Column("tc", "TC", False))
}
DIRECTIONS = {"up": True, "down": False}


@dataclass(frozen=True)
class Contender:
    """A row of the table.

    Attributes:
        label: what the table calls it.
        runs: its runs, a seed each.
        restorer: whose scores of theirs; ``None``: the model's that each run is about.
    """

    label: str
    runs: Sequence[Run]
    restorer: str | None = None


@dataclass(frozen=True)
class Group:
    """The runs of a folder that the user names.

    Attributes:
        runs: its runs; those of one model are its seeds.
        folder: its name, without where it lies.
        label: what the user calls it, if anything.
    """

    runs: Sequence[Run]
    folder: str
    label: str | None = None


def contenders(groups: Sequence[Group], beside: Sequence[str] = ()) -> list[Contender]:
    """Return the rows that some folders of runs make.

    A row is called as the user calls its folder, else by its model; by both, or by folder and
    model, where that alone would be twice.

    Args:
        groups: the folders.
        beside: other restorers that the runs have scored, e.g. ``"telea"``.

    Raises:
        ValueError: if nobody has scored one of the others.
    """
    found = []
    named = [name for group in groups for name in dict.fromkeys(run.model for run in group.runs)]
    for group in groups:
        names = list(dict.fromkeys(run.model for run in group.runs))
        for name in names:
            own = [run for run in group.runs if run.model == name]
            before = group.label or (group.folder if named.count(name) > 1 else None)
            alone = group.label is not None and len(names) == 1
            label = before if before and alone else f"{before}: {name}" if before else name
            found.append(Contender(label, own))
    everything = [run for group in groups for run in group.runs]
    scored = sorted({name for run in everything for name in run.rows["restorer"]})
    for name in beside:
        if name not in scored:
            raise ValueError(f"beside: expected some of {scored}, got {name!r}")
        found.append(Contender(name, everything, name))
    return found


def parse_columns(names: Sequence[str] | None, rows: pl.DataFrame) -> list[Column]:
    """Return the columns of some scores.

    Args:
        names: of the scores; ``name:up`` or ``name:down`` where it is not known which way is good.
            ``None``: what every table shows.
        rows: score rows.

    Raises:
        ValueError: if there is no such score, or which way is good is neither known nor said.
    """
    if names is None:
        return [column for column in default_columns(rows) if column.metric in rows.columns]
    columns = []
    for given in names:
        name, _, direction = given.partition(":")
        if rows.schema.get(name) != pl.Float64:
            scores = [key for key, kind in rows.schema.items() if kind == pl.Float64]
            raise ValueError(f"columns: expected some of {scores}, got {name!r}")
        if direction in DIRECTIONS:
            known = KNOWN.get(name, Column(name, name, True, 4))
            columns.append(replace(known, higher_is_better=DIRECTIONS[direction]))
        elif name in KNOWN and not direction:
            columns.append(KNOWN[name])
        else:
            raise ValueError(
                f"columns: {given}: give {name}:up or {name}:down, so that it is known which way "
                "is good"
            )
    return columns


def run_tables(
    contending: Sequence[Contender],
    columns: Sequence[str] | None = None,
    reference: str | None = None,
) -> Iterator[Table]:
    """Yield a table for every set of conditions that all have been scored under.

    All numbers are of the clips that everybody has; of a difference to the reference there is the
    interval over subjects.

    Args:
        contending: the rows, in their order.
        columns: see :func:`parse_columns`.
        reference: label that the others are compared with; ``None``: the first.

    Raises:
        ValueError: if there are too few rows, the reference is none of them, or they have no
            conditions or no clips in common.
    """
    labels = [one.label for one in contending]
    if len(set(labels)) < len(labels) or not labels:
        raise ValueError(f"runs: expected different names, got {labels}; give NAME=FOLDER")
    reference = labels[0] if reference is None else reference
    if reference not in labels:
        raise ValueError(f"reference: expected one of {labels}, got {reference!r}")
    parts = [_rows(one) for one in contending]
    shared = parts[0].select(CONDITIONS).unique().sort(CONDITIONS)
    for part in parts[1:]:
        shared = shared.join(part.select(CONDITIONS).unique(), on=CONDITIONS)
    if shared.is_empty():
        got = {
            name: part.select(CONDITIONS).unique().rows()
            for name, part in zip(labels, parts, strict=True)
        }
        raise ValueError(
            f"runs: expected {', '.join(CONDITIONS)} that all have, got {got}; a table compares "
            "like with like"
        )
    whole = pl.concat(parts, how="diagonal")
    chosen = parse_columns(columns, whole)
    for conditions in shared.sort(CONDITIONS).iter_rows(named=True):
        of_these = whole.filter(pl.col(key) == value for key, value in conditions.items())
        rows = _common_clips(of_these, len(labels))
        distances = _distances(contending, conditions) if columns is None else None
        table = comparison_table(
            check_rows(rows), columns=chosen, reference=reference, distances=distances
        )
        told = ", ".join(str(value) for value in conditions.values())
        yield replace(table, title=f"Runs ({told})", corner="Run")


def _rows(one: Contender) -> pl.DataFrame:
    """Return a row's scores, under its label; what several runs have scored alike is kept once."""
    parts = []
    for run in one.runs:
        parts.append(run.rows.filter(restorer=one.restorer or run.model))
    whole = pl.concat(parts, how="diagonal").with_columns(restorer=pl.lit(one.label))
    keys = ["clip_id", "seed", *CONDITIONS]
    return whole.unique(keys, keep="first", maintain_order=True) if one.restorer else whole


def _common_clips(rows: pl.DataFrame, count: int) -> pl.DataFrame:
    has = rows.group_by("clip_id").agg(pl.col("restorer").n_unique())
    common = has.filter(restorer=count).select("clip_id")
    if common.is_empty():
        raise ValueError("runs: expected clips that all have been scored on, got none")
    if common.height < has.height:
        log.warning(
            "%d of %d clips have been scored of all; the table is of them",
            common.height,
            has.height,
        )
    return rows.join(common, on="clip_id", how="semi", maintain_order="left")


def _distances(
    contending: Sequence[Contender], conditions: Mapping[str, Any]
) -> pl.DataFrame | None:
    """Return the distances that everybody has, under the labels."""
    parts = []
    for one in contending:
        for run in one.runs:
            if run.distances is None or one.restorer is not None:
                return None
            found = run.distances.filter(pl.col(k) == v for k, v in conditions.items())
            own = found.filter(restorer=run.model)
            parts.append(own.with_columns(restorer=pl.lit(one.label)))
    whole = pl.concat(parts)
    everybody = whole.group_by("distance").agg(pl.col("restorer").n_unique())
    kept = everybody.filter(restorer=len(contending))["distance"].to_list()
    whole = whole.filter(pl.col("distance").is_in(kept))
    return None if whole.is_empty() else whole
