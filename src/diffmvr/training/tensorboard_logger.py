"""TensorBoard: the same names as in W&B and in ``metrics.csv``, and the same pictures."""

import io
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import yaml
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from PIL import Image

from diffmvr.files import remove
from diffmvr.picture_files import open_picture
from diffmvr.structures import UInt8Array
from diffmvr.training.run_logger import RunLogger

FOLDER = "tensorboard"
# Stands for the machine's name in the names of files.
HOST = "diffmvr"


class RunTensorBoardLogger(TensorBoardLogger, RunLogger):
    """Lightning's TensorBoard logger, without the machine's name in what it writes.

    ``tensorboard --logdir RUN`` shows a run, or every run below a folder.

    Args:
        save_dir: the run's folder; the events lie in ``tensorboard`` below it.

    Raises:
        ValueError: if TensorBoard is not installed.
    """

    def __init__(self, save_dir: str | Path) -> None:
        try:
            # A placeholder for a metric would be one that the other loggers do not have.
            super().__init__(save_dir, name="", version=FOLDER, default_hp_metric=False)
        except ModuleNotFoundError as error:
            raise ValueError(
                "logger: expected tensorboard to be installed, got none; pip install "
                "'diffmvr[tensorboard]', or take logger=[wandb,csv]"
            ) from error

    @property
    def experiment(self) -> Any:
        """The writer of this run, in the first process; made when it is first asked for."""
        _hide_host()
        return super().experiment

    def begin(self, resumed_at: int | None) -> None:
        """Hide what was logged of later steps; of a run that begins anew, everything earlier."""
        if resumed_at is None:
            remove(Path(self.log_dir))
        else:
            self._kwargs["purge_step"] = resumed_at

    @rank_zero_only
    def log_hyperparams(self, params: Mapping[str, Any], *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Keep the settings in ``hparams.yaml``, and show them as text."""
        super().log_hyperparams(dict(params), *args, **kwargs)
        text = yaml.safe_dump(dict(params), sort_keys=False, allow_unicode=True)
        # Four spaces make a block of code of it.
        self.experiment.add_text("settings", "".join(f"    {s}\n" for s in text.splitlines()))

    def show_picture(self, name: str, path: Path, step: int) -> None:
        """Show a picture; see :class:`RunLogger`."""
        picture = np.asarray(open_picture(path, "picture").convert("RGB"))
        self.experiment.add_image(name, picture, step, dataformats="HWC")

    def show_clip(self, name: str, path: Path, frames: UInt8Array, fps: float, step: int) -> None:
        """Show a clip as a moving GIF: TensorBoard plays no video; see :class:`RunLogger`."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        moving = io.BytesIO()
        first, *others = (Image.fromarray(frame) for frame in frames)
        length = round(1000 / fps)
        first.save(moving, "GIF", save_all=True, append_images=others, duration=length, loop=0)
        height, width = frames.shape[1:3]
        image = Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=moving.getvalue()
        )
        summary = Summary(value=[Summary.Value(tag=name, image=image)])
        self.experiment._get_file_writer().add_summary(summary, step)

    def show_table(self, name: str, table: pl.DataFrame, step: int) -> None:
        """Show a table as text; see :class:`RunLogger`."""
        lines = [" | ".join(table.columns), " | ".join("---" for _ in table.columns)]
        lines += [" | ".join(map(_cell, row)) for row in table.iter_rows()]
        self.experiment.add_text(name, "".join(f"| {line} |\n" for line in lines), step)


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _hide_host() -> None:
    """Keep the machine's name out of the names of event files: they are shared with the run.

    For the rest of the process: a writer that Lightning has closed is opened anew by what is logged
    after the training.
    """
    from tensorboard.summary.writer import event_file_writer

    event_file_writer.socket = SimpleNamespace(gethostname=lambda: HOST)
