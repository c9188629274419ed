"""``python -m diffmvr.export model=MODEL_OR_RUN output=FOLDER``: a model that goes elsewhere.

The folder holds every part as safetensors, a model card, and ``diffmvr_pipeline.py``: the code that
runs here, in one file.  Where only diffusers and OpenCLIP are installed, it loads with

    from diffusers import DiffusionPipeline
    pipeline = DiffusionPipeline.from_pretrained(FOLDER, trust_remote_code=True)
    restored = pipeline(pixel_values, mask, guide_pixel_values, guide_valid).pixel_values
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from diffmvr.checks import check_one_of
from diffmvr.cli import entry_point
from diffmvr.files import replace_folder, write_json
from diffmvr.models.base_checkpoint import resolve_folder
from diffmvr.own_code import is_own
from diffmvr.parsing import read_settings, user_path
from diffmvr.pipelines.bundle import bundle_source
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.run_record import RUN_FILE, load_run_record
from diffmvr.runs.facts import package_versions
from diffmvr.text import without_places
from diffmvr.training.model_card import (
    card_body,
    card_licence,
    fact_lines,
    licence_of,
    write_export_card,
)

log = logging.getLogger(__name__)

CODE_NAME = "diffmvr_pipeline"
# Where diffusers puts a local folder's code, and finds the classes of its parts.
_LOADED_CODE = f"diffusers_modules.local.{CODE_NAME}"
OWN_CLASSES = {
    "unet": "GuidedUNet",
    "image_encoder": "GuideEncoder",
    "image_encoder_2": "GuideEncoder",
    "projector": "GuideProjector",
}
TYPES = {"float32": torch.float32, "float16": torch.float16}

_LOADING = """\
from diffusers import DiffusionPipeline  # pip install diffusers open_clip_torch

pipeline = DiffusionPipeline.from_pretrained("{name}", trust_remote_code=True)
# pixel_values [N, 3, {side}, {side}] in [-1, 1]; mask [N, 1, {side}, {side}], 1 = restore;
# guide_pixel_values [N, {guides}, 3, {side}, {side}] ({kinds}); guide_valid [N, {guides}], bool
restored = pipeline(pixel_values, mask, guide_pixel_values, guide_valid).pixel_values"""


@dataclass(frozen=True)
class ExportSettings:
    """What ``conf/export/export.yaml`` holds; every key is explained there.

    Raises:
        ValueError: if a value is unknown.
    """

    model: str
    output: str
    overwrite: bool = False
    dtype: str = "float32"
    licence: str | None = None
    title: str = "DiffMVR"

    def __post_init__(self) -> None:
        check_one_of("dtype", self.dtype, TYPES)

    @classmethod
    def from_config(cls, config: DictConfig) -> "ExportSettings":
        """Check the types of a composed configuration and wrap it.

        Raises:
            ValueError: naming the key that is missing or whose value has the wrong type.
        """
        needed = {
            "model": "a run's or a model's folder, got none; give model=FOLDER",
            "output": "a new folder, got none; give output=FOLDER",
        }
        return read_settings(cls, config, needed)


def export(settings: ExportSettings) -> Path:
    """Write a model, its code and its card into one folder.

    Args:
        settings: which model, and how.

    Returns:
        The folder.

    Raises:
        FileNotFoundError: if there is no such model.
        ValueError: if the output exists and is not to be written over.
    """
    given = user_path(settings.model)
    folder = resolve_folder(settings.model)
    run = given if folder == given / "model" else None
    output = user_path(settings.output)
    with replace_folder(output, overwrite=settings.overwrite) as partial:
        # 1. Read.
        pipeline = DiffMVRPipeline.from_pretrained(folder)
        _check_whole(pipeline)
        pipeline.to(TYPES[settings.dtype])

        # 2. Write beside; it is renamed at the end.
        pipeline.save_pretrained(partial, safe_serialization=True)
        _point_to_code(partial / "model_index.json")
        code = f"# {settings.title}: the code of its pipeline. Apache-2.0.\n"
        (partial / f"{CODE_NAME}.py").write_text(
            code + bundle_source(DiffMVRPipeline.__module__), encoding="utf-8"
        )
        guides = pipeline.guide
        parameters = sum(
            parameter.numel()
            for part in pipeline.components.values()
            if isinstance(part, torch.nn.Module)
            for parameter in part.parameters()
        )
        derived = licence_of(pipeline.unet.config)
        own = card_licence(folder) if derived == licence_of({}) else derived
        write_export_card(
            partial,
            settings.title,
            settings.licence or own or derived,
            _LOADING.format(
                name=output.name,
                side=pipeline.resolution,
                guides=len(guides.kinds),
                kinds=", ".join(guides.kinds),
            ),
            {
                "frames": f"{pipeline.resolution} × {pipeline.resolution} pixels",
                "guides": ", ".join(guides.kinds),
                "pathway": guides.pathway,
                "fusion": guides.fusion,
                "parameters": f"{parameters / 1e6:.1f} million, all parts",
                "precision": settings.dtype,
                "prediction": pipeline.scheduler.config.prediction_type,
                "made with": ", ".join(f"{k} {v}" for k, v in package_versions().items()),
            },
            _training(folder, run),
            _scores(run),
        )
    log.info("written to %s", output)
    return output


def _check_whole(pipeline: DiffMVRPipeline) -> None:
    """Require a model whose code is all of this package.

    Raises:
        ValueError: with the code of the user's own, which the one file would lack.
    """
    named = (pipeline.guide.fusion, pipeline.unet.config.get("backbone"), *pipeline.guide.kinds)
    for choice in named:
        if is_own(choice):
            raise ValueError(
                f"model: it is made with {choice!r}, code of your own that the exported file would "
                "lack; share the model's folder and that module instead"
            )


def _point_to_code(index: Path) -> None:
    """Name the classes of our own parts by the file that comes with them."""
    content: dict[str, Any] = json.loads(index.read_text(encoding="utf-8"))
    content["_class_name"] = [CODE_NAME, DiffMVRPipeline.__name__]
    for part, name in OWN_CLASSES.items():
        if content.get(part, [None])[0] is not None:
            content[part] = [_LOADED_CODE, name]
    write_json(index, content)


def _training(folder: Path, run: Path | None) -> str:
    """Return what made the model, without where that machine kept its files."""
    told = card_body(folder)
    if run is not None and (run / RUN_FILE).is_file():
        record = load_run_record(run)
        facts: Mapping[str, object] = {
            "command": f"`{record.command}`",
            "finished": record.finished,
            "machine": ", ".join(str(value) for value in record.machine.values()),
            "base (SHA-256)": record.base_hash,
            "settings (SHA-256)": record.config_hash,
        }
        told += "\n" + "\n".join(fact_lines(facts))
    return str(without_places(told))


def _scores(run: Path | None) -> str | None:
    table = run / "table.md" if run is not None else None
    return table.read_text(encoding="utf-8") if table is not None and table.is_file() else None


@entry_point("export", "export")
def main(config: DictConfig) -> None:
    """Export the model that the composed configuration names."""
    export(ExportSettings.from_config(config))


if __name__ == "__main__":
    main()
