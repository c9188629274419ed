"""How a YOLOv8 detector is stored, and the way from the files to its network and back.

A detector is a folder that no pickle is read from:

- ``config.json``: ``task``, ``image_size`` (pixels), ``names`` of the classes, ``segmentation``;
- ``model.yaml``: the architecture, as ultralytics reads it;
- ``weights.safetensors``: the state of the network.
"""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save
from torch import nn

from diffmvr.checks import check_number, check_one_of
from diffmvr.files import write_json
from diffmvr.models.config_files import building, read_config
from diffmvr.preprocessing.yolo_architecture import read_architecture
from diffmvr.preprocessing.yolo_runtime import import_ultralytics
from diffmvr.structures import DETECTION_TASKS
from diffmvr.tensor_files import check_finite_weights, read_tensors

STRIDE = 32
"""The network halves an image five times; its input is a multiple of this."""

_FILES = ("config.json", "model.yaml", "weights.safetensors")


@dataclass(frozen=True)
class DetectorConfig:
    """What ``config.json`` says.

    Attributes:
        task: ``face``, ``occluder`` or ``occluder_seg``.
        image_size: longer side of the network's input, in pixels; a multiple of 32.
        names: the classes.
        segmentation: whether the network draws outlines.
    """

    task: str
    image_size: int
    names: tuple[str, ...]
    segmentation: bool

    def __post_init__(self) -> None:
        check_one_of("task", self.task, DETECTION_TASKS)
        check_number("image_size", self.image_size, STRIDE, 4096)
        if self.image_size % STRIDE:
            raise ValueError(
                f"image_size: expected a multiple of {STRIDE}, got {self.image_size}; "
                f"take {round(self.image_size / STRIDE) * STRIDE}"
            )
        if not self.names:
            raise ValueError("names: expected at least one class, got none")


def build_network(architecture: dict[str, Any], segmentation: bool) -> nn.Module:
    """Build a YOLOv8 network from the contents of a ``model.yaml``, with random weights."""
    import_ultralytics()
    from ultralytics.nn.tasks import DetectionModel, SegmentationModel

    kind = SegmentationModel if segmentation else DetectionModel
    return kind(architecture, ch=3, nc=architecture["nc"], verbose=False)


def check_detector(path: Path, trusted: bool) -> None:
    """Check of a detector what can be known before it is loaded.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if its settings make no detector, or it is a ``.pt`` file that is not trusted.
    """
    if path.suffix == ".pt":
        _check_trusted(path, trusted)
    else:
        _describe(path)


def _describe(folder: Path) -> tuple[DetectorConfig, dict[str, Any]]:
    """Return what a detector's folder says of it, and its architecture."""
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"detector: {folder} has no {', '.join(missing)}; give a folder that "
            "diffmvr.train_detector wrote"
        )
    config = _read_config(folder / "config.json")
    return config, read_architecture(folder / "model.yaml", config.segmentation)


def read_detector(folder: Path) -> tuple[nn.Module, DetectorConfig]:
    """Read a detector's folder; see ``YoloDetector``."""
    config, architecture = _describe(folder)
    with building("detector", folder / "model.yaml"):
        network = build_network(architecture, config.segmentation)
    state = {name: value.float() for name, value in read_tensors(folder / _FILES[2]).items()}
    wanted = network.state_dict()
    wrong = [
        name for name in wanted if name not in state or state[name].shape != wanted[name].shape
    ] + [name for name in state if name not in wanted]
    if wrong:
        raise ValueError(
            f"detector: {folder / _FILES[2]} does not fit {folder / 'model.yaml'} "
            f"({len(wrong)} tensors differ, e.g. {wrong[0]}); both must come from one training"
        )
    network.load_state_dict(state)
    return network, config


def write_detector(folder: Path, network: nn.Module, config: DetectorConfig) -> None:
    """Write a detector's folder, its weights in half precision.

    Args:
        folder: it exists.
        network: the network, not fused; its ``yaml`` is the architecture.
        config: what it was trained for.
    """
    architecture = {k: v for k, v in vars(network)["yaml"].items() if k not in ("ch", "yaml_file")}
    # Counters of seen batches are no floats and matter to nobody after training.
    state = {
        name: value.detach().half().contiguous() if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    text = yaml.safe_dump(architecture, sort_keys=False, default_flow_style=None)
    (folder / "model.yaml").write_text(
        "# Derived from ultralytics' YOLOv8 (AGPL-3.0, https://ultralytics.com/license).\n" + text,
        encoding="utf-8",
    )
    (folder / "weights.safetensors").write_bytes(save(state))
    write_json(folder / "config.json", asdict(config))


def read_checkpoint(path: Path, trusted: bool) -> tuple[nn.Module, DetectorConfig]:
    """Read a ``.pt`` file of ultralytics, if it is trusted.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not named as trusted, or holds something else.
    """
    _check_trusted(path, trusted)
    import_ultralytics()
    with building("YOLOv8 detector", path):
        saved = torch.load(path, map_location="cpu", weights_only=False)
        network = (saved.get("ema") or saved["model"]).float()
        names = tuple(network.names.values())
        segmentation = type(network).__name__ == "SegmentationModel"
        task = "occluder_seg" if segmentation else "face" if "face" in names else "occluder"
        size = int(saved.get("train_args", {}).get("imgsz", 640))
        config = DetectorConfig(task, size, names, segmentation)
    check_finite_weights(network.state_dict(), path)
    return network, config


def _check_trusted(path: Path, trusted: bool) -> None:
    if not trusted:
        raise ValueError(
            f"trusted: expected true for {path}, got false; a .pt file runs the code it holds when "
            "it is read, so name it as trusted only if you know who made it"
        )
    if not path.is_file():
        raise FileNotFoundError(f"detector: there is no file {path}")


def _read_config(path: Path) -> DetectorConfig:
    values = read_config(path, DetectorConfig)
    missing = [field.name for field in fields(DetectorConfig) if field.name not in values]
    if missing:
        raise ValueError(
            f"detector: {path} is not a detector's config.json: it has no {', '.join(missing)}; "
            "give a folder that diffmvr.train_detector wrote"
        )
    known = {field.name: values[field.name] for field in fields(DetectorConfig)}
    with building("detector", path):
        return DetectorConfig(**{**known, "names": tuple(known["names"])})
