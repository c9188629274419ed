"""``python -m diffmvr.train_detector task=face data=rendered``: train a detector of Mod_1.

On rendered clips, on a user's own annotated images (YOLO or COCO format), or on both.
"""

import csv
import dataclasses
import json
import logging
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import nn

from diffmvr.checks import check_number
from diffmvr.cli import entry_point
from diffmvr.config import register_resolvers
from diffmvr.data.detection_set import RenderedImages, write_yolo_set
from diffmvr.data.sources import SyntheticClips
from diffmvr.data.yolo_images import YoloImages
from diffmvr.files import write_json
from diffmvr.metrics.detection import DetectionScores, detection_scores
from diffmvr.preprocessing.yolo import YoloDetector
from diffmvr.preprocessing.yolo_files import DetectorConfig, write_detector
from diffmvr.preprocessing.yolo_runtime import import_ultralytics
from diffmvr.text import csv_text, from_cell
from diffmvr.training.detector import score_images, start_network, train_network
from diffmvr.training.model_card import write_model_card

log = logging.getLogger(__name__)

FACTS_NAME = "training.json"
"""In a run's folder: how its detector was trained; written last."""

TITLES = {
    "face": "Small face detector of diffmvr (YOLOv8)",
    "occluder": "Small detector of what hides a face, by box (YOLOv8)",
    "occluder_seg": "Small detector of what hides a face, by outline (YOLOv8-seg)",
}


def train_detector(cfg: DictConfig) -> Path:
    """Train a detector, score it on held-out subjects, and write it with its model card.

    Args:
        cfg: the composed ``conf/detector/train_detector.yaml``.

    Returns:
        The detector's folder.

    Raises:
        ValueError: if the data or a setting is wrong.
    """
    output = Path(cfg.output).resolve()
    config = DetectorConfig(
        cfg.task.name,
        cfg.task.image_size,
        ("face" if cfg.task.name == "face" else "occluder",),
        cfg.task.name == "occluder_seg",
    )
    torch.set_num_threads(cfg.threads)
    log.info("the run's folder is %s", output)
    if not cfg.score_only:
        _train(cfg, config, output)
    return _score(cfg, output)


def _train(cfg: DictConfig, config: DetectorConfig, output: Path) -> None:
    """Train, and write the detector with ``training.json``, the facts of its training."""
    settings = instantiate(cfg.training)
    detector_folder = output / "detector"
    if detector_folder.exists() or (output / "set").exists():
        raise ValueError(
            f"output: {output} holds a training already; give a new folder, or score_only=true"
        )

    # 1. Everything that can be wrong is wrong before the long part: weights, labels, splits.
    import_ultralytics(output / "ultralytics" / "home")
    torch.manual_seed(cfg.seed)
    network = start_network(config, cfg.width, Path(cfg.init) if cfg.init else None)
    sources = list(image_sources(cfg))
    counts = write_yolo_set(chain(*sources), output / "set", config.names[0], config.segmentation)
    log.info("images by split and origin: %s", {k: dict(v) for k, v in counts.items()})

    # 2. Train.
    start = time.monotonic()
    data = output / "set" / "data.yaml"

    epochs = 0

    def keep(so_far: nn.Module) -> None:
        # A run that is stopped leaves what it had.
        nonlocal epochs
        epochs += 1
        (output / "last_epoch").mkdir(exist_ok=True)
        write_detector(output / "last_epoch", so_far, config)

    network = train_network(network, config, data, output, settings, cfg.seed, keep)
    minutes = (time.monotonic() - start) / 60

    # 3. Save.
    detector_folder.mkdir()
    write_detector(detector_folder, network, config)
    facts = {
        "task": config.task,
        "seed": cfg.seed,
        # A folder's place is nobody's business who gets the card.
        "started from": "/".join(Path(cfg.init).parts[-2:]) if cfg.init else "random weights",
        "data": ", ".join(
            f"{number} {origin} images" for origin, number in counts["train"].items()
        ),
        "training": f"{epochs} epochs, batch {settings.batch_size}, "
        f"{config.image_size} pixels, {minutes:.0f} min, {settings.device}",
        "trained with": "ultralytics (AGPL-3.0)",
    }
    write_json(output / FACTS_NAME, facts)


def _score(cfg: DictConfig, output: Path) -> Path:
    """Load the detector of a run, score it, and write its card; return its folder.

    Raises:
        FileNotFoundError: if the run holds no finished detector.
    """
    folder, facts_file = output / "detector", output / FACTS_NAME
    if not facts_file.is_file():
        raise FileNotFoundError(
            f"output: {output} holds no finished training; score_only=true scores one again"
        )
    facts = json.loads(facts_file.read_text(encoding="utf-8"))
    detector = YoloDetector(folder, cfg.confidence)
    with (output / "set" / "images.csv").open(newline="", encoding="utf-8") as file:
        splits = {row["split"] for row in csv.DictReader(file)}
    split = "test" if "test" in splits else "val"
    scores = score_split(detector, output / "set", split)
    facts["scored on"] = (
        f"{split} images of other subjects, least score {cfg.confidence}, weights as stored "
        "(float16)"
    )
    table = {
        f"{name} ({origin}, {one.images} images)": getattr(one, name)
        for origin, one in scores.items()
        for name in ("accuracy", "mean_iou", "mean_iou_found", "false_alarms")
    }
    write_model_card(
        folder, TITLES[cfg.task.name], facts, table, licence="agpl-3.0", library="ultralytics"
    )
    for origin, one in scores.items():
        log.info("%s: accuracy %.3f, mean IoU %.3f", origin, one.accuracy, one.mean_iou)
    log.info("the detector is in %s", folder)
    return folder


def image_sources(cfg: DictConfig) -> Iterator[Any]:
    """Yield the rendered images and the user's, whichever are asked for.

    Raises:
        ValueError: if there are neither.
    """
    check_number("rendered.subjects", cfg.rendered.subjects, 0, 1_000_000)
    if cfg.data.images is None and not cfg.rendered.subjects:
        raise ValueError(
            "rendered.subjects: expected at least 1 with data=rendered, got 0; there would be "
            "nothing to train on"
        )
    if cfg.data.images is not None:
        yield instantiate(cfg.data.images)
    if cfg.rendered.subjects:
        settings = dict(cfg.rendered)
        stride = settings.pop("stride")
        clips: Any = SyntheticClips(**settings)
        yield RenderedImages(clips, cfg.task.name, stride)


def score_split(detector: YoloDetector, folder: Path, split: str) -> dict[str, DetectionScores]:
    """Score a detector on one split of a written set, each origin apart.

    Writes ``scores.csv`` with one row an image beside the set.
    """
    with (folder / "images.csv").open(newline="", encoding="utf-8") as file:
        cells = [
            {key: from_cell(cell) for key, cell in row.items()} for row in csv.DictReader(file)
        ]
    rows = {row["name"]: row for row in cells}
    written = YoloImages(folder, detector.config.task, subject="(?P<subject>.*)", origin="")
    images = []
    for image in written:
        row = rows[Path(str(image.pixels)).stem]
        if image.split == split:
            images.append(
                dataclasses.replace(
                    image, name=row["name"], subject=row["subject"], origin=row["origin"]
                )
            )
    scored = score_images(detector, images)
    lines = [list(scored[0]), *(list(row.values()) for row in scored)]
    (folder.parent / "scores.csv").write_text(csv_text(lines), encoding="utf-8", newline="")
    return summarise(scored)


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, DetectionScores]:
    """Return the scores of each origin, from the rows of ``score_images``."""
    origins = sorted({row["origin"] for row in rows})
    return {
        origin: detection_scores(
            [row["iou"] for row in rows if row["origin"] == origin],
            [row["occupied"] for row in rows if row["origin"] == origin],
        )
        for origin in origins
    }


@entry_point("train_detector", "detector")
def main(cfg: DictConfig) -> None:
    """Run ``train_detector`` with the composed configuration."""
    train_detector(cfg)


register_resolvers()

if __name__ == "__main__":
    main()
