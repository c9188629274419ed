"""Many recordings restored one by one, by one job or several, and what became of each.

The results lie in one folder, those of each recording in a folder of their own.  A recording that
is there is finished (it appears in one step), so a run that was stopped goes on with the next one,
and within that one where it stopped.
Every job notes which recordings are its own; ``cohort.csv`` lists them all, in order.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from diffmvr.files import (
    LOCK_NAME,
    STAGING_NAME,
    BusyError,
    below,
    hold_folder,
    owner_of,
    read_json,
    remove,
    write_json,
)
from diffmvr.preprocessing.companions import find_beside
from diffmvr.preprocessing.folder_contents import sort_files
from diffmvr.preprocessing.layouts import Recording, find_recordings
from diffmvr.runs.shard import Shard, check_all

COHORT_FILE = "cohort.csv"
REPORT_FILE = "report.json"
SHARDS_FOLDER = ".shards"
NOTES = "*-of-*.json"
SETTINGS_FILE = "settings.json"
STAGING, UNDER_WAY = "staging", "under-way"


@dataclass(frozen=True)
class Member:
    """One recording of a cohort.

    Attributes:
        name: unique, and the name of its folder of results.
        path: a video or a folder of frames.
        mask: what says where the face is hidden; ``None``: it is looked for.
    """

    name: str
    path: Path
    mask: Path | None


def find_cohort(root: Path, masks: str | None = None) -> list[Member] | None:
    """List the recordings of a folder; ``None`` if ``root`` is itself one recording.

    Args:
        root: a folder of videos or of folders of frames (also a clip store, or anything in DAVIS
            layout); or a recording.
        masks: a folder with one entry for each recording, named like it; ``None``: those that lie
            beside the clips in DAVIS layout, else none.

    Raises:
        FileNotFoundError: if a recording has no mask in ``masks``.
        ValueError: if the folder holds no recording, or videos and pictures beside each other.
    """
    if not root.is_dir():
        return None
    contents = sort_files(path for path in root.iterdir() if not path.name.startswith("."))
    pictures, videos = contents.pictures, contents.videos
    if pictures and videos:
        raise ValueError(
            f"input: {root} holds videos ({videos[0].name}) and pictures ({pictures[0].name}), so "
            "that it may be a folder of recordings or the frames of one; keep them apart, or give "
            "one video"
        )
    if pictures:
        return None
    recordings: list[Recording] = find_recordings(root)
    for recording in recordings:
        # Where capitals do not count, too.
        if recording.name.casefold() == COHORT_FILE:
            raise ValueError(
                f"input: {recording.path} would be restored into a folder called {COHORT_FILE}, "
                "which is the name of the list of all; rename the recording"
            )
    # More than one, so that a mask is always found by its recording's name.
    count = max(2, len(recordings))
    return [
        Member(recording.name, recording.path, find_beside(masks, recording, count, "masks"))
        for recording in recordings
    ]


@contextmanager
def hold_results(output: Path, shard: Shard, settings: Mapping[str, Any]) -> Iterator[Path]:
    """Begin a folder of results, or go on with it, as one of the jobs that do so.

    Jobs of one division work side by side.

    Args:
        output: the folder.
        shard: this job.
        settings: those that the results depend on.

    Yields:
        A folder for what is under way, of all jobs: a recording is of one job alone.  What an
        interrupted job leaves there is gone on with by whoever restores that recording next.

    Raises:
        BusyError: if the same job, or one of another division, is at work there.
        ValueError: if the folder holds something else, or results with other settings.
    """
    folder = output / SHARDS_FOLDER
    if output.is_dir() and not folder.is_dir() and any(output.iterdir()):
        raise ValueError(
            f"output: {output} is not empty and holds no restored cohort; give a new folder"
        )
    below(output, folder).mkdir(parents=True, exist_ok=True)
    gate = FileLock(folder / LOCK_NAME)
    work = below(output, folder / STAGING / f"{shard.number}-of-{shard.count}")
    under_way = below(output, folder / UNDER_WAY)
    with ExitStack() as held:
        with gate:
            for other in _at_work(output):
                if not other.name.endswith(f"-of-{shard.count}"):
                    raise BusyError(
                        f"output: {output} is being written by another job "
                        f"({other.name.replace('-', ' ')}: {owner_of(other)}); wait for it, or "
                        "give the same number of jobs"
                    )
            held.enter_context(hold_folder(work, f"output: {output}"))
            _check_settings(output, settings)
        try:
            yield under_way
        finally:
            with gate:
                held.close()
                # Other settings may be tried where nothing has come of these.
                if not any(output.glob(f"*/{REPORT_FILE}")) and not _at_work(output):
                    (folder / SETTINGS_FILE).unlink(missing_ok=True)
                # It stays as long as something is in it.
                with suppress(OSError):
                    under_way.rmdir()


def _at_work(output: Path) -> list[Path]:
    """Return the folders of the jobs at work; what others left is removed."""
    found = []
    for work in sorted((output / SHARDS_FOLDER / STAGING).glob("*")):
        try:
            with hold_folder(below(output, work), f"output: {output}"):
                pass
        except BusyError:
            found.append(work)
    return found


def _check_settings(output: Path, settings: Mapping[str, Any]) -> None:
    """Require the settings that are noted, or note them."""
    noted = output / SHARDS_FOLDER / SETTINGS_FILE
    if not noted.is_file():
        write_json(noted, dict(settings))
    # Read back: what JSON makes of the values is compared, and whoever came first.
    before = read_json(noted)
    now = json.loads(json.dumps(dict(settings)))
    differing = [name for name in sorted(now) if now[name] != before.get(name)]
    if differing:
        changes = "; ".join(f"{name}: {before.get(name)} -> {now[name]}" for name in differing)
        raise ValueError(
            f"output: {output} was restored with other settings ({changes}); give another folder"
        )


def add_member(
    output: Path, under_way: Path, member: Member, restore: Callable[[Path], object]
) -> bool:
    """Restore one recording, unless it is there.

    Args:
        output: the folder of results.
        under_way: from ``hold_results``.
        member: the recording.
        restore: is called with a folder, to write the results into it as ``staged_output`` does;
            an interrupted call may have left there what it goes on with, and nothing else.

    Returns:
        Whether it was restored now.
    """
    target = output / member.name
    if (target / REPORT_FILE).is_file():
        return False
    staging = below(output, under_way / member.name)
    # Results that a killed job was about to hand over.
    for entry in staging.glob("*"):
        if entry.name != STAGING_NAME:
            remove(entry)
    restore(staging)
    staging.rename(target)
    return True


def note_shard(
    output: Path, shard: Shard, members: Sequence[Member], failed: Mapping[str, str]
) -> None:
    """Note what a job has done: its recordings in order, and why some could not be restored."""
    for path in (output / SHARDS_FOLDER).glob(NOTES):
        # Of an earlier division into another number of jobs.
        if not path.stem.endswith(f"-of-{shard.count}"):
            path.unlink(missing_ok=True)
    content = {
        "shard": str(shard),
        "recordings": [member.name for member in members],
        "failed": dict(failed),
    }
    write_json(output / SHARDS_FOLDER / f"{shard.number}-of-{shard.count}.json", content)


def merge_cohort(output: Path) -> Path:
    """Write ``cohort.csv`` from what all jobs have left.

    Args:
        output: the folder of results.

    Returns:
        The file.

    Raises:
        ValueError: if a job or a recording's result is absent.
    """
    # One recording needs no tables, whose library takes a while to import.
    import polars as pl

    from diffmvr.table_io import write_table

    schema = {
        "recording": pl.String,
        "state": pl.String,
        "frames": pl.Int64,
        "restored_frames": pl.Int64,
        "folder": pl.String,
        "reason": pl.String,
    }
    notes = [read_json(path) for path in (output / SHARDS_FOLDER).glob(NOTES)]
    shards = [Shard.parse(note["shard"]) for note in notes]
    check_all(shards)
    rows = []
    for _, note in sorted(zip(shards, notes, strict=True), key=lambda pair: pair[0]):
        for name in note["recordings"]:
            rows.append(_row(output, name, note["failed"].get(name)))
    target = output / COHORT_FILE
    write_table(pl.DataFrame(rows, schema=schema), target)
    return target


def _row(output: Path, name: str, reason: str | None) -> dict[str, str | int | None]:
    row: dict[str, str | int | None] = {"recording": name, "reason": reason}
    if reason is not None:
        return {**row, "state": "failed"}
    report = below(output, output / name / REPORT_FILE)
    if not report.is_file():
        raise ValueError(
            f"{output}: {name} is listed as restored and has no {REPORT_FILE}; restore it again"
        )
    content = json.loads(report.read_text(encoding="utf-8"))
    return {
        **row,
        "state": "restored",
        "frames": len(content["frames"]),
        "restored_frames": content["restored_frames"],
        "folder": name,
    }
