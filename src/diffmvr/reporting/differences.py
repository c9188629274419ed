"""Which of two restorers is better in a score, from the rows of a study alone.

A score is either a mean over clips (a column of the per-clip rows) or a number of a whole set (a
Fréchet distance).  Seeds of one clip are averaged first; the interval is over subjects and says
nothing of the seeds, whose spread is reported beside it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from diffmvr.metrics.bootstrap import PairedComparison, paired_bootstrap, paired_replicates
from diffmvr.reporting.run_collection import Collection
from diffmvr.reporting.tables import Cell, Column, Difference, Mean


@dataclass(frozen=True)
class Entry:
    """A restorer under one kind of masks: what a table's row is about."""

    restorer: str
    mask_type: str


class Study:
    """Looks scores and differences up in a collection.

    Args:
        collection: the runs.
    """

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self._tables: dict[tuple[Entry, str], pl.DataFrame] = {}

    @cached_property
    def restorers(self) -> tuple[str, ...]:
        """Everybody with rows, as they first appear."""
        return tuple(dict.fromkeys(self.collection.rows["restorer"]))

    @cached_property
    def mask_types(self) -> tuple[str, ...]:
        """Kinds of masks with rows, segmented ones first, as in the paper."""
        found = set(self.collection.rows["mask_type"])
        return tuple(sorted(found, key=lambda name: (name != "segmentation", name)))

    @cached_property
    def distances(self) -> tuple[str, ...]:
        """Names of the distances that were measured."""
        found = self.collection.distances
        return () if found is None else tuple(dict.fromkeys(found["distance"]))

    def has(self, metric: str) -> bool:
        """Return whether anybody has this score."""
        return metric in self.distances or metric in self.collection.rows.columns

    def mean(self, entry: Entry, metric: str) -> Mean | None:
        """Return a restorer's score, or ``None`` if there is nothing to score."""
        table = self._table(entry, metric)
        if table.is_empty():
            return None
        if metric in self.distances:
            values = dict(zip(table["seed"], table["value"], strict=True))
            return Mean(
                float(np.mean(list(values.values()))),
                values,
                table["n_samples"][0],
                table["n_subjects"][0],
            )
        clips = _per_clip(table, metric)
        by_seed = table.group_by("seed", maintain_order=True).agg(pl.col(metric).mean())
        return Mean(
            float(clips[metric].to_numpy().mean()),
            dict(by_seed.iter_rows()),
            clips.height,
            clips["subject_id"].n_unique(),
        )

    def cell(self, entry: Entry, reference: Entry | None, column: Column) -> Cell:
        """Return a restorer's score, beside its difference to a reference that is another."""
        mean = self.mean(entry, column.metric)
        if mean is None or reference is None or entry == reference:
            return Cell(mean)
        found = self.difference(entry, reference, column)
        change = self._change(*self._tables_of(entry, reference, column.metric), column.metric)
        return Cell(mean, found, _percent(*change) if change is not None else None)

    def difference(self, a: Entry, b: Entry, column: Column) -> Difference | None:
        """Return a − b, or ``None`` if they have too little in common for an interval."""
        metric = column.metric
        first, second = self._tables_of(a, b, metric)
        change = self._change(first, second, metric)
        compare = _compare_sets if metric in self.distances else _compare_clips
        comparison = compare(first, second, column)
        if comparison is None or change is None:
            return None
        signs = []
        for seed in sorted(set(first["seed"]) | set(second["seed"])):
            # Who has but one seed (the floor has none) meets every seed of the other.
            parts = [
                t.filter(seed=seed) if t["seed"].n_unique() > 1 else t for t in (first, second)
            ]
            if parts[0].is_empty() or parts[1].is_empty():
                continue
            own = self._change(parts[0], parts[1], metric)
            signs.append(own is not None and own[0] * comparison.mean_difference > 0)
        return Difference(comparison, _percent(*change), sum(signs), len(signs))

    def _tables_of(self, a: Entry, b: Entry, metric: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        return self._table(a, metric), self._table(b, metric)

    def _table(self, entry: Entry, metric: str) -> pl.DataFrame:
        key = (entry, metric)
        if key not in self._tables:
            self._tables[key] = self._looked_up(entry, metric)
        return self._tables[key]

    def _looked_up(self, entry: Entry, metric: str) -> pl.DataFrame:
        found = self.collection.distances
        who = {"restorer": entry.restorer, "mask_type": entry.mask_type}
        if found is not None and metric in self.distances:
            return found.filter(distance=metric, **who).drop_nulls("value").sort("seed")
        rows = self.collection.rows
        if metric not in rows.columns:
            return rows.clear()
        own = rows.filter(**who).drop_nulls(metric)
        for name in ("resolution", "clip_length"):
            if own[name].n_unique() > 1:
                raise ValueError(
                    f"rows: {entry.restorer} was scored with {name} {sorted(set(own[name]))}; a "
                    "table compares like with like, so give source the runs of one kind"
                )
        return own.sort("clip_id", "seed")

    def _change(self, a: pl.DataFrame, b: pl.DataFrame, metric: str) -> tuple[float, float] | None:
        """Return a − b and b on what both have, or ``None`` if that is nothing."""
        if metric in self.distances:
            if a.is_empty() or b.is_empty():
                return None
            base = float(b["value"].to_numpy().mean())
            return float(a["value"].to_numpy().mean()) - base, base
        both = paired_clips(a, b, metric)
        if both.is_empty():
            return None
        change = float((both[metric] - both["other"]).to_numpy().mean())
        return change, float(both["other"].to_numpy().mean())


def _percent(change: float, base: float) -> float | None:
    return 100.0 * change / abs(base) if base else None


def _compare_clips(a: pl.DataFrame, b: pl.DataFrame, column: Column) -> PairedComparison | None:
    both = paired_clips(a, b, column.metric)
    if both["subject_id"].n_unique() < 2:
        return None
    return paired_bootstrap(
        both[column.metric].to_numpy(),
        both["other"].to_numpy(),
        both["subject_id"].to_list(),
        higher_is_better=column.higher_is_better,
    )


def _compare_sets(a: pl.DataFrame, b: pl.DataFrame, column: Column) -> PairedComparison | None:
    if a.is_empty() or b.is_empty():
        return None
    first, second = _mean_replicates(a), _mean_replicates(b)
    same_people = a["n_subjects"][0] == b["n_subjects"][0]
    if len(first) < 2 or len(first) != len(second) or not same_people:
        return None
    return paired_replicates(
        float(a["value"].to_numpy().mean()),
        float(b["value"].to_numpy().mean()),
        first,
        second,
        n_subjects=a["n_subjects"][0],
        n_clips=a["n_samples"][0],
        higher_is_better=column.higher_is_better,
    )


def _per_clip(rows: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Return one line per clip, its seeds averaged, sorted by clip."""
    return rows.group_by("clip_id", "subject_id").agg(pl.col(metric).mean()).sort("clip_id")


def paired_clips(a: pl.DataFrame, b: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Return clip by clip what both have, seeds averaged: ``metric`` of a, ``other`` of b."""
    if metric not in a.columns or metric not in b.columns:
        return a.clear()
    other = _per_clip(b, metric).select("clip_id", other=metric)
    return _per_clip(a, metric).join(other, on="clip_id").sort("clip_id")


def _mean_replicates(rows: pl.DataFrame) -> Any:
    """Return the resampled values averaged over seeds; empty if the seeds have other numbers."""
    replicates = rows["replicates"].to_list()
    if len({len(entry) for entry in replicates}) != 1:
        return np.empty(0)
    return np.asarray(replicates, dtype=np.float64).mean(axis=0)
