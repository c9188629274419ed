"""Finished runs of a study, read from their folders, put together, and kept as a few small files.

A run's folder holds ``run.json`` and ``scores.parquet``, and may hold ``distances.parquet``,
``missing.json``, ``metrics.csv`` and ``frames.parquet``.  A *collection* is a folder with the rows
of many runs in one file each, beside ``runs.json``: what is published of a study.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import polars as pl

from diffmvr.files import read_json, write_json
from diffmvr.reporting.curves import load_curves
from diffmvr.reporting.distance_rows import (
    DISTANCE_IDENTITY,
    DISTANCES_FILE,
    check_distances,
    load_distances,
)
from diffmvr.reporting.frame_rows import FRAMES_FILE, load_frames
from diffmvr.reporting.rows import IDENTITY, KEY_COLUMNS, check_rows, load_rows
from diffmvr.run_record import RUN_FILE, RunRecord, load_run_record
from diffmvr.table_io import read_table, write_table

log = logging.getLogger(__name__)

SCORES_FILE, MISSING_FILE = "scores.parquet", "missing.json"
RUNS_FILE, CURVES_FILE = "runs.json", "curves.parquet"
# Two computations of one number may differ by rounding.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Run:
    """What one run left behind.

    Attributes:
        name: its folder, relative to the source.
        record: how it was made.
        rows: per-clip scores.
        distances: distances between sets, if it measured any.
        missing: restorers that could not run, with the reason.
        curves: what was logged while it trained: step, metric, value.
        frames: per-frame scores, if it kept them.
    """

    name: str
    record: RunRecord
    rows: pl.DataFrame
    distances: pl.DataFrame | None = None
    missing: dict[str, str] = field(default_factory=dict)
    curves: pl.DataFrame | None = None
    frames: pl.DataFrame | None = None

    @property
    def model(self) -> str:
        """The restorer that the run is about: its own name, or the first of an evaluation."""
        present = list(dict.fromkeys(self.rows["restorer"]))
        return self.record.name if self.record.name in present else str(present[0])


@dataclass(frozen=True)
class Collection:
    """The runs of a study as one.

    Attributes:
        runs: the runs.
        rows: per-clip scores of all runs, each clip once per restorer and condition.
        distances: distances between sets of all runs, ``None`` if no run measured any.
        missing: restorers that could not run, with the reason; those with rows are left out.
    """

    runs: tuple[Run, ...]
    rows: pl.DataFrame
    distances: pl.DataFrame | None
    missing: dict[str, str]


def collect(runs: Sequence[Run]) -> Collection:
    """Put runs together.

    Raises:
        ValueError: if there are none, if two runs scored one clip differently under the same
            conditions, or if one distance was measured with two networks.
    """
    if not runs:
        raise ValueError("runs: expected at least one finished run, got none")
    rows = check_rows(_united(((run.name, run.rows) for run in runs), IDENTITY))
    measured = [(run.name, run.distances) for run in runs if run.distances is not None]
    distances = None
    if measured:
        # First: numbers of two networks differ, and that is not what is wrong with them.
        _check_networks(measured)
        distances = check_distances(_united(measured, DISTANCE_IDENTITY))
    scored = set(rows["restorer"])
    missing = {
        name: note for run in runs for name, note in run.missing.items() if name not in scored
    }
    return Collection(tuple(runs), rows, distances, missing)


def find_runs(sources: Iterable[Path]) -> list[Run]:
    """Read every finished run below some folders, and every collection.

    Args:
        sources: folders; a run that has not finished is passed over with a warning.

    Raises:
        FileNotFoundError: if a folder does not exist, or holds no finished run.
        ValueError: if a file is not what its name says.
    """
    runs: dict[str, Run] = {}
    for source in sources:
        if not source.is_dir():
            raise FileNotFoundError(
                f"source: no folder {source}; give the folder of a study's runs"
            )
        found = []
        for scores in sorted(source.rglob(SCORES_FILE)):
            folder = scores.parent
            if (folder / RUNS_FILE).is_file():
                found += load_collection(folder)
            elif (folder / RUN_FILE).is_file():
                found.append(load_run(folder, str(folder.relative_to(source))))
            else:
                log.warning("%s: has no %s, so it has not finished; left out", folder, RUN_FILE)
        if not found:
            raise FileNotFoundError(
                f"source: no finished run below {source}; a run is finished when its folder holds "
                f"{RUN_FILE} (see experiments/README.md for the commands)"
            )
        for run in found:
            longer = f"{source.name}/{run.name}"
            names = chain((run.name, longer), (f"{longer} ({number})" for number in count(2)))
            name = next(name for name in names if name not in runs)
            runs[name] = replace(run, name=name)
    return list(runs.values())


def load_run(folder: Path, name: str) -> Run:
    """Read one run's folder."""
    missing = folder / MISSING_FILE
    return Run(
        name=name,
        record=load_run_record(folder),
        rows=load_rows(folder / SCORES_FILE),
        distances=load_distances(folder) if (folder / DISTANCES_FILE).is_file() else None,
        missing=read_json(missing) if missing.is_file() else {},
        curves=load_curves(folder),
        frames=load_frames(folder) if (folder / FRAMES_FILE).is_file() else None,
    )


def save_collection(runs: Sequence[Run], folder: Path) -> None:
    """Write the rows of runs into one folder, compressed, to be read by :func:`find_runs`."""
    folder.mkdir(parents=True, exist_ok=True)
    parts: dict[str, Callable[[Run], pl.DataFrame | None]] = {
        SCORES_FILE: lambda run: run.rows,
        DISTANCES_FILE: lambda run: run.distances,
        CURVES_FILE: lambda run: run.curves,
        FRAMES_FILE: lambda run: run.frames,
    }
    for name, part in parts.items():
        frames = [
            frame.with_columns(run=pl.lit(run.name))
            for run in runs
            if (frame := part(run)) is not None
        ]
        (folder / name).unlink(missing_ok=True)
        if frames:
            whole = pl.concat(frames, how="diagonal")
            write_table(whole, folder / name, compression_level=19)
    # Last: a folder without it is no collection.
    records = {run.name: {**asdict(run.record), "missing": run.missing} for run in runs}
    write_json(folder / RUNS_FILE, records)


def load_collection(folder: Path) -> list[Run]:
    """Read what :func:`save_collection` wrote.

    Raises:
        ValueError: if a file is not what its name says.
    """
    content: dict[str, dict[str, Any]] = read_json(folder / RUNS_FILE)
    rows, distances, curves, frames = (
        _by_run(folder / name) for name in (SCORES_FILE, DISTANCES_FILE, CURVES_FILE, FRAMES_FILE)
    )
    runs = []
    for name, entry in content.items():
        missing = entry.pop("missing", {})
        if name not in rows:
            raise ValueError(f"{folder / SCORES_FILE}: no rows of the run {name!r}")
        runs.append(
            Run(
                name=name,
                record=RunRecord.from_dict(entry, str(folder / RUNS_FILE)),
                rows=check_rows(_without_empty_scores(rows[name])),
                distances=check_distances(distances[name]) if name in distances else None,
                missing=missing,
                curves=curves.get(name),
                frames=frames.get(name),
            )
        )
    return runs


def _by_run(path: Path) -> dict[str, pl.DataFrame]:
    if not path.is_file():
        return {}
    whole = read_table(path)
    groups = whole.group_by("run", maintain_order=True)
    return {str(name): group.drop("run") for (name,), group in groups}


def _without_empty_scores(rows: pl.DataFrame) -> pl.DataFrame:
    """Leave out the scores that only other runs of the collection have."""
    kept = [
        name for name in rows.columns if name in KEY_COLUMNS or rows[name].null_count() < len(rows)
    ]
    return rows.select(kept)


def _united(parts: Iterable[tuple[str, pl.DataFrame]], identity: Sequence[str]) -> pl.DataFrame:
    """Join frames below each other; what two of them hold must agree, and is kept once."""
    whole = pl.concat(
        [frame.with_columns(run=pl.lit(name)) for name, frame in parts], how="diagonal"
    )
    order = [name for name in whole.columns if name != "run"]
    repeated = whole.filter(pl.struct(identity).is_duplicated())
    if repeated.is_empty():
        return whole.select(order)
    scores = [name for name, kind in whole.schema.items() if kind == pl.Float64]
    spans = repeated.group_by(identity, maintain_order=True).agg(
        pl.col("run"),
        *(
            ((pl.col(name).max() - pl.col(name).min()) / pl.col(name).abs().max().clip(1.0))
            .fill_null(0.0)
            .alias(name)
            for name in scores
        ),
    )
    for line in spans.iter_rows(named=True):
        wrong = [name for name in scores if line[name] > TOLERANCE]
        if wrong:
            key = {name: line[name] for name in identity}
            raise ValueError(
                f"runs: {line['run']} measured {wrong} of {key} differently; leave one of them "
                "out of source"
            )
    first = [pl.col(name).drop_nulls().first() for name in order if name not in identity]
    return whole.group_by(identity, maintain_order=True).agg(first).select(order)


def _check_networks(measured: Sequence[tuple[str, pl.DataFrame]]) -> None:
    networks = ("distance", "extractor", "weight_hash")
    seen: dict[str, tuple[tuple[str, str], str]] = {}
    for run, frame in measured:
        found_in_run = frame.select(networks).unique(maintain_order=True)
        for distance, extractor, digest in found_in_run.iter_rows():
            found, first = seen.setdefault(distance, ((extractor, digest), run))
            if found != (extractor, digest):
                raise ValueError(
                    f"runs: {distance} was measured by {found[0]} ({found[1][:12]}) in {first} and "
                    f"by {extractor} ({digest[:12]}) in {run}; numbers of two networks cannot be "
                    "compared, so score again with one"
                )
