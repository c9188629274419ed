"""Where, with what and how a run was made: the facts that ``run.json`` keeps."""

import os
import platform
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from diffmvr.run_record import RunRecord
from diffmvr.runs.code_state import code_state
from diffmvr.runs.hashes import model_hash
from diffmvr.sweep_names import job_name, varied_settings
from diffmvr.text import without_places

PACKAGES = ("diffmvr", "torch", "diffusers", "open_clip_torch", "opencv-python", "av", "mediapipe")
# Groups of settings whose choices tell a run apart at a glance.
CHOICES = ("experiment", "model", "data", "mask")
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
    validation: Mapping[str, float] = MappingProxyType({}),
    device: torch.device | None = None,
) -> RunRecord:
    """Return the record of a run that has just finished.

    Args:
        cfg: the composed configuration.
        kind: the entry point, e.g. ``"train"``.
        config_hash: of the ledger.
        seconds: how long it took.
        weights: folder of the model that was trained or scored.
        base: folder of the model that training began with.
        steps: optimizer steps done.
        resumed: whether it went on where a killed run stood.
        validation: what the last validation gave.
        device: where it ran.
    """
    name = job_name(cfg)
    values = {key: OmegaConf.select(cfg, key) for key in SETTINGS}
    for key, text in varied_settings().items():
        value = OmegaConf.select(cfg, key)
        # A group is told by the name of its choice.
        values[key] = text if OmegaConf.is_dict(value) else value
    return RunRecord(
        kind=kind,
        name=name,
        sweep=cfg.name if name != cfg.name else "",
        seed=cfg.seed,
        mask_type=OmegaConf.select(cfg, "mask.type") or "",
        config_hash=config_hash,
        weights_hash=model_hash(weights),
        base_hash=model_hash(base),
        steps=steps,
        seconds=round(seconds, 1),
        resumed=resumed,
        validation=dict(validation),
        command=command(kind),
        finished=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        settings={
            key: OmegaConf.to_object(value) if OmegaConf.is_config(value) else value
            for key, value in values.items()
            if value is not None
        },
        machine=machine(device),
        versions=package_versions(),
        code=code_state(),
    )


def choices() -> dict[str, str]:
    """Return what was chosen of the groups that tell runs apart; empty outside of a command."""
    if not HydraConfig.initialized():
        return {}
    chosen = HydraConfig.get().runtime.choices
    return {group: str(chosen[group]) for group in CHOICES if chosen.get(group)}


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


PLACES = ("encodings=", "output=", "paths.")
"""Overrides that name folders of this machine and shape no result."""


def command(kind: str) -> str:
    """Return the command that repeats this job, of a sweep the job alone.

    Where this machine keeps things is left out: it changes nothing, and is nobody's business.
    """
    if HydraConfig.initialized():
        hydra = HydraConfig.get()
        name = hydra.job.config_name
        kept = [one for one in hydra.overrides.task if not one.startswith(PLACES)]
        overrides = without_places(kept)
        chosen = [] if name in (None, kind) else ["--config-name", name]
        return shlex.join(["python", "-m", f"diffmvr.{kind}", *chosen, *overrides])
    return shlex.join(["python", "-m", f"diffmvr.{kind}", *without_places(sys.argv[1:])])


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def package_versions() -> dict[str, str]:
    """Return the versions of what computes the result; absent packages are left out."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
