"""Where, with what and how a run was made: the facts that ``run.json`` keeps."""

import hashlib
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from diffmvr.digests import hash_files
from diffmvr.models.base_checkpoint import resolve_base
from diffmvr.models.open_clip_weights import locate_tower
from diffmvr.pipelines.restoration_report import hash_weights, package_versions
from diffmvr.reporting.run_record import RunRecord

# What the experiments vary; those that a configuration lacks are left out.
SETTINGS = (
    "guide.kinds",
    "guide.pathway",
    "guide.fusion",
    "guide.tokens",
    "loss.motion.weight",
    "loss.motion.on",
    "loss.motion.reference",
    "loss.denoising.hole_weight",
    "loss.decoded.weight",
    "loss.first_step_share",
    "trainer.max_steps",
    "data.batch_frames",
    "data.window",
    "evaluation.num_inference_steps",
    "evaluation.clips_per_subject",
    "num_inference_steps",
    "clips_per_subject",
)


def run_record(
    cfg: DictConfig,
    kind: str,
    config_hash: str,
    seconds: float,
    *,
    weights: Path | None = None,
    base: Path | None = None,
    steps: int = 0,
    resumed: bool = False,
    device: torch.device | None = None,
) -> RunRecord:
    """Return the record of a run that has just finished.

    Args:
        cfg: the composed configuration.
        kind: ``"train"`` or ``"evaluate"``.
        config_hash: of the ledger.
        seconds: how long it took.
        weights: folder of the model that was trained or scored.
        base: folder of the model that training began with.
        steps: optimizer steps done.
        resumed: whether it went on where a killed run stood.
        device: where it ran.
    """
    values = {name: OmegaConf.select(cfg, name) for name in SETTINGS}
    return RunRecord(
        kind=kind,
        name=cfg.name,
        seed=cfg.seed,
        mask_type=cfg.mask.type,
        config_hash=config_hash,
        weights_hash=model_hash(weights),
        base_hash=model_hash(base),
        steps=steps,
        seconds=round(seconds, 1),
        resumed=resumed,
        command=command(kind),
        finished=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        settings={
            name: OmegaConf.to_object(value) if OmegaConf.is_config(value) else value
            for name, value in values.items()
            if value is not None
        },
        machine=machine(device),
        versions=package_versions(),
    )


def input_hashes(components: DictConfig) -> dict[str, str]:
    """Return the hashes of the files that training begins with, wherever they are kept.

    Args:
        components: ``conf/model``'s; of ``base``, ``image_encoder`` and ``vae`` those that name
            files, and the base in any case.
    """
    base, tower, vae = (components.get(name) for name in ("base", "image_encoder", "vae"))
    hashes = {"base": model_hash(None if base is None else resolve_base(base))}
    if tower is not None:
        hashes["image_encoder"] = _joint_hash(_tower_files(tower))
    if vae is not None:
        hashes["vae"] = _joint_hash(_part_files(vae))
    return hashes


def _tower_files(image_encoder: str | Sequence[str | None]) -> list[Path]:
    """Return the files of a tower that ``load_components`` takes."""
    if isinstance(image_encoder, str):
        return _part_files(image_encoder)
    name, pretrained = image_encoder
    if name is None or pretrained is None:
        return []
    found = locate_tower(name, pretrained)
    return [file for file in (found.weights, found.config) if file is not None]


def _part_files(folder: str) -> list[Path]:
    return sorted(file for kind in ("*.json", "*.safetensors") for file in Path(folder).glob(kind))


def _joint_hash(files: Sequence[Path]) -> str:
    return _hash_of_hashes({file.name: hash_files(file) for file in files})


def model_hash(folder: Path | None) -> str:
    """Return one SHA-256 over the weights files of a model folder; empty if there are none."""
    return _hash_of_hashes(hash_weights(folder) if folder is not None else {})


def _hash_of_hashes(hashes: Mapping[str, str]) -> str:
    lines = "".join(f"{name} {value}\n" for name, value in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest() if hashes else ""


def machine(device: torch.device | None = None) -> dict[str, Any]:
    """Return processor, cores, threads, accelerator and system; no name and no address."""
    facts: dict[str, Any] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    }
    if device is not None and device.type == "cuda":
        facts["accelerator"] = torch.cuda.get_device_name(device)
    return facts


PLACES = ("encodings=", "paths.")
"""Overrides that name folders of this machine and shape no result."""


def command(kind: str) -> str:
    """Return the command that repeats this job, of a sweep the job alone.

    Where this machine keeps things is left out: it changes nothing, and is nobody's business.
    """
    if HydraConfig.initialized():
        hydra = HydraConfig.get()
        name = hydra.job.config_name
        overrides = [one for one in hydra.overrides.task if not one.startswith(PLACES)]
        chosen = [] if name in (None, kind) else ["--config-name", name]
        return shlex.join(["python", "-m", f"diffmvr.{kind}", *chosen, *overrides])
    return shlex.join(["python", "-m", f"diffmvr.{kind}", *sys.argv[1:]])


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
