"""``python -m diffmvr.merge source=FOLDER``: what several jobs with ``shard=…`` found, as one.

Of an evaluation the folder then holds what one job would have written: ``scores.parquet`` (the same
rows in the same order), ``distances.parquet`` (of all clips' features), the table and, written
last, ``run.json`` with the hash of the whole, so that ``ledger=true`` has it as finished.  Of a
restored cohort it holds ``cohort.csv``.
"""

import logging
import os
import shlex
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from omegaconf import DictConfig

from diffmvr.cli import entry_point
from diffmvr.evaluation.benchmark import save_benchmark, save_missing
from diffmvr.evaluation.shards import PART_FILE, Part, join_parts
from diffmvr.files import read_json
from diffmvr.parsing import read_settings, user_path
from diffmvr.reporting import print_table
from diffmvr.reporting.frame_rows import FRAMES_FILE, load_frames, save_frames
from diffmvr.restoration.cohort import NOTES, SHARDS_FOLDER, merge_cohort
from diffmvr.run_record import RUN_FILE, load_run_record, save_run_record
from diffmvr.runs.ledger import JOB_FILE, settings_hash

log = logging.getLogger(__name__)

PICTURE = "comparison.png"


@dataclass(frozen=True)
class MergeSettings:
    """What ``conf/merge.yaml`` holds; every key is explained there."""

    source: Any = None
    output: str | None = None

    @classmethod
    def from_config(cls, config: DictConfig) -> "MergeSettings":
        """Check a composed configuration and wrap it.

        Raises:
            ValueError: naming the key that is missing or whose value has the wrong type.
        """
        return read_settings(
            cls, config, {"source": "the folder of the jobs, got none; give source=FOLDER"}
        )


def merge(settings: MergeSettings) -> list[Path]:
    """Put together every evaluation and every cohort whose jobs lie below the sources.

    Returns:
        The folders that hold the results.

    Raises:
        FileNotFoundError: if a source is missing, or holds no job's part.
        ValueError: if a job has not finished, is there twice, or two results would share a folder.
    """
    given = [settings.source] if isinstance(settings.source, str) else settings.source
    sources = [user_path(entry) for entry in given]
    for source in sources:
        if not source.is_dir():
            raise FileNotFoundError(f"source: no folder {source}; give the folder of the jobs")
    evaluations: dict[str, list[Path]] = defaultdict(list)
    for folder in _below(sources, PART_FILE):
        evaluations[_whole_hash(folder)].append(folder)
    cohorts = [folder.parent for folder in _below(sources, f"{SHARDS_FOLDER}/{NOTES}")]
    if not evaluations and not cohorts:
        raise FileNotFoundError(
            f"source: no part of a job below {', '.join(map(str, sources))}; evaluate or restore "
            "with shard=1/4, 2/4, … first"
        )
    asked = None if settings.output is None else user_path(settings.output)
    if asked is not None and cohorts:
        raise ValueError(
            f"output: the restored recordings stay where they are, got {asked}; leave it out"
        )
    targets = {
        whole: asked or Path(os.path.commonpath([folder.parent for folder in folders]))
        for whole, folders in evaluations.items()
    }
    if len(set(targets.values())) < len(targets):
        shared = max(targets.values(), key=list(targets.values()).count)
        raise ValueError(
            f"output: {len(evaluations)} evaluations with different settings would share {shared}; "
            "merge them one by one, each with an output of its own"
        )
    for whole, folders in evaluations.items():
        _merge_evaluation(folders, targets[whole], whole)
    return [*targets.values(), *(merge_cohort(folder).parent for folder in cohorts)]


def _below(sources: Sequence[Path], pattern: str) -> list[Path]:
    return sorted({path.parent for source in sources for path in source.rglob(pattern)})


def _whole_hash(folder: Path) -> str:
    """Return the hash that the settings would have without ``shard``."""
    settings: dict[str, Any] = read_json(folder / JOB_FILE)["settings"]
    return settings_hash({name: value for name, value in settings.items() if name != "shard"})


def _merge_evaluation(folders: Sequence[Path], output: Path, config_hash: str) -> None:
    for folder in folders:
        if not (folder / RUN_FILE).is_file():
            raise ValueError(f"{folder}: this job has not finished; give its command again")
    parts = {folder: Part.load(folder) for folder in folders}
    ordered = sorted(parts, key=lambda folder: parts[folder].shard)
    whole = join_parts(list(parts.values()))
    table = save_benchmark(whole.rows, whole.distances, output, whole.reference, whole.missing)
    save_missing(whole.missing, output)
    if (ordered[0] / FRAMES_FILE).is_file():
        save_frames(pl.concat([load_frames(folder) for folder in ordered]), output)
    # Of the first clip, which is the first job's.
    shutil.copyfile(ordered[0] / PICTURE, output / PICTURE)
    records = [load_run_record(folder) for folder in ordered]
    words = [word for word in shlex.split(records[0].command) if not word.startswith("shard=")]
    record = replace(
        records[0],
        config_hash=config_hash,
        command=shlex.join(words),
        seconds=round(sum(record.seconds for record in records), 1),
        finished=max(record.finished for record in records),
    )
    save_run_record(record, output)
    print_table(table)
    log.info("%d parts put together in %s", len(parts), output)


@entry_point("merge")
def main(config: DictConfig) -> None:
    """Merge what the composed configuration names."""
    for folder in merge(MergeSettings.from_config(config)):
        log.info("written to %s", folder)


if __name__ == "__main__":
    main()
