"""Which weights are present, and what brings those that are not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from diffmvr.health.finding import Finding
from diffmvr.landmarker_bundle import BUNDLE_NAME, find_landmarker_bundle
from diffmvr.models.hub import cached_snapshot
from diffmvr.parsing import user_path
from diffmvr.published_weights import PublishedWeights, named_in, published_weights

AREA = "weights"
SHIPPED_MODELS = ("tiny-base", "diffmvr-tiny")
SHIPPED_OTHERS = ("expression-tiny", "fourier-inpainter", "temporal-inpainter", "detectors/face")


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
        sd15 = published_weights()["sd15"]
        findings.append(_published("model=sd15", replace(sd15, repository=base or sd15.repository)))
    others = (
        ("model=sd15_inpainting", "sd15_inpainting"),
        ("OpenCLIP ViT-L-14, openai", "vit_l_14"),
    )
    return [*findings, *(_published(name, published_weights()[key]) for name, key in others)]


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
    found = []
    for name, path in files.items():
        if path.is_file():
            found.append(Finding(AREA, name, "ok", str(path)))
            continue
        published = named_in(path.name)
        remedy = published.remedy(path) if published else f"give {path}"
        found.append(Finding(AREA, name, "note", f"absent: {path}", remedy))
    return found


def check_landmarker(given: str | None) -> Finding:
    """Look for MediaPipe's Face Landmarker bundle, where a restoration would look."""
    remedy = (
        f"{published_weights()['face_landmarker'].remedy()}; without it give face_box=, or the "
        "region around the mask is used"
    )
    try:
        path = find_landmarker_bundle(given)
    except FileNotFoundError as error:
        return Finding(AREA, BUNDLE_NAME, "warning", str(error).partition(";")[0], remedy)
    if path is None:
        return Finding(AREA, BUNDLE_NAME, "note", "absent", remedy)
    return Finding(AREA, BUNDLE_NAME, "ok", str(path))


def _published(name: str, weights: PublishedWeights) -> Finding:
    folder = cached_snapshot(weights.repository)
    if folder is not None and all((folder / file).is_file() for file in weights.needed):
        return Finding(AREA, name, "ok", f"{weights.repository}, in the hub's cache")
    absent = f"{weights.repository} is not in the hub's cache"
    return Finding(AREA, name, "note", absent, weights.command())


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
