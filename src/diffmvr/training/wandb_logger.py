"""Weights & Biases, offline unless the user asks, with nothing outside the run's folder.

Offline means that nothing leaves: W&B's own reports are off as well.
"""

import logging
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl
from lightning.pytorch.loggers import WandbLogger

from diffmvr.files import read_json, write_json
from diffmvr.runs.code_state import code_diff as read_code_diff
from diffmvr.runs.facts import choices
from diffmvr.runs.telemetry import silence_wandb
from diffmvr.structures import UInt8Array
from diffmvr.training.run_logger import RunLogger
from diffmvr.training.wandb_files import next_step

log = logging.getLogger(__name__)

# Which W&B run a folder's is, so that it is the same one when it goes on.
ID_FILE = "wandb/id.json"
DIFF_FILE = "code.diff"


class RunWandbLogger(WandbLogger, RunLogger):
    """Lightning's W&B logger; a run that goes on in its folder is one run of W&B's, too.

    Args:
        folder: the run's.
        code_diff: keep how the code differs from the commit.
        settings: of Lightning's logger.
    """

    def __init__(self, folder: Path, code_diff: bool = False, **settings: Any) -> None:
        super().__init__(save_dir=folder, **settings)
        self._folder = folder
        self._code_diff = code_diff
        # W&B warns of this setting, which Lightning passes on whether it was given or not.
        self._wandb_init.pop("anonymous", None)

    def begin(self, resumed_at: int | None) -> None:
        """Open the run: the one that this folder's checkpoints are of, or a new one."""
        noted = self._folder / ID_FILE
        goes_on = resumed_at is not None and noted.is_file()
        run_id = read_json(noted)["id"] if goes_on else uuid.uuid4().hex[:8]
        write_json(noted, {"id": run_id})
        self._id = self._wandb_init["id"] = run_id
        if goes_on and self.experiment.offline:
            # Without a server W&B would count its own steps from 0, and drop them when it uploads.
            self.experiment.log({}, step=next_step(self._folder, run_id))
        if self._code_diff:
            self._keep_diff()

    def _keep_diff(self) -> None:
        diff = read_code_diff()
        if diff is None:
            log.warning("logger.wandb.code_diff: the code is no checkout of git; nothing is kept")
            return
        path = self._folder / DIFF_FILE
        path.write_text(diff, encoding="utf-8")
        self.keep_files([path])

    def show_picture(self, name: str, path: Path, step: int) -> None:
        """Show a picture; see :class:`RunLogger`."""
        self.log_image(name, [str(path)], step=step)

    def show_clip(self, name: str, path: Path, frames: UInt8Array, fps: float, step: int) -> None:
        """Show a clip; see :class:`RunLogger`."""
        self.log_video(name, [str(path)], step=step)

    def show_table(self, name: str, table: pl.DataFrame, step: int) -> None:
        """Show a table; see :class:`RunLogger`."""
        self.log_table(name, table.columns, [list(row) for row in table.iter_rows()], step=step)

    def keep_files(self, files: Sequence[Path]) -> None:
        """Put files into this process's W&B run, so that they are uploaded with it."""
        for file in files:
            if file.is_file():
                self.experiment.save(str(file), base_path=str(file.parent), policy="now")


def build_wandb_logger(
    save_dir: str | Path,
    project: str = "diffmvr",
    group: str | None = None,
    job_type: str = "train",
    name: str | None = None,
    online: bool = False,
    log_model: bool | Literal["all"] = False,
    code_diff: bool = False,
) -> RunWandbLogger:
    """Build the logger.

    Args:
        save_dir: the run's folder; W&B's run, cache, data and config folders go below it.
        project: W&B project.
        group: runs of one ablation share it.
        job_type: ``train`` or ``evaluate``.
        name: name of the run.
        online: upload while running.  False keeps everything on this machine; ``wandb sync`` can
            upload it later.
        log_model: keep checkpoints as artifacts of the run: True when it ends, those that are in
            its folder then; ``"all"`` each one as it is written.
        code_diff: keep how ``src`` and ``conf`` differ from the commit, as ``code.diff``.
    """
    silence_wandb()
    folder = Path(save_dir)
    for variable, part in (
        ("WANDB_DIR", ""),
        ("WANDB_CACHE_DIR", "wandb/.cache"),
        ("WANDB_DATA_DIR", "wandb/.data"),
        ("WANDB_CONFIG_DIR", "wandb/.config"),
    ):
        target = (folder / part).resolve()
        target.mkdir(parents=True, exist_ok=True)
        os.environ[variable] = str(target)
    os.environ.setdefault("WANDB_SILENT", "true")
    # No copy of the user's code in the run.
    os.environ.setdefault("WANDB_DISABLE_CODE", "true")
    import wandb  # it reads the environment when it is imported

    # A run is shared: it names neither the machine nor who uses it, nor its folders.  How busy the
    # processor, the memory and the GPU are is kept.
    quiet = wandb.Settings(
        host="",
        username="",
        email="",
        disable_git=True,
        x_disable_meta=True,
        x_save_requirements=False,
        console="off",
    )
    return RunWandbLogger(
        folder,
        code_diff,
        project=project,
        group=group,
        job_type=job_type,
        name=name,
        tags=[f"{setting}: {choice}" for setting, choice in choices().items()],
        # Lightning's own `offline` refuses artifacts, which `wandb sync` uploads like all else.
        mode="online" if online else "offline",
        log_model=log_model,
        settings=quiet,
    )


def finish_wandb(loggers: Sequence[Any]) -> None:
    """Close the W&B run of this process, if one of the loggers opened one."""
    if any(isinstance(logger, WandbLogger) for logger in loggers):
        import wandb

        wandb.finish()
