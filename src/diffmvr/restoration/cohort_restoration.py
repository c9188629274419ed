"""A folder of recordings restored by ``python -m diffmvr.restore``, or the share of one job."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from diffmvr.models.base_checkpoint import resolve_folder
from diffmvr.parsing import user_path
from diffmvr.preprocessing.layouts import check_outside
from diffmvr.restoration.cohort import (
    Member,
    add_member,
    hold_results,
    merge_cohort,
    note_shard,
)
from diffmvr.restoration.settings import RestoreSettings
from diffmvr.runs.faults import why_it_failed
from diffmvr.runs.shard import Shard

log = logging.getLogger(__name__)

NOT_THE_RESULT = ("output", "shard", "threads", "device", "keep_mib")


def restore_cohort(
    settings: RestoreSettings,
    members: Sequence[Member],
    restore: Callable[[RestoreSettings], object],
) -> Path:
    """Restore many recordings; those that are finished are skipped.

    Args:
        settings: of all of them.
        members: from ``find_cohort``; with ``settings.shard`` the ones of that job are restored.
        restore: restores one recording into the new folder ``settings.output``.

    Returns:
        The folder of results.

    Raises:
        BusyError: if another job is restoring the same recordings into the same folder.
        ValueError: if a setting is of one recording, or some recordings could not be restored; the
            others are there.
        OSError: if the disk is full.
        MemoryError: if there is not enough memory.
    """
    for name, value in (
        ("face_box", settings.face_box),
        ("face_at", settings.face_at),
        ("name", settings.name),
        *((f"guides.{kind}", value) for kind, value in settings.guides.items()),
    ):
        if value is not None:
            raise ValueError(
                f"{name}: is of one recording, and {settings.input} holds {len(members)}; restore "
                "that recording alone"
            )
    shard = Shard.parse(settings.shard or "1/1")
    own, output = shard.of(members, "recordings"), user_path(settings.output)
    check_outside(output, user_path(settings.input))
    if settings.weights:
        resolve_folder(settings.weights)
    result = {k: v for k, v in asdict(settings).items() if k not in NOT_THE_RESULT}
    failed: dict[str, str] = {}
    with hold_results(output, shard, result) as under_way:
        log.info("restoring %d recordings into %s", len(own), output)
        for member in own:
            mask = None if member.mask is None else str(member.mask)
            alone = replace(settings, input=str(member.path), mask=mask, shard=None)
            into_folder = partial(_restore_into, restore, alone)
            try:
                if not add_member(output, under_way, member, into_folder):
                    log.info("%s: restored before", member.name)
            except BaseException as error:
                failed[member.name] = why_it_failed(error)
                log.error("%s: %s", member.name, failed[member.name])
        note_shard(output, shard, own, failed)
    if shard.count == 1:
        log.info("all are listed in %s", merge_cohort(output))
    if failed:
        raise ValueError(
            f"input: {len(failed)} of {len(own)} recordings could not be restored "
            f"({', '.join(sorted(failed))}; the reasons are above)"
            + (f"; the others are in {output}" if len(failed) < len(own) else "")
        )
    return output


def _restore_into(
    restore: Callable[[RestoreSettings], object], settings: RestoreSettings, output: Path
) -> None:
    restore(replace(settings, output=str(output)))
