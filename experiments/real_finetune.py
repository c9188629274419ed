"""Fine-tune the model that ships on real people: on others, and on a recording's own clear frames.

    DIFFMVR_SHARED=FOLDER python experiments/real_finetune.py

The model has been trained on rendered faces alone.  The recordings of FOLDER/data/faces/*.mp4
become a clip store of 64 × 64 face crops at ten frames per second, and rendered occluders go over
them.  Everybody is scored on the later half of the recordings of four people:

- ``diffmvr``: as it ships;
- ``diffmvr (other people)``: fine-tuned on five other people;
- ``diffmvr (own clear frames)``: for each person, fine-tuned on the earlier half of the same
  recording, as a recording allows whose face is clear at first and hidden later.

No scored frame is in any training.  The store stays in ``--work``, outside the repository: the
recordings are not ours to pass on.
"""

import argparse
import json
import logging
import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import polars as pl
import torch
from detectors import HELD_OUT_PEOPLE, TRAINING_PEOPLE
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig

from diffmvr.baselines import get_restorer
from diffmvr.checks import check_number
from diffmvr.cli import run_cli
from diffmvr.config import config_dir, register_resolvers, weights_dir
from diffmvr.data.datamodule import ClipDataModule
from diffmvr.data.splits import check_disjoint
from diffmvr.data.store_clips import StoreClips
from diffmvr.evaluation.benchmark import (
    AutoencoderCeiling,
    benchmark_table,
    save_table,
    score_restorers,
)
from diffmvr.evaluation.real_face_scores import RealFaceScorer
from diffmvr.landmarker_bundle import SHARED_VARIABLE
from diffmvr.metrics.clip_scores import score_clip
from diffmvr.pipelines.crop_restorer import CropRestorer
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.preprocess import PreprocessSettings, preprocess
from diffmvr.reporting import image_grid, print_table, save_png, save_rows
from diffmvr.runs.facts import machine, model_hash
from diffmvr.structures import Clip, GuideBuilder, Restorer
from diffmvr.training.module import DiffMVRModule

log = logging.getLogger("real_finetune")

MASK_TYPE = "segmentation"
SIZE = 64
FPS = "10"
CLIP_FRAMES = 16
"""1.6 seconds: long enough for a face to change behind the hand."""

BASE = weights_dir() / "diffmvr-tiny"
SHIPPED, OTHERS, OWN = "diffmvr", "diffmvr (other people)", "diffmvr (own clear frames)"
FLOOR = ("telea", "copy_past", "flow", "past_guide")
SHOWN_FRAMES = 6


class Clips:
    """Clips in memory as a source for training."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._clips = clips
        self.subject_ids = [clip.subject_id for clip in clips]
        self.test_people: Sequence[str] = ()
        self.description = "clips in memory"

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> Clip:
        return self._clips[index]


def make_store(faces: Path, people: Sequence[str], folder: Path) -> Path:
    """Make the clip store of some people's recordings; what it has already is not made again.

    Nothing hides the faces in these recordings, so that no detector of occluders is asked.
    """
    recordings = folder / "recordings"
    recordings.mkdir(parents=True, exist_ok=True)
    for person in people:
        link = recordings / f"{person}.mp4"
        if not link.is_symlink():
            link.symlink_to((faces / link.name).resolve(strict=True))
    settings = PreprocessSettings(
        input=str(recordings),
        output=str(folder / "store"),
        mask="none",
        size=SIZE,
        fps=FPS,
        workers=1,
        sheets=False,
    )
    summary = preprocess(settings)
    if summary.failed:
        raise ValueError(f"recordings that could not be used: {summary.failed}")
    return summary.store


def read_clips(store: Path, seed: int) -> list[Clip]:
    """Read every clip with an occluder of its own; another seed is other occluders.

    The names tell the seed: what a name stands for is encoded once in training.
    """
    source = StoreClips(store, CLIP_FRAMES, SIZE, MASK_TYPE, seed)
    clips = (source[index] for index in range(len(source)))
    return [replace(clip, clip_id=f"{clip.clip_id}_{seed}") for clip in clips]


def halves(clips: Sequence[Clip]) -> tuple[list[Clip], list[Clip]]:
    """Return the clips that lie in the earlier half of their recording, and in the later one."""
    earlier, later = [], []
    for subject in dict.fromkeys(clip.subject_id for clip in clips):
        own = [clip for clip in clips if clip.subject_id == subject]
        numbers = np.concatenate([clip.frame_index for clip in own])
        middle = (numbers.min() + numbers.max()) / 2
        earlier += [clip for clip in own if clip.frame_index.max() < middle]
        later += [clip for clip in own if clip.frame_index.min() >= middle]
    return earlier, later


def check_unseen(training: Sequence[Clip], scored: Sequence[Clip]) -> None:
    """Require that no scored frame is trained on.

    Raises:
        ValueError: with the first such frame.
    """
    seen = {(clip.subject_id, int(number)) for clip in training for number in clip.frame_index}
    for clip in scored:
        both = [number for number in clip.frame_index if (clip.subject_id, int(number)) in seen]
        if both:
            raise ValueError(f"frame {both[0]} of {clip.subject_id} is both trained on and scored")


def training_settings(steps: int, rate: float, seed: int, work: Path) -> DictConfig:
    """Return the product's training settings, from the model that ships."""
    register_resolvers()
    overrides = [
        f"model.components.base={BASE}",
        f"model.optimizer.lr={rate}",
        f"model.lr_scheduler.num_warmup_steps={max(1, steps // 10)}",
        f"trainer.max_steps={steps}",
        f"seed={seed}",
        f"paths.output={work}",
    ]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("train", overrides)


def fine_tune(clips: Sequence[Clip], settings: DictConfig, guides: GuideBuilder) -> DiffMVRPipeline:
    """Train the model that ships on some clips."""
    L.seed_everything(settings.seed, workers=True, verbose=False)
    data = ClipDataModule(
        Clips(clips),
        guides,
        batch_frames=settings.data.batch_frames,
        window=settings.data.window,
        fractions=(1.0, 0.0, 0.0),
        seed=settings.seed,
    )
    module: DiffMVRModule = instantiate(settings.model, _convert_="all")
    trainer: L.Trainer = instantiate(
        settings.trainer,
        logger=False,
        callbacks=[instantiate(settings.callbacks.ema)],
        enable_checkpointing=False,
        enable_progress_bar=False,
        limit_val_batches=0,
    )
    trainer.fit(module, datamodule=data)
    if trainer.interrupted:
        raise KeyboardInterrupt
    module.eval()
    pipeline: DiffMVRPipeline = DiffMVRPipeline.from_components(module.components)
    return pipeline


def contact_sheet(clip: Clip, restorers: Sequence[Restorer]) -> Any:
    """Lay out what some restorers make of one clip."""
    hidden = np.flatnonzero(clip.mask.any(axis=(1, 2)))
    picks = hidden[np.linspace(0, len(hidden) - 1, SHOWN_FRAMES).astype(int)]
    rows = [("occluded", clip.observed[picks])]
    rows += [(one.name, one.restore(clip)[picks]) for one in restorers]
    truth = clip.observed if clip.frames is None else clip.frames
    return image_grid([*rows, ("truth", truth[picks])], upscale=2)


def run(arguments: argparse.Namespace, faces: Path) -> pl.DataFrame:
    """Fine-tune in both settings, score, and write what came out; return the score rows."""
    begun = time.monotonic()
    torch.set_num_threads(arguments.threads)
    people = [*arguments.training_people, *arguments.test_people]
    check_disjoint({"training": arguments.training_people, "test": arguments.test_people})
    check_number("--takes", arguments.takes, 1, 1000)
    work: Path = arguments.work.resolve()

    # 1. Who is trained on, and who is scored.
    store = make_store(faces, people, work)
    takes = [clip for seed in range(1, arguments.takes + 1) for clip in read_clips(store, seed)]
    others = [clip for clip in takes if clip.subject_id in arguments.training_people]
    _, scored = halves([c for c in read_clips(store, 0) if c.subject_id in arguments.test_people])
    own, _ = halves([clip for clip in takes if clip.subject_id in arguments.test_people])
    check_unseen([*others, *own], scored)

    # 2. Who competes.
    def settings(steps: int) -> DictConfig:
        return training_settings(steps, arguments.rate, arguments.seed, work)

    guides: GuideBuilder = instantiate(settings(1).guide_builder, _convert_="all")

    def restorer(name: str, pipeline: DiffMVRPipeline) -> Restorer:
        return CropRestorer(pipeline, guides, seed=arguments.seed, name=name)

    shipped = DiffMVRPipeline.from_pretrained(BASE)
    for_all: list[Restorer] = [
        restorer(SHIPPED, shipped),
        restorer(OTHERS, fine_tune(others, settings(arguments.steps), guides)),
        *map(get_restorer, FLOOR),
        AutoencoderCeiling(shipped),
    ]
    log.info("fine-tuned on %d clips of %s", len(others), ", ".join(arguments.training_people))

    # 3. Score each person's clips, and show one.
    landmarks = RealFaceScorer.from_bundle()
    parts = []
    for person in arguments.test_people:
        mine = [clip for clip in own if clip.subject_id == person]
        tuned = restorer(OWN, fine_tune(mine, settings(arguments.own_steps), guides))
        clips = [clip for clip in scored if clip.subject_id == person]
        competing = [*for_all[:2], tuned, *for_all[2:]]
        parts.append(
            score_restorers(
                competing,
                clips,
                arguments.seed,
                MASK_TYPE,
                len(clips),
                (score_clip, landmarks),
            )
        )
        save_png(contact_sheet(clips[0], competing), work / f"{person}.png")
        log.info("%s: %d clips scored, %d trained on", person, len(clips), len(mine))
    rows = pl.concat(parts)
    save_rows(rows, arguments.output / "scores")
    table = benchmark_table(rows, SHIPPED)
    save_table(table, arguments.output)
    print_table(table)
    facts = {
        "command": shlex.join(["python", "experiments/real_finetune.py", *sys.argv[1:]]),
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "machine": machine(),
        "seed": arguments.seed,
        "steps": {"other people": arguments.steps, "own clear frames": arguments.own_steps},
        "learning rate": arguments.rate,
        "takes": arguments.takes,
        "frames a second": int(FPS),
        "training people": arguments.training_people,
        "test people": arguments.test_people,
        "clips": {"other people": len(others), "own clear frames": len(own), "test": len(scored)},
        "base weights": model_hash(BASE),
    }
    (arguments.output / "run.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return rows


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300, help="on the other people (300)")
    parser.add_argument("--own-steps", type=int, default=60, help="on own clear frames (60)")
    parser.add_argument("--rate", type=float, default=1e-4, help="learning rate (1e-4)")
    parser.add_argument("--takes", type=int, default=4, help="occluders over a training clip (4)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (1)")
    parser.add_argument("--training-people", nargs="+", default=list(TRAINING_PEOPLE))
    parser.add_argument("--test-people", nargs="+", default=list(HELD_OUT_PEOPLE))
    parser.add_argument("--work", type=Path, default=Path("outputs/real_finetune"))
    parser.add_argument("--output", type=Path, default=Path("experiments/results/real_finetune"))
    return parser.parse_args(words)


@run_cli
def main() -> None:
    """Fine-tune and score as the command line says."""
    arguments = parse()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # It would introduce itself for every model.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    shared = os.environ.get(SHARED_VARIABLE)
    if not shared:
        raise ValueError(f"{SHARED_VARIABLE}: expected the folder that holds data/faces, got none")
    run(arguments, Path(shared) / "data" / "faces")


if __name__ == "__main__":
    main()
