"""Weights & Biases, offline unless the user asks, with nothing outside the run's folder.

Offline means that nothing leaves: W&B's own reports are off as well.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch.loggers import WandbLogger

from diffmvr.runs.telemetry import silence_wandb


def build_wandb_logger(
    save_dir: str | Path,
    project: str = "diffmvr",
    group: str | None = None,
    job_type: str = "train",
    name: str | None = None,
    online: bool = False,
    log_model: bool | Literal["all"] = False,
) -> WandbLogger:
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

    # A run is shared: it names neither the machine nor who uses it, nor its folders.
    quiet = wandb.Settings(
        host="",
        username="",
        email="",
        x_disable_meta=True,
        x_disable_machine_info=True,
        console="off",
    )
    logger = WandbLogger(
        save_dir=folder,
        project=project,
        group=group,
        job_type=job_type,
        name=name,
        # Lightning's own `offline` refuses artifacts, which `wandb sync` uploads like all else.
        mode="online" if online else "offline",
        log_model=log_model,
        settings=quiet,
    )
    # W&B warns of this setting, which Lightning passes on whether it was given or not.
    logger._wandb_init.pop("anonymous", None)
    return logger


def keep_in_wandb(loggers: Sequence[Any], files: Sequence[Path]) -> None:
    """Put files into this process's W&B run, so that they are uploaded with it.

    Args:
        loggers: of the run; those that are not W&B's are passed over.
        files: those that do not exist are passed over.
    """
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            for file in files:
                if file.is_file():
                    logger.experiment.save(str(file), base_path=str(file.parent), policy="now")


def finish_wandb(loggers: Sequence[Any]) -> None:
    """Close the W&B run of this process, if one of the loggers opened one."""
    if any(isinstance(logger, WandbLogger) for logger in loggers):
        import wandb

        wandb.finish()
