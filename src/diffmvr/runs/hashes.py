"""Hashes of the files that a run depends on: what they hold counts, not where they are kept."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from diffmvr.files import hash_files
from diffmvr.models.base_checkpoint import part_folder, resolve_base
from diffmvr.models.hub import cached_snapshot
from diffmvr.parsing import user_path

PARTS = ("unet", "vae", "image_encoder", "image_encoder_2", "projector")
# Settings of a rival or a scorer that name its network or its program.
PLACES = ("bundle", "folder", "weights")
# What of a folder counts: weights, their settings, and programs.
SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".onnx", ".task", ".json", ".py")


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


def scoring_hashes(cfg: DictConfig, names: Sequence[str]) -> dict[str, str]:
    """Return the hashes of the files that scores depend on besides the model's.

    What is not present has no hash: a job that had to do without it is another job than one that
    has it.

    Args:
        cfg: the composed ``conf/evaluate.yaml``; of its scoring every network counts.
        names: who competes; of those in ``cfg.baselines`` the weights and programs count.
    """
    parts = {f"baselines.{name}": cfg.baselines[name] for name in names if name in cfg.baselines}
    parts["scoring"] = cfg.scoring
    hashes = {}
    for above, part in parts.items():
        settings: Any = OmegaConf.to_container(part, resolve=True)
        for key, place in _places(settings, above):
            files = _network_files(place)
            if files:
                hashes[key] = _hash_of_hashes({name: hash_files(file) for name, file in files})
    return hashes


def _places(settings: Mapping[str, Any], above: str) -> Iterator[tuple[str, Path]]:
    """Yield what the settings name that is present, by the setting's full name."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _places(value, f"{above}.{key}")
        elif key in PLACES:
            place = _present(settings.get("hub_id") if value is None else value)
            if place is not None:
                yield f"{above}.{key}", place


def _present(name: str | None) -> Path | None:
    """Return a file, a folder, or the folder of a hub id in the cache; None if there is none."""
    if name is None:
        return None
    place = user_path(name)
    return place if place.exists() else cached_snapshot(name)


def _network_files(place: Path) -> list[tuple[str, Path]]:
    """Return the files that count, each with its name within the place."""
    if place.is_file():
        return [("", place)]
    files = sorted(file for file in place.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    return [(file.relative_to(place).as_posix(), file) for file in files]


def _tower_files(image_encoder: str | Sequence[str | None]) -> list[Path]:
    """Return the files of a tower that ``load_components`` takes."""
    if isinstance(image_encoder, str):
        return _part_files(image_encoder)
    name, pretrained = image_encoder
    if name is None or pretrained is None:
        return []
    # OpenCLIP takes seconds to import, and most models have their tower in their own folder.
    from diffmvr.models.open_clip_weights import locate_tower

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


def hash_weights(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each safetensors file of a model, also of the parts of its base.

    A base that is one file has one; a folder without parts (a rival's, a pretrained part's) those
    that lie in it.
    """
    if folder.is_file():
        return {folder.name: hash_files(folder)}
    hashes = {}
    for part in PARTS:
        place = part_folder(folder, part)
        for file in sorted(place.glob("*.safetensors")):
            hashes[f"{part}/{file.name}"] = hash_files(file)
    return hashes or {file.name: hash_files(file) for file in folder.glob("*.safetensors")}
