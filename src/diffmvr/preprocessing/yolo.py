"""YOLOv8 detectors of faces and of what hides them (paper 3.1, 4.1).

A detector is a folder that no pickle is read from:

- ``config.json``: ``task``, ``image_size`` (pixels), ``names`` of the classes, ``segmentation``;
- ``model.yaml``: the architecture, as ultralytics reads it;
- ``weights.safetensors``: the state of the network.

Boxes are (x0, y0, x1, y1) with integer values at pixel *centres*, as everywhere in diffmvr.
"""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import yaml
from safetensors.torch import load_file, save
from torch import Tensor, nn

from diffmvr.checks import check_number, check_one_of, check_shape
from diffmvr.preprocessing.detection import Detections
from diffmvr.preprocessing.yolo_runtime import import_ultralytics
from diffmvr.structures import UInt8Array

log = logging.getLogger(__name__)

TASKS = ("face", "occluder", "occluder_seg")
STRIDE = 32
"""The network halves an image five times; its input is a multiple of this."""

_GREY = 114
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
        check_one_of("task", self.task, TASKS)
        check_number("image_size", self.image_size, STRIDE, 4096)
        if self.image_size % STRIDE:
            raise ValueError(
                f"image_size: expected a multiple of {STRIDE}, got {self.image_size}; "
                f"take {round(self.image_size / STRIDE) * STRIDE}"
            )
        if not self.names:
            raise ValueError("names: expected at least one class, got none")


class YoloDetector:
    """Finds boxes, and outlines where the network draws them, in one image.

    Args:
        folder: a detector's folder, or a ``.pt`` file of ultralytics.
        confidence: least score of a detection, in [0, 1].
        overlap: boxes that overlap a better one by more than this IoU are left out.
        device: ``"cpu"`` or ``"cuda"``.
        trusted: needed for a ``.pt`` file: reading one runs whatever code it holds.

    Raises:
        FileNotFoundError: if a file of the folder is missing.
        ValueError: if a file does not fit, or a ``.pt`` file is not named as trusted.
    """

    def __init__(
        self,
        folder: str | Path,
        confidence: float = 0.25,
        overlap: float = 0.6,
        device: str = "cpu",
        trusted: bool = False,
    ) -> None:
        check_number("confidence", confidence, 0, 1)
        check_number("overlap", overlap, 0, 1)
        folder = Path(folder)
        if folder.suffix == ".pt":
            read, self.config = _read_checkpoint(folder, trusted)
        else:
            read, self.config = read_detector(folder)
        self.confidence = confidence
        self.overlap = overlap
        self.device = torch.device(device)
        # Joining convolution and normalisation changes nothing but the time it takes.
        network: Any = read.to(self.device).eval()
        self.network = network.fuse(verbose=False)

    @torch.no_grad()
    def detect(self, image: UInt8Array) -> Detections:
        """Find the objects in an image, the best first.

        Args:
            image: ``[H, W, 3]`` uint8 RGB.

        Returns:
            Boxes in pixels of ``image``, scores, and masks ``[K, H, W]`` if the network draws
            outlines.
        """
        check_shape("image", image, (None, None, 3))
        height, width = image.shape[:2]
        box = letterbox(height, width, self.config.image_size)
        out = self.network(_to_input(image, box).to(self.device))[0]
        raw, prototypes = out if self.config.segmentation else (out, None)
        found = _suppress(raw, self.confidence, self.overlap, len(self.config.names))
        corners = box.to_image(found[:, :4])
        boxes = corners.double().cpu().numpy() - 0.5
        scores = found[:, 4].double().cpu().numpy()
        masks = None
        if prototypes is not None:
            masks = _draw(prototypes[0], found[:, 6:], corners, box)
        return Detections(boxes, scores, masks)


@dataclass(frozen=True)
class Letterbox:
    """An image ``[height, width]`` in the middle of a grey one ``[rows, columns]``.

    ``inner_height × inner_width`` is its size there; ``top`` and ``left`` are its offsets.
    """

    height: int
    width: int
    inner_height: int
    inner_width: int
    top: int
    left: int
    rows: int
    columns: int

    def to_image(self, boxes: Tensor) -> Tensor:
        """Carry boxes ``[K, 4]`` (edges, not centres) back to the image and clip them to it."""
        scale = boxes.new_tensor([self.width / self.inner_width, self.height / self.inner_height])
        shift = boxes.new_tensor([self.left, self.top])
        limit = boxes.new_tensor([self.width, self.height])
        points = (boxes.reshape(-1, 2, 2) - shift) * scale
        return points.clamp(min=torch.zeros_like(limit), max=limit).reshape(-1, 4)


def letterbox(height: int, width: int, size: int) -> Letterbox:
    """Fit an image into ``size`` pixels on its longer side, the other padded to the next 32."""
    scale = size / max(height, width)
    inner_height, inner_width = max(round(height * scale), 1), max(round(width * scale), 1)
    rows, columns = (-(-side // STRIDE) * STRIDE for side in (inner_height, inner_width))
    top, left = (rows - inner_height) // 2, (columns - inner_width) // 2
    return Letterbox(height, width, inner_height, inner_width, top, left, rows, columns)


def _to_input(image: UInt8Array, box: Letterbox) -> Tensor:
    """Return ``[1, 3, rows, columns]`` float in [0, 1]."""
    shrinks = box.inner_width < box.width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    inner = cv2.resize(image, (box.inner_width, box.inner_height), interpolation=method)
    canvas = np.full((box.rows, box.columns, 3), _GREY, np.uint8)
    canvas[box.top : box.top + box.inner_height, box.left : box.left + box.inner_width] = inner
    return torch.from_numpy(canvas).permute(2, 0, 1)[None].float() / 255


def _suppress(raw: Tensor, confidence: float, overlap: float, classes: int) -> Tensor:
    """Return ``[K, 6 + coefficients]``: box, score, class, the best first."""
    from ultralytics.utils.nms import non_max_suppression

    # No limit of time: what is found must not depend on how busy the machine is.
    return non_max_suppression(raw, confidence, overlap, nc=classes, max_time_img=60.0)[0]


def _draw(prototypes: Tensor, coefficients: Tensor, corners: Tensor, box: Letterbox) -> UInt8Array:
    """Return masks ``[K, H, W]`` 0/1: coefficients times prototypes, smooth to the full size."""
    masks = np.zeros((len(coefficients), box.height, box.width), np.uint8)
    logits = torch.einsum("kc,chw->khw", coefficients, prototypes)
    for mask, logit, corner in zip(masks, logits, corners.cpu().numpy(), strict=True):
        inside = F.interpolate(logit[None, None], (box.rows, box.columns), mode="bilinear")[0, 0]
        inside = inside[box.top : box.top + box.inner_height, box.left : box.left + box.inner_width]
        full = cv2.resize(
            inside.cpu().numpy(), (box.width, box.height), interpolation=cv2.INTER_LINEAR
        )
        x0, y0 = np.floor(corner[:2]).astype(int)
        x1, y1 = np.ceil(corner[2:]).astype(int)
        mask[y0:y1, x0:x1] = full[y0:y1, x0:x1] > 0
    return masks


def build_network(architecture: dict[str, Any], segmentation: bool) -> nn.Module:
    """Build a YOLOv8 network from the contents of a ``model.yaml``, with random weights."""
    import_ultralytics()
    from ultralytics.nn.tasks import DetectionModel, SegmentationModel

    kind = SegmentationModel if segmentation else DetectionModel
    return kind(architecture, ch=3, nc=architecture["nc"], verbose=False)


def read_detector(folder: Path) -> tuple[nn.Module, DetectorConfig]:
    """Read a detector's folder; see ``YoloDetector``."""
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"detector: {folder} has no {', '.join(missing)}; give a folder that "
            "diffmvr.train_detector wrote"
        )
    config = _read_config(folder / "config.json")
    architecture = yaml.safe_load((folder / "model.yaml").read_text(encoding="utf-8"))
    network = build_network(architecture, config.segmentation)
    state = {name: value.float() for name, value in load_file(folder / _FILES[2]).items()}
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
    (folder / "config.json").write_text(json.dumps(asdict(config), indent=2) + "\n")


def _read_config(path: Path) -> DetectorConfig:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return DetectorConfig(
            task=values["task"],
            image_size=values["image_size"],
            names=tuple(values["names"]),
            segmentation=values["segmentation"],
        )
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"detector: {path} is not a detector's config.json ({error!r}); "
            "expected task, image_size, names and segmentation"
        ) from error


def _read_checkpoint(path: Path, trusted: bool) -> tuple[nn.Module, DetectorConfig]:
    """Read a ``.pt`` file of ultralytics, if it is trusted."""
    if not trusted:
        raise ValueError(
            f"trusted: expected true for {path}, got false; a .pt file runs the code it holds when "
            "it is read, so name it as trusted only if you know who made it"
        )
    if not path.is_file():
        raise FileNotFoundError(f"detector: there is no file {path}")
    import_ultralytics()
    saved = torch.load(path, map_location="cpu", weights_only=False)
    network = (saved.get("ema") or saved["model"]).float()
    names = tuple(network.names.values())
    segmentation = type(network).__name__ == "SegmentationModel"
    task = "occluder_seg" if segmentation else "face" if "face" in names else "occluder"
    size = int(saved.get("train_args", {}).get("imgsz", 640))
    return network, DetectorConfig(task, size, names, segmentation)
