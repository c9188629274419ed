"""``run.json``: what made the numbers in a run's folder.

It is written last, so a folder that holds one is finished; every table names its numbers' runs
by it.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from diffmvr.files import read_json, write_json

log = logging.getLogger(__name__)

RUN_FILE = "run.json"
# The same of a run whose model is trained and not yet scored.
TRAINED_FILE = "trained.json"


@dataclass(frozen=True)
class RunRecord:
    """One finished run.

    Attributes:
        kind: the entry point, e.g. ``"train"``.
        name: of the run, and of the trained model in its score rows.
        sweep: the name that the jobs of its sweep share; empty where it is ``name``.
        seed: every draw of the run follows from it.
        mask_type: ``"segmentation"`` or ``"bbox"``; empty where nothing is masked.
        config_hash: of every setting that the result depends on.
        weights_hash: of the model that was trained or scored; empty if there was none.
        base_hash: of the model that training began with; empty if there was none.
        steps: optimizer steps done.
        seconds: how long the run took, without what a killed run before it had done.
        resumed: whether it went on where a killed run stood.
        command: how to repeat it.
        finished: date and time, UTC.
        settings: what the experiments vary, by name.
        machine: processor, cores, threads, accelerator, system.
        versions: of the packages that compute the result.
        validation: what the last validation of a training gave, by name, e.g. ``val/psnr_hole``.
        code: commit of the source, and whether it differs from it; empty for an installed wheel.
    """

    kind: str
    name: str
    seed: int
    mask_type: str
    config_hash: str = ""
    weights_hash: str = ""
    base_hash: str = ""
    steps: int = 0
    seconds: float = 0.0
    resumed: bool = False
    command: str = ""
    finished: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    sweep: str = ""
    machine: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, Any] = field(default_factory=dict)
    validation: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], source: str) -> "RunRecord":
        """Build a record from its JSON.

        Args:
            content: the parsed JSON.
            source: where it came from, for the message.

        Raises:
            ValueError: if a field is missing or unknown.
        """
        known = {entry.name for entry in fields(cls)}
        unknown = sorted(set(content) - known)
        missing = sorted({"kind", "name", "seed", "mask_type"} - set(content))
        if unknown or missing:
            raise ValueError(
                f"{source}: not a run's record: missing {missing}, unknown {unknown}; it was "
                "written by another version, so run it again"
            )
        return cls(**content)


def save_run_record(record: RunRecord, folder: Path) -> Path:
    """Write ``run.json``, whole or not at all."""
    return write_json(folder / RUN_FILE, asdict(record))


@contextmanager
def trained_record(record: RunRecord, folder: Path, goes_on: str) -> Iterator[None]:
    """Keep ``trained.json`` in a run's folder while its model is scored, and if that fails.

    Args:
        record: of the training.
        folder: the run's.
        goes_on: the settings by which ``diffmvr.evaluate`` scores the model.
    """
    path = write_json(folder / TRAINED_FILE, asdict(record))
    try:
        yield
    except BaseException:
        log.error(
            "the model is trained and kept in %s, but scoring it has not been finished; "
            "python -m diffmvr.evaluate %s scores it",
            folder / "model",
            goes_on,
        )
        raise
    path.unlink()


def load_run_record(folder: Path) -> RunRecord:
    """Read ``run.json``.

    Raises:
        FileNotFoundError: if the folder holds none: the run has not finished.
        ValueError: if it is no run's record.
    """
    path = folder / RUN_FILE
    if not path.is_file():
        raise FileNotFoundError(f"no {RUN_FILE} in {folder}; the run has not finished")
    return RunRecord.from_dict(read_json(path), str(path))
