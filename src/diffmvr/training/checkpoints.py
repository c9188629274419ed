"""Where runs continue from, and what they leave behind."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from diffmvr.models.components import Components
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.training.model_card import write_model_card


def find_checkpoint(ckpt_path: str | None, folder: Path) -> str | None:
    """Return the checkpoint to go on from.

    Args:
        ckpt_path: None, ``"last"``, or a file.
        folder: the run's checkpoint folder, searched for ``last``.

    Raises:
        FileNotFoundError: if there is none where one was asked for.
    """
    if ckpt_path is None:
        return None
    path = folder / "last.ckpt" if ckpt_path == "last" else Path(ckpt_path)
    if not path.is_file():
        raise FileNotFoundError(
            f"ckpt_path={ckpt_path}: no checkpoint at {path}; "
            "give the run's folder with hydra.run.dir=…, or a checkpoint file"
        )
    return str(path)


def save_model(components: Components, folder: Path, facts: Mapping[str, object]) -> None:
    """Write a model folder with its card, beside first, then renamed."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    DiffMVRPipeline.from_components(components).save_pretrained(partial)
    write_model_card(partial, "DiffMVR", facts, {})
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
