"""Which weights are present, and what brings those that are not."""

import os
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from diffmvr.health.finding import Finding
from diffmvr.models.base_checkpoint import HUB_NEEDED, HUB_PATTERNS, SD15_ID
from diffmvr.models.hub import cached_snapshot, download_command
from diffmvr.parsing import user_path

AREA = "weights"
SHIPPED_MODELS = ("tiny-base", "diffmvr-tiny")
SHIPPED_OTHERS = ("expression-tiny", "fourier-inpainter", "temporal-inpainter", "detectors/face")
INPAINTING_ID = "stable-diffusion-v1-5/stable-diffusion-inpainting"
TOWER_ID = "timm/vit_large_patch14_clip_224.openai"
TOWER_FILE = "open_clip_model.safetensors"
LANDMARKER_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
    "face_landmarker.task"
)


def check_shipped(folder: Path) -> list[Finding]:
    """Look for the small weights that come with the package."""
    remedy = "install diffmvr anew; they are part of it"
    return [
        Finding(AREA, f"shipped: {name}", "ok", "present")
        if any((folder / name).rglob("*.safetensors"))
        or any((folder / name).rglob("*.onnx"))
        or any((folder / name).rglob("*.pt"))
        else Finding(
            AREA,
            f"shipped: {name}",
            "error" if name in SHIPPED_MODELS else "warning",
            f"absent from {folder}",
            remedy,
        )
        for name in (*SHIPPED_MODELS, *SHIPPED_OTHERS)
    ]


def check_full_size(base: str | None = None) -> list[Finding]:
    """Look for Stable Diffusion 1.5 and its OpenCLIP tower.

    Args:
        base: a folder, a file or a hub id to look at instead of the published base.
    """
    findings = []
    if base is not None and user_path(base).exists():
        findings.append(Finding(AREA, "model=sd15", "ok", base))
    else:
        findings.append(_published("model=sd15", base or SD15_ID, HUB_PATTERNS, HUB_NEEDED))
    findings.append(_published("model=sd15_inpainting", INPAINTING_ID, HUB_PATTERNS, HUB_NEEDED))
    tower = (TOWER_FILE, "open_clip_config.json")
    findings.append(_published("OpenCLIP ViT-L-14, openai", TOWER_ID, tower, (TOWER_FILE,)))
    return findings


def check_metric_networks(config: Path, folder: Path) -> list[Finding]:
    """Look for the networks that the paper's own scores are measured with.

    Args:
        config: folder of the settings; ``scoring/paper.yaml`` there names the files.
        folder: where they are looked for.
    """
    settings = OmegaConf.to_container(OmegaConf.load(config / "scoring" / "paper.yaml"))
    files = {
        name: folder / str(path).rpartition("/")[2] for name, path in _weights_of(settings).items()
    }
    remedy = "python -m diffmvr.evaluate scoring=paper says the command that brings it"
    return [
        Finding(AREA, name, "ok", str(path))
        if path.is_file()
        else Finding(AREA, name, "note", f"absent: {path}", remedy)
        for name, path in files.items()
    ]


def check_landmarker(given: str | None) -> Finding:
    """Look for MediaPipe's Face Landmarker bundle, where a restoration would look."""
    shared = os.environ.get("DIFFMVR_SHARED")
    named = given or os.environ.get("DIFFMVR_FACE_LANDMARKER")
    path = Path(named) if named else None
    if path is None and shared:
        path = Path(shared) / "models" / "face_landmarker.task"
    name = "face_landmarker.task"
    if path is not None and path.is_file():
        return Finding(AREA, name, "ok", str(path))
    remedy = (
        f"curl -L -o {name} {LANDMARKER_URL}, then DIFFMVR_FACE_LANDMARKER={name}; without it give "
        "face_box=, or the region around the mask is used"
    )
    if named:
        return Finding(AREA, name, "warning", f"named, and absent: {path}", remedy)
    return Finding(AREA, name, "note", "not named", remedy)


def _published(
    name: str, repository: str, patterns: tuple[str, ...], needed: tuple[str, ...]
) -> Finding:
    folder = cached_snapshot(repository)
    if folder is not None and all((folder / file).is_file() for file in needed):
        return Finding(AREA, name, "ok", f"{repository}, in the hub's cache")
    return Finding(
        AREA,
        name,
        "note",
        f"{repository} is not in the hub's cache",
        download_command(repository, patterns),
    )


def _weights_of(settings: Any, name: str = "") -> dict[str, str]:
    """Return every value called ``weights`` by the name of what it belongs to."""
    found: dict[str, str] = {}
    if isinstance(settings, dict):
        for key, value in settings.items():
            if key == "weights":
                found[name] = str(value)
            else:
                found |= _weights_of(value, str(key))
    return found
