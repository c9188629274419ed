"""Train the three small detectors that ship, and score them on rendered and on real faces.

    DIFFMVR_SHARED=FOLDER python experiments/detectors.py

Beside rendered clips they are trained on the faces of FOLDER/data/faces/*.mp4 with rendered hands,
tubes and blankets composited over them: some people for training, others for scoring.  The
recordings are not ours to pass on: images made of them stay in ``--work``, outside the repository.
What is in there already is not made again, so a run that was stopped goes on.
"""

import argparse
import csv
import logging
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from weight_sums import write_sums

from diffmvr.cli import run_cli
from diffmvr.config import weights_dir
from diffmvr.data.detection_set import LabelledImage, label_clip, write_yolo_set
from diffmvr.data.synthetic import OCCLUDER_KINDS, composite_occluder
from diffmvr.landmarker_bundle import SHARED_VARIABLE, find_landmarker_bundle
from diffmvr.preprocessing.crop import CropTransform, square_region
from diffmvr.preprocessing.face import track_from_landmarks
from diffmvr.preprocessing.landmarks import FaceLandmarker
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.structures import Clip, FaceTrack, UInt8Array
from diffmvr.text import as_cells, from_cell
from diffmvr.train_detector import FACTS_NAME, summarise

log = logging.getLogger("detectors")

TRAINING_PEOPLE = ("d0", "d10", "d12", "d19", "s18")
HELD_OUT_PEOPLE = ("d3", "d9", "d11", "s29")
SIDE = 256
"""Side of the squares cut around real faces, in pixels."""

TAKES = 24
TAKE_FRAMES = 4
"""Of each recording, 24 times four frames, each with an occluder of its own; short ones give some
frames twice."""

TRAINING = {
    "occluder_seg": (192, ("training.epochs=80", "init=null")),
    "occluder": (192, ("training.epochs=10", "training.learning_rate=1.0e-3")),
    "face": (160, ("training.epochs=40", "init=null")),
}
"""Image size and settings of each; the boxes of occluders start from the outlines' network."""

RENDERED = (
    "rendered.subjects=130",
    "rendered.num_frames=10",
    "rendered.stride=3",
    "rendered.size=192",
)


def takes_of(video: Path) -> Iterator[tuple[UInt8Array, FaceTrack]]:
    """Yield a few frames at a time, spread over the recording, with the face in them."""
    source = open_frames(video)
    images = [frame.image for frame in source]
    bundle = find_landmarker_bundle(None)
    if bundle is None:
        raise ValueError(f"{SHARED_VARIABLE}: no face_landmarker.task in its models folder")
    landmarker = FaceLandmarker(bundle)
    spread = np.linspace(0, len(images) - 1, TAKES * TAKE_FRAMES).astype(int)
    used = [images[i] for i in spread]
    points = [landmarker.detect(image) for image in used]
    landmarker.close()
    track = track_from_landmarks(points, used[0].shape[:2], sigma=0.1)
    for take in range(TAKES):
        part = slice(take, None, TAKES)
        chosen = np.arange(len(used))[part]
        yield (
            np.stack([used[i] for i in chosen]),
            FaceTrack(
                track.face_box[chosen],
                track.midline[chosen],
                track.similarity[chosen],
                tuple(track.axis_source[i] for i in chosen),
            ),
        )


def hidden_takes(video: Path, whole_frames: bool) -> Iterator[Clip]:
    """Yield takes cut around the face, or whole frames in every other take, partly hidden."""
    rng = np.random.default_rng(zlib.crc32(video.stem.encode()))
    for take, (frames, track) in enumerate(takes_of(video)):
        crop = _whole(frames) if whole_frames and take % 2 else _around_face(rng, frames, track)
        small = np.stack([crop.apply(image) for image in frames])
        boxes = crop.to_crop(track.face_box.reshape(-1, 2, 2)).reshape(-1, 4)
        kind = str(rng.choice(OCCLUDER_KINDS, p=_shares(take)))
        cover = float(rng.uniform(0.1, 0.6 if kind != "tube" else 0.35))
        seed = int(rng.integers(2**31))
        observed, mask, _ = composite_occluder(small, boxes, seed, kind, cover)
        yield Clip(
            clip_id=f"{video.stem}_{take:02d}",
            subject_id=video.stem,
            observed=observed,
            mask=mask,
            track=replace(track, face_box=boxes),
            frames=small,
            frame_index=np.arange(len(small)),
        )


def _shares(take: int) -> list[float]:
    """Hands in five takes of eight, the others in turn."""
    share = dict.fromkeys(OCCLUDER_KINDS, 0.0)
    share[{5: "tube", 6: "blanket", 7: "blanket"}.get(take % 8, "hand")] = 1.0
    return list(share.values())


def _around_face(rng: np.random.Generator, frames: UInt8Array, track: FaceTrack) -> CropTransform:
    """Return a square around the face, of one of many margins and a little off its middle."""
    low, high = track.face_box[:, :2].min(axis=0), track.face_box[:, 2:].max(axis=0)
    side = float(np.max(high - low)) * rng.uniform(1.15, 2.0)
    middle = (low + high) / 2 + rng.uniform(-0.1, 0.1, 2) * side
    return square_region(middle, side, SIDE, frames.shape[1:3])


def _whole(frames: UInt8Array) -> CropTransform:
    """Return the square that holds the whole frame."""
    height, width = frames.shape[1:3]
    middle = (np.array([width, height]) - 1) / 2
    return square_region(middle, max(height, width), SIDE, (height, width))


def write_real_set(videos: Path, task: str, folder: Path) -> None:
    """Write a YOLO set of the recordings, split by the lists of people above."""

    def images() -> Iterator[LabelledImage]:
        for split, people in (("train", TRAINING_PEOPLE), ("test", HELD_OUT_PEOPLE)):
            for person in people:
                for clip in hidden_takes(videos / f"{person}.mp4", task == "face"):
                    for image in label_clip(clip, task, 1, "real"):
                        name = image.name.removeprefix("real-")
                        yield replace(image, name=name, split=split)

    folder.mkdir(parents=True)
    write_yolo_set(
        images(),
        folder,
        "face" if task == "face" else "occluder",
        task == "occluder_seg",
        ("train", "test"),
    )


def train(task: str, work: Path, overrides: list[str]) -> Path:
    """Train one detector in a process of its own and return its run's folder."""
    size, settings = TRAINING[task]
    run = work / task
    command = [
        *(sys.executable, "-m", "diffmvr.train_detector", f"task={task}", "data=yolo"),
        f"data.root={work / 'real' / task}",
        "+data.images.origin=real",
        f"task.image_size={size}",
        f"hydra.run.dir={run}",
        *RENDERED,
        *settings,
        *overrides,
    ]
    if task == "occluder":
        command.append(f"init={work / 'occluder_seg' / 'detector'}")
    if (run / FACTS_NAME).is_file():
        log.info("%s is trained already and only scored again", task)
        command.append("score_only=true")
    subprocess.run(command, check=True)
    return run


def collect(runs: dict[str, Path], output: Path) -> pl.DataFrame:
    """Write one row an image and the table of scores; return the table."""
    rows, table = [], []
    for task, run in runs.items():
        with (run / "scores.csv").open(newline="", encoding="utf-8") as file:
            scored = [
                {
                    "task": task,
                    **{key: from_cell(row[key]) for key in ("name", "subject", "origin")},
                    "occupied": row["occupied"] == "True",
                    "iou": float(row["iou"]),
                }
                for row in csv.DictReader(file)
            ]
        rows += scored
        table += [
            {"task": task, "faces": origin, **asdict(scores)}
            for origin, scores in summarise(scored).items()
        ]
    output.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame(table)
    pl.DataFrame(rows).write_parquet(output / "scores.parquet")
    as_cells(frame).write_csv(output / "table.csv", float_precision=4)
    (output / "table.md").write_text(_markdown(table), encoding="utf-8")
    return frame


def _markdown(table: list[dict[str, Any]]) -> str:
    titles = ("accuracy ↑", "mean IoU ↑", "mean IoU of those found ↑", "found ↑", "false alarms ↓")
    head = f"| detector | faces | images (with an object) | {' | '.join(titles)} |\n"
    head += "|---|---|---:" + "|---:" * len(titles) + "|\n"
    lines = [
        f"| {row['task']} | {row['faces']} | {row['images']} ({row['occupied']}) "
        f"| {row['accuracy']:.3f} | {row['mean_iou']:.3f} | {row['mean_iou_found']:.3f} "
        f"| {row['recall']:.3f} | {row['false_alarms']:.3f} |"
        for row in table
    ]
    note = (
        "\n\nHeld-out people. An image is right if the IoU of what was found with the truth is at "
        "least 0.5, or if nothing is there and nothing was found; a miss counts 0 in the mean IoU. "
        "Paper, on its own private images: boxes 0.980 and 0.979, outlines 0.975 and 0.930.\n"
    )
    return head + "\n".join(lines).replace("nan", "–") + note


def ship(runs: dict[str, Path]) -> None:
    """Put the trained detectors into the package."""
    for task, run in runs.items():
        target = weights_dir() / "detectors" / task
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(run / "detector", target)
        write_sums(weights_dir())


@run_cli
def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("outputs/detectors"))
    parser.add_argument("--output", type=Path, default=Path("experiments/results/detectors"))
    parser.add_argument("--ship", action="store_true", help="put the weights into the package")
    parser.add_argument("overrides", nargs="*", help="settings, e.g. rendered.subjects=60")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    shared = os.environ.get(SHARED_VARIABLE)
    if not shared:
        parser.error(f"{SHARED_VARIABLE}: expected the folder that holds data/faces, got nothing")
    work = arguments.work.resolve()
    runs = {}
    for task in TRAINING:
        folder = work / "real" / task
        # Written last.
        if not (folder / "data.yaml").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            write_real_set(Path(shared) / "data" / "faces", task, folder)
        runs[task] = train(task, work, arguments.overrides)
    log.info("%s", collect(runs, arguments.output))
    if arguments.ship:
        ship(runs)


if __name__ == "__main__":
    main()
