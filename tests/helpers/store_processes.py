"""What other processes do to a store."""

import os
import signal
from pathlib import Path
from typing import Any

from tests.helpers.stores import add_noise, store_info

from diffmvr.clip_store import ClipStoreWriter


def write_and_die(root: Path, moves: int) -> None:
    """Write a recording; die by SIGKILL after so many moves of its commit, or before it (-1)."""
    move = Path.rename
    left = iter(range(moves))

    def rename(self: Path, target: Path) -> Path:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return move(self, target)

    with ClipStoreWriter(root, store_info()).recording("visit") as out:
        add_noise(out, "a", 2)
        if moves < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        add_noise(out, "b", 2)
        Path.rename = rename  # type: ignore[method-assign]


def write_many(root: Path, worker: int, barrier: Any) -> None:
    """Write five recordings and finish the store, at the same time as another process."""
    writer = ClipStoreWriter(root, store_info())
    barrier.wait(60)
    for index in range(5):
        with writer.recording(f"{worker}-{index}") as out:
            add_noise(out, f"{worker}-{index}", 3, subject=f"person {worker}", seed=worker)
    writer.finish()
