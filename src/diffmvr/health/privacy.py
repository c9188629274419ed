"""What may leave this machine, and under which licences the optional parts are."""

import os
from collections.abc import Mapping
from pathlib import Path

from omegaconf import OmegaConf
from packaging.version import Version

from diffmvr.health.finding import Finding

MEDIAPIPE_SENDS = Version("0.10.35")
TRUE = ("1", "true", "yes", "on")

LICENCES: Mapping[str, tuple[str, str]] = {
    "ultralytics": ("AGPL-3.0", "a service built on it must offer its source code"),
    "mediapipe": ("Apache-2.0", ""),
    "gradio": ("Apache-2.0", ""),
    "av": ("BSD-3-Clause; its wheel carries x264, GPL-2.0 or later", ""),
}
WEIGHT_LICENCES: Mapping[str, tuple[str, str]] = {
    "shipped detectors": ("AGPL-3.0", "not read unless a detector is asked for"),
    "Stable Diffusion 1.5": ("CreativeML Open RAIL-M", "its use restrictions pass on"),
    "ProPainter, E2FGVI": ("S-Lab 1.0, CC BY-NC 4.0", "not for commercial use"),
}


def check_telemetry(
    versions: Mapping[str, str], config: Path, environment: Mapping[str, str] = os.environ
) -> list[Finding]:
    """Say of everything that could send something whether it does.

    Args:
        versions: of the installed packages, by name.
        config: folder of the settings; ``logger/wandb.yaml`` there says whether runs are uploaded.
        environment: of the process.
    """
    findings = [_wandb(config, environment), _hub(environment)]
    mediapipe = versions.get("mediapipe")
    if mediapipe is None:
        findings.append(_ok("MediaPipe", "absent"))
    elif Version(mediapipe) >= MEDIAPIPE_SENDS:
        found = f"{mediapipe} reports its use; diffmvr keeps the reports from leaving"
        remedy = "other programs that use it do send them: run those without a network"
        findings.append(Finding("privacy", "MediaPipe", "note", found, remedy))
    else:
        findings.append(_ok("MediaPipe", f"{mediapipe} sends nothing"))
    if "ultralytics" in versions:
        found = "diffmvr switches its events off and keeps it off the network"
        findings.append(_ok("ultralytics", found))
    if "gradio" in versions:
        findings.append(_ok("gradio", "diffmvr switches its analytics off"))
    findings.append(_ok("diffmvr", "sends nothing anywhere"))
    return findings


def check_licences(versions: Mapping[str, str]) -> list[Finding]:
    """Name the licences of what is not under the core's own terms."""
    installed = {name: value for name, value in LICENCES.items() if name in versions}
    return [
        Finding("licences", name, "note", licence, remark)
        for name, (licence, remark) in {**installed, **WEIGHT_LICENCES}.items()
    ]


def _wandb(config: Path, environment: Mapping[str, str]) -> Finding:
    settings = OmegaConf.load(config / "logger" / "wandb.yaml")
    uploads = bool(OmegaConf.select(settings, "wandb.online"))
    mode = environment.get("WANDB_MODE")
    found = "runs are uploaded" if uploads else "runs stay on this machine until `wandb sync`"
    found += "; its own reports are off"
    if mode:
        found += f"; WANDB_MODE={mode}"
    return Finding("privacy", "W&B", "warning" if uploads else "ok", found)


def _hub(environment: Mapping[str, str]) -> Finding:
    if environment.get("HF_HUB_OFFLINE", "").lower() in TRUE:
        return _ok("Hugging Face hub", "never asked (HF_HUB_OFFLINE)")
    quiet = any(
        environment.get(name, "").lower() in TRUE
        for name in ("HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK")
    )
    found = "asked only for weights that are named and not in its cache"
    return Finding(
        "privacy",
        "Hugging Face hub",
        "ok" if quiet else "note",
        found + ("; telemetry off" if quiet else "; such a question names versions"),
        "" if quiet else "HF_HUB_OFFLINE=1 forbids it, HF_HUB_DISABLE_TELEMETRY=1 keeps it short",
    )


def _ok(name: str, found: str) -> Finding:
    return Finding("privacy", name, "ok", found)
