"""What W&B keeps of a run on this machine, read without a server.

An offline run is a log in LevelDB's format, after a header of 7 bytes: blocks of 32 KiB of pieces,
each a checksum (4 bytes), a length (2) and a kind (1: whole; 2, 3, 4: first, middle, last), whose
joined bodies are protobuf records.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HEADER, BLOCK = 7, 2**15
PIECE = struct.Struct("<IHB")
WHOLE, LAST = 1, 4


def read_records(path: Path) -> Iterator[Any]:
    """Yield the records of an offline run's ``.wandb`` file.

    A run that was killed may have left half a record at the end; it is left out.

    Args:
        path: of the file.
    """
    from google.protobuf.message import DecodeError
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    content = path.read_bytes()
    place, parts = HEADER, b""
    while place + PIECE.size <= len(content):
        left = BLOCK - place % BLOCK
        if left < PIECE.size:
            place += left
            continue
        _, length, kind = PIECE.unpack_from(content, place)
        place += PIECE.size
        body = content[place : place + length]
        if not kind or len(body) < length:
            return
        parts += body
        place += length
        if kind in (WHOLE, LAST):
            record = Record()
            try:
                record.ParseFromString(parts)
            except DecodeError:
                return
            parts = b""
            yield record


def next_step(folder: Path, run_id: str) -> int:
    """Return the first of W&B's own steps that an offline run has not used; they only grow.

    Args:
        folder: the run's folder, with ``wandb`` below it.
        run_id: W&B's id of the run.
    """
    # Of two parts that began within a second, the second one's folder has a number at its end.
    files = folder.glob(f"wandb/offline-run-*-{run_id}*/run-{run_id}.wandb")
    steps = (
        record.history.step.num
        for path in files
        for record in read_records(path)
        if record.WhichOneof("record_type") == "history"
    )
    return max(steps, default=-1) + 1
