"""Runs of a W&B project as folders of runs."""

import logging
from pathlib import Path

from diffmvr.files import below
from diffmvr.reporting.distance_rows import DISTANCES_FILE
from diffmvr.reporting.frame_rows import FRAMES_FILE
from diffmvr.reporting.run_collection import MISSING_FILE, SCORES_FILE
from diffmvr.run_record import RUN_FILE
from diffmvr.runs.telemetry import silence_wandb

log = logging.getLogger(__name__)

WANDB_PREFIX = "wandb:"
# What a run needs for the tables; training puts them into its W&B run.
RUN_FILES = (SCORES_FILE, DISTANCES_FILE, MISSING_FILE, FRAMES_FILE, RUN_FILE)


def fetch_wandb_runs(project: str, folder: Path) -> Path:
    """Download the score files of every finished run of a project.

    Args:
        project: ``ENTITY/PROJECT``.
        folder: where they are put, a folder a run.

    Returns:
        The folder of the runs.

    Raises:
        ValueError: if the name is not of that form, or the project cannot be read: no network, no
            login, or no such project.
    """
    if project.count("/") != 1 or not all(project.split("/")):
        raise ValueError(f"source: expected wandb:ENTITY/PROJECT, got wandb:{project}")
    silence_wandb()
    import wandb

    target = folder / project.replace("/", "-")
    target.mkdir(parents=True)
    try:
        for run in wandb.Api().runs(project, per_page=100):
            found = {file.name: file for file in run.files(list(RUN_FILES))}
            files = {name: file for name, file in found.items() if name in RUN_FILES}
            if RUN_FILE not in files:
                log.warning("wandb run %s holds no %s; left out", run.name, RUN_FILE)
                continue
            for file in files.values():
                place = below(target, target / f"{run.name}-{run.id}")
                file.download(root=str(place), replace=True)
    # Without a login it is a UsageError, without a network any of several of its transport's.
    except Exception as error:
        raise ValueError(
            f"source: wandb:{project} cannot be read ({type(error).__name__}: {error}); log in and "
            "`wandb sync` the runs, or give their folders with source=DIR"
        ) from error
    return target
