"""Training and scoring of YOLOv8 detectors (paper 3.1, 4.1), with ultralytics kept on a lead.

Its trainer is used as it is, but it writes no pickled checkpoint, runs no callback of its own
(they upload runs wherever an API key is set) and keeps every file in the run's folder.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from torch import nn

from diffmvr.checks import check_number
from diffmvr.data.detection_set import LabelledImage
from diffmvr.geometry import boxes_mask
from diffmvr.metrics.detection import region_iou
from diffmvr.preprocessing.yolo import YoloDetector
from diffmvr.preprocessing.yolo_files import DetectorConfig, build_network, read_detector
from diffmvr.preprocessing.yolo_runtime import import_ultralytics
from diffmvr.progress import tracked
from diffmvr.structures import UInt8Array

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DetectorTraining:
    """How a detector is trained.

    Attributes:
        epochs: passes over the training images, at least 1.
        batch_size: images per step.
        learning_rate: of AdamW, at its highest.
        max_minutes: train for about this long instead, as many epochs as fit; ``None``: ``epochs``.
        mosaic: share of training images that are put together from four.
        plain_epochs: last epochs without that.
        scale: images are enlarged or reduced by up to this share.
        degrees: images are turned by up to this angle.
        device: ``"cpu"``, or a GPU's number.
        workers: processes that read images.
    """

    epochs: int = 30
    batch_size: int = 16
    learning_rate: float = 2e-3
    max_minutes: float | None = None
    mosaic: float = 0.5
    plain_epochs: int = 5
    scale: float = 0.5
    degrees: float = 20.0
    device: str = "cpu"
    workers: int = 0

    def __post_init__(self) -> None:
        check_number("epochs", self.epochs, 1, 100_000)
        check_number("batch_size", self.batch_size, 2, 4096)
        check_number("learning_rate", self.learning_rate, 0, 1)
        check_number("mosaic", self.mosaic, 0, 1)


def start_network(config: DetectorConfig, width: float, init: Path | None) -> nn.Module:
    """Return a network to train: fresh, or from a trained detector.

    Args:
        config: what it is for.
        width: share of YOLOv8's channels in a fresh network; 0.25 is its smallest published size.
        init: a detector's folder; its architecture is taken, and of its weights whatever fits (a
            detector of boxes can start from one of outlines, and the other way round).

    Raises:
        FileNotFoundError: if ``init`` is no detector's folder.
    """
    check_number("width", width, 0.0625, 2)
    import_ultralytics()
    if init is None:
        return build_network(_architecture(config, (0.33, width, 512)), config.segmentation)
    trained, trained_for = read_detector(init)
    given: dict[str, Any] = vars(trained)["yaml"]
    same_kind = trained_for.segmentation == config.segmentation
    sizes = given["scales"][given["scale"]]
    architecture = given if same_kind else _architecture(config, sizes)
    architecture = {**architecture, "nc": len(config.names)}
    network = build_network(architecture, config.segmentation)
    wanted = network.state_dict()
    taken = {
        name: value
        for name, value in trained.state_dict().items()
        if name in wanted and wanted[name].shape == value.shape
    }
    network.load_state_dict({**wanted, **taken})
    log.info("%d of %d tensors start from %s", len(taken), len(wanted), init)
    return network


def train_network(
    network: nn.Module,
    config: DetectorConfig,
    data: Path,
    folder: Path,
    settings: DetectorTraining,
    seed: int = 0,
    after_epoch: Callable[[nn.Module], None] | None = None,
) -> nn.Module:
    """Train a network and return the moving average of its weights.

    Args:
        network: the same of :func:`start_network`.
        config: what it is for.
        data: ``data.yaml`` of a set that ``write_yolo_set`` wrote.
        folder: the run's folder; ultralytics' own record of losses goes to ``folder/ultralytics``.
        settings: how.
        seed: of the order and the augmentation of images.
        after_epoch: called with the moving average so far, to look at or to keep.
    """
    overrides = {
        "model": "network.yaml",
        "data": str(data),
        "imgsz": config.image_size,
        "epochs": settings.epochs,
        "batch": settings.batch_size,
        "nbs": settings.batch_size,
        "optimizer": "AdamW",
        "lr0": settings.learning_rate,
        "cos_lr": True,
        "time": settings.max_minutes / 60 if settings.max_minutes else None,
        "mosaic": settings.mosaic,
        "close_mosaic": settings.plain_epochs,
        "scale": settings.scale,
        "degrees": settings.degrees,
        "device": settings.device,
        "workers": settings.workers,
        "seed": seed,
        "warmup_epochs": min(2.0, settings.epochs / 5),
        "patience": 0,
        "amp": False,
        "pretrained": False,
        "plots": False,
        "val": False,
        "save": False,
        "verbose": False,
        "project": str(folder.resolve()),
        "name": "ultralytics",
        "exist_ok": True,
    }
    trainer = _trainer_class(config.segmentation)(overrides=overrides)
    trainer.model = network
    trainer.after_epoch = after_epoch
    trainer.train()
    network = trainer.ema.ema.float().cpu()
    # The criterion and the arguments that training hung on it are no part of a network.
    vars(network).pop("criterion", None)
    return network


def _trainer_class(segmentation: bool) -> Any:
    from ultralytics.models.yolo.detect import DetectionTrainer
    from ultralytics.models.yolo.segment import SegmentationTrainer

    class Trainer(SegmentationTrainer if segmentation else DetectionTrainer):  # type: ignore[misc]
        """ultralytics' trainer without its checkpoints and callbacks."""

        def run_callbacks(self, event: str) -> None:
            if event == "on_fit_epoch_end":
                losses = self.label_loss_items(self.tloss)
                shown = ", ".join(f"{k.removeprefix('train/')} {v:.3f}" for k, v in losses.items())
                log.info("epoch %d of %d: %s", self.epoch + 1, self.epochs, shown)
                if self.after_epoch is not None:
                    self.after_epoch(self.ema.ema)

        def save_model(self) -> bool:
            return False

        def final_eval(self) -> None:
            return None

    return Trainer


def _architecture(config: DetectorConfig, sizes: Iterable[float]) -> dict[str, Any]:
    """Return YOLOv8's architecture at another depth, width and greatest number of channels."""
    name = "yolov8-seg.yaml" if config.segmentation else "yolov8.yaml"
    text = (files("ultralytics") / "cfg" / "models" / "v8" / name).read_text(encoding="utf-8")
    return {
        **yaml.safe_load(text),
        "nc": len(config.names),
        "scales": {"n": list(sizes)},
        "scale": "n",
    }


def score_images(detector: YoloDetector, images: Iterable[LabelledImage]) -> list[dict[str, Any]]:
    """Run a detector over annotated images.

    The region of a face is its best box, that of an occluder the union of all boxes or outlines.

    Returns:
        One row an image: name, subject, origin, occupied, iou and the best score (0 for none).
    """
    rows = []
    for image in tracked(images, "scoring", "images"):
        found = found_region(detector, image.read())
        truth = image.region(detector.config.segmentation)
        rows.append(
            {
                "name": image.name,
                "subject": image.subject,
                "origin": image.origin,
                "occupied": bool(truth.any()),
                "iou": region_iou(found, truth),
            }
        )
    return rows


def found_region(detector: YoloDetector, pixels: UInt8Array) -> UInt8Array:
    """Return ``[H, W]`` 0/1: what a detector finds in an image ``[H, W, 3]``."""
    found = detector.detect(pixels)
    if found.masks is not None:
        return found.masks.max(axis=0, initial=0)
    boxes = found.boxes[:1] if detector.config.task == "face" else found.boxes
    return boxes_mask(boxes, (pixels.shape[0], pixels.shape[1]))
