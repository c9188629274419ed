"""Many recordings at once, one worker process each."""

import logging
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import cv2
import torch

from diffmvr.clip_store import ClipStoreWriter
from diffmvr.preprocessing.recording import (
    RecordingJob,
    RecordingResult,
    RecordingSettings,
    process_recording,
)
from diffmvr.runs.faults import why_it_failed
from diffmvr.runs.item_processes import ItemProcesses

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
REPORT_FRAMES = 10
"""A worker reports its progress once in so many frames."""

Outcome = RecordingResult | str

_worker: dict[str, Any] = {}


def process_all(
    writer: ClipStoreWriter,
    jobs: Sequence[RecordingJob],
    settings: RecordingSettings,
    workers: int,
    on_frames: Callable[[int], None],
    on_done: Callable[[RecordingJob, Outcome], None],
) -> None:
    """Make recordings into clips; one that cannot be used does not stop the others.

    Args:
        writer: of the store.
        jobs: the recordings.
        settings: how.
        workers: processes at a time; 1 stays in this process.
        on_frames: called with a number of frames that were looked at.
        on_done: called with each recording and its result, or why there is none.

    Raises:
        OSError: if the disk is full: no other recording would fit either.
        MemoryError: if there is not enough memory.
    """
    if workers == 1 or len(jobs) <= 1:
        for job in jobs:
            on_done(job, _attempt(writer, job, settings, on_frames))
        return
    # Not forked: threads of this process (progress, torch) would be missing in the copies.
    context = get_context("spawn")
    level = logging.getLogger().getEffectiveLevel()
    queues = []

    def open_pool(processes: int) -> ProcessPoolExecutor:
        # Each has a queue of its own: a process that dies may leave it locked.
        queues.append(context.SimpleQueue())
        given = (writer, settings, queues[-1], level)
        return ProcessPoolExecutor(processes, context, _start, given)

    def report_frames() -> None:
        while not queues[-1].empty():
            on_frames(queues[-1].get())

    processes = ItemProcesses(
        open_pool, _work, min(workers, len(jobs)), on_poll=report_frames, poll=POLL_SECONDS
    )
    for job, outcome in processes.run(jobs):
        on_done(job, "its worker process died" if outcome is None else outcome)


def _start(writer: ClipStoreWriter, settings: RecordingSettings, queue: Any, level: int) -> None:
    """Prepare a worker process."""
    # Ctrl-C is for the parent, which cancels what has not begun.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=level, format="%(message)s")
    # Processes side by side beat threads in each.
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    _worker.update(writer=writer, settings=settings, queue=queue)


def _work(job: RecordingJob) -> Outcome:
    return _attempt(_worker["writer"], job, _worker["settings"], _worker["queue"].put)


def _attempt(
    writer: ClipStoreWriter,
    job: RecordingJob,
    settings: RecordingSettings,
    on_frames: Callable[[int], None],
) -> Outcome:
    """Process one recording; return why not if that is its own fault."""
    count = 0

    def count_frame() -> None:
        nonlocal count
        count += 1
        if count == REPORT_FRAMES:
            on_frames(count)
            count = 0

    try:
        return process_recording(writer, job, settings, count_frame)
    except BaseException as error:
        return why_it_failed(error)
    finally:
        if count:
            on_frames(count)
